package ball

import "math/big"

// Complex is a complex ball: a rectangle of two real balls. An exactly zero imaginary part stays exact through real operations.
type Complex struct{ Re, Im Real }

// FromReal is x + 0i.
func FromReal(x Real) Complex { return Complex{x, Int(0)} }

// IsReal reports whether the imaginary part is exactly zero.
func (z Complex) IsReal() bool { return z.Im.IsZero() }

// IsZero reports whether z is exactly zero.
func (z Complex) IsZero() bool { return z.Re.IsZero() && z.Im.IsZero() }

// Add is z + w.
func (z Complex) Add(w Complex) Complex {
	if z.IsReal() && w.IsReal() {
		return FromReal(z.Re.Add(w.Re))
	}
	return Complex{z.Re.Add(w.Re), z.Im.Add(w.Im)}
}

// Neg is -z.
func (z Complex) Neg() Complex { return Complex{z.Re.Neg(), z.Im.Neg()} }

// Sub is z - w.
func (z Complex) Sub(w Complex) Complex { return z.Add(w.Neg()) }

// Mul is z · w.
func (z Complex) Mul(w Complex) Complex {
	if z.IsReal() && w.IsReal() {
		return FromReal(z.Re.Mul(w.Re))
	}
	return Complex{z.Re.Mul(w.Re).Sub(z.Im.Mul(w.Im)), z.Re.Mul(w.Im).Add(z.Im.Mul(w.Re))}
}

// Conj is the conjugate.
func (z Complex) Conj() Complex { return Complex{z.Re, z.Im.Neg()} }

// Inv is 1 / z.
func (z Complex) Inv() (Complex, error) {
	if z.IsReal() {
		r, err := z.Re.Inv()
		return FromReal(r), err
	}
	d, err := z.Re.Mul(z.Re).Add(z.Im.Mul(z.Im)).Inv()
	if err != nil {
		return Complex{}, err
	}
	return Complex{z.Re.Mul(d), z.Im.Neg().Mul(d)}, nil
}

// Abs is |z|.
func (z Complex) Abs() (Real, error) {
	if z.IsReal() {
		return z.Re.Abs(), nil
	}
	return z.Re.Mul(z.Re).Add(z.Im.Mul(z.Im)).Sqrt()
}

// Arg is the principal argument in (-π, π]. A ball across the cut is outside the domain.
func (z Complex) Arg() (Real, error) {
	if z.IsReal() {
		switch z.Re.Sign() {
		case 1:
			return Int(0), nil
		case -1:
			return Pi(), nil
		}
		return Real{}, ErrDomain
	}
	half := Pi().Mul(Real{mid().SetFloat64(0.5), zeroRad})
	if s := z.Im.Sign(); s != 0 && mid().Abs(z.Im.Mid).Cmp(mid().Abs(z.Re.Mid)) >= 0 { // ±π/2 - atan(re/im)
		q, err := z.Re.Div(z.Im)
		if err != nil {
			return Real{}, err
		}
		if s < 0 {
			half = half.Neg()
		}
		return half.Sub(q.Atan()), nil
	}
	q, err := z.Im.Div(z.Re)
	if err != nil {
		return Real{}, err
	}
	a := q.Atan()
	if z.Re.Sign() > 0 {
		return a, nil
	}
	switch z.Im.Sign() {
	case 1:
		return a.Add(Pi()), nil
	case -1:
		return a.Sub(Pi()), nil
	}
	return Real{}, ErrDomain
}

// Log is the principal logarithm.
func (z Complex) Log() (Complex, error) {
	m, err := z.Abs()
	if err != nil {
		return Complex{}, err
	}
	l, err := m.Log()
	if err != nil {
		return Complex{}, err
	}
	a, err := z.Arg()
	return Complex{l, a}, err
}

// Exp is e^z.
func (z Complex) Exp() (Complex, error) {
	m, err := z.Re.Exp()
	if err != nil || z.IsReal() {
		return FromReal(m), err
	}
	s, c, err := z.Im.SinCos()
	if err != nil {
		return Complex{}, err
	}
	return Complex{m.Mul(c), m.Mul(s)}, nil
}

// maxPower bounds an exponent taken by repeated multiplication.
const maxPower = 1 << 16

// PowInt is z^n by repeated squaring, |n| <= 65536.
func (z Complex) PowInt(n int64) (Complex, error) {
	if n < 0 {
		i, err := z.Inv()
		if err != nil {
			return Complex{}, err
		}
		return i.PowInt(-n)
	}
	if n > maxPower {
		return Complex{}, ErrOverflow
	}
	out, base := FromReal(Int(1)), z
	for {
		if n&1 == 1 {
			out = out.Mul(base)
		}
		if n >>= 1; n == 0 {
			return out, nil
		}
		base = base.Mul(base)
		if base.Re.Mid.MantExp(nil) > 1<<20 || base.Re.Mid.MantExp(nil) < -1<<20 {
			return Complex{}, ErrOverflow
		}
	}
}

// Pow is z^w: by multiplication for integers, by the real root for a root of odd order of a negative number, else principal.
func (z Complex) Pow(w Complex, exact *big.Rat) (Complex, error) {
	if exact != nil && exact.IsInt() && exact.Num().IsInt64() {
		if n := exact.Num().Int64(); n <= maxPower && n >= -maxPower {
			return z.PowInt(n)
		}
	}
	if z.IsZero() {
		if w.IsReal() && w.Re.Sign() > 0 {
			return z, nil
		}
		return Complex{}, ErrDomain
	}
	if exact != nil && z.IsReal() && exact.Denom().IsInt64() {
		if exact.Denom().Int64() == 2 && exact.Num().IsInt64() && z.Re.Sign() > 0 {
			if n := exact.Num().Int64(); n < 64 && n > -64 {
				r, err := z.Re.Sqrt()
				if err != nil {
					return Complex{}, err
				}
				return FromReal(r).PowInt(n)
			}
		}
		if z.Re.Sign() < 0 && exact.Denom().Bit(0) == 1 {
			v, err := z.Neg().Pow(w, exact)
			if exact.Num().Bit(0) == 1 {
				v = v.Neg()
			}
			return v, err
		}
		if z.Re.Sign() < 0 && exact.Denom().Int64() == 2 {
			r, err := z.Re.Neg().Sqrt()
			if err != nil || !exact.Num().IsInt64() {
				return Complex{}, err
			}
			return Complex{Int(0), r}.PowInt(exact.Num().Int64())
		}
	}
	l, err := z.Log()
	if err != nil {
		return Complex{}, err
	}
	return l.Mul(w).Exp()
}
