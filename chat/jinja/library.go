package jinja

import (
	"errors"
	"fmt"
	"math"
)

// library is what templates can call by name.
type library struct {
	methods map[string]map[string]method // by Python type
	filters map[string]method
	tests   map[string]test
	globals map[string]*Func
}

func newLibrary() *library {
	text := stringMethods()
	return &library{
		methods: map[string]map[string]method{
			"str":    text,
			"Markup": text,
			"list":   {"index": sequenceIndex, "count": sequenceCount, "copy": copyValue},
			"tuple":  {"index": sequenceIndex, "count": sequenceCount},
			"dict": {"get": dictGet, "items": dictView("dict_items"), "keys": dictView("dict_keys"),
				"values": dictView("dict_values"), "copy": copyValue},
			"float": {"is_integer": floatIsInteger},
		},
		filters: newFilters(),
		tests:   newTests(),
		globals: newGlobals(),
	}
}

func floatIsInteger(m *machine, v Value, a *args) (Value, error) {
	f := v.(float64)
	return f == math.Trunc(f) && !math.IsInf(f, 0), a.end()
}

func newGlobals() map[string]*Func {
	all := map[string]*Func{}
	for name, f := range map[string]func(m *machine, a *args) (Value, error){
		"range": globalRange, "dict": globalDict, "namespace": globalNamespace, "cycler": globalCycler, "joiner": globalJoiner,
		"raise_exception": globalRaise, "strftime_now": globalStrftime,
	} {
		all[name] = &Func{name, f}
	}
	return all
}

// maxRange is the longest range that Jinja2's sandbox allows.
const maxRange = 100000

func globalRange(m *machine, a *args) (Value, error) {
	start, stop, step := 0, a.toInt("stop", a.need("stop")), 1
	if v, ok := a.next("stop"); ok {
		start, stop = stop, a.toInt("stop", v)
		step = a.int("step", 1)
	}
	if step == 0 {
		a.fail("step must not be zero")
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	r := newRange(int64(start), int64(stop), int64(step))
	if r.n > maxRange {
		return nil, fmt.Errorf("range too big: more than %d elements", maxRange)
	}
	return r, nil
}

// globalDict is dict(mapping_or_pairs, name=value...).
func globalDict(m *machine, a *args) (Value, error) {
	d := &Dict{}
	if len(a.pos) > 0 {
		from := a.need("mapping")
		if src, ok := from.(*Dict); ok {
			if err := m.alloc(4 * elementSize * src.Len()); err != nil {
				return nil, err
			}
			d = src.clone()
		} else if err := m.addPairs(d, from); err != nil {
			return nil, err
		}
	}
	for i := range a.kw {
		a.kw[i].used = true
		d.Set(a.kw[i].name, a.kw[i].value)
	}
	return d, a.end()
}

func (m *machine) addPairs(d *Dict, from Value) error {
	pairs, err := m.collect(from)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		kv, err := m.collect(p)
		if err != nil {
			return err
		}
		if len(kv) != 2 {
			return fmt.Errorf("dictionary update sequence element has length %d; 2 is required", len(kv))
		}
		if err := m.put(d, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

// put stores a value under any hashable key.
func (m *machine) put(d *Dict, key, v Value) error {
	h, ok := hashKey(key)
	if !ok {
		return fmt.Errorf("unhashable type: '%s'", typeName(key))
	}
	d.put(h, key, v)
	return m.alloc(4 * elementSize)
}

func globalNamespace(m *machine, a *args) (Value, error) {
	d, err := globalDict(m, a)
	if err != nil {
		return nil, err
	}
	return &Namespace{d.(*Dict)}, nil
}

func globalRaise(m *machine, a *args) (Value, error) {
	v := a.need("message")
	if err := a.end(); err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	return nil, &Raised{s}
}

func globalStrftime(m *machine, a *args) (Value, error) {
	format := a.text("format")
	if err := a.end(); err != nil {
		return nil, err
	}
	if m.now == nil {
		return nil, errors.New("strftime_now: this rendering has no clock")
	}
	if err := m.allocTimes(32, len(format)); err != nil {
		return nil, err
	}
	return strftime(m.now(), format), nil
}

// cycler is cycler(a, b, ...): each next() gives the next of its values, over and over.
type cycler struct {
	items []Value
	pos   int
}

func globalCycler(m *machine, a *args) (Value, error) {
	c := &cycler{items: a.pos}
	a.pos = nil
	if len(c.items) == 0 {
		a.fail("at least one item has to be provided")
	}
	return c, a.end()
}

func (c *cycler) typeName() string { return "Cycler" }

func (c *cycler) attr(name string) (Value, bool, error) {
	switch name {
	case "current":
		return c.items[c.pos], true, nil
	case "next":
		return &Func{name, func(m *machine, a *args) (Value, error) {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v, a.end()
		}}, true, nil
	case "reset":
		return &Func{name, func(m *machine, a *args) (Value, error) {
			c.pos = 0
			return nil, a.end()
		}}, true, nil
	}
	return nil, false, nil
}

// joiner is joiner(sep): a call gives nothing the first time and the separator after that.
type joiner struct {
	sep  string
	used bool
}

func globalJoiner(m *machine, a *args) (Value, error) {
	return &joiner{sep: a.textOr("sep", ", ")}, a.end()
}

func (j *joiner) typeName() string                 { return "Joiner" }
func (j *joiner) attr(string) (Value, bool, error) { return nil, false, nil }

func (j *joiner) call(m *machine, a *args) (Value, error) {
	if !j.used {
		j.used = true
		return "", a.end()
	}
	return j.sep, a.end()
}
