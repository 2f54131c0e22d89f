package nn

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if math.Abs(got-want) > tol*math.Abs(want) {
		t.Errorf("%s = %.10g, want %.10g", what, got, want)
	}
}

func deepseekRope(factor, beta, theta, mscale float64) Rope {
	return Rope{Dim: 64, Theta: theta, Layout: Adjacent, Scaling: RopeYaRN, Factor: factor, OriginalContext: 4096,
		BetaFast: beta, BetaSlow: 1, MScale: mscale, MScaleAllDim: mscale}
}

// The published values of DeepSeek-V3's scaled frequencies and of the attention factors of its relatives.
func TestYaRNOfPublishedConfigs(t *testing.T) {
	v3 := deepseekRope(40, 32, 1e4, 1)
	f := v3.Frequencies()
	for i, want := range map[int]float64{9: 0.0749894209, 10: 0.0562341325, 11: 0.0390069265, 15: 0.0083345090, 20: 0.0007905694,
		22: 0.0001778279, 23: 3.333804e-5, 31: 3.333804e-6} {
		near(t, "frequency", f[i], want, 1e-6)
	}
	near(t, "V3 softmax factor", v3.SoftmaxFactor(), 1.8738542071, 1e-9)
	near(t, "V3 attention scale", v3.SoftmaxFactor()/math.Sqrt(192), 0.1352337789, 1e-9)
	near(t, "V3 magnitude", v3.Magnitude(), 1, 0)
	v2 := deepseekRope(40, 32, 1e4, 0.707)
	near(t, "V2 softmax factor", v2.SoftmaxFactor(), 1.5896261652, 1e-9)
	for factor, want := range map[float64]float64{32: 1.8132604340, 64: 2.0047397017} {
		k2 := deepseekRope(factor, 1, 5e4, 1)
		near(t, "K2 softmax factor", k2.SoftmaxFactor(), want, 1e-9)
		f, plain := k2.Frequencies(), (&Rope{Dim: 64, Theta: 5e4}).Frequencies()
		near(t, "K2 frequency 19 (kept)", f[19], plain[19], 1e-12)
		near(t, "K2 frequency 20 (stretched)", f[20], plain[20]/factor, 1e-12)
	}
	qwen := Rope{Dim: 128, Theta: 1e6, Scaling: RopeYaRN, Factor: 4, OriginalContext: 32768, BetaFast: 32, BetaSlow: 1}
	near(t, "magnitude without mscale keys", qwen.Magnitude(), 0.1*math.Log(4)+1, 1e-15)
	near(t, "softmax factor without mscale keys", qwen.SoftmaxFactor(), 1, 0)
}

// Divisors are how GGUF files say llama3: both give the same frequencies.
func TestLlama3AsDivisors(t *testing.T) {
	scaled := Rope{Dim: 128, Theta: 5e5, Scaling: RopeLlama3, Factor: 8, OriginalContext: 8192, LowFreqFactor: 1, HighFreqFactor: 4}
	plain := Rope{Dim: 128, Theta: 5e5}
	want, base := scaled.Frequencies(), plain.Frequencies()
	div := make([]float32, 64)
	for i := range div {
		div[i] = float32(base[i] / want[i])
	}
	if div[0] != 1 || div[63] != 8 {
		t.Fatalf("first and last divisor %v and %v, want 1 and 8", div[0], div[63])
	}
	plain.Divisors = div
	for i, f := range plain.Frequencies() {
		near(t, "frequency", f, want[i], 1e-7)
	}
}

func TestRopeTable(t *testing.T) {
	r := Rope{Dim: 8, Theta: 1e4}
	tab := NewRopeTable(&r)
	tab.Grow(1)
	tab.Grow(600)
	for _, pos := range []int{0, 1, 255, 256, 599} {
		cos, sin := tab.At(pos)
		for i, f := range r.Frequencies() {
			if s, c := math.Sincos(float64(pos) * f); cos[i] != float32(c) || sin[i] != float32(s) {
				t.Errorf("position %d pair %d: %v %v, want %v %v", pos, i, cos[i], sin[i], float32(c), float32(s))
			}
		}
	}
}

func TestRopeValidate(t *testing.T) {
	good := deepseekRope(40, 32, 1e4, 1)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Rope){
		"odd":       func(r *Rope) { r.Dim = 7 },
		"theta":     func(r *Rope) { r.Theta = 0 },
		"nan theta": func(r *Rope) { r.Theta = math.NaN() },
		"factor":    func(r *Rope) { r.Factor = 0 },
		"context":   func(r *Rope) { r.OriginalContext = 0 },
		"beta":      func(r *Rope) { r.BetaSlow = 64 },
		"divisors":  func(r *Rope) { r.Divisors = make([]float32, 5) },
	} {
		bad := good
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
