// Package ball computes with real and complex numbers known to within a stated radius: midpoint-radius arithmetic on math/big floats.
// Every operation returns a ball that holds the true result for every point of its operands, so that two values proven apart are apart.
package ball

import (
	"errors"
	"math/big"
)

// Prec is the precision of midpoints in bits. Each elementary function is computed with 64 bits more and charged a relative error of
// 2^-(Prec-slack), which is far above what its series leaves.
const (
	Prec  = 256
	work  = Prec + 64
	slack = 24
)

// Errors of the operations that have no value, or whose value cannot be told apart from having none.
var (
	ErrDomain   = errors.New("outside the domain")
	ErrOverflow = errors.New("too large to compute")
)

// Real is the interval Mid ± Rad. Values are immutable.
type Real struct{ Mid, Rad *big.Float }

func mid() *big.Float { return new(big.Float).SetPrec(Prec) }
func wide() *big.Float {
	return new(big.Float).SetPrec(work)
}
func rad() *big.Float { return new(big.Float).SetPrec(32).SetMode(big.ToPositiveInf) }

var zeroRad = rad()

// Int is the exact integer n.
func Int(n int64) Real { return Real{mid().SetInt64(n), zeroRad} }

// Rat is r, rounded.
func Rat(r *big.Rat) Real {
	m := mid().SetRat(r)
	if r.IsInt() && m.MinPrec() < Prec && r.Num().BitLen() <= Prec {
		return Real{m, zeroRad}
	}
	return Real{m, ulp(m, 2)}
}

// Within is r with an uncertainty of ± w.
func Within(r, w *big.Rat) Real {
	x := Rat(r)
	x.Rad = rad().Add(x.Rad, rad().SetRat(w))
	return x
}

// ulp bounds a rounding error of 2^(slack-Prec) times m.
func ulp(m *big.Float, bits int) *big.Float {
	if m.Sign() == 0 {
		return zeroRad
	}
	return rad().SetMantExp(big.NewFloat(1), m.MantExp(nil)-Prec+bits)
}

func absRad(m *big.Float) *big.Float { return rad().Abs(m) }

// Exact reports whether x has no uncertainty.
func (x Real) Exact() bool { return x.Rad.Sign() == 0 }

// IsZero reports whether x is exactly zero.
func (x Real) IsZero() bool { return x.Exact() && x.Mid.Sign() == 0 }

// Sign is -1 or 1 where the sign of every point of x is known, 0 where it is not or x is exactly zero.
func (x Real) Sign() int {
	if absRadDown(x.Mid).Cmp(x.Rad) <= 0 {
		return 0
	}
	return x.Mid.Sign()
}

func absRadDown(m *big.Float) *big.Float {
	return new(big.Float).SetPrec(32).SetMode(big.ToZero).Abs(m)
}

// Neg is -x.
func (x Real) Neg() Real { return Real{mid().Neg(x.Mid), x.Rad} }

// Add is x + y.
func (x Real) Add(y Real) Real {
	m := mid().Add(x.Mid, y.Mid)
	r := rad().Add(x.Rad, y.Rad)
	if m.Acc() != big.Exact {
		r.Add(r, ulp(m, 1))
	}
	return Real{m, r}
}

// Sub is x - y.
func (x Real) Sub(y Real) Real { return x.Add(y.Neg()) }

// Mul is x · y.
func (x Real) Mul(y Real) Real {
	m := mid().Mul(x.Mid, y.Mid)
	r := rad()
	if !x.Exact() || !y.Exact() {
		r.Mul(absRad(x.Mid), y.Rad)
		r.Add(r, rad().Mul(rad().Add(absRad(y.Mid), y.Rad), x.Rad))
	}
	if m.Acc() != big.Exact {
		r.Add(r, ulp(m, 1))
	}
	return Real{m, r}
}

