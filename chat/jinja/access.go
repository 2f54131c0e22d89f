package jinja

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// attribute is v.name: an attribute or method first, then an element under that key.
func (m *machine) attribute(v Value, name string) (Value, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	if f, ok, err := m.ownAttribute(v, name); ok || err != nil {
		return f, err
	}
	if d, ok := v.(*Dict); ok {
		if e, ok := d.Get(name); ok {
			return e, nil
		}
	}
	return undefinedIn(v, name), nil
}

// item is v[key]: an element first, then, for a string key, an attribute or method.
func (m *machine) item(v, key Value) (Value, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, u.err()
	}
	if s, ok := key.(sliceValue); ok {
		return m.slice(v, s)
	}
	if d, ok := v.(*Dict); ok {
		if h, ok := hashKey(key); ok {
			if i, ok := d.index[h]; ok {
				return d.values[i], nil
			}
		}
	}
	if i, ok := integer(key); ok {
		if e, ok, err := m.element(v, clampInt(i)); ok || err != nil {
			return e, err
		}
	}
	if name, ok := text(key); ok {
		if f, ok, err := m.ownAttribute(v, name); ok || err != nil {
			return f, err
		}
	}
	return undefinedIn(v, key), nil
}

// element is the element of a sequence at an index, negative ones counted from the end.
func (m *machine) element(v Value, i int) (Value, bool, error) {
	switch v.(type) {
	case string, Markup, List, Tuple, *group, *Range:
	default:
		return nil, false, nil
	}
	n, _ := length(v)
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false, nil
	}
	if items, ok := sequence(v); ok {
		return items[i], true, nil
	}
	if r, ok := v.(*Range); ok {
		return r.at(int64(i)), true, nil
	}
	s, _ := text(v)
	if len(s) == n { // ASCII
		return s[i : i+1], true, nil
	}
	return string([]rune(s)[i]), true, m.alloc(4 * n)
}

// sliceValue is the key of v[start:stop:step].
type sliceValue struct{ start, stop, step Value }

func (m *machine) slice(v Value, s sliceValue) (Value, error) {
	n, ok := length(v)
	_, isSequence := sequence(v)
	r, isRange := v.(*Range)
	if !ok || !isSequence && !isText(v) && !isRange {
		return nil, fmt.Errorf("'%s' object cannot be sliced", typeName(v))
	}
	start, step, count, err := s.resolve(n)
	if err != nil {
		return nil, err
	}
	if err := m.alloc(elementSize * count); err != nil {
		return nil, err
	}
	if isRange {
		first := r.start + int64(start)*r.step
		return newRange(first, first+int64(count)*int64(step)*r.step, int64(step)*r.step), nil
	}
	if t, ok := text(v); ok {
		return m.sliceText(t, n, start, step, count)
	}
	items, _ := sequence(v)
	out := make([]Value, count)
	for i := range out {
		out[i] = items[start+i*step]
	}
	if _, ok := v.(Tuple); ok {
		return Tuple(out), nil
	}
	return List(out), nil
}

func (m *machine) sliceText(t string, n, start, step, count int) (Value, error) {
	if len(t) == n && step == 1 { // ASCII
		return t[min(start, n):min(start+count, n)], nil
	}
	if err := m.alloc(4 * n); err != nil {
		return nil, err
	}
	runes := []rune(t)
	var b strings.Builder
	for i := range count {
		b.WriteRune(runes[start+i*step])
	}
	return b.String(), nil
}

// resolve applies Python's rules for slice bounds over n elements.
func (s sliceValue) resolve(n int) (start, step, count int, err error) {
	bound := func(v Value, def int) int {
		if v == nil || err != nil {
			return def
		}
		i, ok := integer(v)
		if !ok {
			err = fmt.Errorf("slice indices must be integers or None, not %s", typeName(v))
			return def
		}
		return clampInt(i)
	}
	if step = bound(s.step, 1); step == 0 {
		return 0, 0, 0, fmt.Errorf("slice step cannot be zero")
	}
	low, high := 0, n // where start and stop may lie
	first, last := 0, n
	if step < 0 {
		low, high = -1, n-1
		first, last = n-1, -1
	}
	place := func(v Value, def int) int {
		if v == nil {
			return def
		}
		i := bound(v, def)
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	start, stop := place(s.start, first), place(s.stop, last)
	if step > 0 && start < stop {
		count = (stop - start + step - 1) / step
	}
	if step < 0 && start > stop {
		count = (start - stop - step - 1) / -step
	}
	return start, step, count, err
}

// mutators are the methods that the sandbox refuses, by type.
var mutators = map[string]string{
	"list": " append clear pop reverse insert sort extend remove ",
	"dict": " clear pop popitem setdefault update ",
}

// ownAttribute is an attribute or bound method of v, or the undefined value that stands for a forbidden one.
func (m *machine) ownAttribute(v Value, name string) (Value, bool, error) {
	if o, ok := v.(object); ok {
		return o.attr(name)
	}
	t := typeName(v)
	if strings.Contains(mutators[t], " "+name+" ") || strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
		return &Undefined{hint: fmt.Sprintf("access to attribute %s of '%s' object is unsafe.", quote(name), t)}, true, nil
	}
	method, ok := m.template.lib.methods[t][name]
	if !ok {
		return nil, false, nil
	}
	return &Func{name: name, fn: func(m *machine, a *args) (Value, error) {
		a.fn = name
		return method(m, v, a)
	}}, true, nil
}

// method is a built-in method or a filter: it works on v.
type method func(m *machine, v Value, a *args) (Value, error)

func dictView(kind string) method {
	return func(m *machine, v Value, a *args) (Value, error) { return &View{kind, v.(*Dict)}, a.end() }
}

func dictGet(m *machine, v Value, a *args) (Value, error) {
	key, def := a.need("key"), a.value("default", nil)
	if err := a.end(); err != nil {
		return nil, err
	}
	d := v.(*Dict)
	h, ok := hashKey(key)
	if !ok {
		return nil, fmt.Errorf("unhashable type: '%s'", typeName(key))
	}
	if i, ok := d.index[h]; ok {
		return d.values[i], nil
	}
	return def, nil
}

func copyValue(m *machine, v Value, a *args) (Value, error) { return v, a.end() }

func sequenceIndex(m *machine, v Value, a *args) (Value, error) {
	want := a.need("value")
	if err := a.end(); err != nil {
		return nil, err
	}
	items, _ := sequence(v)
	for i, e := range items {
		if eq, err := m.equal(e, want); err != nil {
			return nil, err
		} else if eq {
			return int64(i), nil
		}
	}
	return nil, fmt.Errorf("value is not in %s", typeName(v))
}

func sequenceCount(m *machine, v Value, a *args) (Value, error) {
	want := a.need("value")
	if err := a.end(); err != nil {
		return nil, err
	}
	n := int64(0)
	items, _ := sequence(v)
	for _, e := range items {
		eq, err := m.equal(e, want)
		if err != nil {
			return nil, err
		}
		if eq {
			n++
		}
	}
	return n, nil
}

func newRange(start, stop, step int64) *Range {
	r := &Range{start: start, stop: stop, step: step}
	if step > 0 && start < stop {
		r.n = (stop-start-1)/step + 1
	}
	if step < 0 && start > stop {
		r.n = (start-stop-1)/-step + 1
	}
	return r
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
