package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// Value is a range with its dimension.
type Value struct {
	Range
	Dim Dim
}

// expr is a parsed formula: + - * /, parentheses, min and max, numbers with a unit in brackets (2[$/GPU-hour]), names of figures (hours,
// price.h800), and figures of other claims in braces ({deepseek-v3:hours}).
type expr struct {
	op   byte // 'n' number, 'v' name, + - * / or 'm' min, 'M' max
	num  Value
	text string // the number as written, without its unit; the name
	args []*expr
}

// parseExpr reads a formula. Formulas come from this package and from users' files, so nothing may panic.
func parseExpr(s string) (*expr, error) {
	p := &exprParser{s: s}
	e, err := p.sum(0)
	if err == nil && p.peek() != 0 {
		err = fmt.Errorf("unexpected %q", p.s[p.at:])
	}
	if err != nil {
		return nil, fmt.Errorf("formula %q: %w", s, err)
	}
	return e, nil
}

type exprParser struct {
	s  string
	at int
}

const maxDepth = 50

func (p *exprParser) peek() byte {
	for p.at < len(p.s) && p.s[p.at] == ' ' {
		p.at++
	}
	if p.at == len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *exprParser) binary(depth int, ops string, next func(int) (*expr, error)) (*expr, error) {
	e, err := next(depth)
	for err == nil && p.peek() != 0 && strings.IndexByte(ops, p.peek()) >= 0 {
		op := p.s[p.at]
		p.at++
		var right *expr
		if right, err = next(depth); err == nil {
			e = &expr{op: op, args: []*expr{e, right}}
		}
	}
	return e, err
}

func (p *exprParser) sum(depth int) (*expr, error)     { return p.binary(depth, "+-", p.product) }
func (p *exprParser) product(depth int) (*expr, error) { return p.binary(depth, "*/", p.factor) }

func (p *exprParser) factor(depth int) (*expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested too deep")
	}
	c := p.peek()
	switch {
	case c == '(':
		p.at++
		e, err := p.sum(depth + 1)
		if err == nil && p.peek() != ')' {
			err = fmt.Errorf("missing )")
		}
		p.at++
		return e, err
	case c == '{':
		end := strings.IndexByte(p.s[p.at:], '}')
		if end < 0 {
			return nil, fmt.Errorf("missing }")
		}
		name := p.s[p.at+1 : p.at+end]
		p.at += end + 1
		return &expr{op: 'v', text: name}, nil
	case c >= '0' && c <= '9':
		return p.number()
	case isNameByte(c):
		start := p.at
		for p.at < len(p.s) && isNameByte(p.s[p.at]) {
			p.at++
		}
		name := p.s[start:p.at]
		if p.peek() == '(' && (name == "min" || name == "max") {
			return p.call(name, depth)
		}
		return &expr{op: 'v', text: name}, nil
	}
	return nil, fmt.Errorf("want a number or a name at %q", p.s[min(p.at, len(p.s)):])
}

func (p *exprParser) call(name string, depth int) (*expr, error) {
	op := byte('m')
	if name == "max" {
		op = 'M'
	}
	e := &expr{op: op}
	for {
		p.at++ // ( or ,
		arg, err := p.sum(depth + 1)
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, arg)
		switch p.peek() {
		case ',':
		case ')':
			p.at++
			return e, nil
		default:
			return nil, fmt.Errorf("missing ) after %s", name)
		}
	}
}

func (p *exprParser) number() (*expr, error) {
	start := p.at
	for p.at < len(p.s) && (isNameByte(p.s[p.at]) || (p.s[p.at] == '-' || p.s[p.at] == '+') && p.s[p.at-1] == 'e') {
		p.at++
	}
	text := p.s[start:p.at]
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !finite(v) {
		return nil, fmt.Errorf("%q is not a number", text)
	}
	u := Unit{Scale: 1}
	if p.at < len(p.s) && p.s[p.at] == '[' {
		end := strings.IndexByte(p.s[p.at:], ']')
		if end < 0 {
			return nil, fmt.Errorf("missing ]")
		}
		name := p.s[p.at+1 : p.at+end]
		us := parseUnit(name)
		if len(us) == 0 {
			return nil, fmt.Errorf("unknown unit %q", name)
		}
		u, text = us[0], text+unitSuffix(name)
		p.at += end + 1
	}
	return &expr{op: 'n', num: Value{Sharp(v * u.Scale), u.Dim}, text: text}, nil
}

// unitSuffix shows a literal's unit, but not the one that only turns parameters and tokens into FLOP.
func unitSuffix(name string) string {
	if strings.HasPrefix(name, "FLOP/param") {
		return ""
	}
	return " " + name
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

// names lists what the formula needs.
func (e *expr) names() []string {
	if e.op == 'v' {
		return []string{e.text}
	}
	var out []string
	for _, a := range e.args {
		out = append(out, a.names()...)
	}
	return out
}

// eval computes the formula; dimensions that do not fit are an error.
func (e *expr) eval(get func(string) (Value, error)) (Value, error) {
	switch e.op {
	case 'n':
		return e.num, nil
	case 'v':
		return get(e.text)
	}
	var args []Value
	for _, a := range e.args {
		v, err := a.eval(get)
		if err != nil {
			return Value{}, err
		}
		args = append(args, v)
	}
	out := args[0]
	for _, b := range args[1:] {
		var err error
		if out, err = apply(e.op, out, b); err != nil {
			return Value{}, err
		}
	}
	if !out.valid() {
		return Value{}, fmt.Errorf("%s is out of range", e)
	}
	return out, nil
}

func apply(op byte, a, b Value) (Value, error) {
	switch op {
	case '*':
		return Value{a.mul(b.Range), a.Dim.plus(b.Dim)}, nil
	case '/':
		inv, ok := b.inverse()
		if !ok {
			return Value{}, fmt.Errorf("division by a range with zero in it")
		}
		return Value{a.mul(inv), a.Dim.minus(b.Dim)}, nil
	}
	if a.Dim != b.Dim {
		return Value{}, fmt.Errorf("%s and %s do not go together", a.Dim, b.Dim)
	}
	switch op {
	case '+':
		return Value{a.add(b.Range), a.Dim}, nil
	case '-':
		return Value{a.sub(b.Range), a.Dim}, nil
	case 'm':
		return Value{a.min(b.Range), a.Dim}, nil
	}
	return Value{a.max(b.Range), a.Dim}, nil
}

// String writes the formula with its names; fill writes other text in their place.
func (e *expr) String() string { return e.fill(func(name string) string { return name }) }

func (e *expr) fill(name func(string) string) string { return e.show(name, 0) }

func (e *expr) show(name func(string) string, outer int) string {
	switch e.op {
	case 'n':
		return e.text
	case 'v':
		return name(e.text)
	case 'm', 'M':
		var args []string
		for _, a := range e.args {
			args = append(args, a.show(name, 0))
		}
		return map[byte]string{'m': "min(", 'M': "max("}[e.op] + strings.Join(args, ", ") + ")"
	}
	sign := map[byte]string{'+': " + ", '-': " − ", '*': " × ", '/': " ÷ "}[e.op]
	level := 1
	if e.op == '*' || e.op == '/' {
		level = 2
	}
	right := level
	if e.op == '-' || e.op == '/' {
		right = level + 1
	}
	s := e.args[0].show(name, level) + sign + e.args[1].show(name, right)
	if level < outer {
		return "(" + s + ")"
	}
	return s
}
