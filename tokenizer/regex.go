package tokenizer

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// regex is an expression that no one has written out by hand. It is matched by backtracking that remembers which states have failed at which
// position; assertions that look further than a character are worked out for all positions in one pass. So the time for a text is linear in
// it (times the length of the expression), whatever the expression.
//
// Alternatives and greedy, lazy and possessive repeats choose as Perl's do.
type regex struct {
	prog    []regexInst
	sets    []charSet
	asserts []*regexNFA
	splits  int
	pool    sync.Pool
}

// charSet is a set of characters with the ASCII ones ready.
type charSet struct {
	ascii [utf8.RuneSelf]bool
	set   runeSet
}

func newCharSet(s runeSet) charSet {
	c := charSet{set: s}
	for r := range c.ascii {
		c.ascii[r] = s.has(rune(r))
	}
	return c
}

func (c *charSet) has(r rune) bool {
	if uint32(r) < utf8.RuneSelf {
		return c.ascii[r]
	}
	return r >= 0 && c.set.has(r)
}

type instOp uint8

const (
	instSet    instOp = iota // one character of set arg, then x
	instSplit                // x, else y; arg numbers it
	instJump                 // x
	instRun                  // as many characters of set arg as there are, up to y (-1: all), then x
	instAssert               // the assertion holds, then x
	instMatch
)

type regexInst struct {
	op   instOp
	arg  int32
	x, y int32
	kind regexOp // of an assertion
	not  bool
}

// maxProg bounds a compiled expression, counted repeats written out.
const maxProg = 4000

// compileRegex compiles a parsed expression.
func compileRegex(n *regexNode) (*regex, error) {
	re := &regex{}
	if err := re.compile(n); err != nil {
		return nil, err
	}
	re.emit(regexInst{op: instMatch})
	return re, nil
}

func (re *regex) emit(i regexInst) int32 {
	re.prog = append(re.prog, i)
	return int32(len(re.prog) - 1)
}

func (re *regex) addSet(s runeSet) int32 {
	re.sets = append(re.sets, newCharSet(s))
	return int32(len(re.sets) - 1)
}

// next is the address of the instruction after the one being emitted.
func (re *regex) next() int32 { return int32(len(re.prog) + 1) }

func (re *regex) split() int32 {
	re.splits++
	return re.emit(regexInst{op: instSplit, arg: int32(re.splits - 1)})
}

// compile emits code that runs on to the instruction after it.
func (re *regex) compile(n *regexNode) error {
	if len(re.prog) > maxProg {
		return fmt.Errorf("the expression is too large")
	}
	switch n.op {
	case opSet:
		re.emit(regexInst{op: instSet, arg: re.addSet(n.set), x: re.next()})
	case opCat:
		for _, s := range n.subs {
			if err := re.compile(s); err != nil {
				return err
			}
		}
	case opAlt:
		return re.compileAlt(n)
	case opRepeat:
		return re.compileRepeat(n)
	case opAhead, opBehind:
		return re.compileLook(n)
	default:
		re.emit(regexInst{op: instAssert, kind: n.op, not: n.not, x: re.next()})
	}
	return nil
}

func (re *regex) compileAlt(n *regexNode) error {
	var jumps []int32
	for i, s := range n.subs {
		last := i == len(n.subs)-1
		var at int32
		if !last {
			at = re.split()
			re.prog[at].x = at + 1
		}
		if err := re.compile(s); err != nil {
			return err
		}
		if !last {
			jumps = append(jumps, re.emit(regexInst{op: instJump}))
			re.prog[at].y = int32(len(re.prog))
		}
	}
	for _, j := range jumps {
		re.prog[j].x = int32(len(re.prog))
	}
	return nil
}

func (re *regex) compileRepeat(n *regexNode) error {
	sub := n.subs[0]
	for range n.min {
		if err := re.compile(sub); err != nil {
			return err
		}
	}
	if n.possessive {
		limit := int32(-1)
		if n.max >= 0 {
			limit = int32(n.max - n.min)
		}
		re.emit(regexInst{op: instRun, arg: re.addSet(sub.set), x: re.next(), y: limit})
		return nil
	}
	branch := func(at, in, out int32) {
		if re.prog[at].x, re.prog[at].y = in, out; n.lazy {
			re.prog[at].x, re.prog[at].y = out, in
		}
	}
	if n.max < 0 {
		at := re.split()
		if err := re.compile(sub); err != nil {
			return err
		}
		re.emit(regexInst{op: instJump, x: at})
		branch(at, at+1, int32(len(re.prog)))
		return nil
	}
	var splits []int32
	for range n.max - n.min {
		splits = append(splits, re.split())
		if err := re.compile(sub); err != nil {
			return err
		}
	}
	for _, at := range splits {
		branch(at, at+1, int32(len(re.prog)))
	}
	return nil
}

// compileLook emits a look at one character as such, any other as a number of a precomputed assertion.
func (re *regex) compileLook(n *regexNode) error {
	sub := n.subs[0]
	for sub.op == opCat && len(sub.subs) == 1 {
		sub = sub.subs[0]
	}
	inst := regexInst{op: instAssert, kind: n.op, not: n.not, y: -1}
	if sub.op == opSet {
		inst.arg = re.addSet(sub.set)
	} else {
		nfa, err := newRegexNFA(sub, n.op == opAhead)
		if err != nil {
			return err
		}
		re.asserts = append(re.asserts, nfa)
		inst.y = int32(len(re.asserts) - 1)
	}
	inst.x = re.next()
	re.emit(inst)
	return nil
}

// regexMatcher is a regex at work on one text.
type regexMatcher struct {
	re     *regex
	s      string
	stack  []regexFrame
	failed bitPages // bit for each split and position
	run    []span   // for each instRun, the last run it found
	truth  [][]uint64
}

