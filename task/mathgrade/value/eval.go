package value

import (
	"errors"
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/ball"
	"github.com/pennyml/penny/task/mathgrade/expr"
)

// Errors of evaluation.
var (
	ErrBudget = errors.New("too much work")
	ErrOpaque = errors.New("no numeric value")
)

// Env evaluates trees at one point. Budget is what may still be spent: an arithmetic operation costs 1, a power 20,
// an elementary function 40, a factorial 120.
type Env struct {
	Vars   map[string]ball.Complex
	Budget *int
	// Inexact reads a decimal of four or more significant digits as known to half a unit of its last digit, a
	// whole unit from ten digits on.
	Inexact bool
}

func (e *Env) spend(n int) error {
	if *e.Budget -= n; *e.Budget < 0 {
		return ErrBudget
	}
	return nil
}

// Eval is the value of n at the point.
func (e *Env) Eval(n *expr.Node) (ball.Complex, error) {
	if err := e.spend(1); err != nil {
		return ball.Complex{}, err
	}
	switch n.Kind {
	case expr.Num:
		if e.Inexact && n.Sig >= 4 {
			w := n.Ulp()
			if n.Sig < 10 {
				w.Quo(w, big.NewRat(2, 1))
			}
			return ball.FromReal(ball.Within(n.Rat, w)), nil
		}
		return ball.FromReal(ball.Rat(n.Rat)), nil
	case expr.Sym:
		return e.symbol(n.Name)
	case expr.Add:
		return e.fold(n.Args, ball.Complex.Add)
	case expr.Mul:
		return e.fold(n.Args, ball.Complex.Mul)
	case expr.Pow:
		return e.power(n)
	case expr.Call:
		return e.call(n)
	case expr.Ratio:
		if len(n.Args) == 2 {
			return e.Eval(expr.Quotient(n.Args[0], n.Args[1]))
		}
	}
	return ball.Complex{}, ErrOpaque
}

func (e *Env) symbol(name string) (ball.Complex, error) {
	switch name {
	case "pi":
		return ball.FromReal(ball.Pi()), nil
	case "e":
		v, err := ball.Int(1).Exp()
		return ball.FromReal(v), err
	case "i":
		return ball.Complex{Re: ball.Int(0), Im: ball.Int(1)}, nil
	}
	if v, ok := e.Vars[name]; ok {
		return v, nil
	}
	return ball.Complex{}, ErrOpaque
}

func (e *Env) fold(args []*expr.Node, op func(a, b ball.Complex) ball.Complex) (ball.Complex, error) {
	out, err := e.Eval(args[0])
	for _, a := range args[1:] {
		if err != nil {
			return out, err
		}
		var v ball.Complex
		if v, err = e.Eval(a); err == nil {
			out = op(out, v)
			err = sized(out)
		}
	}
	return out, err
}

// maxExponent keeps the binary exponent of values far from where floats overflow.
const maxExponent = 1 << 24

func sized(z ball.Complex) error {
	for _, f := range []*big.Float{z.Re.Mid, z.Im.Mid, z.Re.Rad, z.Im.Rad} {
		if e := f.MantExp(nil); e > maxExponent || e < -maxExponent {
			return ball.ErrOverflow
		}
	}
	return nil
}

func (e *Env) power(n *expr.Node) (ball.Complex, error) {
	if err := e.spend(20); err != nil {
		return ball.Complex{}, err
	}
	w, err := e.Eval(n.Args[1])
	if err != nil {
		return w, err
	}
	if b := n.Args[0]; b.Kind == expr.Sym && b.Name == "e" {
		return w.Exp()
	}
	z, err := e.Eval(n.Args[0])
	if err != nil {
		return z, err
	}
	r := Exact(n.Args[1])
	if r == nil && w.IsReal() {
		if k, ok := w.Re.Integer(); ok {
			r = new(big.Rat).SetInt64(k)
		}
	}
	return z.Pow(w, r)
}

func (e *Env) call(n *expr.Node) (ball.Complex, error) {
	switch n.Name {
	case "frac":
		return e.Eval(expr.Quotient(n.Args[0], n.Args[1]))
	case "sum", "prod":
		return e.series(n)
	case "int":
		return e.integral(n)
	case "antideriv":
		a, err := antiderivative(n.Args[0], n.Args[1].Name, 0)
		if err != nil {
			return ball.Complex{}, err
		}
		return e.Eval(a)
	case "diff":
		if n.Args[1].Kind != expr.Sym {
			return ball.Complex{}, ErrOpaque
		}
		d, err := derivative(n.Args[0], n.Args[1].Name, 0)
		if err != nil {
			return ball.Complex{}, err
		}
		return e.Eval(d)
	case "lim":
		return (&Env{e.with(n.Args[1].Name, n.Args[2]), e.Budget, e.Inexact}).Eval(n.Args[0])
	case "unit":
		return e.Eval(n.Args[0])
	case "det":
		if d := determinant(n.Args[0]); d != nil {
			return e.Eval(d)
		}
		return ball.Complex{}, ErrOpaque
	case "gcd", "lcm", "based", "binom", "factorial", "factorial2":
		if r := Exact(n); r != nil {
			return ball.FromReal(ball.Rat(r)), nil
		}
	}
	args := make([]ball.Complex, len(n.Args))
	var err error
	for i, a := range n.Args {
		if args[i], err = e.Eval(a); err != nil {
			return ball.Complex{}, err
		}
	}
	cost := 40
	switch n.Name {
	case "factorial", "factorial2", "binom": // by the gamma function
		cost = 120
	}
	if err := e.spend(cost); err != nil {
		return ball.Complex{}, err
	}
	return apply(n.Name, args)
}

