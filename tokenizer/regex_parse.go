package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// regexOp is the kind of a node of a parsed expression.
type regexOp uint8

const (
	opEmpty regexOp = iota
	opSet           // one character of a set
	opCat
	opAlt
	opRepeat
	opAhead  // lookahead
	opBehind // lookbehind
	opBegin  // \A
	opEnd    // \z
	opLineBegin
	opLineEnd
	opWordEdge
)

type regexNode struct {
	op         regexOp
	set        runeSet
	subs       []*regexNode
	min, max   int // of a repeat; max -1 is no limit
	lazy       bool
	possessive bool
	not        bool // of an assertion
}

// regexParser reads the syntax that Oniguruma (which Hugging Face uses) and Rust's engines share, as far as tokenizers use it. What it does
// not know is an error: backreferences, conditions, flags other than i.
type regexParser struct {
	s     string
	pos   int
	depth int
}

// Bounds that no tokenizer comes near.
const (
	maxRegex  = 16 << 10 // bytes of an expression
	maxDepth  = 64       // nested groups
	maxRepeat = 1024     // of a counted repeat
)

func parseRegex(s string) (*regexNode, error) {
	if len(s) > maxRegex {
		return nil, fmt.Errorf("an expression of %d bytes is too long", len(s))
	}
	p := &regexParser{s: s}
	n, err := p.alternatives(false)
	if err == nil && p.pos < len(s) {
		err = p.fail("unmatched )")
	}
	return n, err
}

func (p *regexParser) fail(format string, args ...any) error {
	return fmt.Errorf("at byte %d: "+format, append([]any{p.pos}, args...)...)
}

// eat consumes prefix if it stands next.
func (p *regexParser) eat(prefix string) bool {
	if strings.HasPrefix(p.s[p.pos:], prefix) {
		p.pos += len(prefix)
		return true
	}
	return false
}

func (p *regexParser) peek() byte {
	if p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *regexParser) next() rune {
	r, width := utf8.DecodeRuneInString(p.s[p.pos:])
	p.pos += width
	return r
}

