package value

import (
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/ball"
)

type c = ball.Complex

func small(n int64) c { return ball.FromReal(ball.Int(n)) }

var half = ball.FromReal(ball.Rat(big.NewRat(1, 2)))

func div(a, b c) (c, error) {
	i, err := b.Inv()
	if err != nil {
		return i, err
	}
	return a.Mul(i), nil
}

// apply is a named function of evaluated arguments.
func apply(name string, a []c) (c, error) {
	z := a[0]
	switch name {
	case "exp":
		return z.Exp()
	case "log":
		if len(a) == 2 {
			n, err := z.Log()
			if err != nil {
				return n, err
			}
			d, err := a[1].Log()
			if err != nil {
				return d, err
			}
			return div(n, d)
		}
		return z.Log()
	case "sin", "cos", "tan", "cot", "sec", "csc":
		return trig(name, z)
	case "sinh", "cosh", "tanh", "coth", "sech", "csch":
		return hyperbolic(name, z)
	case "arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc", "arcsinh", "arccosh", "arctanh":
		return inverse(name, z)
	case "abs", "norm":
		r, err := z.Abs()
		return ball.FromReal(r), err
	case "arg":
		r, err := z.Arg()
		return ball.FromReal(r), err
	case "conj":
		return z.Conj(), nil
	case "re":
		return ball.FromReal(z.Re), nil
	case "im":
		return ball.FromReal(z.Im), nil
	case "percent":
		return z.Mul(ball.FromReal(ball.Rat(big.NewRat(1, 100)))), nil
	case "deg":
		return z.Mul(ball.FromReal(ball.Pi())).Mul(ball.FromReal(ball.Rat(big.NewRat(1, 180)))), nil
	case "cis":
		return z.Mul(c{Re: ball.Int(0), Im: ball.Int(1)}).Exp()
	case "lcm":
		if len(a) == 2 { // of what is not rational: the product, as of coprime symbols
			return z.Mul(a[1]), nil
		}
	case "gcd":
		return small(1), nil
	}
	return realCall(name, a)
}

func realCall(name string, a []c) (c, error) {
	for _, z := range a {
		if !z.IsReal() {
			return c{}, ErrOpaque
		}
	}
	x := a[0].Re
	wrap := func(r ball.Real, err error) (c, error) { return ball.FromReal(r), err }
	switch name {
	case "floor":
		return wrap(x.Floor())
	case "ceil":
		r, err := x.Neg().Floor()
		if err != nil {
			return c{}, err
		}
		return ball.FromReal(r.Neg()), nil
	case "sgn":
		return small(int64(x.Sign())), nil
	case "factorial":
		return wrap(x.Add(ball.Int(1)).Gamma())
	case "max", "min":
		best := x
		for _, z := range a[1:] {
			s := z.Re.Sub(best).Sign()
			if name == "max" && s > 0 || name == "min" && s < 0 {
				best = z.Re
			}
		}
		return ball.FromReal(best), nil
	case "mod":
		q, err := x.Div(a[1].Re)
		if err != nil {
			return c{}, err
		}
		f, err := q.Floor()
		if err != nil {
			return c{}, err
		}
		return ball.FromReal(x.Sub(f.Mul(a[1].Re))), nil
	case "binom":
		return binom(x, a[1].Re)
	}
	return c{}, ErrOpaque
}

func binom(n, k ball.Real) (c, error) {
	if m, ok := k.Integer(); ok && m >= 0 && m < 200 { // falling factorial over k!
		out := ball.Int(1)
		for i := range m {
			d, err := n.Sub(ball.Int(i)).Div(ball.Int(i + 1))
			if err != nil {
				return c{}, err
			}
			out = out.Mul(d)
		}
		return ball.FromReal(out), nil
	}
	one := ball.Int(1)
	num, err := n.Add(one).Gamma()
	if err != nil {
		return c{}, err
	}
	d1, err := k.Add(one).Gamma()
	if err != nil {
		return c{}, err
	}
	d2, err := n.Sub(k).Add(one).Gamma()
	if err != nil {
		return c{}, err
	}
	q, err := num.Div(d1.Mul(d2))
	return ball.FromReal(q), err
}

