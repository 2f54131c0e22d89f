package jinja

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// expr is a node of an expression.
type expr interface {
	eval(m *machine, s *scope) (Value, error)
}

type (
	constant        struct{ v Value }
	nameExpr        string
	conditionalExpr struct{ then, test, otherwise expr }
	logicExpr       struct {
		left, right expr
		or          bool
	}
	notExpr     struct{ e expr }
	negExpr     struct{ e expr }
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
	}
	arithmeticExpr struct {
		op          string
		left, right expr
	}
	concatExpr   struct{ parts []expr }
	sequenceExpr struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	attrExpr struct {
		of   expr
		name string
	}
	itemExpr  struct{ of, key expr }
	sliceExpr struct{ bounds [3]expr }
	callExpr  struct {
		f    expr
		args callArgs
	}
	filterExpr struct {
		in   expr
		name string
		args callArgs
	}
	testExpr struct {
		in   expr
		name string
		args callArgs
	}
	param struct {
		name  string
		value expr // default of a parameter, value of a keyword argument
	}
	callArgs struct {
		pos            []expr
		kw             []param
		star, starStar expr
	}
)

func (m *machine) eval(e expr, s *scope) (Value, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	v, err := e.eval(m, s)
	m.leave()
	return v, err
}

// eval2 evaluates two operands in order.
func (m *machine) eval2(a, b expr, s *scope) (x, y Value, err error) {
	if x, err = m.eval(a, s); err != nil {
		return nil, nil, err
	}
	y, err = m.eval(b, s)
	return x, y, err
}

func (m *machine) evalAll(list []expr, s *scope) ([]Value, error) {
	if err := m.alloc(elementSize * len(list)); err != nil {
		return nil, err
	}
	out := make([]Value, len(list))
	for i, e := range list {
		v, err := m.eval(e, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (e constant) eval(*machine, *scope) (Value, error) { return e.v, nil }

func (e nameExpr) eval(m *machine, s *scope) (Value, error) { return m.lookup(s, string(e)), nil }

func (e *conditionalExpr) eval(m *machine, s *scope) (Value, error) {
	test, err := m.eval(e.test, s)
	switch {
	case err != nil:
		return nil, err
	case truth(test):
		return m.eval(e.then, s)
	case e.otherwise == nil:
		return &Undefined{hint: "the inline if-expression evaluated to false and no else section was defined."}, nil
	}
	return m.eval(e.otherwise, s)
}

func (e *logicExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.left, s)
	if err != nil || truth(v) == e.or {
		return v, err
	}
	return m.eval(e.right, s)
}

func (e *notExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.e, s)
	return !truth(v), err
}

func (e *negExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.e, s)
	if err != nil {
		return nil, err
	}
	if f, ok := v.(float64); ok {
		return -f, nil
	}
	if i, ok := integer(v); ok {
		return narrow(new(big.Int).Neg(i)), nil
	}
	return nil, wrongType(v, "bad operand type for unary -: '%s'")
}

func (e *compareExpr) eval(m *machine, s *scope) (Value, error) {
	left, err := m.eval(e.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		right, err := m.eval(e.rest[i], s)
		if err != nil {
			return nil, err
		}
		if holds, err := m.relation(op, left, right); err != nil || !holds {
			return false, err
		}
		left = right
	}
	return true, nil
}

func (e *arithmeticExpr) eval(m *machine, s *scope) (Value, error) {
	a, b, err := m.eval2(e.left, e.right, s)
	if err != nil {
		return nil, err
	}
	return m.binary(e.op, a, b)
}

func (e *concatExpr) eval(m *machine, s *scope) (Value, error) {
	parts, err := m.evalAll(e.parts, s)
	if err != nil {
		return nil, err
	}
	return m.join(parts, "")
}

func (e *sequenceExpr) eval(m *machine, s *scope) (Value, error) {
	items, err := m.evalAll(e.items, s)
	if e.tuple {
		return Tuple(items), err
	}
	return List(items), err
}

