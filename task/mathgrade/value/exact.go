// Package value evaluates expression trees: exactly over the rationals where it can, else as balls with a stated radius. Work is bounded
// by a budget of operations and by the size of intermediate numbers, never by the clock.
package value

import (
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/expr"
)

// maxBits bounds numerators and denominators of exact results.
const maxBits = 1 << 15

// Exact is the rational value of n, or nil where n has none, has variables, or would exceed the limits. Decimals count as exact.
func Exact(n *expr.Node) *big.Rat {
	r := exact(n, 0)
	if r == nil || r.Num().BitLen() > maxBits || r.Denom().BitLen() > maxBits {
		return nil
	}
	return r
}

func exact(n *expr.Node, depth int) *big.Rat {
	if depth > 200 {
		return nil
	}
	args := func() []*big.Rat {
		out := make([]*big.Rat, len(n.Args))
		for i, a := range n.Args {
			if out[i] = exact(a, depth+1); out[i] == nil {
				return nil
			}
		}
		return out
	}
	switch n.Kind {
	case expr.Num:
		return n.Rat
	case expr.Add, expr.Mul:
		a := args()
		if a == nil {
			return nil
		}
		r := new(big.Rat).Set(a[0])
		for _, x := range a[1:] {
			if n.Kind == expr.Add {
				r.Add(r, x)
			} else {
				r.Mul(r, x)
			}
			if r.Num().BitLen() > maxBits || r.Denom().BitLen() > maxBits {
				return nil
			}
		}
		return r
	case expr.Pow:
		if a := args(); a != nil {
			return PowRat(a[0], a[1])
		}
	case expr.Call:
		if a := args(); a != nil {
			return exactCall(n.Name, a)
		}
	}
	return nil
}

// PowRat is b^e where that is rational and small enough, else nil.
func PowRat(b, e *big.Rat) *big.Rat {
	if !e.IsInt() {
		if !e.Denom().IsInt64() || e.Denom().Int64() > 64 || b.Sign() < 0 {
			return nil
		}
		root := rootRat(b, int(e.Denom().Int64()))
		if root == nil {
			return nil
		}
		return PowRat(root, new(big.Rat).SetInt(e.Num()))
	}
	if !e.Num().IsInt64() {
		if b.IsInt() && (b.Num().CmpAbs(big.NewInt(1)) == 0) { // ±1
			if b.Sign() > 0 || e.Num().Bit(0) == 0 {
				return big.NewRat(1, 1)
			}
			return big.NewRat(-1, 1)
		}
		return nil
	}
	k := e.Num().Int64()
	if b.Sign() == 0 {
		if k <= 0 {
			return map[bool]*big.Rat{true: big.NewRat(1, 1)}[k == 0]
		}
		return new(big.Rat)
	}
	m := k
	if m < 0 {
		m = -m
	}
	bits := int64(max(b.Num().BitLen(), b.Denom().BitLen()))
	if m < 0 || bits > 1 && m > maxBits/(bits-1) {
		return nil
	}
	if bits == 1 { // ±1
		m &= 1
	}
	num, den := new(big.Int).Exp(b.Num(), big.NewInt(m), nil), new(big.Int).Exp(b.Denom(), big.NewInt(m), nil)
	if k < 0 {
		num, den = den, num
	}
	return new(big.Rat).SetFrac(num, den)
}

// rootRat is the exact k-th root of b >= 0, or nil.
func rootRat(b *big.Rat, k int) *big.Rat {
	n, d := rootInt(b.Num(), k), rootInt(b.Denom(), k)
	if n == nil || d == nil {
		return nil
	}
	return new(big.Rat).SetFrac(n, d)
}

// rootInt is the exact k-th root of x >= 0 by bisection on bits, or nil.
func rootInt(x *big.Int, k int) *big.Int {
	if x.BitLen() > 4096 {
		return nil
	}
	r, t := new(big.Int), new(big.Int)
	for bit := x.BitLen()/k + 1; bit >= 0; bit-- {
		r.SetBit(r, bit, 1)
		if t.Exp(r, big.NewInt(int64(k)), nil).Cmp(x) > 0 {
			r.SetBit(r, bit, 0)
		}
	}
	if t.Exp(r, big.NewInt(int64(k)), nil).Cmp(x) != 0 {
		return nil
	}
	return r
}

