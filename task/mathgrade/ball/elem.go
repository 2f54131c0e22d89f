package ball

import (
	"math"
	"math/big"
	"sync"
)

// Pi and ln 2 to 700 bits, enough to reduce any argument below 2^300.
const constPrec = 700

var constants = sync.OnceValue(func() [2]*big.Float {
	return [2]*big.Float{machin(), atanhInverse(3).Mul(big.NewFloat(2), atanhInverse(3))}
})

func piWide() *big.Float  { return constants()[0] }
func ln2Wide() *big.Float { return constants()[1] }

// machin is 16 atan(1/5) - 4 atan(1/239).
func machin() *big.Float {
	a, b := atanInverse(5, true), atanInverse(239, true)
	a.Mul(a, big.NewFloat(16))
	b.Mul(b, big.NewFloat(4))
	return a.Sub(a, b)
}

func atanhInverse(n int64) *big.Float { return atanInverse(n, false) }

// atanInverse sums atan(1/n), or atanh(1/n) when the signs do not alternate.
func atanInverse(n int64, alternate bool) *big.Float {
	f := func() *big.Float { return new(big.Float).SetPrec(constPrec) }
	p := f().Quo(f().SetInt64(1), f().SetInt64(n))
	sq, sum := f().SetInt64(n*n), f()
	for k := int64(0); p.MantExp(nil) > -constPrec-8; k++ {
		t := f().Quo(p, f().SetInt64(2*k+1))
		if alternate && k%2 == 1 {
			t.Neg(t)
		}
		sum.Add(sum, t)
		p.Quo(p, sq)
	}
	return sum
}

// Pi is π.
func Pi() Real { m := mid().Set(piWide()); return Real{m, ulp(m, 2)} }

// maxExp bounds the argument of exp.
const maxExp = 30000

// expMid is e^x at working precision, for |x| <= maxExp.
func expMid(x *big.Float) *big.Float {
	f, _ := x.Float64()
	n := math.Round(f / math.Ln2)
	r := wide().Sub(x, wide().Mul(ln2Wide(), big.NewFloat(n)))
	const halvings = 8
	r.SetMantExp(r, -halvings)
	sum, t := wide().SetInt64(1), wide().SetInt64(1)
	for k := int64(1); k < 200; k++ {
		t.Mul(t, r)
		t.Quo(t, wide().SetInt64(k))
		if t.Sign() == 0 || t.MantExp(nil) < -work-8 {
			break
		}
		sum.Add(sum, t)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, int(n))
}

// Exp is e^x.
func (x Real) Exp() (Real, error) {
	if f := x.Float(); math.Abs(f) > maxExp || x.Rad.Cmp(big.NewFloat(1)) > 0 {
		return Real{}, ErrOverflow
	}
	m := mid().Set(expMid(x.Mid))
	r := ulp(m, slack)
	if !x.Exact() { // e^m (e^r - 1) <= 2 e^m r for r <= 1
		r = rad().Add(r, rad().Mul(rad().Mul(absRad(m), x.Rad), big.NewFloat(2)))
	}
	return Real{m, r}, nil
}

// Log is the natural logarithm of x > 0.
func (x Real) Log() (Real, error) {
	if x.Sign() <= 0 {
		return Real{}, ErrDomain
	}
	frac := wide()
	e := x.Mid.MantExp(frac)
	f, _ := frac.Float64()
	y := wide().SetFloat64(math.Log(f))
	for range 3 { // each step triples the digits
		ey := expMid(y)
		num, den := wide().Sub(frac, ey), wide().Add(frac, ey)
		num.Quo(num.Mul(num, big.NewFloat(2)), den)
		y.Add(y, num)
	}
	y.Add(y, wide().Mul(ln2Wide(), big.NewFloat(float64(e))))
	m := mid().Set(y)
	r := rad().Add(ulp(m, slack), ulp(big.NewFloat(1), slack))
	if !x.Exact() {
		d := new(big.Float).SetPrec(32).SetMode(big.ToZero).Sub(absRadDown(x.Mid), x.Rad)
		if d.Sign() <= 0 {
			return Real{}, ErrDomain
		}
		r.Add(r, rad().Quo(x.Rad, d))
	}
	if x.Exact() && x.Mid.Cmp(big.NewFloat(1)) == 0 {
		return Int(0), nil
	}
	return Real{m, r}, nil
}