func (e *dictExpr) eval(m *machine, s *scope) (Value, error) {
	d := &Dict{}
	for i := range e.keys {
		k, v, err := m.eval2(e.keys[i], e.values[i], s)
		if err != nil {
			return nil, err
		}
		if err := m.put(d, k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (e *attrExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	return m.attribute(v, e.name)
}

func (e *itemExpr) eval(m *machine, s *scope) (Value, error) {
	v, key, err := m.eval2(e.of, e.key, s)
	if err != nil {
		return nil, err
	}
	return m.item(v, key)
}

func (e *sliceExpr) eval(m *machine, s *scope) (Value, error) {
	var v [3]Value
	for i, b := range e.bounds {
		if b == nil {
			continue
		}
		var err error
		if v[i], err = m.eval(b, s); err != nil {
			return nil, err
		}
	}
	return sliceValue{v[0], v[1], v[2]}, nil
}

func (e *callExpr) eval(m *machine, s *scope) (Value, error) {
	f, err := m.eval(e.f, s)
	if err != nil {
		return nil, err
	}
	a, err := m.arguments(&e.args, s)
	if err != nil {
		return nil, err
	}
	return m.call(f, a)
}

func (m *machine) call(f Value, a *args) (Value, error) {
	c, ok := f.(callable)
	if !ok {
		if err := firstUndefined(f); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("'%s' object is not callable", typeName(f))
	}
	if fn, ok := f.(*Func); ok {
		a.fn = fn.name
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return c.call(m, a)
}

// arguments evaluates an argument list.
func (m *machine) arguments(e *callArgs, s *scope) (*args, error) {
	pos, err := m.evalAll(e.pos, s)
	if err != nil {
		return nil, err
	}
	a := &args{pos: pos}
	for _, k := range e.kw {
		v, err := m.eval(k.value, s)
		if err != nil {
			return nil, err
		}
		a.kw = append(a.kw, keyword{name: k.name, value: v})
	}
	if e.star != nil {
		v, err := m.eval(e.star, s)
		if err != nil {
			return nil, err
		}
		more, err := m.collect(v)
		if err != nil {
			return nil, err
		}
		a.pos = append(a.pos, more...)
	}
	if e.starStar != nil {
		if err := m.spread(a, e.starStar, s); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// spread adds the keyword arguments of **e.
func (m *machine) spread(a *args, e expr, s *scope) error {
	v, err := m.eval(e, s)
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("argument after ** must be a mapping, not %s", typeName(v))
	}
	if err := m.alloc(4 * elementSize * d.Len()); err != nil {
		return err
	}
	for k, v := range d.All() {
		name, ok := text(k)
		if !ok {
			return errors.New("keywords must be strings")
		}
		if slices.ContainsFunc(a.kw, func(k keyword) bool { return k.name == name }) {
			return fmt.Errorf("got multiple values for keyword argument '%s'", name)
		}
		a.kw = append(a.kw, keyword{name: name, value: v})
	}
	return nil
}

func (e *filterExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.in, s)
	if err != nil {
		return nil, err
	}
	return e.apply(m, s, v)
}

func (e *filterExpr) apply(m *machine, s *scope, v Value) (Value, error) {
	a, err := m.arguments(&e.args, s)
	if err != nil {
		return nil, err
	}
	return m.filter(e.name, v, a)
}

// applyChain puts v through a chain of filters that has no input of its own.
func (m *machine) applyChain(chain expr, s *scope, v Value) (Value, error) {
	f, ok := chain.(*filterExpr)
	if !ok {
		return v, nil
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	v, err := m.applyChain(f.in, s, v)
	if err != nil {
		return nil, err
	}
	return f.apply(m, s, v)
}

func (m *machine) filter(name string, v Value, a *args) (Value, error) {
	f, ok := m.template.lib.filters[name]
	if !ok {
		return nil, fmt.Errorf("no filter named '%s'", name)
	}
	a.fn = name
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return f(m, v, a)
}

func (e *testExpr) eval(m *machine, s *scope) (Value, error) {
	v, err := m.eval(e.in, s)
	if err != nil {
		return nil, err
	}
	a, err := m.arguments(&e.args, s)
	if err != nil {
		return nil, err
	}
	return m.test(e.name, v, a)
}

func (m *machine) test(name string, v Value, a *args) (bool, error) {
	t, ok := m.template.lib.tests[name]
	if !ok {
		return false, fmt.Errorf("no test named '%s'", name)
	}
	a.fn = strings.Clone(name)
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.leave()
	return t(m, v, a)
}