// Inv is 1 / x.
func (x Real) Inv() (Real, error) {
	if x.Sign() == 0 {
		return Real{}, ErrDomain
	}
	m := mid().Quo(mid().SetInt64(1), x.Mid)
	r := ulp(m, 2)
	if !x.Exact() { // rad / (|m| (|m| - rad))
		d := new(big.Float).SetPrec(32).SetMode(big.ToZero).Sub(absRadDown(x.Mid), x.Rad)
		if d.Sign() <= 0 {
			return Real{}, ErrDomain
		}
		d.Mul(d, absRadDown(x.Mid))
		r = rad().Add(r, rad().Quo(x.Rad, d))
	}
	return Real{m, r}, nil
}

// Div is x / y.
func (x Real) Div(y Real) (Real, error) {
	i, err := y.Inv()
	if err != nil {
		return Real{}, err
	}
	return x.Mul(i), nil
}

// Abs is |x|.
func (x Real) Abs() Real {
	if x.Mid.Sign() < 0 {
		return x.Neg()
	}
	return x
}

// Float is the midpoint as a float64.
func (x Real) Float() float64 { f, _ := x.Mid.Float64(); return f }

// Sqrt is the root of x, which must not be negative. A ball that touches zero gives a ball about zero.
func (x Real) Sqrt() (Real, error) {
	if x.IsZero() {
		return x, nil
	}
	if x.Sign() == 0 {
		top := rad().Add(absRad(x.Mid), x.Rad)
		return Real{mid(), rad().Add(rad().Sqrt(top), ulp(top, 300))}, ErrDomain
	}
	if x.Mid.Sign() < 0 {
		return Real{}, ErrDomain
	}
	m := mid().Sqrt(x.Mid)
	r := ulp(m, 2)
	if !x.Exact() {
		d := new(big.Float).SetPrec(32).SetMode(big.ToZero).Sub(absRadDown(x.Mid), x.Rad)
		if d.Sign() <= 0 {
			return Real{}, ErrDomain
		}
		r = rad().Add(r, rad().Quo(x.Rad, d.Sqrt(d))) // twice the bound rad / 2 sqrt(low)
	}
	return Real{m, r}, nil
}

// Floor is the integer below x, if it is the same for all of x. A ball about an integer counts as that integer when its radius is tiny.
func (x Real) Floor() (Real, error) {
	lo, hi := floorInt(mid().Sub(x.Mid, x.Rad)), floorInt(mid().Add(x.Mid, x.Rad))
	if lo == nil || hi == nil || lo.Cmp(hi) != 0 && x.Rad.Cmp(big.NewFloat(1e-40)) > 0 {
		return Real{}, ErrDomain
	}
	return Real{mid().SetInt(hi), zeroRad}, nil
}

func floorInt(f *big.Float) *big.Int {
	if f.MantExp(nil) > 4000 {
		return nil
	}
	i, acc := f.Int(nil)
	if acc != big.Exact && f.Sign() < 0 {
		i.Sub(i, big.NewInt(1))
	}
	return i
}

// Integer returns x as an int64 when it is an exact integer.
func (x Real) Integer() (int64, bool) {
	if !x.Exact() || !x.Mid.IsInt() {
		return 0, false
	}
	n, acc := x.Mid.Int64()
	return n, acc == big.Exact
}

// Differ compares two balls: apart says that no point is common; near says that they overlap and their radii together are below tol times
// the larger value, or below tol·1e-25 for values smaller than that.
func Differ(x, y Real, tol float64) (apart, near bool) {
	d := x.Sub(y)
	if d.Sign() != 0 {
		return true, false
	}
	scale := big.NewFloat(1e-25)
	for _, v := range []Real{x, y} {
		if a := new(big.Float).Abs(v.Mid); a.Cmp(scale) > 0 {
			scale = a
		}
	}
	return false, d.Rad.Cmp(scale.Mul(scale, big.NewFloat(tol))) <= 0
}