// sinCosMid is sin x and cos x at working precision, for |x| < 2^300.
func sinCosMid(x *big.Float) (s, c *big.Float) {
	prec := uint(min(constPrec, work+64+max(0, x.MantExp(nil))))
	long := func() *big.Float { return new(big.Float).SetPrec(prec) }
	half := long().Mul(piWide(), big.NewFloat(0.5))
	q := long().Quo(long().Set(x), half)
	if q.Sign() >= 0 {
		q.Add(q, big.NewFloat(0.5))
	} else {
		q.Sub(q, big.NewFloat(0.5))
	}
	n, _ := q.Int(nil)
	r := wide().Set(long().Sub(long().Set(x), long().Mul(half, long().SetInt(n))))
	r2 := wide().Mul(r, r)
	s, c = wide().Set(r), wide().SetInt64(1)
	ts, tc := wide().Set(r), wide().SetInt64(1)
	for k := int64(1); k < 120; k++ {
		tc.Quo(tc.Mul(tc, r2), wide().SetInt64(-(2*k-1)*(2*k)))
		ts.Quo(ts.Mul(ts, r2), wide().SetInt64(-(2*k)*(2*k+1)))
		if tc.Sign() == 0 || tc.MantExp(nil) < -work-8 {
			break
		}
		c.Add(c, tc)
		s.Add(s, ts)
	}
	switch new(big.Int).And(n, big.NewInt(3)).Int64() {
	case 1:
		s, c = c, wide().Neg(s)
	case 2:
		s, c = wide().Neg(s), wide().Neg(c)
	case 3:
		s, c = wide().Neg(c), s
	}
	return s, c
}

// SinCos is sin x and cos x.
func (x Real) SinCos() (sin, cos Real, err error) {
	if x.IsZero() {
		return Int(0), Int(1), nil
	}
	if x.Mid.MantExp(nil) > 300 {
		return Real{}, Real{}, ErrOverflow
	}
	s, c := sinCosMid(x.Mid)
	r := rad().Add(ulp(big.NewFloat(1), slack), x.Rad)
	return Real{mid().Set(s), r}, Real{mid().Set(c), r}, nil
}

// Atan is the angle in (-π/2, π/2) whose tangent is x.
func (x Real) Atan() Real {
	if x.IsZero() {
		return x
	}
	f := x.Float()
	y := wide().SetFloat64(math.Atan(f))
	if math.IsInf(f, 0) || math.Abs(f) > 1e15 { // atan x = ±π/2 - atan(1/x)
		inv, err := x.Inv()
		if err != nil {
			return Real{mid(), rad().SetFloat64(2)}
		}
		h := Pi().Mul(Real{mid().SetFloat64(0.5), zeroRad})
		if x.Mid.Sign() < 0 {
			h = h.Neg()
		}
		return h.Sub(inv.Atan())
	}
	s, c := sinCosMid(y)
	num := wide().Sub(wide().Mul(x.Mid, c), s)
	t := num.Quo(num, wide().Add(c, wide().Mul(x.Mid, s)))
	t2 := wide().Mul(t, t) // the rest is atan t, t < 2^-50: t - t³/3 + t⁵/5 - t⁷/7
	p := wide().Quo(t2, wide().SetInt64(-7))
	p.Add(p, wide().SetRat(big.NewRat(1, 5))).Mul(p, t2)
	p.Sub(p, wide().SetRat(big.NewRat(1, 3))).Mul(p, t2)
	p.Add(p, wide().SetInt64(1)).Mul(p, t)
	m := mid().Set(y.Add(y, p))
	return Real{m, rad().Add(ulp(big.NewFloat(1), slack), x.Rad)}
}

// Gamma is Γ(x) by Stirling's series after a shift, for |x| < 2000; poles are outside the domain.
func (x Real) Gamma() (Real, error) {
	f := x.Float()
	if math.Abs(f) > 2000 || x.Rad.Cmp(big.NewFloat(0.01)) > 0 {
		return Real{}, ErrOverflow
	}
	den := Int(1)
	z := x
	for n := 0; z.Float() < 45; n++ {
		den = den.Mul(z)
		z = z.Add(Int(1))
	}
	lg, err := z.Log()
	if err != nil {
		return Real{}, err
	}
	half := Real{mid().SetFloat64(0.5), zeroRad}
	sum := z.Sub(half).Mul(lg).Sub(z)
	twoPi, err := Pi().Mul(Int(2)).Log()
	if err != nil {
		return Real{}, err
	}
	sum = sum.Add(twoPi.Mul(half))
	inv, err := z.Inv()
	if err != nil {
		return Real{}, err
	}
	p, inv2 := inv, inv.Mul(inv)
	for _, b := range stirling() {
		sum = sum.Add(p.Mul(Rat(b)))
		p = p.Mul(inv2)
	}
	sum.Rad = rad().Add(sum.Rad, big.NewFloat(1e-62)) // the first term left out is below this for z >= 45
	g, err := sum.Exp()
	if err != nil {
		return Real{}, err
	}
	return g.Div(den)
}

// stirling is B_2k / (2k (2k-1)), k = 1..35.
var stirling = sync.OnceValue(func() []*big.Rat {
	const n = 70
	b := make([]*big.Rat, n+1)
	for m := range b { // sum_{j<=m} C(m+1, j) B_j = 0
		b[m] = new(big.Rat)
		if m == 0 {
			b[0].SetInt64(1)
			continue
		}
		for j := range m {
			c := new(big.Rat).SetInt(new(big.Int).Binomial(int64(m+1), int64(j)))
			b[m].Sub(b[m], c.Mul(c, b[j]))
		}
		b[m].Quo(b[m], big.NewRat(int64(m+1), 1))
	}
	var out []*big.Rat
	for k := int64(2); k <= n; k += 2 {
		out = append(out, new(big.Rat).Quo(b[k], big.NewRat(k*(k-1), 1)))
	}
	return out
})
