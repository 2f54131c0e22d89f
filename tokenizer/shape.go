package tokenizer

// shape is the common form of simple expressions: perhaps one character of a set, then a run of characters of another. Matching it takes no
// backtracking.
type shape struct {
	first *charSet // nil: none
	run   charSet
	max   int // longest run; -1 is no limit
}

// shapeOf recognises the form, or returns nil.
func shapeOf(n *regexNode) *shape {
	if n.op != opCat || len(n.subs) == 0 || len(n.subs) > 2 {
		return nil
	}
	s := &shape{max: 1}
	run := n.subs[len(n.subs)-1]
	if run.op == opRepeat {
		if run.min != 1 || run.lazy || run.possessive {
			return nil
		}
		s.max, run = run.max, run.subs[0]
	}
	if run.op != opSet {
		return nil
	}
	s.run = newCharSet(run.set)
	if len(n.subs) == 2 {
		first := n.subs[0]
		if first.op != opRepeat || first.min != 0 || first.max != 1 || first.lazy || first.possessive || first.subs[0].op != opSet {
			return nil
		}
		c := newCharSet(first.subs[0].set)
		s.first = &c
	}
	return s
}

func (s *shape) find(t text, i int) (lo, hi int) {
	for i < len(t.s) {
		lo = i
		r, width := t.char(i)
		i += width
		if s.first != nil && s.first.has(r) {
			if next, width := t.char(i); width > 0 && s.run.has(next) {
				return lo, s.runEnd(t, i+width)
			}
			if s.run.has(r) { // it is all of the run
				return lo, i
			}
		} else if s.run.has(r) {
			return lo, s.runEnd(t, i)
		}
	}
	return len(t.s), len(t.s)
}

// runEnd ends a run of which one character has been taken.
func (s *shape) runEnd(t text, i int) int {
	for n := 1; n != s.max; n++ {
		r, width := t.char(i)
		if width == 0 || !s.run.has(r) {
			break
		}
		i += width
	}
	return i
}
