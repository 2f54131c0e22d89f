package check

import (
	"errors"
	"math"
	"math/cmplx"
	"strconv"
	"strings"
)

// tree is arithmetic: a number, a name, or an operator with operands.
type tree struct {
	op   byte // 'n' number, 'v' variable, 'f' function, or + - * / ^ % and u for negation
	num  float64
	name string
	a, b *tree
}

var errSyntax = errors.New("not plain arithmetic")

type reader struct {
	s     string
	pos   int
	depth int
}

func parse(s string) (*tree, error) {
	if s == "" || len(s) > 3000 {
		return nil, errSyntax
	}
	r := &reader{s: s}
	t, err := r.sum()
	if err == nil && r.pos < len(r.s) {
		err = errSyntax
	}
	return t, err
}

func (r *reader) ch() byte {
	if r.pos < len(r.s) {
		return r.s[r.pos]
	}
	return 0
}

func (r *reader) sum() (*tree, error) {
	if r.depth++; r.depth > 100 {
		return nil, errSyntax
	}
	defer func() { r.depth-- }()
	t, err := r.product()
	for err == nil && (r.ch() == '+' || r.ch() == '-') {
		op := r.ch()
		r.pos++
		var b *tree
		if b, err = r.product(); err == nil {
			t = &tree{op: op, a: t, b: b}
		}
	}
	return t, err
}

func (r *reader) product() (*tree, error) {
	t, err := r.signed()
	for err == nil {
		op := r.ch()
		switch {
		case op == '*' || op == '/':
			r.pos++
		case op == '(' || op == '`' || op >= '0' && op <= '9' || (op|0x20) >= 'a' && (op|0x20) <= 'z':
			op = '*'
		default:
			return t, nil
		}
		var b *tree
		if b, err = r.signed(); err == nil {
			t = &tree{op: op, a: t, b: b}
		}
	}
	return t, err
}

func (r *reader) signed() (*tree, error) {
	switch r.ch() {
	case '-':
		r.pos++
		if r.depth++; r.depth > 100 {
			return nil, errSyntax
		}
		defer func() { r.depth-- }()
		t, err := r.signed()
		return &tree{op: 'u', a: t}, err
	case '+':
		r.pos++
	}
	t, err := r.atom()
	if err == nil && r.ch() == '^' {
		r.pos++
		if r.depth++; r.depth > 100 {
			return nil, errSyntax
		}
		defer func() { r.depth-- }()
		var e *tree
		if e, err = r.signed(); err == nil {
			t = &tree{op: '^', a: t, b: e}
		}
	}
	if err == nil && r.ch() == '%' {
		r.pos++
		t = &tree{op: '%', a: t}
	}
	return t, err
}

var functionNames = []string{"arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "exp", "ln"}

func (r *reader) atom() (*tree, error) {
	c := r.ch()
	switch {
	case c == '(' || c == '[':
		r.pos++
		t, err := r.sum()
		if err != nil || r.ch() != ')' && r.ch() != ']' {
			return nil, errSyntax
		}
		r.pos++
		return t, nil
	case c >= '0' && c <= '9' || c == '.':
		start := r.pos
		for r.pos < len(r.s) && (r.ch() >= '0' && r.ch() <= '9' || r.ch() == '.') {
			r.pos++
		}
		v, err := strconv.ParseFloat(r.s[start:r.pos], 64)
		if err != nil || r.pos-start > 15 {
			return nil, errSyntax
		}
		return &tree{op: 'n', num: v}, nil
	case c == '`':
		end := strings.IndexByte(r.s[r.pos+1:], '`')
		if end < 0 {
			return nil, errSyntax
		}
		name := r.s[r.pos+1 : r.pos+1+end]
		r.pos += end + 2
		return r.named(name)
	case (c|0x20) >= 'a' && (c|0x20) <= 'z':
		for _, f := range append([]string{"pi"}, functionNames...) {
			if strings.HasPrefix(r.s[r.pos:], f) {
				r.pos += len(f)
				return r.named(f)
			}
		}
		r.pos++
		if n := r.ch(); (n|0x20) >= 'a' && (n|0x20) <= 'z' && r.pos+1 < len(r.s) && (r.s[r.pos+1]|0x20) >= 'a' && (r.s[r.pos+1]|0x20) <= 'z' {
			return nil, errSyntax // three letters in a row may be a word
		}
		return r.named(string(c))
	}
	return nil, errSyntax
}

func (r *reader) named(name string) (*tree, error) {
	for _, f := range functionNames {
		if f == name {
			if r.ch() == '^' {
				return nil, errSyntax
			}
			arg, err := r.atom()
			return &tree{op: 'f', name: name, a: arg}, err
		}
	}
	return &tree{op: 'v', name: name}, nil
}

func (t *tree) names(seen map[string]bool) {
	if t == nil {
		return
	}
	if t.op == 'v' && t.name != "pi" && t.name != "e" && t.name != "i" {
		seen[t.name] = true
	}
	t.a.names(seen)
	t.b.names(seen)
}

func (t *tree) eval(at map[string]complex128) complex128 {
	switch t.op {
	case 'n':
		return complex(t.num, 0)
	case 'v':
		switch t.name {
		case "pi":
			return math.Pi
		case "e":
			return math.E
		case "i":
			return 1i
		}
		return at[t.name]
	case 'u':
		return -t.a.eval(at)
	case '%':
		return t.a.eval(at) / 100
	case 'f':
		return call(t.name, t.a.eval(at))
	}
	x, y := t.a.eval(at), t.b.eval(at)
	switch t.op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	case '/':
		return x / y
	}
	return cmplx.Pow(x, y)
}

func call(name string, z complex128) complex128 {
	switch name {
	case "sqrt":
		return cmplx.Sqrt(z)
	case "sin":
		return cmplx.Sin(z)
	case "cos":
		return cmplx.Cos(z)
	case "tan":
		return cmplx.Tan(z)
	case "cot":
		return cmplx.Cot(z)
	case "sec":
		return 1 / cmplx.Cos(z)
	case "csc":
		return 1 / cmplx.Sin(z)
	case "sinh":
		return cmplx.Sinh(z)
	case "cosh":
		return cmplx.Cosh(z)
	case "tanh":
		return cmplx.Tanh(z)
	case "arcsin":
		return cmplx.Asin(z)
	case "arccos":
		return cmplx.Acos(z)
	case "arctan":
		return cmplx.Atan(z)
	case "exp":
		return cmplx.Exp(z)
	}
	return cmplx.Log(z)
}
