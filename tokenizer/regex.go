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
