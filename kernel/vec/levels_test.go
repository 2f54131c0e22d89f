package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/fp"
	"pgregory.net/rapid"
)

// operation is one exported function, as a function of three rows of n elements and a scalar. It returns all that it computed.
type operation struct {
	name string
	run  func(x, y, z []float32, s float32) []float32
}

// one makes the result slice out of a function that writes it.
func one(f func(dst, x, y, z []float32, s float32)) func(x, y, z []float32, s float32) []float32 {
	return func(x, y, z []float32, s float32) []float32 {
		dst := make([]float32, len(x))
		f(dst, x, y, z, s)
		return dst
	}
}

func widen16(h []uint16) []float32 {
	x := make([]float32, len(h))
	for i, v := range h {
		x[i] = float32(v)
	}
	return x
}

// bits16 takes 16 random bits from each x.
func bits16(x []float32) []uint16 {
	h := make([]uint16, len(x))
	for i, v := range x {
		h[i] = uint16(math.Float32bits(v) >> 13)
	}
	return h
}

// bitsOf keeps NaN payloads comparable.
func bitsOf(x []float32) []float32 {
	y := make([]float32, 0, 2*len(x))
	for _, v := range x {
		b := math.Float32bits(v)
		y = append(y, float32(b>>16), float32(b&0xFFFF))
	}
	return y
}

var operations = []operation{
	{"Add", one(func(dst, x, y, _ []float32, _ float32) { Add(dst, x, y) })},
	{"Scale", one(func(dst, x, _, _ []float32, s float32) { Scale(dst, x, s) })},
	{"Axpy", one(func(dst, x, y, _ []float32, s float32) { copy(dst, y); Axpy(dst, x, s) })},
	{"Exp", one(func(dst, x, _, _ []float32, _ float32) { Exp(dst, x) })},
	{"Exp in place", one(func(dst, x, _, _ []float32, _ float32) { copy(dst, x); Exp(dst, dst) })},
	{"Sigmoid", one(func(dst, x, _, _ []float32, _ float32) { Sigmoid(dst, x) })},
	{"SwiGLU", one(func(dst, x, y, _ []float32, _ float32) { SwiGLU(dst, x, y) })},
	{"SwiGLU in place", one(func(dst, x, y, _ []float32, _ float32) { copy(dst, y); SwiGLU(dst, x, dst) })},
	{"Softmax", one(func(dst, x, _, _ []float32, _ float32) { Softmax(dst, x) })},
	{"Softmax in place", one(func(dst, x, _, _ []float32, _ float32) { copy(dst, x); Softmax(dst, dst) })},
	{"Dot", func(x, y, _ []float32, _ float32) []float32 { return []float32{Dot(x, y)} }},
	{"Sum", func(x, _, _ []float32, _ float32) []float32 { return []float32{Sum(x)} }},
	{"Max", func(x, _, _ []float32, _ float32) []float32 { return []float32{Max(x)} }},
	{"LogSumExp", func(x, _, _ []float32, _ float32) []float32 { return []float32{LogSumExp(x)} }},
	{"RMSNorm", one(func(dst, x, y, _ []float32, s float32) {
		if len(x) > 0 {
			RMSNorm(dst, x, y, float32(math.Abs(float64(s))))
		}
	})},
	{"ExpSum", func(x, _, _ []float32, _ float32) []float32 {
		dst := make([]float32, len(x))
		sum, lse := ExpSum(dst, x)
		return append(dst, sum, lse)
	}},
	{"RMSNormGrad", func(x, y, z []float32, s float32) []float32 {
		if len(x) == 0 {
			return nil
		}
		fresh, more, inv := make([]float32, len(x)), slices.Clone(z), make([]float32, 1)
		RMSNormGrad(fresh, x, y, z, inv, float32(math.Abs(float64(s))), false)
		RMSNormGrad(more, x, y, z, inv, float32(math.Abs(float64(s))), true)
		return append(fresh, more...)
	}},
	{"RMSNormWeightGrad", func(x, y, z []float32, s float32) []float32 {
		dw := slices.Clone(z[len(z)/3:])
		RMSNormWeightGrad(dw, append(slices.Clone(x), y...), append(slices.Clone(y), z...), []float32{s, 2}, len(x), len(z)/3)
		return dw
	}},
	{"SwiGLUGrad", func(x, y, z []float32, _ float32) []float32 {
		dgate, dup := make([]float32, len(x)), make([]float32, len(x))
		SwiGLUGrad(dgate, dup, x, y, z)
		return append(dgate, dup...)
	}},
	{"AdamW", func(x, y, z []float32, s float32) []float32 {
		p, m, v, half := slices.Clone(x), slices.Clone(y), slices.Clone(z), make([]uint16, len(x))
		for i := range v {
			v[i] = float32(math.Abs(float64(v[i])))
		}
		step := AdamWStep{Clip: s, Rest1: 0.1, Beta2: 0.99, Rest2: 0.01, Root: 2, Eps: 1e-8, Decay: 0.9, Rate: -0.1}
		AdamW(p, m, v, y, nil, &step)
		AdamW(p, m, v, z, half, &step)
		return slices.Concat(p, m, v, widen16(half))
	}},
	{"RopeHalves", func(x, y, z []float32, _ float32) []float32 {
		both := append(append([]float32(nil), x...), y...)
		RopeHalves(both, 1, 0, z, x)
		return both
	}},
	{"RopeAdjacent", func(x, y, z []float32, _ float32) []float32 {
		both := append(append([]float32(nil), x...), y...)
		RopeAdjacent(both, 1, 0, z, x)
		return both
	}},
	{"F32ToF16", func(x, _, _ []float32, _ float32) []float32 {
		h := make([]uint16, len(x))
		F32ToF16(h, x)
		return widen16(h)
	}},
	{"F32ToBF16", func(x, _, _ []float32, _ float32) []float32 {
		h := make([]uint16, len(x))
		F32ToBF16(h, x)
		return widen16(h)
	}},
	{"F16ToF32", func(x, _, _ []float32, _ float32) []float32 {
		dst := make([]float32, len(x))
		F16ToF32(dst, bits16(x))
		return bitsOf(dst)
	}},
	{"BF16ToF32", func(x, _, _ []float32, _ float32) []float32 {
		dst := make([]float32, len(x))
		BF16ToF32(dst, bits16(x))
		return bitsOf(dst)
	}},
}

