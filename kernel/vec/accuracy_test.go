package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ulps is the distance of got from want in units of the last place of want as a float32.
func ulps(got float32, want float64) float64 {
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e, -125)-24)
}

// TestExpAccuracy: random arguments over the whole range, and all floats near the ends. A run over every float32 gave 0.892 ulp at worst, at -5.848642.
func TestExpAccuracy(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const n = 1 << 16
	x, y := make([]float32, n), make([]float32, n)
	worst := 0.0
	check := func() {
		Exp(y, x)
		for i, v := range x {
			if v < expLow || v > expHigh {
				continue
			}
			if u := ulps(y[i], math.Exp(float64(v))); u > worst {
				worst = u
				if u > 1 {
					t.Fatalf("Exp(%v) = %v is off by %.3f ulp", v, y[i], u)
				}
			}
		}
	}
	for round := range 8 {
		for i := range x {
			switch round {
			case 0:
				x[i] = math.Float32frombits(math.Float32bits(expLow) - uint32(i))
			case 1:
				x[i] = math.Float32frombits(math.Float32bits(expHigh) - uint32(i))
			case 2:
				x[i] = float32(math.Ldexp(r.NormFloat64(), -r.IntN(30)))
			default:
				x[i] = float32(-88 + 177*r.Float64())
			}
		}
		check()
	}
	t.Logf("worst: %.3f ulp", worst)
}

func TestExpEnds(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{
		{0, 1}, {float32(math.Copysign(0, -1)), 1}, {1e-40, 1}, {-inf, 0}, {inf, inf}, {-87.33655, 0}, {88.72284, inf}, {-1e30, 0}, {1e30, inf},
	} {
		if got := Exp1(c.x); got != c.want {
			t.Errorf("Exp1(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if y := Exp1(-87.33654); y < 0x1p-126 || y > 0x1.0001p-126 {
		t.Errorf("Exp1(-87.33654) = %v, want about 2^-126", y)
	}
}

func TestAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	near := func(what string, got float32, want, tol float64) {
		t.Helper()
		if !(math.Abs(float64(got)-want) <= tol*max(1, math.Abs(want))) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
	for _, n := range []int{1, 15, 16, 33, 1000} {
		x, w, dst := row(r, n, 0), row(r, n, 0), make([]float32, n)
		var sum, squares, exps, top float64
		top = math.Inf(-1)
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
			top = max(top, float64(v))
		}
		for _, v := range x {
			exps += math.Exp(float64(v) - top)
		}
		near("Sum", Sum(x), sum, 1e-3)
		near("Dot", Dot(x, x), squares, 1e-5)
		near("Max", Max(x), top, 0)
		near("LogSumExp", LogSumExp(x), top+math.Log(exps), 1e-6)
		Softmax(dst, x)
		for i, v := range x {
			near("Softmax", dst[i], math.Exp(float64(v)-top)/exps, 1e-6)
		}
		RMSNorm(dst, x, w, 1e-5)
		for i, v := range x {
			near("RMSNorm", dst[i], float64(v)/math.Sqrt(squares/float64(n)+1e-5)*float64(w[i]), 1e-5)
		}
		SwiGLU(dst, x, w)
		for i, v := range x {
			near("SwiGLU", dst[i], float64(v)/(1+math.Exp(-float64(v)))*float64(w[i]), 1e-5)
		}
		Sigmoid(dst, x)
		for i, v := range x {
			near("Sigmoid", dst[i], 1/(1+math.Exp(-float64(v))), 1e-6)
		}
	}
}

func TestLog(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 100000 {
		x := math.Float32frombits(0x00800000 + r.Uint32N(0x7F000000))
		if got, want := log(x), float32(math.Log(float64(x))); got != want {
			// Two roundings of nearly the same float64 may part by one step at a midpoint, and nowhere else.
			if ulps(got, math.Log(float64(x))) > 0.5000001 {
				t.Fatalf("log(%v) = %v, want %v", x, got, want)
			}
		}
	}
	if got := log(1); got != 0 {
		t.Errorf("log(1) = %v", got)
	}
}

// TestSpecialRows: what a zero, an infinity or a NaN does to a whole row.
func TestSpecialRows(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negZero := float32(math.Copysign(0, -1))
	isNaN := func(x float32) bool { return x != x }
	for _, n := range []int{1, 16, 20} {
		fill := func(v, last float32) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = v
			}
			x[n-1] = last
			return x
		}
		if m := Max(fill(negZero, negZero)); math.Float32bits(m) != 0 {
			t.Errorf("Max of -0 is %x", math.Float32bits(m))
		}
		if !isNaN(Max(fill(1, nan))) || !isNaN(Max(fill(nan, 1))) && n > 1 {
			t.Error("Max forgets a NaN")
		}
		for _, x := range [][]float32{fill(-inf, -inf), fill(1, inf), fill(1, nan)} {
			y := make([]float32, n)
			Softmax(y, x)
			if !isNaN(y[0]) || !isNaN(LogSumExp(x)) {
				t.Errorf("Softmax of %v gives %v and LogSumExp %v, want NaN", x[n-1], y[0], LogSumExp(x))
			}
		}
		if n > 1 {
			y := make([]float32, n)
			Softmax(y, fill(0, -inf))
			if y[n-1] != 0 {
				t.Errorf("Softmax gives %v to -Inf", y[n-1])
			}
		}
	}
	if m := Max(nil); m != -inf {
		t.Errorf("Max of nothing is %v", m)
	}
}

func BenchmarkVec(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 4096
	x, y, z, dst, h := row(r, n, 0), row(r, n, 0), row(r, n, 0), make([]float32, n), make([]uint16, n)
	for _, k := range []struct {
		name string
		f    func()
	}{
		{"Add", func() { Add(dst, x, y) }},
		{"Exp", func() { Exp(dst, x) }},
		{"SwiGLU", func() { SwiGLU(dst, x, y) }},
		{"Softmax", func() { Softmax(dst, x) }},
		{"RMSNorm", func() { RMSNorm(dst, x, z, 1e-5) }},
		{"Axpy", func() { Axpy(dst, x, 0.5) }},
		{"RopeHalves", func() { RopeHalves(dst, n/128, 128, x[:64], y[:64]) }},
		{"RopeAdjacent", func() { RopeAdjacent(dst, n/128, 128, x[:64], y[:64]) }},
		{"F32ToF16", func() { F32ToF16(h, x) }},
		{"F32ToBF16", func() { F32ToBF16(h, x) }},
		{"F16ToF32", func() { F16ToF32(dst, h) }},
		{"LogSumExp", func() { LogSumExp(x) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			for b.Loop() {
				k.f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/elem")
		})
	}
}
