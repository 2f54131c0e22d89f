package fp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// bigExp is e^x to some 200 bits: the Taylor series of e^(x/2^20), squared twenty times.
func bigExp(x float64) *big.Float {
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(240).SetFloat64(v) }
	r := num(x)
	r.SetMantExp(r, -20)
	sum, term := num(1), num(1)
	for i := 1; i < 40; i++ {
		term.Mul(term, r)
		term.Quo(term, num(float64(i)))
		sum.Add(sum, term)
	}
	for range 20 {
		sum.Mul(sum, sum)
	}
	return sum
}

func TestExp64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	worst := 0.0
	for i := range 4000 {
		x := r.NormFloat64()
		switch i % 3 {
		case 1:
			x *= 1e-3
		case 2:
			x = (r.Float64() - 0.5) * 1400
		}
		got := Exp64(x)
		diff := new(big.Float).Sub(bigExp(x), new(big.Float).SetFloat64(got))
		d, _ := diff.Float64()
		_, e := math.Frexp(got)
		worst = max(worst, math.Abs(d)/math.Ldexp(1, e-53))
	}
	if worst >= 1 {
		t.Errorf("off by %.3f ulp", worst)
	}
	for _, c := range [][2]float64{{0, 1}, {math.Copysign(0, -1), 1}, {math.Inf(1), math.Inf(1)}, {math.Inf(-1), 0}, {710, math.Inf(1)}, {-746, 0}} {
		if got := Exp64(c[0]); got != c[1] {
			t.Errorf("e^%v = %v, want %v", c[0], got, c[1])
		}
	}
	if !math.IsNaN(Exp64(math.NaN())) {
		t.Error("e^NaN is a number")
	}
}
