package expr

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads one answer: an expression, relation, interval, set, matrix, or a list of them, in LaTeX or plain text.
// Dollar signs and styling commands are skipped. The error says what is wrong; it is ErrTooBig outside the limits.
func Parse(src string) (*Node, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	if len(toks) > 6000 {
		return nil, ErrTooBig
	}
	p := &parser{toks: toks, src: src}
	n, err := p.list()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tEOF {
		return nil, fmt.Errorf("unexpected %s", t)
	}
	return n, nil
}

type parser struct {
	toks  []token
	src   string
	pos   int
	depth int
	abs   int // open | on this bracket level
	integ int // open integrals: d followed by a letter is a differential
	noBar bool
	seps  []string // what parted the items of the list read last
}

func (t token) String() string {
	switch t.kind {
	case tEOF:
		return "end"
	case tNum:
		return "number " + t.num.Rat.RatString()
	}
	return fmt.Sprintf("%q", t.text)
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) peekAt(i int) token {
	if p.pos+i >= len(p.toks) {
		return p.toks[len(p.toks)-1]
	}
	return p.toks[p.pos+i]
}

func (p *parser) take() token {
	t := p.toks[p.pos]
	if p.pos < len(p.toks)-1 {
		p.pos++
	}
	return t
}

func (p *parser) isOp(s string) bool { t := p.peek(); return t.kind == tOp && t.text == s }

func (p *parser) accept(s string) bool {
	if p.isOp(s) {
		p.take()
		return true
	}
	return false
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return ErrTooBig
	}
	return nil
}

func (p *parser) separator() bool {
	t := p.peek()
	return t.kind == tOp && (t.text == "," || t.text == ";" || t.text == "and" || t.text == "or" || t.text == `\\`)
}

// list reads items separated by commas, semicolons, "and" or "or" up to a closing bracket or the end.
func (p *parser) list() (*Node, error) {
	items, err := p.items()
	if err != nil {
		return nil, err
	}
	if len(items) == 1 {
		return items[0], nil
	}
	return &Node{Kind: List, Args: items, Ops: p.seps}, nil
}

// items reads a list; what parts them is appended to seps.
func (p *parser) items() ([]*Node, error) {
	var out []*Node
	var seps []string
	defer func() { p.seps = seps }()
	for {
		n, err := p.relation()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if !p.separator() {
			return out, nil
		}
		sep := p.take()
		if (sep.text == "," || sep.text == ";") && (p.isOp("and") || p.isOp("or")) {
			sep = p.take()
		}
		seps = append(seps, sep.text)
	}
}

var relOps = map[string]bool{"=": true, "<": true, ">": true, "≤": true, "≥": true, "≠": true, "≈": true, "∈": true, "∉": true, "→": true, "≡": true, "⊂": true,
	"⊆": true, "∝": true, "~": true, "∥": true, "⟂": true}

func (p *parser) relation() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.isOp("≈") { // "≈ 3" alone
		p.take()
	}
	first, err := p.ratio()
	if err != nil {
		return nil, err
	}
	n := &Node{Kind: Rel, Args: []*Node{first}}
	for p.peek().kind == tOp && relOps[p.peek().text] {
		n.Ops = append(n.Ops, p.take().text)
		a, err := p.ratio()
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, a)
	}
	if len(n.Args) == 1 {
		return first, nil
	}
	return n, nil
}

func (p *parser) ratio() (*Node, error) {
	first, err := p.sets()
	if err != nil || p.noBar || !p.isOp(":") {
		return first, err
	}
	if first.Kind == Text {
		return nil, errors.New("words before a colon")
	}
	n := &Node{Kind: Ratio, Args: []*Node{first}}
	for p.accept(":") {
		if p.isOp("=") { // a := b
			p.pos--
			p.toks[p.pos] = token{kind: tOp, text: "="}
			p.toks = append(p.toks[:p.pos+1], p.toks[p.pos+2:]...)
			return first, nil
		}
		a, err := p.sets()
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, a)
	}
	return n, nil
}

var setOps = map[string]string{"∪": "union", "∩": "inter", "∖": "minus"}

func (p *parser) sets() (*Node, error) {
	n, err := p.sum()
	for err == nil && p.peek().kind == tOp && setOps[p.peek().text] != "" {
		name := setOps[p.take().text]
		var b *Node
		if b, err = p.sum(); err == nil {
			n = Apply(name, n, b)
		}
	}
	return n, err
}

