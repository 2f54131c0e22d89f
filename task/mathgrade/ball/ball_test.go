package ball

import (
	"math"
	"math/big"
	"math/cmplx"
	"testing"

	"pgregory.net/rapid"
)

// holds reports whether the ball is within 1e-12 of want, relative to its size, and claims at least 200 bits.
func holds(t *rapid.T, name string, x Real, want float64) {
	t.Helper()
	if math.Abs(x.Float()-want) > 1e-12*(1+math.Abs(want)) {
		t.Fatalf("%s is %v, want %v", name, x.Float(), want)
	}
	if r, _ := x.Rad.Float64(); r > math.Ldexp(1+math.Abs(want), -200) {
		t.Fatalf("%s has radius %v", name, r)
	}
}

func TestAgainstHardware(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(-20, 20).Draw(t, "x")
		x := Rat(new(big.Rat).SetFloat64(f))
		e, err := x.Exp()
		if err != nil {
			t.Fatal(err)
		}
		holds(t, "exp", e, math.Exp(f))
		s, c, err := x.SinCos()
		if err != nil {
			t.Fatal(err)
		}
		holds(t, "sin", s, math.Sin(f))
		holds(t, "cos", c, math.Cos(f))
		holds(t, "atan", x.Atan(), math.Atan(f))
		if f > 1e-6 {
			l, err := x.Log()
			if err != nil {
				t.Fatal(err)
			}
			holds(t, "log", l, math.Log(f))
		}
		g := rapid.Float64Range(-5, 5).Draw(t, "y")
		z := Complex{x, Rat(new(big.Rat).SetFloat64(g))}
		w, err := z.Log()
		if err == nil && g != 0 {
			want := cmplx.Log(complex(f, g))
			holds(t, "re log", w.Re, real(want))
			holds(t, "im log", w.Im, imag(want))
		}
	})
}

// TestIdentities checks that exact identities lie within the stated radius: the true value 0 or 1 must be inside the ball.
func TestIdentities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := Rat(big.NewRat(rapid.Int64Range(1, 1000).Draw(t, "p"), rapid.Int64Range(1, 1000).Draw(t, "q")))
		l, err := x.Log()
		if err != nil {
			t.Fatal(err)
		}
		back, err := l.Exp()
		if err != nil {
			t.Fatal(err)
		}
		if back.Sub(x).Sign() != 0 {
			t.Fatalf("exp log %v is proven to differ", x.Float())
		}
		s, c, err := x.SinCos()
		if err != nil {
			t.Fatal(err)
		}
		if one := s.Mul(s).Add(c.Mul(c)).Sub(Int(1)); one.Sign() != 0 {
			t.Fatalf("sin² + cos² of %v is proven to differ from 1", x.Float())
		}
		r, err := x.Sqrt()
		if err != nil {
			t.Fatal(err)
		}
		if r.Mul(r).Sub(x).Sign() != 0 {
			t.Fatalf("sqrt² of %v is proven to differ", x.Float())
		}
	})
}

func TestGamma(t *testing.T) {
	want := int64(1)
	for n := int64(1); n <= 15; n++ {
		g, err := Int(n).Gamma()
		if err != nil {
			t.Fatal(err)
		}
		if d := g.Sub(Int(want)); d.Sign() != 0 {
			t.Errorf("gamma(%d) is proven to differ from %d", n, want)
		} else if r, _ := d.Rad.Float64(); r > 1e-45 {
			t.Errorf("gamma(%d) has radius %v", n, r)
		}
		want *= n
	}
	h, err := Rat(big.NewRat(1, 2)).Gamma()
	if err != nil {
		t.Fatal(err)
	}
	if h.Mul(h).Sub(Pi()).Sign() != 0 {
		t.Error("gamma(1/2)² is proven to differ from pi")
	}
}

func TestDomain(t *testing.T) {
	if _, err := Int(0).Inv(); err == nil {
		t.Error("1/0 has a value")
	}
	if _, err := Int(-1).Sqrt(); err == nil {
		t.Error("the real root of -1 has a value")
	}
	if _, err := Int(0).Log(); err == nil {
		t.Error("log 0 has a value")
	}
	if _, err := Int(1 << 40).Exp(); err == nil {
		t.Error("exp of 2^40 is computed")
	}
	if _, err := Int(-3).Gamma(); err == nil {
		t.Error("gamma(-3) has a value")
	}
}
