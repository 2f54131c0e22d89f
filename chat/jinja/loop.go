package jinja

import "errors"

type forStmt struct {
	target          target
	iter, test      expr
	recursive       bool
	body, otherwise []node
}

func (f *forStmt) exec(m *machine, s *scope) error {
	v, err := m.eval(f.iter, s)
	if err != nil {
		return err
	}
	return f.over(m, s, v, 0)
}

// over runs the loop over the elements of v. depth counts the recursive loops around it.
func (f *forStmt) over(m *machine, s *scope, v Value, depth int) error {
	next, err := m.iterate(v)
	if err != nil {
		return err
	}
	l := &loop{next: next, index: -1, depth: depth, size: -1}
	if n, ok := length(v); ok && f.test == nil {
		l.size = n
	}
	if f.test != nil {
		l.next = f.passing(m, s, next)
	}
	if f.recursive {
		l.recurse = func(v Value) (string, error) {
			return m.capture(func() error { return f.over(m, s, v, depth+1) })
		}
	}
	finished := false // as in Jinja2, the else branch runs unless one pass came to the end of the body
	for {
		ok, err := l.advance()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		inner := &scope{parent: s}
		inner.set("loop", l)
		if err := m.assign(inner, f.target, l.current); err != nil {
			return err
		}
		err = m.run(f.body, inner)
		if err != nil && err != errBreak && err != errContinue {
			return err
		}
		finished = finished || err == nil
		if err == errBreak {
			break
		}
	}
	if !finished {
		return m.run(f.otherwise, &scope{parent: s})
	}
	return nil
}

// passing filters the elements by the loop's condition.
func (f *forStmt) passing(m *machine, s *scope, next nextFunc) nextFunc {
	return func() (Value, bool, error) {
		for {
			e, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			inner := &scope{parent: s}
			if err := m.assign(inner, f.target, e); err != nil {
				return nil, false, err
			}
			if v, err := m.eval(f.test, inner); err != nil || truth(v) {
				return e, err == nil, err
			}
		}
	}
}

// loop is the variable of that name inside a for block. It pulls elements only when they are asked for.
type loop struct {
	next              nextFunc
	ahead             []Value // pulled but not yet visited
	index             int     // from 0; -1 before the first
	size              int     // -1: not known
	current, previous Value
	depth             int
	changed           []Value // arguments of the last call of changed()
	recurse           func(v Value) (string, error)
}

func (l *loop) advance() (bool, error) {
	if ok, err := l.peek(); err != nil || !ok {
		return false, err
	}
	l.previous, l.current = l.current, l.ahead[0]
	l.ahead = l.ahead[1:]
	l.index++
	return true, nil
}

// peek makes sure that the next element, if there is one, is in ahead.
func (l *loop) peek() (bool, error) {
	if len(l.ahead) > 0 {
		return true, nil
	}
	v, ok, err := l.next()
	if err == nil && ok {
		l.ahead = append(l.ahead, v)
	}
	return ok, err
}

func (l *loop) length() (int, error) {
	for l.size < 0 {
		v, ok, err := l.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			l.size = l.index + 1 + len(l.ahead)
			break
		}
		l.ahead = append(l.ahead, v)
	}
	return l.size, nil
}

func (l *loop) typeName() string { return "LoopContext" }

func (l *loop) attr(name string) (Value, bool, error) {
	switch name {
	case "index":
		return int64(l.index + 1), true, nil
	case "index0":
		return int64(l.index), true, nil
	case "first":
		return l.index == 0, true, nil
	case "depth":
		return int64(l.depth + 1), true, nil
	case "depth0":
		return int64(l.depth), true, nil
	case "previtem":
		if l.index == 0 {
			return &Undefined{hint: "there is no previous item"}, true, nil
		}
		return l.previous, true, nil
	case "last", "nextitem":
		more, err := l.peek()
		switch {
		case err != nil:
			return nil, false, err
		case name == "last":
			return !more, true, nil
		case !more:
			return &Undefined{hint: "there is no next item"}, true, nil
		}
		return l.ahead[0], true, nil
	case "length", "revindex", "revindex0":
		n, err := l.length()
		if err != nil {
			return nil, false, err
		}
		return int64(map[string]int{"length": n, "revindex": n - l.index, "revindex0": n - l.index - 1}[name]), true, nil
	case "cycle":
		return &Func{name, l.cycle}, true, nil
	case "changed":
		return &Func{name, l.hasChanged}, true, nil
	}
	return nil, false, nil
}

func (l *loop) cycle(m *machine, a *args) (Value, error) {
	if len(a.pos) == 0 {
		return nil, errors.New("no items for cycling given")
	}
	v := a.pos[l.index%len(a.pos)]
	a.pos = nil
	return v, a.end()
}

func (l *loop) hasChanged(m *machine, a *args) (Value, error) {
	same, err := m.equalItems(l.changed, a.pos)
	same = same && l.changed != nil
	l.changed = append([]Value{}, a.pos...)
	return !same, err
}

func (l *loop) call(m *machine, a *args) (Value, error) {
	v := a.need("iterable")
	if err := a.end(); err != nil {
		return nil, err
	}
	if l.recurse == nil {
		return nil, errors.New("the loop must have the 'recursive' marker to be called recursively")
	}
	return l.recurse(v)
}
