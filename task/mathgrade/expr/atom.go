package expr

import (
	"errors"
	"fmt"
	"strings"
)

// power reads an atom with its exponents, factorials, primes, percent and degree signs.
func (p *parser) power() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	start := p.pos
	n, err := p.atom()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if t.kind != tOp {
			return n, nil
		}
		switch t.text {
		case "^":
			p.take()
			if p.degrees() {
				n = Apply("deg", n)
				continue
			}
			if p.accept("'") {
				n = prime(n)
				continue
			}
			e, err := p.exponent()
			if err != nil {
				return nil, err
			}
			if n.Kind == Matrix && e.Kind == Sym && (e.Name == "T" || e.Name == "top") {
				n = Apply("transpose", n)
			} else {
				n = Power(unwrap(n), e)
			}
		case "!":
			bangs := 0
			for p.accept("!") {
				bangs++
			}
			if bangs == 2 {
				n = Apply("factorial2", n)
			} else {
				if bangs > 5 {
					return nil, ErrTooBig
				}
				for range bangs {
					n = Apply("factorial", n)
				}
			}
		case "'":
			if n.Kind != Sym && n.Kind != Num {
				return nil, errors.New("a prime after what is no name")
			}
			p.take()
			n = prime(n)
		case "%":
			if len(n.Vars()) > 0 && !p.toks[start].free {
				return nil, errors.New("a percent sign after a variable")
			}
			p.take()
			n = Apply("percent", n)
		case "°", "∘":
			p.take()
			n = Apply("deg", n)
		case "_":
			if n, err = p.subscript(n); err != nil {
				return nil, err
			}
		default:
			return n, nil
		}
	}
}

func prime(n *Node) *Node {
	if n.Kind == Num { // 5' is five feet or minutes
		return Apply("unit", n, &Node{Kind: Text, Name: "'"})
	}
	c := *n
	c.Name += "'"
	return &c
}

func (p *parser) degrees() bool {
	is := func(t token) bool {
		return t.kind == tOp && (t.text == "∘" || t.text == "°") || t.kind == tName && t.text == "o" && false
	}
	if is(p.peek()) {
		p.take()
		return true
	}
	if p.isOp("{") && is(p.peekAt(1)) && p.peekAt(2).kind == tOp && p.peekAt(2).text == "}" {
		p.pos += 3
		return true
	}
	return false
}

// exponent reads what stands after ^ ; a^b^c is a^(b^c).
func (p *parser) exponent() (*Node, error) {
	n, err := p.script()
	if err != nil || !p.accept("^") {
		return n, err
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.exponent()
	if err != nil {
		return nil, err
	}
	return Power(n, e), nil
}

// script reads a sub- or superscript: a braced expression or one atom with an optional sign.
func (p *parser) script() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if op := p.peek(); op.kind == tOp && (op.text == "+" || op.text == "-") {
		p.take()
		if !p.operand() { // a one-sided limit
			return Symbol(op.text), nil
		}
		n, err := p.script()
		if err == nil && op.text == "-" {
			n = Negate(n)
		}
		return n, err
	}
	if p.isOp("*") { // the adjoint T^*
		p.take()
		if p.operand() && p.peek().kind == tNum {
			return nil, errors.New("an exponent is missing before *")
		}
		return Symbol("*"), nil
	}
	if t := p.peek(); t.kind == tName && t.text != "oo" && t.text != "I" {
		p.take()
		return Symbol(t.text), nil
	}
	return p.atom()
}

// subscript names a symbol (x_1, S_{ABC}) or gives the base of a numeral (204_5).
func (p *parser) subscript(n *Node) (*Node, error) {
	p.take()
	if n.Kind == Num {
		b, err := p.script()
		if err != nil {
			return nil, err
		}
		return Apply("based", n, b), nil
	}
	s, err := p.rawScript()
	if err != nil {
		return nil, err
	}
	switch {
	case n.Kind == Sym:
		return Symbol(n.Name + "_" + s), nil
	case n.Kind == Call && n.Name == "conj":
		return Symbol("bar" + n.Args[0].Key() + "_" + s), nil
	}
	return nil, errors.New("a subscript after what is no name")
}

