package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func newFilters() map[string]method {
	filters := textFilters()
	for name, f := range map[string]method{
		"default": filterDefault, "d": filterDefault, "length": filterLength, "count": filterLength, "list": filterList, "first": filterFirst,
		"last": filterLast, "join": filterJoin, "reverse": filterReverse, "items": filterItems, "attr": filterAttr, "map": filterMap,
		"select": selection(false, true), "reject": selection(false, false), "selectattr": selection(true, true),
		"rejectattr": selection(true, false), "sort": filterSort, "dictsort": filterDictsort, "unique": filterUnique, "groupby": filterGroupby,
		"min": extreme("<"), "max": extreme(">"), "sum": filterSum, "batch": filterBatch, "slice": filterSlice, "tojson": filterToJSON,
	} {
		filters[name] = f
	}
	return filters
}

func filterDefault(m *machine, v Value, a *args) (Value, error) {
	def, falsy := a.value("default_value", ""), a.bool("boolean", false)
	if isUndefined(v) || falsy && !truth(v) {
		return def, a.end()
	}
	return v, a.end()
}

func filterLength(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	if n, ok := length(v); ok {
		return int64(n), nil
	}
	if l, ok := v.(*loop); ok {
		n, err := l.length()
		return int64(n), err
	}
	return nil, fmt.Errorf("object of type '%s' has no len()", typeName(v))
}

func filterList(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	all, err := m.collect(v)
	return List(all), err
}

func filterFirst(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	next, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	e, ok, err := next()
	if !ok && err == nil {
		return &Undefined{hint: "No first item, sequence was empty."}, nil
	}
	return e, err
}

func filterLast(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	if _, ok := v.(*Iterator); ok {
		return nil, errors.New("'generator' object is not reversible")
	}
	all, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return &Undefined{hint: "No last item, sequence was empty."}, nil
	}
	return all[len(all)-1], nil
}

func filterJoin(m *machine, v Value, a *args) (Value, error) {
	sep, attr := a.value("d", ""), a.value("attribute", nil)
	if err := a.end(); err != nil {
		return nil, err
	}
	mark, err := m.str(sep)
	if err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	if attr != nil {
		get := path(attr)
		for i := range items {
			if items[i], err = get(m, items[i]); err != nil {
				return nil, err
			}
		}
	}
	return m.join(items, mark)
}

func filterReverse(m *machine, v Value, a *args) (Value, error) {
	if err := a.end(); err != nil {
		return nil, err
	}
	all, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	reverse(all)
	if isText(v) {
		return m.join(all, "")
	}
	if _, ok := v.(*Iterator); ok {
		return List(all), nil
	}
	return iterator(all), nil
}

// iterator is a generator over values already made.
func iterator(items []Value) *Iterator {
	return &Iterator{func() (Value, bool, error) {
		if len(items) == 0 {
			return nil, false, nil
		}
		v := items[0]
		items = items[1:]
		return v, true, nil
	}}
}

func filterItems(m *machine, v Value, a *args) (Value, error) {
	switch d := v.(type) {
	case *Undefined:
		return iterator(nil), a.end()
	case *Dict:
		next, err := m.iterate(&View{"dict_items", d})
		return &Iterator{next}, errors.Join(err, a.end())
	}
	return nil, errors.New("can only get item pairs from a mapping")
}

func filterAttr(m *machine, v Value, a *args) (Value, error) {
	name := a.text("name")
	if err := a.end(); err != nil {
		return nil, err
	}
	if f, ok, err := m.ownAttribute(v, name); ok || err != nil {
		return f, err
	}
	return undefinedIn(v, name), nil
}

// getter reads a part of a value.
type getter func(m *machine, v Value) (Value, error)

// path makes the getter of an attribute path such as "function.name" or 0; nil gives the value itself.
func path(attr Value) getter {
	var parts []Value
	if s, ok := text(attr); ok {
		for p := range strings.SplitSeq(s, ".") {
			if n, rest := leadingInt(p); n >= 0 && rest == "" {
				parts = append(parts, int64(n))
			} else {
				parts = append(parts, p)
			}
		}
	} else if attr != nil {
		parts = []Value{attr}
	}
	return func(m *machine, v Value) (Value, error) {
		var err error
		for _, p := range parts {
			if v, err = m.item(v, p); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
}

// foldCase makes a getter ignore the case of text.
func foldCase(get getter, caseSensitive bool) getter {
	if caseSensitive {
		return get
	}
	return func(m *machine, v Value) (Value, error) {
		v, err := get(m, v)
		if s, ok := text(v); ok {
			return lower(s), m.alloc(len(s))
		}
		return v, err
	}
}

// iterateTrue is iterate for the filters that take any false value as empty.
func (m *machine) iterateTrue(v Value) (nextFunc, error) {
	if !truth(v) {
		v = List(nil)
	}
	return m.iterate(v)
}

// filterMap applies an attribute path or a filter to each element.
func filterMap(m *machine, v Value, a *args) (Value, error) {
	var get getter
	if len(a.pos) == 0 {
		attr, ok := a.next("attribute")
		def := a.value("default", nil)
		if err := a.end(); err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New("map requires a filter argument")
		}
		at := path(attr)
		get = func(m *machine, v Value) (Value, error) {
			e, err := at(m, v)
			if isUndefined(e) && def != nil {
				e = def
			}
			return e, err
		}
	} else {
		name := a.text("filter")
		pos, kw := a.pos, a.kw
		get = func(m *machine, v Value) (Value, error) {
			return m.filter(name, v, &args{pos: pos, kw: slices.Clone(kw)})
		}
	}
	next, err := m.iterateTrue(v)
	if err != nil {
		return nil, err
	}
	return &Iterator{func() (Value, bool, error) {
		e, ok, err := next()
		if err != nil || !ok {
			return nil, false, err
		}
		e, err = get(m, e)
		return e, err == nil, err
	}}, nil
}

// selection makes select, reject, selectattr and rejectattr: the elements for which a test (by default truth) gives want.
func selection(byAttr, want bool) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		get := path(nil)
		if byAttr {
			get = path(a.need("attribute"))
		}
		name, tested := a.next("test")
		testName := ""
		if tested {
			testName = a.toText("test", name)
		}
		if a.err != nil {
			return nil, a.err
		}
		pos, kw := a.pos, a.kw
		next, err := m.iterateTrue(v)
		if err != nil {
			return nil, err
		}
		return &Iterator{func() (Value, bool, error) {
			for {
				e, ok, err := next()
				if err != nil || !ok {
					return nil, false, err
				}
				part, err := get(m, e)
				if err != nil {
					return nil, false, err
				}
				holds := truth(part)
				if tested {
					if holds, err = m.test(testName, part, &args{pos: pos, kw: slices.Clone(kw)}); err != nil {
						return nil, false, err
					}
				}
				if holds == want {
					return e, true, nil
				}
			}
		}}, nil
	}
}
