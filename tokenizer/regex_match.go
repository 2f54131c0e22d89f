package tokenizer

import "unicode/utf8"

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
