package jinja

import (
	"errors"
	"unicode"
)

// test is what stands behind "is".
type test func(m *machine, v Value, a *args) (bool, error)

func newTests() map[string]test {
	tests := map[string]test{
		"defined":   simple(func(v Value) bool { return !isUndefined(v) }),
		"undefined": simple(isUndefined),
		"none":      simple(func(v Value) bool { return v == nil }),
		"boolean":   simple(func(v Value) bool { return typeName(v) == "bool" }),
		"true":      simple(func(v Value) bool { b, ok := v.(bool); return ok && b }),
		"false":     simple(func(v Value) bool { b, ok := v.(bool); return ok && !b }),
		"integer":   simple(func(v Value) bool { return typeName(v) == "int" }),
		"float":     simple(func(v Value) bool { return typeName(v) == "float" }),
		"number":    simple(func(v Value) bool { _, ok := float(v); return ok }),
		"string":    simple(isText),
		"mapping":   simple(func(v Value) bool { return typeName(v) == "dict" }),
		"callable":  simple(func(v Value) bool { _, ok := v.(callable); return ok || isUndefined(v) }),
		"escaped":   simple(func(v Value) bool { return typeName(v) == "Markup" }),
		"sequence":  simple(isSequence),
		"iterable":  func(m *machine, v Value, a *args) (bool, error) { _, err := m.iterate(v); return err == nil, a.end() },
		"lower":     printed(func(s string) bool { return casedAs(s, unicode.IsLower) }),
		"upper":     printed(func(s string) bool { return casedAs(s, unicode.IsUpper) }),
		"sameas": func(m *machine, v Value, a *args) (bool, error) {
			return same(v, a.need("other")), a.end()
		},
		"in": func(m *machine, v Value, a *args) (bool, error) {
			seq := a.need("seq")
			if err := a.end(); err != nil {
				return false, err
			}
			return m.contains(seq, v)
		},
		"filter":      registered(func(l *library, name string) bool { _, ok := l.filters[name]; return ok }),
		"test":        registered(func(l *library, name string) bool { _, ok := l.tests[name]; return ok }),
		"odd":         remainder(2, 1),
		"even":        remainder(2, 0),
		"divisibleby": remainder(0, 0),
	}
	for op, names := range map[string][]string{"<": {"lt", "lessthan"}, "<=": {"le"}, ">": {"gt", "greaterthan"}, ">=": {"ge"},
		"==": {"eq", "equalto"}, "!=": {"ne"}} {
		for _, name := range append(names, op) {
			tests[name] = comparison(op)
		}
	}
	return tests
}

func isUndefined(v Value) bool { _, ok := v.(*Undefined); return ok }

func isSequence(v Value) bool {
	switch v.(type) {
	case *View:
		return false
	}
	_, ok := length(v)
	return ok
}

func simple(is func(v Value) bool) test {
	return func(m *machine, v Value, a *args) (bool, error) { return is(v), a.end() }
}

func printed(is func(s string) bool) test {
	return func(m *machine, v Value, a *args) (bool, error) {
		s, err := m.str(v)
		return is(s), errors.Join(err, a.end())
	}
}

func registered(has func(l *library, name string) bool) test {
	return func(m *machine, v Value, a *args) (bool, error) {
		name, _ := text(v)
		return has(m.template.lib, name), a.end()
	}
}

// remainder tests v % by == want; by 0 takes the divisor from the arguments.
func remainder(by, want int64) test {
	return func(m *machine, v Value, a *args) (bool, error) {
		divisor := Value(by)
		if by == 0 {
			divisor = a.need("num")
		}
		if err := a.end(); err != nil {
			return false, err
		}
		r, err := m.binary("%", v, divisor)
		if err != nil {
			return false, err
		}
		return m.equal(r, want)
	}
}

func comparison(op string) test {
	return func(m *machine, v Value, a *args) (bool, error) {
		other := a.need("other")
		if err := a.end(); err != nil {
			return false, err
		}
		return m.relation(op, v, other)
	}
}

// relation computes a op b for the comparison operators.
func (m *machine) relation(op string, a, b Value) (bool, error) {
	switch op {
	case "==":
		return m.equal(a, b)
	case "!=":
		eq, err := m.equal(a, b)
		return !eq, err
	case "in":
		return m.contains(b, a)
	case "not in":
		in, err := m.contains(b, a)
		return !in, err
	}
	return m.compare(op, a, b)
}