var imag = c{Re: ball.Int(0), Im: ball.Int(1)}

func trig(name string, z c) (c, error) {
	var s, co c
	if z.IsReal() {
		a, b, err := z.Re.SinCos()
		if err != nil {
			return c{}, err
		}
		s, co = ball.FromReal(a), ball.FromReal(b)
	} else {
		p, err := z.Mul(imag).Exp()
		if err != nil {
			return c{}, err
		}
		q, err := p.Inv()
		if err != nil {
			return c{}, err
		}
		co = p.Add(q).Mul(half)
		s = p.Sub(q).Mul(half).Mul(imag).Neg()
	}
	return ratio(name, s, co)
}

func hyperbolic(name string, z c) (c, error) {
	p, err := z.Exp()
	if err != nil {
		return p, err
	}
	q, err := p.Inv()
	if err != nil {
		return q, err
	}
	return ratio(map[string]string{"sinh": "sin", "cosh": "cos", "tanh": "tan", "coth": "cot", "sech": "sec", "csch": "csc"}[name], p.Sub(q).Mul(half), p.Add(q).Mul(half))
}

func ratio(name string, s, co c) (c, error) {
	switch name {
	case "sin":
		return s, nil
	case "cos":
		return co, nil
	case "tan":
		return div(s, co)
	case "cot":
		return div(co, s)
	case "sec":
		return co.Inv()
	}
	return s.Inv()
}

// inverse gives the principal inverse functions by logarithms; real arctan directly.
func inverse(name string, z c) (c, error) {
	switch name {
	case "arctan":
		if z.IsReal() {
			return ball.FromReal(z.Re.Atan()), nil
		}
		l, err := logOf(imag.Add(z), imag.Sub(z)) // i/2 log((i+z)/(i-z))
		return l.Mul(imag).Mul(half), err
	case "arctanh":
		l, err := logOf(small(1).Add(z), small(1).Sub(z))
		return l.Mul(half), err
	case "arcsinh":
		return logRoot(z, z.Mul(z).Add(small(1)))
	case "arccosh": // log(z + sqrt(z+1) sqrt(z-1))
		a, err := root(z.Add(small(1)))
		if err != nil {
			return a, err
		}
		b, err := root(z.Sub(small(1)))
		if err != nil {
			return b, err
		}
		return z.Add(a.Mul(b)).Log()
	case "arcsin":
		if z.IsReal() {
			return realArcsin(z)
		}
		l, err := logRoot(z.Mul(imag), small(1).Sub(z.Mul(z)))
		return l.Mul(imag).Neg(), err
	case "arccos":
		s, err := inverse("arcsin", z)
		return ball.FromReal(ball.Pi()).Mul(half).Sub(s), err
	}
	if name == "arccot" {
		s, err := inverse("arctan", z)
		return ball.FromReal(ball.Pi()).Mul(half).Sub(s), err
	}
	i, err := z.Inv()
	if err != nil {
		return i, err
	}
	return inverse(map[string]string{"arcsec": "arccos", "arccsc": "arcsin"}[name], i)
}

// realArcsin is atan(x / sqrt(1-x²)), with the ends exact.
func realArcsin(z c) (c, error) {
	if k, ok := z.Re.Integer(); ok && k*k == 1 {
		return ball.FromReal(ball.Pi().Mul(ball.Int(k))).Mul(half), nil
	}
	d, err := ball.Int(1).Sub(z.Re.Mul(z.Re)).Sqrt()
	if err != nil {
		l, err := logRoot(z.Mul(imag), small(1).Sub(z.Mul(z)))
		return l.Mul(imag).Neg(), err
	}
	q, err := z.Re.Div(d)
	if err != nil {
		return c{}, err
	}
	return ball.FromReal(q.Atan()), nil
}

func logOf(n, d c) (c, error) {
	q, err := div(n, d)
	if err != nil {
		return q, err
	}
	return q.Log()
}

// logRoot is log(z + sqrt(w)).
func logRoot(z, w c) (c, error) {
	r, err := root(w)
	if err != nil {
		return r, err
	}
	return z.Add(r).Log()
}

func root(z c) (c, error) { return z.Pow(half, big.NewRat(1, 2)) }