func (p *parser) sum() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var n *Node
	var err error
	if p.isOp("±") || p.isOp("∓") {
		n = Int(0)
	} else if n, err = p.term(); err != nil {
		return nil, err
	}
	var terms []*Node
	for p.peek().kind == tOp {
		switch op := p.peek().text; op {
		case "+", "-":
			p.take()
			t, err := p.term()
			if err != nil {
				return nil, err
			}
			if op == "-" {
				t = Negate(t)
			}
			if terms == nil {
				terms = append(terms, n)
			}
			terms = append(terms, t)
		case "±", "∓":
			p.take()
			t, err := p.term()
			if err != nil {
				return nil, err
			}
			if terms != nil {
				n, terms = Sum(terms...), nil
			}
			n = Apply(map[string]string{"±": "pm", "∓": "mp"}[op], n, t)
		default:
			if terms != nil {
				return Sum(terms...), nil
			}
			return n, nil
		}
	}
	if terms != nil {
		return Sum(terms...), nil
	}
	return n, nil
}

// term reads factors joined by * / mod or by standing beside each other.
func (p *parser) term() (*Node, error) {
	n, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if n.Kind == Call && n.Name == "unit" && p.operand() {
			return nil, errors.New("mathematics after words")
		}
		if n.Kind == Text && (t.kind != tText && p.operand() || t.kind == tOp && strings.Contains("*/mod", t.text)) {
			return nil, errors.New("words beside mathematics")
		}
		switch {
		case t.kind == tOp && (t.text == "*" || t.text == "/" || t.text == "mod"):
			p.take()
			b, err := p.unary()
			if err != nil {
				return nil, err
			}
			switch t.text {
			case "*":
				n = times(n, b)
			case "/":
				n = Quotient(unwrap(n), unwrap(b))
			default:
				n = Apply("mod", n, b)
			}
		case t.kind == tCmd && t.text == "pmod":
			p.take()
			m, err := p.argument()
			if err != nil {
				return nil, err
			}
			n = Apply("pmod", n, m)
		case t.kind == tText && n.Kind != Text:
			p.take()
			unit := t.text
			for p.peek().kind == tText || p.isOp("^") || p.peek().kind == tNum && p.toks[p.pos-1].text == "^" || p.isOp("/") && p.peekAt(1).kind == tText {
				if u := p.take(); u.kind == tNum {
					unit += u.num.Rat.RatString()
				} else {
					unit += u.text
				}
			}
			n = Apply("unit", n, &Node{Kind: Text, Name: unit})
		case p.operand():
			if t.kind == tNum && p.pos > 0 && p.toks[p.pos-1].kind == tNum && !p.toks[p.pos-1].free {
				return nil, errors.New("a number beside a number")
			}
			b, err := p.power()
			if err != nil {
				return nil, err
			}
			n = p.beside(n, b)
		default:
			return n, nil
		}
	}
}

// beside joins neighbours: 2 1/3 is a mixed number, anything else a product.
func (p *parser) beside(a, b *Node) *Node {
	if b.Kind == Call && (b.Name == "percent" || b.Name == "deg") && isFraction(b.Args[0]) && a.Kind == Num && a.Sig == 0 && a.Rat.IsInt() { // 33 1/3 %
		return Apply(b.Name, p.beside(a, b.Args[0]))
	}
	if a.Kind == Num && a.Sig == 0 && a.Rat.IsInt() && isFraction(b) {
		if a.Rat.Sign() < 0 {
			return Sum(a, Negate(b))
		}
		return Sum(a, b)
	}
	return times(a, b)
}

// isFraction recognises p/q of natural numbers as \frac gives it.
func isFraction(b *Node) bool {
	if b.Kind == Num {
		return b.Sig == 0 && !b.Rat.IsInt()
	}
	return b.Kind == Call && b.Name == "frac" && b.Args[0].Kind == Num && b.Args[1].Kind == Num && b.Args[0].Rat.IsInt() && b.Args[1].Rat.IsInt() &&
		b.Args[0].Rat.Sign() > 0 && b.Args[1].Rat.Sign() > 0
}

func times(a, b *Node) *Node {
	a, b = unwrap(a), unwrap(b)
	if a.Kind == Mul {
		return &Node{Kind: Mul, Args: append(a.Args[:len(a.Args):len(a.Args)], b)}
	}
	return Product(a, b)
}

// unwrap takes {a} as a in a product.
func unwrap(n *Node) *Node {
	if n.Kind == Set && len(n.Args) == 1 {
		return n.Args[0]
	}
	return n
}

func (p *parser) unary() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("-"):
		n, err := p.unary()
		if err != nil {
			return nil, err
		}
		return Negate(n), nil
	case p.accept("+"):
		return p.unary()
	}
	return p.power()
}

// operand reports whether the next token can start a factor.
func (p *parser) operand() bool {
	t := p.peek()
	switch t.kind {
	case tNum, tName, tFunc:
		return true
	case tCmd:
		return !strings.HasPrefix(t.text, "end:") && t.text != "pmod" && t.text != "choose" && t.text != "over"
	case tOp:
		switch t.text {
		case "(", "[", "{", `\{`, "⌊", "⌈", "⟨":
			return true
		case "|":
			return p.abs == 0 && !p.noBar
		case "‖":
			return p.abs == 0
		}
	}
	return false
}