// with is the point with name set to the value of v; nothing when v has none.
func (e *Env) with(name string, v *expr.Node) map[string]ball.Complex {
	vars := make(map[string]ball.Complex, len(e.Vars)+1)
	for k, x := range e.Vars {
		vars[k] = x
	}
	delete(vars, name)
	if x, err := e.Eval(v); err == nil {
		vars[name] = x
	}
	return vars
}

const maxTerms = 2000

// series sums or multiplies out between integer bounds; a body free of the index is taken to the count. An infinite sum stops
// when terms shrink by at least a tenth each and are below 1e-30, and is charged ten times the last term.
func (e *Env) series(n *expr.Node) (ball.Complex, error) {
	body, v, lo, hi := n.Args[0], n.Args[1].Name, n.Args[2], n.Args[3]
	free := !body.Has(func(m *expr.Node) bool { return m.Kind == expr.Sym && m.Name == v })
	if free && hi.Kind != expr.Infty {
		count := expr.Sum(hi, expr.Negate(lo), expr.Int(1))
		if n.Name == "sum" {
			return e.Eval(expr.Product(body, count))
		}
		return e.Eval(expr.Power(body, count))
	}
	a := Exact(e.fill(lo))
	if a == nil || !a.IsInt() || !a.Num().IsInt64() {
		return ball.Complex{}, ErrOpaque
	}
	last := int64(1) << 62
	if hi.Kind != expr.Infty {
		b := Exact(e.fill(hi))
		if b == nil || !b.IsInt() || !b.Num().IsInt64() {
			return ball.Complex{}, ErrOpaque
		}
		last = b.Num().Int64()
	}
	out, op := ball.FromReal(ball.Int(0)), ball.Complex.Add
	if n.Name == "prod" {
		out, op = ball.FromReal(ball.Int(1)), ball.Complex.Mul
	}
	inner := &Env{e.with(v, lo), e.Budget, e.Inexact}
	prev := 0.0
	for k, count := a.Num().Int64(), 0; k <= last; k, count = k+1, count+1 {
		if count > maxTerms {
			return out, ErrBudget
		}
		inner.Vars[v] = ball.FromReal(ball.Int(k))
		t, err := inner.Eval(body)
		if err != nil {
			return out, err
		}
		out = op(out, t)
		if err := sized(out); err != nil {
			return out, err
		}
		if hi.Kind == expr.Infty && n.Name == "sum" {
			m, err := t.Abs()
			if err != nil {
				return out, err
			}
			if f := m.Float(); f < 1e-30 && f < 0.9*prev {
				out.Re = ball.Real{Mid: out.Re.Mid, Rad: new(big.Float).Add(out.Re.Rad, big.NewFloat(1e-28))}
				return out, nil
			} else {
				prev = f
			}
		}
	}
	return out, nil
}

// fill puts integer values of variables into n, so that bounds can be folded exactly.
func (e *Env) fill(n *expr.Node) *expr.Node {
	for _, v := range n.Vars() {
		if x, ok := e.Vars[v]; ok && x.IsReal() {
			if k, ok := x.Re.Integer(); ok {
				n = n.Subst(v, expr.Int(k))
			}
		}
	}
	return n
}

// integral is a definite integral: by an antiderivative where one is found, else by Gauss-Legendre panels whose error is estimated
// from halving, and stated in the radius.
func (e *Env) integral(n *expr.Node) (ball.Complex, error) {
	body, v, lo, hi := n.Args[0], n.Args[1].Name, n.Args[2], n.Args[3]
	if a, err := antiderivative(body, v, 0); err == nil && lo.Kind != expr.Infty && hi.Kind != expr.Infty {
		return e.Eval(expr.Sum(a.Subst(v, hi), expr.Negate(a.Subst(v, lo))))
	}
	a, err := e.Eval(lo)
	if err != nil {
		return a, err
	}
	b, err := e.Eval(hi)
	if err != nil {
		return b, err
	}
	coarse, err := e.panels(body, v, a, b, 8)
	if err != nil {
		return coarse, err
	}
	fine, err := e.panels(body, v, a, b, 16)
	if err != nil {
		return fine, err
	}
	d, err := fine.Sub(coarse).Abs()
	if err != nil {
		return fine, err
	}
	spread := new(big.Float).SetPrec(32).Add(new(big.Float).Abs(d.Mid), d.Rad)
	fine.Re = ball.Real{Mid: fine.Re.Mid, Rad: new(big.Float).SetPrec(32).Add(fine.Re.Rad, spread)}
	return fine, nil
}

// gauss holds nodes and weights of the 5-point rule on [-1, 1].
var gauss = [][2]float64{{0, 128.0 / 225}, {0.5384693101056831, 0.47862867049936647}, {-0.5384693101056831, 0.47862867049936647},
	{0.9061798459386640, 0.23692688505618908}, {-0.9061798459386640, 0.23692688505618908}}

func (e *Env) panels(body *expr.Node, v string, a, b ball.Complex, n int64) (ball.Complex, error) {
	h := b.Sub(a).Mul(ball.FromReal(ball.Rat(big.NewRat(1, 2*n))))
	inner := &Env{e.with(v, expr.Int(0)), e.Budget, e.Inexact}
	sum := ball.FromReal(ball.Int(0))
	for k := range n {
		c := a.Add(h.Mul(ball.FromReal(ball.Int(2*k + 1))))
		for _, g := range gauss {
			inner.Vars[v] = c.Add(h.Mul(float(g[0])))
			f, err := inner.Eval(body)
			if err != nil {
				return sum, err
			}
			sum = sum.Add(f.Mul(h).Mul(float(g[1])))
		}
	}
	return sum, nil
}

func float(x float64) ball.Complex { return ball.FromReal(ball.Rat(new(big.Rat).SetFloat64(x))) }