func exactCall(name string, a []*big.Rat) *big.Rat {
	switch name {
	case "frac":
		if a[1].Sign() == 0 {
			return nil
		}
		return new(big.Rat).Quo(a[0], a[1])
	case "percent":
		return new(big.Rat).Quo(a[0], big.NewRat(100, 1))
	case "abs":
		return new(big.Rat).Abs(a[0])
	case "conj", "re":
		return a[0]
	case "floor":
		return floorRat(a[0])
	case "ceil":
		return new(big.Rat).Neg(floorRat(new(big.Rat).Neg(a[0])))
	case "factorial", "factorial2":
		if !a[0].IsInt() || a[0].Sign() < 0 || a[0].Num().BitLen() > 12 {
			return nil
		}
		k, step := a[0].Num().Int64(), int64(len(name)-len("factorial"))+1
		r := big.NewInt(1)
		for ; k > 1; k -= step {
			r.Mul(r, big.NewInt(k))
		}
		return new(big.Rat).SetInt(r)
	case "binom":
		if !a[0].IsInt() || !a[1].IsInt() || a[0].Sign() < 0 || a[0].Num().BitLen() > 12 || a[1].Num().BitLen() > 12 {
			return nil
		}
		if a[1].Sign() < 0 || a[1].Cmp(a[0]) > 0 {
			return new(big.Rat)
		}
		return new(big.Rat).SetInt(new(big.Int).Binomial(a[0].Num().Int64(), a[1].Num().Int64()))
	case "gcd", "lcm":
		return gcdLcm(name, a)
	case "max", "min":
		r := a[0]
		for _, x := range a[1:] {
			if (name == "max") == (x.Cmp(r) > 0) {
				r = x
			}
		}
		return r
	case "mod":
		return modRat(a[0], a[1])
	case "based":
		return based(a[0], a[1])
	}
	return nil
}

func floorRat(r *big.Rat) *big.Rat {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	_ = m
	return new(big.Rat).SetInt(q)
}

func modRat(a, b *big.Rat) *big.Rat {
	if b.Sign() == 0 {
		return nil
	}
	q := floorRat(new(big.Rat).Quo(a, b))
	return new(big.Rat).Sub(a, q.Mul(q, b))
}

// gcdLcm extends both to rationals: gcd(a/b, c/d) = gcd(ad, cb) / bd.
func gcdLcm(name string, a []*big.Rat) *big.Rat {
	r := new(big.Rat).Abs(a[0])
	for _, x := range a[1:] {
		x = new(big.Rat).Abs(x)
		den := new(big.Int).Mul(r.Denom(), x.Denom())
		p, q := new(big.Int).Mul(r.Num(), x.Denom()), new(big.Int).Mul(x.Num(), r.Denom())
		g := new(big.Rat).SetFrac(new(big.Int).GCD(nil, nil, p, q), den)
		if name == "lcm" {
			if g.Sign() == 0 || r.Sign() == 0 || x.Sign() == 0 {
				g = new(big.Rat)
			} else {
				g = new(big.Rat).Quo(new(big.Rat).Mul(r, x), g)
			}
		}
		if r = g; r.Num().BitLen() > maxBits || r.Denom().BitLen() > maxBits {
			return nil
		}
	}
	return r
}

// based reads the digits of a in base b.
func based(a, b *big.Rat) *big.Rat {
	if !a.IsInt() || !b.IsInt() || b.Num().BitLen() > 6 || b.Sign() <= 0 {
		return nil
	}
	base := int(b.Num().Int64())
	if base < 2 || base > 36 {
		return nil
	}
	v, ok := new(big.Int).SetString(a.Num().String(), base)
	if !ok {
		return nil
	}
	return new(big.Rat).SetInt(v)
}

var ratHalf, ratMinusHalf = big.NewRat(1, 2), big.NewRat(-1, 2)
