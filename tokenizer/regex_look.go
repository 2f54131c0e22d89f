package tokenizer

import (
	"errors"
	"slices"
	"unicode/utf8"
)

// regexNFA answers for every position of a text whether an expression matches there: from there on (lookahead) or up to there (lookbehind).
// It runs over the text once, against the direction of the match, holding all states it could be in.
type regexNFA struct {
	re    *regex
	ahead bool
}

// newRegexNFA compiles the inside of an assertion, for a lookahead in reverse.
func newRegexNFA(n *regexNode, ahead bool) (*regexNFA, error) {
	if n.hasPossessive() {
		return nil, errors.New("a possessive repeat inside an assertion is not supported")
	}
	a := &regexNFA{re: &regex{}, ahead: ahead}
	if ahead {
		n = n.reversed()
	}
	if err := a.re.compile(n); err != nil {
		return nil, err
	}
	a.re.emit(regexInst{op: instMatch})
	return a, nil
}

// reversed matches the same strings read backwards. Assertions stand for a position and stay as they are.
func (n *regexNode) reversed() *regexNode {
	if n.op >= opAhead || n.op == opSet {
		return n
	}
	r := *n
	r.subs = make([]*regexNode, len(n.subs))
	for i, s := range n.subs {
		if n.op == opCat {
			i = len(n.subs) - 1 - i
		}
		r.subs[i] = s.reversed()
	}
	return &r
}

func (n *regexNode) hasPossessive() bool {
	return n.possessive || slices.ContainsFunc(n.subs, (*regexNode).hasPossessive)
}

// everywhere returns a bit for each position.
func (a *regexNFA) everywhere(s string) []uint64 {
	out := make([]uint64, len(s)/64+1)
	m := a.re.on(s) // for the assertions inside
	defer m.done()
	now, then := newStates(len(a.re.prog)), newStates(len(a.re.prog))
	pos := 0
	if a.ahead {
		pos = len(s)
	}
	for {
		a.follow(m, now, 0, pos) // a match may begin at any position
		if now.matched {
			out[pos/64] |= 1 << (pos % 64)
		}
		r, width, end := rune(0), 0, false
		if a.ahead {
			r, width = m.before(pos)
			end = pos == 0
		} else {
			r, width = m.at(pos)
			end = pos == len(s)
		}
		if end {
			return out
		}
		if width == 0 {
			r, width = utf8.RuneError, 1
		}
		if a.ahead {
			pos -= width
		} else {
			pos += width
		}
		then.clear()
		for _, pc := range now.list {
			if in := &a.re.prog[pc]; in.op == instSet && a.re.sets[in.arg].has(r) {
				a.follow(m, then, in.x, pos)
			}
		}
		now, then = then, now
	}
}

// follow adds the states reached from pc without reading.
func (a *regexNFA) follow(m *regexMatcher, st *states, pc int32, pos int) {
	todo := append(st.todo[:0], pc)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if st.in[pc] == st.round {
			continue
		}
		st.in[pc] = st.round
		switch in := &a.re.prog[pc]; in.op {
		case instMatch:
			st.matched = true
		case instJump:
			todo = append(todo, in.x)
		case instSplit:
			todo = append(todo, in.y, in.x)
		case instAssert:
			if m.holds(in, pos) != in.not {
				todo = append(todo, in.x)
			}
		case instSet:
			st.list = append(st.list, pc)
		}
	}
	st.todo = todo
}

// states is a set of program addresses.
type states struct {
	list    []int32
	in      []uint32 // the round in which an address was added
	round   uint32
	matched bool
	todo    []int32
}

func newStates(n int) *states { return &states{in: make([]uint32, n), round: 1} }

func (s *states) clear() {
	s.list = s.list[:0]
	s.matched = false
	if s.round++; s.round == 0 {
		clear(s.in)
		s.round = 1
	}
}