type regexFrame struct {
	pc, pos int32
	second  bool
}

// on readies a matcher for a text.
func (re *regex) on(s string) *regexMatcher {
	m, _ := re.pool.Get().(*regexMatcher)
	if m == nil {
		m = &regexMatcher{re: re, run: make([]span, len(re.prog)), truth: make([][]uint64, len(re.asserts))}
	}
	m.s = s
	m.failed.reset(re.splits * (len(s) + 1))
	clear(m.run)
	clear(m.truth)
	return m
}

// done gives the matcher back.
func (m *regexMatcher) done() {
	m.s = ""
	if len(m.failed.used) <= 16 && cap(m.stack) <= 1<<16 {
		m.re.pool.Put(m)
	}
}

// find is the finder of a text. It leaves out an empty match at the end.
func (m *regexMatcher) find(_ text, i int) (lo, hi int) {
	for ; i < len(m.s); i++ {
		if !utf8.RuneStart(m.s[i]) {
			continue
		}
		if e := m.match(i); e >= 0 {
			return i, e
		}
	}
	return len(m.s), len(m.s)
}

// match returns the end of the match at start, or -1.
func (m *regexMatcher) match(start int) int {
	stack := m.stack[:0]
	defer func() { m.stack = stack[:0] }()
	n := len(m.s) + 1
	pc, pos := int32(0), start
	for {
		ok := true
		switch in := &m.re.prog[pc]; in.op {
		case instMatch:
			return pos
		case instJump:
			pc = in.x
		case instSet:
			r, width := m.at(pos)
			if ok = width > 0 && m.re.sets[in.arg].has(r); ok {
				pos += width
				pc = in.x
			}
		case instRun:
			pos = m.runFrom(pc, pos)
			pc = in.x
		case instAssert:
			if ok = m.holds(in, pos) != in.not; ok {
				pc = in.x
			}
		case instSplit:
			if m.failed.has(int(in.arg)*n + pos) {
				ok = false
			} else {
				stack = append(stack, regexFrame{pc, int32(pos), false})
				pc = in.x
			}
		}
		for !ok { // go back to the last choice
			if len(stack) == 0 {
				return -1
			}
			f := &stack[len(stack)-1]
			if !f.second {
				f.second, ok = true, true
				pc, pos = m.re.prog[f.pc].y, int(f.pos)
				continue
			}
			m.failed.set(int(m.re.prog[f.pc].arg)*n + int(f.pos))
			stack = stack[:len(stack)-1]
		}
	}
}

func (m *regexMatcher) at(pos int) (rune, int) { return text{s: m.s}.char(pos) }

func (m *regexMatcher) before(pos int) (rune, int) {
	if pos == 0 {
		return -1, 0
	}
	return utf8.DecodeLastRuneInString(m.s[:pos])
}

// runFrom ends a possessive run. Within the last run found, an unlimited one ends where that did.
func (m *regexMatcher) runFrom(pc int32, pos int) int {
	in := &m.re.prog[pc]
	last := &m.run[pc]
	if in.y < 0 && last.lo <= pos && pos < last.hi {
		return last.hi
	}
	end := pos
	for n := int32(0); n != in.y; n++ {
		r, width := m.at(end)
		if width == 0 || !m.re.sets[in.arg].has(r) {
			break
		}
		end += width
	}
	*last = span{lo: pos, hi: end}
	return end
}

// holds tells whether an assertion, its negation left aside, is true at pos.
func (m *regexMatcher) holds(in *regexInst, pos int) bool {
	switch in.kind {
	case opAhead, opBehind:
		if in.y >= 0 {
			if m.truth[in.y] == nil {
				m.truth[in.y] = m.re.asserts[in.y].everywhere(m.s)
			}
			return m.truth[in.y][pos/64]>>(pos%64)&1 != 0
		}
		r, width := m.at(pos)
		if in.kind == opBehind {
			r, width = m.before(pos)
		}
		return width > 0 && m.re.sets[in.arg].has(r)
	case opBegin:
		return pos == 0
	case opEnd:
		return pos == len(m.s)
	case opLineBegin:
		return pos == 0 || m.s[pos-1] == '\n'
	case opLineEnd:
		return pos == len(m.s) || m.s[pos] == '\n'
	}
	before, _ := m.before(pos) // opWordEdge
	after, _ := m.at(pos)
	words := wordSet()
	return words.has(before) != words.has(after)
}

// bitPages is a large set of numbers, most of which are never entered.
type bitPages struct {
	pages [][]uint64
	used  []int // pages in use
	free  [][]uint64
}

const pageBits = 1 << 12

func (b *bitPages) reset(size int) {
	for _, i := range b.used {
		clear(b.pages[i])
		b.free = append(b.free, b.pages[i])
		b.pages[i] = nil
	}
	b.used = b.used[:0]
	n := (size + pageBits - 1) / pageBits
	if cap(b.pages) < n {
		b.pages = make([][]uint64, n)
	}
	b.pages = b.pages[:n]
}

func (b *bitPages) has(i int) bool {
	p := b.pages[i/pageBits]
	return p != nil && p[i%pageBits/64]>>(i%64)&1 != 0
}

func (b *bitPages) set(i int) {
	p := &b.pages[i/pageBits]
	if *p == nil {
		if last := len(b.free) - 1; last >= 0 {
			*p, b.free = b.free[last], b.free[:last]
		} else {
			*p = make([]uint64, pageBits/64)
		}
		b.used = append(b.used, i/pageBits)
	}
	(*p)[i%pageBits/64] |= 1 << (i % 64)
}
