package mathgrade

import (
	"fmt"
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/ball"
	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/poly"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// scalar compares two single values: exactly, by normal form, then numerically.
func (c *comparer) scalar(p, g *expr.Node, depth int) result {
	if p.Key() == g.Key() {
		return yes("structure", "the same expression")
	}
	if p.Kind == expr.Infty || g.Kind == expr.Infty {
		return no("structure", "infinity against something else")
	}
	if r, ok := baseNumeral(p, g); ok {
		return r
	}
	p, g = counted(p), counted(g)
	a, b := value.Exact(p), value.Exact(g)
	if a != nil && b != nil {
		return c.rationals(p, g, a, b)
	}
	inexact := hasDecimal(p) || hasDecimal(g)
	if equal, ok := poly.Equal(p, g); ok && !(inexact && !equal) {
		if equal {
			return yes("normal form", "the same normal form")
		}
		return no("normal form", "different polynomials")
	}
	if sameNames(p, g) {
		return c.numeric(p, g)
	}
	return no("numeric", "different variables")
}

// counted reads C(5,2) and P(5,2) as numbers of choices.
func counted(n *expr.Node) *expr.Node {
	is := func(m *expr.Node) bool {
		return m.Kind == expr.Call && (m.Name == "@C" || m.Name == "@P") && len(m.Args) == 2 && m.Args[0].Kind == expr.Num && m.Args[1].Kind == expr.Num
	}
	if !n.Has(is) {
		return n
	}
	return n.Map(func(m *expr.Node) *expr.Node {
		if !is(m) {
			return m
		}
		b := expr.Apply("binom", m.Args...)
		if m.Name == "@P" {
			return expr.Product(b, expr.Apply("factorial", m.Args[1]))
		}
		return b
	})
}

// baseNumeral compares where a base is written. Numerals in bases are compared as written, since the base is what was asked for: 52_8 is
// not answered by 42. The base itself may be left out: 204 for 204_5.
func baseNumeral(p, g *expr.Node) (result, bool) {
	is := func(n *expr.Node) bool { return n.Kind == expr.Call && n.Name == "based" }
	switch {
	case is(p) && is(g):
		return no("exact", "different numerals"), true
	case is(p):
		p, g = g, p
	case !is(g):
		return result{}, false
	}
	if v := value.Exact(p); v != nil && v.Cmp(g.Args[0].Rat) == 0 {
		return lenient("exact", "the same digits, the base left out"), true
	}
	return no("exact", "a numeral in a base against another value"), true
}

func (c *comparer) rationals(p, g *expr.Node, a, b *big.Rat) result {
	if a.Cmp(b) == 0 {
		return yes("exact", "equal rational numbers")
	}
	for _, x := range []struct {
		n *expr.Node
		v *big.Rat
	}{{p, b}, {g, a}} {
		if w := rounding(x.n); w != nil && new(big.Rat).Abs(new(big.Rat).Sub(x.n.Rat, x.v)).Cmp(w) <= 0 {
			return lenient("rounding", fmt.Sprintf("one is the other rounded to %d significant digits", x.n.Sig))
		}
	}
	return no("exact", "different rational numbers")
}

// minDigits is how many significant digits a decimal must have to stand for a value that it rounds.
const minDigits = 4

// rounding is half a unit of the last digit of a decimal literal with enough digits, a whole unit from ten digits on (what a
// floating-point number prints), else nil.
func rounding(n *expr.Node) *big.Rat {
	if n.Kind != expr.Num || n.Sig < minDigits {
		return nil
	}
	if n.Sig >= 10 {
		return n.Ulp()
	}
	return new(big.Rat).Mul(n.Ulp(), big.NewRat(1, 2))
}

func hasDecimal(n *expr.Node) bool {
	return n.Has(func(m *expr.Node) bool { return m.Kind == expr.Num && m.Sig >= minDigits })
}

func sameNames(p, g *expr.Node) bool {
	a, b := p.Vars(), g.Vars()
	if len(a) != len(b) { // x^0 y: a variable that cancels is decided numerically
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// points are the values given to variables, by variable and trial: rationals away from special values, of both signs and sizes.
func point(variable, trial int) *big.Rat {
	primes := [...]int64{101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179}
	n := int64(37+61*trial+23*variable+7*trial*variable)%211 + 17
	if trial%3 == 2 && variable%2 == 0 || trial%4 == 3 {
		n = -n
	}
	r := big.NewRat(n, primes[(variable*5+trial)%len(primes)])
	if trial >= 6 { // whole numbers, for factorials and (-1)^n
		return big.NewRat(int64(1+trial-6+variable*2), 1)
	}
	return r
}

const (
	trials    = 9
	wantReal  = 4
	closeness = 1e-40
)

// numeric evaluates both sides. Constants are proven apart, or agree to 40 digits. With variables, both must agree at every point where
// both are real (at least two), or else at every complex point.
func (c *comparer) numeric(p, g *expr.Node) result {
	names := union(p.Vars(), g.Vars())
	inexact := hasDecimal(p) || hasDecimal(g)
	tol := closeness
	if inexact {
		tol = 1e-2
	}
	if hasIntegral(p) || hasIntegral(g) {
		tol = 1e-7
	}
	agreeReal, agreeComplex, differOneReal := 0, 0, 0
	for k := range trials {
		pt := map[string]ball.Complex{}
		for i, v := range names {
			pt[v] = ball.FromReal(ball.Rat(point(i, k)))
		}
		env := &value.Env{Vars: pt, Budget: &c.budget, Inexact: inexact}
		a, errA := env.Eval(p)
		b, errB := env.Eval(g)
		if errA == value.ErrBudget || errB == value.ErrBudget {
			return no("limits", "too much work to decide")
		}
		if errA != nil || errB != nil {
			if len(names) == 0 {
				return no("numeric", "no numeric value to compare")
			}
			continue
		}
		realA, realB := nearReal(a), nearReal(b)
		apartRe, closeRe := ball.Differ(a.Re, b.Re, tol)
		apartIm, closeIm := ball.Differ(a.Im, b.Im, tol)
		switch {
		case !apartRe && !apartIm && closeRe && closeIm:
			if realA && realB {
				agreeReal++
			} else {
				agreeComplex++
			}
		case len(names) == 0 && (apartRe || apartIm):
			return no("numeric", fmt.Sprintf("proven apart: %.12g against %.12g", a.Re.Float(), b.Re.Float()))
		case realA && realB && apartRe:
			return no("numeric", fmt.Sprintf("%.8g against %.8g at test point %d", a.Re.Float(), b.Re.Float(), k+1))
		default:
			differOneReal++
		}
		if len(names) == 0 || agreeReal >= wantReal && k >= 5 {
			break
		}
	}
	how := fmt.Sprintf("equal at %d points to %.0g", agreeReal+agreeComplex, tol)
	switch {
	case len(names) == 0 && agreeReal+agreeComplex > 0 && !inexact:
		return yes("numeric", fmt.Sprintf("equal to %.0g", tol))
	case len(names) == 0 && agreeReal+agreeComplex > 0:
		return lenient("rounding", "equal within the rounding of the decimals given")
	case agreeReal >= 2 || agreeReal+agreeComplex >= 3 && differOneReal == 0:
		if inexact {
			return lenient("rounding", how+", within the rounding of the decimals given")
		}
		if differOneReal > 0 {
			return lenient("numeric", how+", but not where one side is not real")
		}
		return yes("numeric", how)
	}
	return no("numeric", "not equal at the test points, or no value there")
}

func nearReal(z ball.Complex) bool {
	if z.IsReal() {
		return true
	}
	return z.Im.Sign() == 0 && z.Im.Rad.Cmp(big.NewFloat(1e-30)) < 0
}

func union(a, b []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range append(append([]string{}, a...), b...) {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	if len(out) > 12 {
		return out[:12]
	}
	return out
}

func hasIntegral(n *expr.Node) bool {
	return n.Has(func(m *expr.Node) bool { return m.Kind == expr.Call && (m.Name == "int" || m.Name == "sum") })
}
