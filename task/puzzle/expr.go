package puzzle

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// expr is an arithmetic expression as read: its exact value, and what it was made of.
type expr struct {
	value   *big.Rat // nil after a division by zero
	numbers []int    // in order of appearance
	ops     string
	unary   bool
}

func (e *expr) text() string {
	if e.value == nil {
		return "a division by zero"
	}
	return e.value.RatString()
}

// Bounds of an expression: characters, nesting and digits of a literal.
const (
	maxExpr    = 400
	maxNesting = 40
	maxDigits  = 9
)

var splitNumber = regexp.MustCompile(`[0-9]\s+[0-9]`)

// typeset maps other ways to write an expression to plain characters.
var typeset = strings.NewReplacer(`\left`, "", `\right`, "", `\times`, "*", `\cdot`, "*", `\div`, "/", `\,`, "", `\ `, "", `\dfrac`, `\frac`, `\tfrac`, `\frac`,
	"×", "*", "·", "*", "⋅", "*", "÷", "/", "−", "-", "–", "-", "$", "", `\(`, "", `\)`, "", `\[`, "", `\]`, "", "[", "(", "]", ")")

// parseExpr reads "(3 + 5) * 2", perhaps followed by "= 16"; every side of an equals sign must have the same value. ltr works from left to
// right without precedence.
func parseExpr(s string, ltr bool) (*expr, error) {
	if len(s) > maxExpr {
		return nil, fmt.Errorf("%d characters", len(s))
	}
	var first *expr
	for side := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(typeset.Replace(s)), "."), "=") {
		if splitNumber.MatchString(side) {
			return nil, errors.New("two numbers stand side by side")
		}
		p := exprParser{s: strings.Join(strings.Fields(side), ""), ltr: ltr, e: &expr{}}
		v, err := p.sum(0)
		if err == nil && p.i < len(p.s) {
			err = fmt.Errorf("%q is left over", p.s[p.i:])
		}
		if err != nil {
			return nil, err
		}
		p.e.value = v
		switch {
		case first == nil:
			first = p.e
		case v == nil || first.value == nil || v.Cmp(first.value) != 0:
			return nil, fmt.Errorf("%s is not %s", first.text(), p.e.text())
		}
	}
	return first, nil
}

type exprParser struct {
	s   string
	i   int
	ltr bool
	e   *expr
}

func (p *exprParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *exprParser) sum(depth int) (*big.Rat, error) {
	return p.series(depth, "+-", p.product)
}

func (p *exprParser) product(depth int) (*big.Rat, error) {
	if p.ltr {
		return p.atom(depth)
	}
	return p.series(depth, "*/", p.atom)
}

// series works operations of one rank from left to right.
func (p *exprParser) series(depth int, ops string, next func(int) (*big.Rat, error)) (*big.Rat, error) {
	if p.ltr {
		ops = "+-*/"
	}
	v, err := next(depth)
	for err == nil && p.i < len(p.s) && strings.IndexByte(ops, p.peek()) >= 0 {
		op := p.peek()
		p.i++
		var w *big.Rat
		if w, err = next(depth); err == nil {
			v = p.apply(op, v, w)
		}
	}
	return v, err
}

func (p *exprParser) apply(op byte, a, b *big.Rat) *big.Rat {
	p.e.ops += string(op)
	switch {
	case a == nil || b == nil || op == '/' && b.Sign() == 0:
		return nil
	case op == '+':
		return new(big.Rat).Add(a, b)
	case op == '-':
		return new(big.Rat).Sub(a, b)
	case op == '*':
		return new(big.Rat).Mul(a, b)
	}
	return new(big.Rat).Quo(a, b)
}

func (p *exprParser) atom(depth int) (*big.Rat, error) {
	if depth > maxNesting {
		return nil, errors.New("nested too deeply")
	}
	switch c := p.peek(); {
	case c == '(' || c == '{':
		return p.group(depth)
	case strings.HasPrefix(p.s[p.i:], `\frac{`):
		p.i += len(`\frac`)
		a, err := p.group(depth)
		if err != nil {
			return nil, err
		}
		b, err := p.group(depth)
		if err != nil {
			return nil, err
		}
		return p.apply('/', a, b), nil
	case c == '-' || c == '+':
		p.i++
		p.e.unary = true
		v, err := p.atom(depth + 1)
		if err != nil || v == nil || c == '+' {
			return v, err
		}
		return new(big.Rat).Neg(v), nil
	}
	return p.literal()
}

func (p *exprParser) group(depth int) (*big.Rat, error) {
	want := byte(')')
	switch p.peek() {
	case '{':
		want = '}'
	case '(':
	default:
		return nil, fmt.Errorf("no group at %q", p.s[p.i:])
	}
	p.i++
	v, err := p.sum(depth + 1)
	if err == nil && p.peek() != want {
		err = fmt.Errorf("%c is missing", want)
	}
	p.i++
	return v, err
}

func (p *exprParser) literal() (*big.Rat, error) {
	start := p.i
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		p.i++
	}
	digits := p.s[start:p.i]
	if digits == "" || len(digits) > maxDigits {
		return nil, fmt.Errorf("no number at %q", clip(p.s[start:]))
	}
	n, _ := strconv.Atoi(digits)
	p.e.numbers = append(p.e.numbers, n)
	return new(big.Rat).SetInt64(int64(n)), nil
}
