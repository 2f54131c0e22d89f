package fp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exact computes the FMA in big.Float and rounds once.
func exact(x, y, z float32) float32 {
	if isSpecial(x) || isSpecial(y) || isSpecial(z) {
		return float32(float64(x)*float64(y) + float64(z))
	}
	wide := func(v float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(v)) }
	sum := new(big.Float).SetPrec(1000).Mul(wide(x), wide(y))
	sum.Add(sum, wide(z))
	if sum.Sign() == 0 { // big.Float has its own rule for the sign of a zero sum
		return float32(float64(x)*float64(y) + float64(z))
	}
	f, _ := sum.Float32()
	return f
}

func isSpecial(x float32) bool { return math.IsInf(float64(x), 0) || x != x }

func TestFMA32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(x, y, z float32) {
		t.Helper()
		got, want := Canon(FMA32(x, y, z)), Canon(exact(x, y, z))
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("FMA32(%x, %x, %x) = %x, want %x", x, y, z, got, want)
		}
	}
	// One and a half units of rounding apart: float32(math.FMA) gets the first wrong.
	check(1+0x1p-12, 1+0x1p-12, 0x1p-60)
	check(1+0x1p-12, 1+0x1p-12, -0x1p-60)
	specials := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0x1p-149, -0x1p-149, 0x1p-126, 0x1.fffffep-127, math.MaxFloat32, -math.MaxFloat32,
		float32(math.Inf(1)), float32(math.Inf(-1)), NaN, 0x1p-75, 0x1.000002p-74, 0x1p64, 1 + 0x1p-23}
	for _, x := range specials {
		for _, y := range specials {
			for _, z := range specials {
				check(x, y, z)
			}
		}
	}
	for range 200_000 {
		x, y := math.Float32frombits(r.Uint32()), math.Float32frombits(r.Uint32())
		check(x, y, math.Float32frombits(r.Uint32()))
		check(x, y, -x*y)                                                      // cancellation
		check(x, y, x*y*math.Float32frombits(0x33000000+r.Uint32N(0x2000000))) // an addend near the last bit
		s := float32(math.Ldexp(1+float64(r.Uint32N(1<<12))/(1<<12), -70+int(r.Uint32N(8))))
		check(s, s, s*s*float32(r.Uint32N(64)))    // denormal results
		h := 1 + float32(r.Uint32N(1<<12))*0x1p-12 // products of 25 bits: midpoints
		check(h, 1+0x1p-12*float32(r.Uint32N(1<<12)), float32(math.Ldexp(float64(r.Int32N(3)-1), -30-int(r.Uint32N(60)))))
	}
}

func TestFold(t *testing.T) {
	var l [16]float32
	for i := range l {
		l[i] = float32(math.Ldexp(1, i*2))
	}
	r8 := make([]float32, 8)
	for i := range r8 {
		r8[i] = l[i] + l[i+8]
	}
	r4 := []float32{r8[0] + r8[4], r8[1] + r8[5], r8[2] + r8[6], r8[3] + r8[7]}
	want := (r4[0] + r4[2]) + (r4[1] + r4[3])
	if got := Fold16(&l); got != want {
		t.Errorf("Fold16 = %v, want %v", got, want)
	}
}

func BenchmarkFMA32(b *testing.B) {
	x := float32(0.1)
	for b.Loop() {
		x = FMA32(x, 0.999, 0.001)
	}
	if x == 0 {
		b.Fatal(x)
	}
}
