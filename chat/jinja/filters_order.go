package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// sortOrder sorts indices by their keys, stably.
func (m *machine) sortOrder(order []int, keys []Value, reverse bool) error {
	var failed error
	slices.SortStableFunc(order, func(i, j int) int {
		if failed != nil {
			return 0
		}
		c, _, err := m.order("<", keys[i], keys[j])
		failed = err
		if reverse {
			return -c
		}
		return c
	})
	return failed
}

// sorted returns items in the order of their keys.
func (m *machine) sorted(items []Value, key getter, reverse bool) ([]Value, error) {
	keys, order := make([]Value, len(items)), make([]int, len(items))
	for i, e := range items {
		k, err := key(m, e)
		if err != nil {
			return nil, err
		}
		keys[i], order[i] = k, i
	}
	if err := m.sortOrder(order, keys, reverse); err != nil {
		return nil, err
	}
	out := make([]Value, len(items))
	for i, at := range order {
		out[i] = items[at]
	}
	return out, m.alloc(4 * elementSize * len(items))
}

func filterSort(m *machine, v Value, a *args) (Value, error) {
	reverse, caseSensitive, attr := a.bool("reverse", false), a.bool("case_sensitive", false), a.value("attribute", nil)
	if err := a.end(); err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	var keys []getter
	if s, ok := text(attr); ok {
		for part := range strings.SplitSeq(s, ",") {
			keys = append(keys, foldCase(path(part), caseSensitive))
		}
	} else {
		keys = []getter{foldCase(path(attr), caseSensitive)}
	}
	items, err = m.sorted(items, func(m *machine, v Value) (Value, error) {
		key := make(List, len(keys))
		for i, get := range keys {
			var err error
			if key[i], err = get(m, v); err != nil {
				return nil, err
			}
		}
		return key, nil
	}, reverse)
	return List(items), err
}

func filterDictsort(m *machine, v Value, a *args) (Value, error) {
	caseSensitive, by, reverse := a.bool("case_sensitive", false), a.textOr("by", "key"), a.bool("reverse", false)
	if by != "key" && by != "value" {
		a.fail("you can only sort by either \"key\" or \"value\"")
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, wrongType(v, "dictsort needs a mapping, not '%s'")
	}
	items, err := m.collect(&View{"dict_items", d})
	if err != nil {
		return nil, err
	}
	at := int64(0)
	if by == "value" {
		at = 1
	}
	items, err = m.sorted(items, foldCase(path(at), caseSensitive), reverse)
	return List(items), err
}

func filterUnique(m *machine, v Value, a *args) (Value, error) {
	caseSensitive, attr := a.bool("case_sensitive", false), a.value("attribute", nil)
	if err := a.end(); err != nil {
		return nil, err
	}
	next, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	key, seen := foldCase(path(attr), caseSensitive), map[any]bool{}
	return &Iterator{func() (Value, bool, error) {
		for {
			e, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			k, err := key(m, e)
			if err != nil {
				return nil, false, err
			}
			h, ok := hashKey(k)
			if !ok {
				return nil, false, fmt.Errorf("unhashable type: '%s'", typeName(k))
			}
			if !seen[h] {
				seen[h] = true
				return e, true, m.alloc(4 * elementSize)
			}
		}
	}}, nil
}

func filterGroupby(m *machine, v Value, a *args) (Value, error) {
	attr, def, caseSensitive := a.need("attribute"), a.value("default", nil), a.bool("case_sensitive", false)
	if err := a.end(); err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	at := path(attr)
	get := func(m *machine, v Value) (Value, error) {
		e, err := at(m, v)
		if isUndefined(e) && def != nil {
			e = def
		}
		return e, err
	}
	key := foldCase(get, caseSensitive)
	if items, err = m.sorted(items, key, false); err != nil {
		return nil, err
	}
	var groups List
	var last Value
	for i, e := range items {
		k, err := key(m, e)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			eq, err := m.equal(k, last)
			if err != nil {
				return nil, err
			}
			if eq {
				g := groups[len(groups)-1].(*group)
				g.list = append(g.list, e)
				continue
			}
		}
		last = k
		shown, err := get(m, e)
		if err != nil {
			return nil, err
		}
		groups = append(groups, &group{shown, List{e}})
	}
	return groups, nil
}

// group is what groupby yields: a pair that can be unpacked, with names for its parts.
type group struct {
	key  Value
	list List
}

func (g *group) typeName() string { return "tuple" }

func (g *group) attr(name string) (Value, bool, error) {
	switch name {
	case "grouper":
		return g.key, true, nil
	case "list":
		return g.list, true, nil
	}
	return nil, false, nil
}

// extreme makes min and max.
func extreme(op string) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		caseSensitive, attr := a.bool("case_sensitive", false), a.value("attribute", nil)
		if err := a.end(); err != nil {
			return nil, err
		}
		items, err := m.collect(v)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return &Undefined{hint: "No aggregated item, sequence was empty."}, nil
		}
		key := foldCase(path(attr), caseSensitive)
		var best, bestKey Value
		for i, e := range items {
			k, err := key(m, e)
			if err != nil {
				return nil, err
			}
			better := i == 0
			if !better {
				if better, err = m.compare(op, k, bestKey); err != nil {
					return nil, err
				}
			}
			if better {
				best, bestKey = e, k
			}
		}
		return best, nil
	}
}

func filterSum(m *machine, v Value, a *args) (Value, error) {
	attr, sum := a.value("attribute", nil), a.value("start", int64(0))
	if err := a.end(); err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	get := path(attr)
	for _, e := range items {
		if e, err = get(m, e); err != nil {
			return nil, err
		}
		if sum, err = m.binary("+", sum, e); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

func filterBatch(m *machine, v Value, a *args) (Value, error) {
	size, fill := a.toInt("linecount", a.need("linecount")), a.value("fill_with", nil)
	if size < 1 {
		a.fail("linecount %d", size)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	var rows []Value
	for row := range slices.Chunk(items, size) {
		if missing := size - len(row); missing > 0 && fill != nil {
			if err := m.allocTimes(elementSize, missing); err != nil {
				return nil, err
			}
			row = append(slices.Clone(row), slices.Repeat([]Value{fill}, missing)...)
		}
		rows = append(rows, List(row))
	}
	return iterator(rows), nil
}

// filterSlice deals a sequence into a number of runs of nearly equal length.
func filterSlice(m *machine, v Value, a *args) (Value, error) {
	n, fill := a.toInt("slices", a.need("slices")), a.value("fill_with", nil)
	if n < 1 {
		a.fail("%d slices", n)
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	items, err := m.collect(v)
	if err != nil {
		return nil, err
	}
	if err := m.allocTimes(4*elementSize, n); err != nil {
		return nil, err
	}
	size, extra := len(items)/n, len(items)%n
	var rows []Value
	for i := range n {
		k := size
		if i < extra {
			k++
		}
		row := slices.Clone(items[:k])
		items = items[k:]
		if i >= extra && fill != nil {
			row = append(row, fill)
		}
		rows = append(rows, List(row))
	}
	return iterator(rows), nil
}