// rawScript joins the tokens of a subscript to a name, in normal form.
func (p *parser) rawScript() (string, error) {
	if !p.accept("{") {
		t := p.take()
		if t.kind == tEOF || t.kind == tOp {
			return "", errors.New("a subscript with nothing in it")
		}
		return t.raw(), nil
	}
	var b strings.Builder
	for depth := 1; ; {
		t := p.take()
		if t.kind == tEOF {
			return "", errors.New("a subscript that does not close")
		}
		if t.kind == tOp && t.text == "{" {
			depth++
		}
		if t.kind == tOp && t.text == "}" {
			if depth--; depth == 0 {
				break
			}
		}
		b.WriteString(t.raw())
	}
	if b.Len() == 0 {
		return "", errors.New("an empty subscript")
	}
	return b.String(), nil
}

func (t token) raw() string {
	if t.kind == tNum {
		return t.num.Rat.RatString()
	}
	return t.text
}

func (p *parser) atom() (*Node, error) {
	t := p.take()
	switch t.kind {
	case tNum:
		if b := p.peek(); t.num.Sig == 0 && t.num.Rat.IsInt() && b.kind == tNum && b.space && p.plainFraction() {
			den := p.peekAt(2)
			p.pos += 3
			return Sum(t.num, Quotient(b.num, den.num)), nil
		}
		if b := p.peek(); t.num.Sig == 0 && t.num.Rat.IsInt() && b.kind == tNum && b.num.Sig == 0 && !b.num.Rat.IsInt() && !t.free { // 2½
			p.take()
			return Sum(t.num, b.num), nil
		}
		return t.num, nil
	case tName:
		return p.name(t)
	case tFunc:
		return p.function(t.text)
	case tCmd:
		return p.command(t.text)
	case tText:
		words := t.text
		for p.peek().kind == tText {
			words += " " + p.take().text
		}
		return &Node{Kind: Text, Name: words}, nil
	case tOp:
		return p.bracket(t)
	}
	return nil, errors.New("an expression is missing at the end")
}

// plainFraction looks ahead for "p/q" of integers that ends a term: the fraction of a mixed number such as 1 1/2.
func (p *parser) plainFraction() bool {
	a, slash, b := p.peek(), p.peekAt(1), p.peekAt(2)
	return a.num.Sig == 0 && slash.kind == tOp && slash.text == "/" && b.kind == tNum && b.num.Sig == 0 && b.num.Rat.Sign() > 0
}

// callNames are letters that mean a function when brackets follow.
const callNames = "fghFGHPQ"

func (p *parser) name(t token) (*Node, error) {
	n := Symbol(t.text)
	switch {
	case t.text == "oo":
		return &Node{Kind: Infty}, nil
	case t.text == "I":
		n = Symbol("i")
	case p.integ > 0 && t.text == "d" && (p.peek().kind == tName):
		v, err := p.power()
		if err != nil {
			return nil, err
		}
		return Apply("differential", v), nil
	}
	if t.text == "angle" || t.text == "triangle" || t.text == "square" { // the name of a figure
		s := t.text
		for p.peek().kind == tName {
			s += p.take().text
		}
		return Symbol(s), nil
	}
	for p.isOp("_") || p.isOp("'") {
		if p.accept("'") {
			n = prime(n)
			continue
		}
		var err error
		if n, err = p.subscript(n); err != nil {
			return nil, err
		}
	}
	if p.isOp("(") && (strings.Contains(callNames, t.text[:1]) && len(t.text) == 1 || p.commaInside()) {
		p.take()
		args, _, err := p.inside(")", "]")
		if err != nil {
			return nil, err
		}
		return Apply("@"+n.Name, args...), nil
	}
	return n, nil
}

// commaInside looks whether the bracket that opens next holds a comma on its own level.
func (p *parser) commaInside() bool {
	depth := 0
	for i := 0; ; i++ {
		t := p.peekAt(i)
		if t.kind == tEOF {
			return false
		}
		if t.kind != tOp {
			continue
		}
		switch t.text {
		case "(", "[", "{", `\{`:
			depth++
		case ")", "]", "}", `\}`:
			if depth--; depth == 0 {
				return false
			}
		case ",":
			if depth == 1 {
				return true
			}
		}
	}
}

