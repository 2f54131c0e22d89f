package expr

import (
	"errors"
	"fmt"
	"strings"
)

// manyArgs are functions of several arguments; the others take one.
var manyArgs = wordSet(`gcd lcm max min log`)

// aliases maps spellings to the name used in trees.
var aliases = map[string]string{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "arsinh": "arcsinh", "arcosh": "arccosh", "artanh": "arctanh", "asinh": "arcsinh",
	"acosh": "arccosh", "atanh": "arctanh", "sign": "sgn", "conjugate": "conj", "Re": "re", "Im": "im", "Arg": "arg"}

// function reads a function after its name: sub- and superscript, then its argument.
func (p *parser) function(name string) (*Node, error) {
	if a := aliases[name]; a != "" {
		name = a
	}
	if name == "sqrt" || name == "cbrt" {
		return p.root(name)
	}
	var sub, sup *Node
	var err error
	for {
		if p.accept("_") {
			sub, err = p.script()
		} else if p.accept("^") {
			sup, err = p.script()
		} else {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	args, err := p.arguments(name)
	if err != nil {
		return nil, err
	}
	if len(args) > 1 && !manyArgs[name] {
		return nil, fmt.Errorf("%s takes one argument, not %d", name, len(args))
	}
	switch {
	case name == "log" && sub != nil:
		args = append(args, sub)
	case sub != nil && (name == "max" || name == "min"): // max over a set: opaque
		return Apply("@"+name+sub.Key(), args...), nil
	case name == "lg":
		name, args = "log", append(args, Int(10))
	case name == "ln":
		name = "log"
	}
	if sup != nil && sup.IsInt(-1) && isTrig(name) {
		return Apply("arc"+name, args...), nil
	}
	n := Apply(name, args...)
	if sup != nil {
		n = Power(n, sup)
	}
	return n, nil
}

func isTrig(s string) bool {
	switch s {
	case "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh":
		return true
	}
	return false
}

// arguments reads (a, b), {a}, or the factors that follow up to a sign, bracket or the next function.
func (p *parser) arguments(name string) ([]*Node, error) {
	if p.isOp("(") || p.isOp("[") {
		p.take()
		items, _, err := p.inside(")", "]")
		return items, err
	}
	if p.isOp("{") || p.isOp(`\{`) || p.isOp("|") {
		n, err := p.power()
		if err == nil && n.Kind == Set && manyArgs[name] {
			return n.Args, nil
		}
		return []*Node{n}, err
	}
	if !p.operand() {
		return nil, fmt.Errorf("%s without an argument", name)
	}
	n, err := p.power()
	for err == nil && p.operand() && !p.isOp("(") && !p.isOp("[") && p.peek().kind != tFunc && !(p.integ > 0 && p.peek().text == "d") {
		if p.peek().kind == tNum && p.toks[p.pos-1].kind == tNum {
			break
		}
		var b *Node
		if b, err = p.power(); err == nil {
			n = p.beside(n, b)
		}
	}
	return []*Node{n}, err
}

func (p *parser) root(name string) (*Node, error) {
	index := Int(2)
	if name == "cbrt" {
		index = Int(3)
	}
	if name == "sqrt" && p.accept("[") {
		items, _, err := p.inside("]")
		if err != nil || len(items) != 1 {
			return nil, errors.New("a root with a bad index")
		}
		index = items[0]
	}
	a, err := p.argument()
	if err != nil {
		return nil, err
	}
	return Power(a, Power(index, Int(-1))), nil
}

// argument reads a required argument: {expression} or one atom.
func (p *parser) argument() (*Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if !p.operand() {
		return nil, fmt.Errorf("an argument is missing before %s", p.peek())
	}
	n, err := p.atom()
	if err == nil && n.Kind == Set {
		return nil, errors.New("a list where one expression belongs")
	}
	return n, err
}

func (p *parser) command(name string) (*Node, error) {
	switch name {
	case "frac", "dfrac", "tfrac", "cfrac":
		return p.fraction()
	case "binom", "tbinom", "dbinom":
		n, err := p.argument()
		if err != nil {
			return nil, err
		}
		k, err := p.argument()
		return Apply("binom", n, k), err
	case "int", "iint", "oint":
		return p.integral()
	case "sum", "prod":
		return p.series(name)
	case "lim":
		return p.limit()
	case "overline", "bar":
		n, err := p.argument()
		if err != nil {
			return nil, err
		}
		if n.Kind == Mul && segment(n) {
			return n, nil
		}
		return Apply("conj", n), nil
	case "emptyset", "varnothing":
		return &Node{Kind: Set}, nil
	case "overset", "underset", "stackrel":
		if _, err := p.argument(); err != nil {
			return nil, err
		}
		return p.argument()
	}
	if env, ok := strings.CutPrefix(name, "begin:"); ok {
		return p.environment(env)
	}
	return nil, fmt.Errorf(`\%s is not understood`, name)
}

// segment reports a product of capital letters, such as the line AB.
func segment(n *Node) bool {
	for _, a := range n.Args {
		if a.Kind != Sym || a.Name[0] < 'A' || a.Name[0] > 'Z' {
			return false
		}
	}
	return true
}

func (p *parser) fraction() (*Node, error) {
	if v, ok := p.derivative(); ok {
		if p.accept("}") { // \frac{d}{dx} f
			p.pos += len(v) // past {dx}
			return p.differentiate(v[2].text)
		}
	}
	if v := p.fullDerivative(); v != "" { // \frac{d f}{dx}
		p.pos += 2
		body, err := p.relation()
		if err != nil {
			return nil, err
		}
		if !p.accept("}") {
			return nil, errors.New("a fraction does not close")
		}
		p.pos += 4
		return Apply("diff", body, Symbol(v)), nil
	}
	a, err := p.argument()
	if err != nil {
		return nil, err
	}
	b, err := p.argument()
	if err != nil {
		return nil, err
	}
	return Apply("frac", a, b), nil
}

// derivative recognises {d}{dx} ahead; it moves to the first closing brace and returns the tokens {dx}.
func (p *parser) derivative() ([]token, bool) {
	if !(p.isOp("{") && isD(p.peekAt(1)) && p.peekAt(2).text == "}") {
		return nil, false
	}
	t := []token{p.peekAt(3), p.peekAt(4), p.peekAt(5), p.peekAt(6)}
	if t[0].text == "{" && isD(t[1]) && t[2].kind == tName && t[3].text == "}" {
		p.pos += 2
		return t, true
	}
	return nil, false
}

func isD(t token) bool { return t.kind == tName && (t.text == "d" || t.text == "partial") }

// fullDerivative recognises {d ...}{dx} ahead and returns x.
func (p *parser) fullDerivative() string {
	if p.integ > 0 || !(p.isOp("{") && isD(p.peekAt(1))) {
		return ""
	}
	depth := 0
	for i := 0; p.peekAt(i).kind != tEOF; i++ {
		switch p.peekAt(i).text {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				if i > 2 && p.peekAt(i+1).text == "{" && isD(p.peekAt(i+2)) && p.peekAt(i+3).kind == tName && p.peekAt(i+4).text == "}" {
					return p.peekAt(i + 3).text
				}
				return ""
			}
		}
	}
	return ""
}

func (p *parser) differentiate(v string) (*Node, error) {
	if !p.operand() {
		return nil, errors.New("a derivative of nothing")
	}
	n, err := p.power()
	for err == nil && p.operand() {
		var b *Node
		if b, err = p.power(); err == nil {
			n = times(n, b)
		}
	}
	return Apply("diff", n, Symbol(v)), err
}

// bounds reads _lower and ^upper in either order.
func (p *parser) bounds() (lo, hi *Node, err error) {
	for err == nil {
		if p.accept("_") {
			if p.accept("{") {
				if lo, err = p.relation(); err == nil && !p.accept("}") {
					err = errors.New("a lower bound does not close")
				}
			} else {
				lo, err = p.script()
			}
		} else if p.accept("^") {
			hi, err = p.script()
		} else {
			return lo, hi, nil
		}
	}
	return nil, nil, err
}

func (p *parser) integral() (*Node, error) {
	lo, hi, err := p.bounds()
	if err != nil {
		return nil, err
	}
	p.integ++
	body, err := p.sum()
	p.integ--
	if err != nil {
		return nil, err
	}
	var v *Node
	body = body.Map(func(n *Node) *Node {
		if n.Kind == Call && n.Name == "differential" {
			if v == nil {
				v = n.Args[0]
			}
			return Int(1)
		}
		return n
	})
	if v == nil {
		names := body.Vars()
		if len(names) == 0 {
			return nil, errors.New("an integral without a variable")
		}
		v = Symbol(names[len(names)-1])
	}
	if v.Kind != Sym {
		return nil, errors.New("an integral over what is no variable")
	}
	if lo == nil || hi == nil {
		return Apply("antideriv", body, v), nil
	}
	return Apply("int", body, v, lo, hi), nil
}

func (p *parser) series(name string) (*Node, error) {
	lo, hi, err := p.bounds()
	if err != nil {
		return nil, err
	}
	body, err := p.term()
	if err != nil {
		return nil, err
	}
	if lo == nil || hi == nil || lo.Kind != Rel || lo.Ops[0] != "=" || lo.Args[0].Kind != Sym {
		parts := []*Node{body}
		for _, b := range []*Node{lo, hi} {
			if b != nil {
				parts = append(parts, b)
			}
		}
		return Apply("@"+name, parts...), nil
	}
	v := lo.Args[0]
	if constants[v.Name] { // an index called i is no imaginary unit
		v = Symbol(v.Name + " index")
		body = body.Subst(lo.Args[0].Name, v)
	}
	return Apply(name, body, v, lo.Args[1], hi), nil
}

func (p *parser) limit() (*Node, error) {
	lo, _, err := p.bounds()
	if err != nil {
		return nil, err
	}
	if lo == nil || lo.Kind != Rel || lo.Ops[0] != "→" || lo.Args[0].Kind != Sym {
		return nil, errors.New(`a limit needs a variable and a point: \lim_{x \to 0}`)
	}
	body, err := p.term()
	if err != nil {
		return nil, err
	}
	return Apply("lim", body, lo.Args[0], lo.Args[1]), nil
}

// environment reads \begin{pmatrix} a & b \\ c & d \end{pmatrix} and the like.
func (p *parser) environment(env string) (*Node, error) {
	m := &Node{Kind: Matrix}
	width := 0
	abs := p.abs
	p.abs = 0
	defer func() { p.abs = abs }()
	for {
		if t := p.peek(); t.kind == tCmd && t.text == "end:"+env {
			p.take()
			break
		}
		cell, err := p.relation()
		if err != nil {
			return nil, err
		}
		m.Args = append(m.Args, cell)
		width++
		switch {
		case p.accept("&"):
			continue
		case p.accept(`\\`) || p.peek().kind == tCmd && p.peek().text == "end:"+env:
			if m.Cols != 0 && m.Cols != width {
				return nil, errors.New("matrix rows of unequal length")
			}
			m.Cols, width = width, 0
		default:
			return nil, fmt.Errorf(`\begin{%s}: unexpected %s`, env, p.peek())
		}
	}
	switch {
	case len(m.Args) == 0 || width != 0:
		return nil, errors.New("a matrix that does not end with a row")
	case env == "vmatrix":
		return Apply("det", m), nil
	case strings.HasSuffix(env, "matrix") || env == "array":
		return m, nil
	}
	return Apply("@"+env, m.Args...), nil
}
