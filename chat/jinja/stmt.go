package jinja

import (
	"errors"
	"fmt"
)

// stmt is a statement of a template; node is one with its line.
type stmt interface {
	exec(m *machine, s *scope) error
}

type node struct {
	line int
	stmt stmt
}

type (
	textStmt  string
	printStmt struct{ e expr }
	ifStmt    struct {
		tests     []expr
		bodies    [][]node
		otherwise []node
	}
	setStmt struct {
		target target
		value  expr
	}
	setBlockStmt struct {
		target  target
		filters expr
		body    []node
	}
	filterStmt struct {
		filters expr
		body    []node
	}
	withStmt struct {
		targets []target
		values  []expr
		body    []node
	}
	blockStmt struct {
		name   string
		scoped bool
	}
	generationStmt struct{ body []node }
	loopControl    struct{ signal error }
)

// target is what an assignment stores to: a name, a namespace's attribute, or several targets at once.
type target struct {
	name, attr string
	parts      []target
	tuple      bool
}

var (
	errBreak    = errors.New("break outside of a loop")
	errContinue = errors.New("continue outside of a loop")
)

// run executes statements and notes the line of the one that failed.
func (m *machine) run(body []node, s *scope) error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.leave()
	for i := range body {
		err := m.step(1)
		if err == nil {
			err = body[i].stmt.exec(m, s)
		}
		if err == nil {
			continue
		}
		if at := (*Error)(nil); err == errBreak || err == errContinue || errors.As(err, &at) {
			return err
		}
		return &Error{body[i].line, err}
	}
	return nil
}

func (t textStmt) exec(m *machine, _ *scope) error { return m.write(string(t)) }

func (p *printStmt) exec(m *machine, s *scope) error {
	v, err := m.eval(p.e, s)
	if err != nil {
		return err
	}
	text, err := m.str(v)
	if err != nil {
		return err
	}
	return m.write(text)
}

func (c *ifStmt) exec(m *machine, s *scope) error {
	for i, test := range c.tests {
		v, err := m.eval(test, s)
		if err != nil {
			return err
		}
		if truth(v) {
			return m.run(c.bodies[i], s)
		}
	}
	return m.run(c.otherwise, s)
}

func (a *setStmt) exec(m *machine, s *scope) error {
	v, err := m.eval(a.value, s)
	if err != nil {
		return err
	}
	return m.assign(s, a.target, v)
}

func (m *machine) assign(s *scope, t target, v Value) error {
	if t.parts != nil {
		return m.unpack(s, t.parts, v)
	}
	if t.attr == "" {
		s.set(t.name, v)
		return m.alloc(4 * elementSize)
	}
	ns, ok := m.lookup(s, t.name).(*Namespace)
	if !ok {
		return errors.New("cannot assign attribute on non-namespace object")
	}
	ns.attrs.Set(t.attr, v)
	return m.alloc(4 * elementSize)
}

func (m *machine) unpack(s *scope, parts []target, v Value) error {
	next, err := m.iterate(v)
	if err != nil {
		return fmt.Errorf("cannot unpack non-iterable %s object", typeName(v))
	}
	for i, part := range parts {
		e, ok, err := next()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("not enough values to unpack (expected %d, got %d)", len(parts), i)
		}
		if err := m.assign(s, part, e); err != nil {
			return err
		}
	}
	if _, ok, err := next(); ok || err != nil {
		return errors.Join(err, fmt.Errorf("too many values to unpack (expected %d)", len(parts)))
	}
	return nil
}

func (a *setBlockStmt) exec(m *machine, s *scope) error {
	text, err := m.capture(func() error { return m.run(a.body, &scope{parent: s}) })
	if err != nil {
		return err
	}
	v, err := m.applyChain(a.filters, s, text)
	if err != nil {
		return err
	}
	return m.assign(s, a.target, v)
}

func (f *filterStmt) exec(m *machine, s *scope) error {
	text, err := m.capture(func() error { return m.run(f.body, &scope{parent: s}) })
	if err != nil {
		return err
	}
	v, err := m.applyChain(f.filters, s, text)
	if err != nil {
		return err
	}
	out, err := m.str(v)
	if err != nil {
		return err
	}
	return m.write(out)
}

func (w *withStmt) exec(m *machine, s *scope) error {
	inner := &scope{parent: s}
	for i, t := range w.targets {
		v, err := m.eval(w.values[i], s)
		if err != nil {
			return err
		}
		if err := m.assign(inner, t, v); err != nil {
			return err
		}
	}
	return m.run(w.body, inner)
}

// exec renders a block in place; there is no inheritance that could replace it. Unless scoped it sees the template's own names only.
func (b *blockStmt) exec(m *machine, s *scope) error {
	for !b.scoped && s.parent != nil {
		s = s.parent
	}
	return m.run(m.template.blocks[b.name], &scope{parent: s})
}

// exec renders the text that a model is trained on. Only what lands in the result itself has a place there.
func (g *generationStmt) exec(m *machine, s *scope) error {
	start := m.out.Len()
	err := m.run(g.body, &scope{parent: s})
	if m.out == m.root {
		m.generated = append(m.generated, Span{start, m.out.Len()})
	}
	return err
}

func (c loopControl) exec(*machine, *scope) error { return c.signal }
