package poly

import (
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// power handles integer and rational constant exponents; any other power is an atom.
func (r *Ring) power(n *expr.Node, depth int) (Frac, error) {
	base, exp := n.Args[0], n.Args[1]
	e := value.Exact(exp)
	if e == nil || !e.Num().IsInt64() || !e.Denom().IsInt64() || e.Denom().Int64() > 60 {
		return r.splitPower(n, depth)
	}
	p, q := e.Num().Int64(), e.Denom().Int64()
	if p > 60000 || p < -60000 {
		return Frac{}, errLimit
	}
	f, err := r.Normal(base, depth+1)
	if err != nil {
		return f, err
	}
	inverse := p < 0
	if inverse {
		p = -p
	}
	if q > 1 {
		if f, err = r.root(f, int(q)); err != nil {
			return f, err
		}
	}
	if f, err = r.powFrac(f, int(p)); err != nil {
		return f, err
	}
	if inverse {
		if len(f.Num) == 0 {
			return f, errLimit
		}
		f.Num, f.Den = f.Den, f.Num
	}
	return f, nil
}

func (r *Ring) powFrac(f Frac, p int) (Frac, error) {
	if len(f.Num) > 1 || len(f.Den) > 1 || p > maxPower {
		if p > maxPower {
			return f, errLimit
		}
	}
	num, err := r.pow(f.Num, p)
	if err != nil {
		return f, err
	}
	den, err := r.pow(f.Den, p)
	return Frac{num, den}, err
}

// splitPower reads b^(u+v) as b^u b^v and b^(c·u), c an integer, as (b^u)^c, so that e^(2x) and (e^x)^2 meet.
func (r *Ring) splitPower(n *expr.Node, depth int) (Frac, error) {
	base, exp := n.Args[0], n.Args[1]
	if exp.Kind == expr.Add && len(exp.Args) <= 6 {
		out := Frac{one(), one()}
		for _, a := range exp.Args {
			f, err := r.Normal(expr.Power(base, a), depth+1)
			if err != nil {
				return out, err
			}
			if out, err = r.times(out, f); err != nil {
				return out, err
			}
		}
		return out, nil
	}
	r.opaque = true
	if exp.Kind == expr.Mul {
		c := big.NewRat(1, 1)
		var rest []*expr.Node
		for _, a := range exp.Args {
			if v := value.Exact(a); v != nil {
				c.Mul(c, v)
			} else {
				rest = append(rest, a)
			}
		}
		if len(rest) > 0 && c.IsInt() && c.Cmp(big.NewRat(1, 1)) != 0 && c.Num().IsInt64() && c.Sign() != 0 {
			if k := c.Num().Int64(); k <= maxPower && k >= -maxPower {
				return r.power(expr.Power(expr.Power(base, expr.Product(rest...)), expr.Int(k)), depth+1)
			}
		}
	}
	b, err := r.Normal(base, depth+1)
	if err != nil {
		return b, err
	}
	x, err := r.Normal(exp, depth+1)
	if err != nil {
		return x, err
	}
	return Frac{r.atom("pow("+r.name(b)+","+r.name(x)+")", 0, nil), one()}, nil
}

// root is the q-th root: of a positive rational by primes, of anything else as one atom with its defining relation.
func (r *Ring) root(f Frac, q int) (Frac, error) {
	r.opaque = true
	nc, nok := f.Num[""]
	dc, dok := f.Den[""]
	if nok && dok && len(f.Num) == 1 && len(f.Den) == 1 {
		v := new(big.Rat).Quo(nc, dc)
		if v.Sign() > 0 {
			return r.rootRat(v, q)
		}
		if q == 2 {
			g, err := r.rootRat(new(big.Rat).Neg(v), q)
			if err != nil {
				return g, err
			}
			return r.times(g, r.symbol("i"))
		}
	}
	if c, ok := f.Den[""]; !ok || len(f.Den) != 1 || c.Cmp(big.NewRat(1, 1)) != 0 {
		if !ok || len(f.Den) != 1 { // no relation for a radicand that is no polynomial
			return Frac{r.atom("root("+r.name(f)+","+string(rune('0'+q))+")", 0, nil), one()}, nil
		}
		inv := constant(new(big.Rat).Inv(c))
		num, err := r.mul(f.Num, inv)
		if err != nil {
			return f, err
		}
		f = Frac{num, one()}
	}
	return Frac{r.atom("root("+r.name(f)+","+string(rune('0'+q))+")", q, f.Num), one()}, nil
}

// rootRat takes primes out of a radicand: sqrt(12) is 2 sqrt(3).
func (r *Ring) rootRat(v *big.Rat, q int) (Frac, error) {
	num := new(big.Int).Set(v.Num())
	for range q - 1 { // n/d under the root is n d^(q-1) over d
		num.Mul(num, v.Denom())
	}
	if num.BitLen() > 1024 {
		return Frac{}, errLimit
	}
	out := one()
	coef := new(big.Int).SetInt64(1)
	step := func(p *big.Int, k int) error {
		coef.Mul(coef, new(big.Int).Exp(p, big.NewInt(int64(k/q)), nil))
		if k%q == 0 {
			return nil
		}
		a := r.atom("root("+p.String()+","+string(rune('0'+q))+")", q, constant(new(big.Rat).SetInt(p)))
		t, err := r.pow(a, k%q)
		if err == nil {
			out, err = r.mul(out, t)
		}
		return err
	}
	rem, p, m := new(big.Int).Set(num), new(big.Int), new(big.Int)
	for d := int64(2); d < 2000 && rem.Cmp(big.NewInt(1)) > 0; d++ {
		p.SetInt64(d)
		k := 0
		for {
			t, rest := new(big.Int).QuoRem(rem, p, m)
			if rest.Sign() != 0 {
				break
			}
			rem = t
			k++
		}
		if k > 0 {
			if err := step(new(big.Int).Set(p), k); err != nil {
				return Frac{}, err
			}
		}
	}
	if rem.Cmp(big.NewInt(1)) > 0 {
		k := 1
		if q == 2 {
			if s := new(big.Int).Sqrt(rem); new(big.Int).Mul(s, s).Cmp(rem) == 0 {
				rem, k = s, 2
			}
		}
		if err := step(rem, k); err != nil {
			return Frac{}, err
		}
	}
	num1, err := r.mul(out, constant(new(big.Rat).SetInt(coef)))
	return Frac{num1, constant(new(big.Rat).SetInt(v.Denom()))}, err
}