var specials = []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.Inf(1)), float32(math.Inf(-1)), fp.NaN, math.Float32frombits(0xFFC12345),
	math.Float32frombits(0x7F800001), 1e-40, -1e-40, math.MaxFloat32, -math.MaxFloat32, 88.72283, 88.72284, -87.33654, -87.33655, 65504, 65520, 0x1p-24, 0x1p-25}

// row draws n values: ordinary ones, with a few specials, or any bits.
func row(r *rand.Rand, n, wildness int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(8))))
		switch {
		case wildness == 1 && r.IntN(50) == 0:
			x[i] = specials[r.IntN(len(specials))]
		case wildness == 2:
			x[i] = math.Float32frombits(r.Uint32())
		}
	}
	return x
}

func same(a, b []float32) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d and %d elements", len(a), len(b))
	}
	for i := range a {
		if x, y := math.Float32bits(a[i]), math.Float32bits(b[i]); x != y {
			return fmt.Errorf("element %d of %d: %08x (%g), want %08x (%g)", i, len(a), x, a[i], y, b[i])
		}
	}
	return nil
}

// generic runs f with the references alone.
func generic(f func() []float32) []float32 {
	was := cpu.Current()
	defer cpu.Use(was)
	if err := cpu.Use(cpu.Generic); err != nil {
		panic(err)
	}
	return f()
}

