package jinja

import (
	"fmt"
	"slices"
)

type macroDef struct {
	name                    string
	params                  []param
	body                    []node
	caller, varargs, kwargs bool // the body reads these names
}

type macroStmt struct{ def *macroDef }

func (d *macroStmt) exec(m *machine, s *scope) error {
	s.set(d.def.name, &macro{d.def, s})
	return m.alloc(4 * elementSize)
}

// callStmt is {% call %}: it calls a macro with its own body as the macro caller.
type callStmt struct {
	caller *macroDef
	call   *callExpr
}

func (c *callStmt) exec(m *machine, s *scope) error {
	f, err := m.eval(c.call.f, s)
	if err != nil {
		return err
	}
	a, err := m.arguments(&c.call.args, s)
	if err != nil {
		return err
	}
	a.kw = append(a.kw, keyword{name: "caller", value: &macro{c.caller, s}})
	v, err := m.call(f, a)
	if err != nil {
		return err
	}
	out, err := m.str(v)
	if err != nil {
		return err
	}
	return m.write(out)
}

// macro is a macro with the scope in which it was defined.
type macro struct {
	def *macroDef
	at  *scope
}

func (c *macro) typeName() string { return "Macro" }

func (c *macro) attr(name string) (Value, bool, error) {
	switch name {
	case "name":
		return c.def.name, true, nil
	case "arguments":
		var names Tuple
		for _, p := range c.def.params {
			names = append(names, p.name)
		}
		return names, true, nil
	case "catch_kwargs":
		return c.def.kwargs, true, nil
	case "catch_varargs":
		return c.def.varargs, true, nil
	case "caller":
		return c.def.caller, true, nil
	}
	return nil, false, nil
}

func (c *macro) call(m *machine, a *args) (Value, error) {
	a.fn = "macro '" + c.def.name + "'"
	s := &scope{parent: c.at}
	explicitCaller := slices.ContainsFunc(c.def.params, func(p param) bool { return p.name == "caller" })
	for _, p := range c.def.params {
		if err := c.bind(m, a, s, p); err != nil {
			return nil, err
		}
	}
	if c.def.caller && !explicitCaller {
		s.set("caller", &Undefined{hint: "No caller defined"})
		for i, k := range a.kw {
			if k.name == "caller" {
				s.set("caller", k.value)
				a.kw[i].used = true
			}
		}
	}
	if c.def.kwargs {
		rest := &Dict{}
		for i, k := range a.kw {
			if !k.used {
				rest.Set(k.name, k.value)
				a.kw[i].used = true
			}
		}
		s.set("kwargs", rest)
	}
	if c.def.varargs {
		s.set("varargs", Tuple(a.pos))
		a.pos = nil
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	return m.capture(func() error { return m.run(c.def.body, s) })
}

// bind gives a parameter its argument or default.
func (c *macro) bind(m *machine, a *args, s *scope, p param) error {
	v, ok := a.next(p.name)
	if !ok && p.value != nil {
		var err error
		if v, err = m.eval(p.value, s); err != nil {
			return err
		}
	} else if !ok {
		v = &Undefined{hint: fmt.Sprintf("parameter %s was not provided", quote(p.name))}
	}
	s.set(p.name, v)
	return m.alloc(4 * elementSize)
}