func (p *regexParser) alternatives(fold bool) (*regexNode, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("groups nested too deep")
	}
	defer func() { p.depth-- }()
	alt := &regexNode{op: opAlt}
	for {
		cat := &regexNode{op: opCat}
		for p.pos < len(p.s) && p.peek() != '|' && p.peek() != ')' {
			if p.eat("(?i)") {
				fold = true
				continue
			}
			n, err := p.repeated(fold)
			if err != nil {
				return nil, err
			}
			cat.subs = append(cat.subs, n)
		}
		alt.subs = append(alt.subs, cat)
		if !p.eat("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

// repeated reads an atom and its quantifiers.
func (p *regexParser) repeated(fold bool) (*regexNode, error) {
	n, err := p.atom(fold)
	for err == nil {
		r := &regexNode{op: opRepeat, subs: []*regexNode{n}}
		interval := false
		switch {
		case p.eat("*"):
			r.min, r.max = 0, -1
		case p.eat("+"):
			r.min, r.max = 1, -1
		case p.eat("?"):
			r.min, r.max = 0, 1
		case p.peek() == '{':
			if interval, err = p.interval(r); err != nil {
				return nil, err
			} else if !interval {
				return nil, p.fail("{ that is no repeat")
			}
		default:
			return n, nil
		}
		if n.op >= opAhead {
			return nil, p.fail("repeat of an assertion")
		}
		if r.max < 0 && n.nullable() {
			return nil, p.fail("endless repeat of what may be empty")
		}
		if p.eat("?") {
			r.lazy = true
		} else if !interval && p.eat("+") { // after an interval, Oniguruma takes + as another repeat
			if r.possessive = true; n.op != opSet {
				return nil, p.fail("possessive repeat of more than one character")
			}
		}
		n = r
	}
	return nil, err
}

// interval reads {n}, {n,}, {n,m} or {,m}.
func (p *regexParser) interval(r *regexNode) (bool, error) {
	end := strings.IndexByte(p.s[p.pos:], '}')
	if end < 0 {
		return false, nil
	}
	low, high, comma := strings.Cut(p.s[p.pos+1:p.pos+end], ",")
	number := func(s string, def int) (int, error) {
		if s == "" {
			return def, nil
		}
		n, err := strconv.Atoi(s)
		if err == nil && (n < 0 || n > maxRepeat) {
			err = fmt.Errorf("%d times", n)
		}
		return n, err
	}
	if low == "" && high == "" {
		return false, nil
	}
	var err error
	if r.min, err = number(low, 0); err != nil {
		return false, p.fail("repeat: %w", err)
	}
	r.max = r.min
	if comma {
		if r.max, err = number(high, -1); err != nil {
			return false, p.fail("repeat: %w", err)
		}
	}
	if r.max >= 0 && r.max < r.min {
		return false, p.fail("repeat of %d to %d times", r.min, r.max)
	}
	p.pos += end + 1
	return true, nil
}

// atom reads a character, class, group or assertion.
func (p *regexParser) atom(fold bool) (*regexNode, error) {
	switch c := p.peek(); c {
	case '(':
		return p.group(fold)
	case '[':
		set, err := p.class(fold)
		return &regexNode{op: opSet, set: set}, err
	case '.':
		p.pos++
		return &regexNode{op: opSet, set: runeSetOf('\n').negate()}, nil
	case '^':
		p.pos++
		return &regexNode{op: opLineBegin}, nil
	case '$':
		p.pos++
		return &regexNode{op: opLineEnd}, nil
	case '*', '+', '?', '{':
		return nil, p.fail("%q repeats nothing", c)
	case '\\':
		if n := p.anchor(); n != nil {
			return n, nil
		}
		set, err := p.escape(fold)
		return &regexNode{op: opSet, set: set}, err
	}
	set := runeSetOf(p.next())
	if fold {
		set = set.fold()
	}
	return &regexNode{op: opSet, set: set}, nil
}

func (p *regexParser) anchor() *regexNode {
	for _, a := range []struct {
		text string
		node regexNode
	}{
		{`\A`, regexNode{op: opBegin}}, {`\z`, regexNode{op: opEnd}},
		{`\b`, regexNode{op: opWordEdge}}, {`\B`, regexNode{op: opWordEdge, not: true}},
	} {
		if p.eat(a.text) {
			return &a.node
		}
	}
	return nil
}

func (p *regexParser) group(fold bool) (*regexNode, error) {
	n := &regexNode{op: opCat}
	switch {
	case p.eat("(?:"):
	case p.eat("(?i:"):
		fold = true
	case p.eat("(?-i:"):
		fold = false
	case p.eat("(?="):
		n.op = opAhead
	case p.eat("(?!"):
		n.op, n.not = opAhead, true
	case p.eat("(?<="):
		n.op = opBehind
	case p.eat("(?<!"):
		n.op, n.not = opBehind, true
	case strings.HasPrefix(p.s[p.pos:], "(?"), strings.HasPrefix(p.s[p.pos:], "(*"):
		return nil, p.fail("this kind of group is not supported")
	default:
		p.pos++
	}
	sub, err := p.alternatives(fold)
	if err != nil {
		return nil, err
	}
	if !p.eat(")") {
		return nil, p.fail("missing )")
	}
	if n.op == opCat {
		return sub, nil
	}
	n.subs = []*regexNode{sub}
	return n, nil
}

// nullable reports whether the node may match the empty string.
func (n *regexNode) nullable() bool {
	switch n.op {
	case opSet:
		return false
	case opCat:
		for _, s := range n.subs {
			if !s.nullable() {
				return false
			}
		}
		return true
	case opAlt:
		for _, s := range n.subs {
			if s.nullable() {
				return true
			}
		}
		return false
	case opRepeat:
		return n.min == 0 || n.subs[0].nullable()
	}
	return true
}
