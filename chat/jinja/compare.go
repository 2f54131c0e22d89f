package jinja

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// equal is Python's a == b.
func (m *machine) equal(a, b Value) (bool, error) {
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.leave()
	if x, ok := text(a); ok {
		y, ok := text(b)
		return ok && x == y, m.step(min(len(x), len(y)) / 64)
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case *Undefined:
		_, ok := b.(*Undefined)
		return ok, nil
	case List:
		y, ok := b.(List)
		if !ok {
			return false, nil
		}
		return m.equalItems(x, y)
	case Tuple:
		y, ok := b.(Tuple)
		if !ok {
			return false, nil
		}
		return m.equalItems(x, y)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return m.equalDicts(x, y)
	case *Range:
		y, ok := b.(*Range)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	}
	if c, ok := compareNumbers(a, b); ok {
		return c == 0, nil
	}
	return same(a, b), nil
}

func (m *machine) equalItems(x, y []Value) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	for i := range x {
		if eq, err := m.equal(x[i], y[i]); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

func (m *machine) equalDicts(x, y *Dict) (bool, error) {
	for i, k := range x.keys {
		h, _ := hashKey(k)
		j, ok := y.index[h]
		if !ok {
			return false, nil
		}
		if eq, err := m.equal(x.values[i], y.values[j]); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

// same is identity, for the kinds that are compared by it.
func same(a, b Value) bool {
	switch x := a.(type) {
	case List:
		y, ok := b.(List)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	case Tuple:
		y, ok := b.(Tuple)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	}
	switch b.(type) {
	case List, Tuple:
		return false
	}
	return a == b
}

// compareNumbers orders two numbers exactly; it reports false when one is none, or a NaN.
func compareNumbers(a, b Value) (int, bool) {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, okX := integer(a)
	y, okY := integer(b)
	if okX && okY {
		return x.Cmp(y), true
	}
	f, okF := float(a)
	g, okG := float(b)
	switch {
	case !okF || !okG || math.IsNaN(f) || math.IsNaN(g):
		return 0, false
	case okX && !math.IsInf(g, 0):
		return new(big.Float).SetInt(x).Cmp(big.NewFloat(g)), true
	case okY && !math.IsInf(f, 0):
		return big.NewFloat(f).Cmp(new(big.Float).SetInt(y)), true
	case f < g:
		return -1, true
	case f > g:
		return 1, true
	}
	return 0, true
}

// compare computes a op b for the four orderings.
func (m *machine) compare(op string, a, b Value) (bool, error) {
	c, ordered, err := m.order(op, a, b)
	if err != nil || !ordered {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	default:
		return c >= 0, nil
	}
}

// order compares two values as Python does; ordered is false only for a NaN.
func (m *machine) order(op string, a, b Value) (c int, ordered bool, err error) {
	if err := m.enter(); err != nil {
		return 0, false, err
	}
	defer m.leave()
	if x, ok := text(a); ok {
		if y, ok := text(b); ok {
			return strings.Compare(x, y), true, m.step(min(len(x), len(y)) / 64)
		}
	}
	if c, ok := compareNumbers(a, b); ok {
		return c, true, nil
	}
	_, numA := float(a)
	_, numB := float(b)
	if numA && numB {
		return 0, false, nil
	}
	x, okX := sequence(a)
	y, okY := sequence(b)
	if okX && okY && typeName(a) == typeName(b) {
		for i := range min(len(x), len(y)) {
			if eq, err := m.equal(x[i], y[i]); err != nil {
				return 0, false, err
			} else if !eq {
				return m.order(op, x[i], y[i])
			}
		}
		return len(x) - len(y), true, nil
	}
	if err := firstUndefined(a, b); err != nil {
		return 0, false, err
	}
	return 0, false, fmt.Errorf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

// contains is Python's item in container.
func (m *machine) contains(container, item Value) (bool, error) {
	if s, ok := text(container); ok {
		sub, ok := text(item)
		if !ok {
			if u, ok := item.(*Undefined); ok {
				return false, u.err()
			}
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		return strings.Contains(s, sub), m.step((len(s) + len(sub)) / 64)
	}
	if v, ok := container.(*View); ok && v.kind == "dict_keys" {
		container = v.dict
	}
	if d, ok := container.(*Dict); ok {
		h, ok := hashKey(item)
		if !ok {
			return false, fmt.Errorf("unhashable type: '%s'", typeName(item))
		}
		_, found := d.index[h]
		return found, nil
	}
	next, err := m.iterate(container)
	if err != nil {
		return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(container))
	}
	for {
		e, ok, err := next()
		if err != nil || !ok {
			return false, err
		}
		if eq, err := m.equal(e, item); err != nil || eq {
			return eq, err
		}
	}
}