// inside reads items up to one of the closing brackets.
func (p *parser) inside(closers ...string) (items []*Node, closer string, err error) {
	abs, bar := p.abs, p.noBar
	p.abs, p.noBar = 0, false
	defer func() { p.abs, p.noBar = abs, bar }()
	if items, err = p.items(); err != nil {
		return nil, "", err
	}
	for _, c := range closers {
		if p.accept(c) {
			return items, c, nil
		}
	}
	return nil, "", fmt.Errorf("a bracket does not close before %s", p.peek())
}

func (p *parser) bracket(t token) (*Node, error) {
	switch t.text {
	case "(", "[":
		return p.group(t.text[0], ")", "]")
	case "]": // ]a,b[
		return p.group(']', "[", "]")
	case "⟨":
		return p.group('<', "⟩", ">")
	case "{":
		return p.brace()
	case `\{`:
		return p.set()
	case "|":
		p.abs++
		n, err := p.sum()
		p.abs--
		if err != nil {
			return nil, err
		}
		if !p.accept("|") {
			return nil, errors.New("an absolute value does not close")
		}
		return Apply("abs", n), nil
	case "‖":
		p.abs++
		n, err := p.sum()
		p.abs--
		if err != nil || !p.accept("‖") {
			return nil, errors.New("a norm does not close")
		}
		return Apply("norm", n), nil
	case "⌊":
		return p.fenced("floor", "⌋")
	case "⌈":
		return p.fenced("ceil", "⌉")
	}
	return nil, fmt.Errorf("an expression is missing before %s", t)
}

func (p *parser) fenced(name, closer string) (*Node, error) {
	items, _, err := p.inside(closer)
	if err != nil {
		return nil, err
	}
	if len(items) != 1 {
		return nil, fmt.Errorf("%s of a list", name)
	}
	return Apply(name, items[0]), nil
}

func (p *parser) group(open byte, closers ...string) (*Node, error) {
	items, closer, err := p.inside(closers...)
	if err != nil {
		return nil, err
	}
	if open == '<' {
		closer = ">"
	}
	if len(items) == 1 {
		if n := items[0]; n.Kind != List && (open == '(') == (closer == ")") {
			return n, nil
		}
		return nil, errors.New("brackets that do not match round one item")
	}
	return &Node{Kind: Group, Open: open, Close: closer[0], Args: items}, nil
}

// brace reads {...}: grouping, n choose k, or a set when it holds a list.
func (p *parser) brace() (*Node, error) {
	abs, bar := p.abs, p.noBar
	p.abs, p.noBar = 0, false
	defer func() { p.abs, p.noBar = abs, bar }()
	if p.isOp("}") {
		return nil, errors.New("empty braces")
	}
	items, err := p.items()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"choose", "over"} {
		if t := p.peek(); t.kind == tCmd && t.text == op && len(items) == 1 {
			p.take()
			k, err := p.relation()
			if err != nil {
				return nil, err
			}
			items[0] = Apply(map[string]string{"choose": "binom", "over": "frac"}[op], items[0], k)
		}
	}
	if !p.accept("}") {
		return nil, fmt.Errorf("a brace does not close before %s", p.peek())
	}
	if len(items) == 1 {
		return items[0], nil
	}
	return &Node{Kind: Set, Args: items}, nil
}

// set reads \{...\}: items, or a variable and a condition.
func (p *parser) set() (*Node, error) {
	abs, bar := p.abs, p.noBar
	defer func() { p.abs, p.noBar = abs, bar }()
	if p.accept(`\}`) {
		return &Node{Kind: Set}, nil
	}
	p.abs, p.noBar = 0, true
	items, err := p.items()
	if err != nil {
		return nil, err
	}
	if len(items) == 1 && (p.accept("|") || p.accept(":")) {
		p.noBar = false
		cond, err := p.items()
		if err != nil {
			return nil, err
		}
		items = []*Node{Apply("where", append(items, cond...)...)}
	}
	if !p.accept(`\}`) && !p.accept("}") {
		return nil, fmt.Errorf("a set does not close before %s", p.peek())
	}
	return &Node{Kind: Set, Args: items}, nil
}