func TestLevelsAgree(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, _ cpu.Level) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, op := range operations {
			for n := 0; n < 20000; n = nextLength(n) {
				w := r.IntN(3)
				// One element in front, so that rows are not aligned.
				x, y, z := row(r, n+1, w)[1:], row(r, n+1, w)[1:], row(r, n+1, w)[1:]
				s := row(r, 1, w)[0]
				want := generic(func() []float32 { return op.run(x, y, z, s) })
				if err := same(op.run(x, y, z, s), want); err != nil {
					t.Fatalf("%s of %d: %v", op.name, n, err)
				}
				checkCanonical(t, op.name, want)
			}
		}
	})
}

// nextLength goes through every short length, then a few long ones.
func nextLength(n int) int {
	if n < 70 {
		return n + 1
	}
	return n*4 + 1
}

func checkCanonical(t *testing.T, name string, x []float32) {
	for i, v := range x {
		if v != v && math.Float32bits(v) != fp.NaNBits {
			t.Fatalf("%s: element %d is the NaN %08x", name, i, math.Float32bits(v))
		}
	}
}

// TestRopeHeads: several heads, a stride, and dimensions that do not turn.
func TestRopeHeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "pairs")
		heads, gap := rapid.IntRange(0, 3).Draw(t, "heads"), rapid.IntRange(0, 5).Draw(t, "gap")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		stride := 2*n + gap
		x := row(r, heads*stride, 0)
		cos, sin := row(r, n, 0), row(r, n, 0)
		a, b := append([]float32(nil), x...), append([]float32(nil), x...)
		RopeHalves(a, heads, stride, cos, sin)
		RopeAdjacent(b, heads, stride, cos, sin)
		for i := range x {
			h, d := i/stride, i%stride
			if d >= 2*n {
				if a[i] != x[i] || b[i] != x[i] {
					t.Fatalf("element %d of head %d was touched", d, h)
				}
				continue
			}
			head := x[h*stride:]
			half := func(p, q int, second bool) float32 {
				u, w := turn(head[p], head[q], cos[d%n], sin[d%n])
				if second {
					return w
				}
				return u
			}
			if want := half(d%n, d%n+n, d >= n); a[i] != want {
				t.Fatalf("halves: element %d of head %d is %v, want %v", d, h, a[i], want)
			}
			u, w := turn(head[d&^1], head[d|1], cos[d/2], sin[d/2])
			if want := []float32{u, w}[d%2]; b[i] != want {
				t.Fatalf("adjacent: element %d of head %d is %v, want %v", d, h, b[i], want)
			}
		}
	})
}

func TestWrongShapesPanic(t *testing.T) {
	x := make([]float32, 40)
	for name, f := range map[string]func(){
		"Add":          func() { Add(x, x, x[:39]) },
		"Exp":          func() { Exp(x[:1], x) },
		"RMSNorm":      func() { RMSNorm(x, x, x[:7], 0) },
		"RMSNorm of 0": func() { RMSNorm(x, x, nil, 0) },
		"RopeHalves":   func() { RopeHalves(x, 2, 20, x[:11], x[:11]) },
		"RopeAdjacent": func() { RopeAdjacent(x, 2, 20, x[:10], x[:9]) },
		"Rope beyond":  func() { RopeAdjacent(x, 3, 20, x[:10], x[:10]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes a wrong shape", name)
				}
			}()
			f()
		}()
	}
}

func TestNothingAllocates(t *testing.T) {
	x, y, h := make([]float32, 100), make([]float32, 100), make([]uint16, 100)
	var step AdamWStep
	if n := testing.AllocsPerRun(10, func() {
		Softmax(y, x)
		RMSNorm(y, x, x, 1)
		SwiGLU(y, x, x)
		LogSumExp(x)
		ExpSum(y, x)
		Max(x)
		RMSNormGrad(y, x, x, x, y[:1], 1, true)
		SwiGLUGrad(y, x, y, x, x)
		AdamW(y, x, x, x, h, &step)
		F32ToF16(h, x)
		RopeAdjacent(x, 1, 0, y[:50], y[50:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
