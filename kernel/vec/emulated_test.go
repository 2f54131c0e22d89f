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
)

// TestEmulated writes calls of the AVX-512 kernels for the emulator (ISAEMU_CASES). A kernel handles whole groups of 16 and must leave the rest.
func TestEmulated(t *testing.T) {
	e := testutil.Emulate(t)
	defer cpu.Use(cpu.Current())
	if err := cpu.Use(cpu.Generic); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{0, 16, 37, 2000} {
		for wildness := range 3 {
			x, y, z, s := row(r, n, wildness), row(r, n, wildness), row(r, n, wildness), row(r, 1, min(wildness, 1))[0]
			c := emulated{e, fmt.Sprintf("n=%d wildness=%d", n, wildness), n, n &^ 15}
			c.mappings(x, y, z, s)
			c.backward(x, y, z, s)
			c.conversions(x)
			if wildness == 0 { // lanes may hold any NaN: they are made one after the fold
				c.reductions(x, y)
			}
		}
	}
}

type emulated struct {
	*testutil.Emulator
	name string
	n    int
	done int // elements that a kernel handles
}

func (c emulated) in(x []float32) testutil.Slice {
	return testutil.Slice{Buffer: &testutil.Buffer{In: x}, Len: len(x)}
}

// out is a slice in which f changes the part that a kernel handles.
func (c emulated) out(x []float32, f func(x []float32)) testutil.Slice {
	want := slices.Clone(x)
	f(want[:c.done])
	return testutil.Slice{Buffer: &testutil.Buffer{In: x, Want: want}, Len: len(x)}
}

func (c emulated) mappings(x, y, z []float32, s float32) {
	m := c.done
	call := func(kernel string, args ...any) { c.Call("vec."+kernel+"AVX512", c.name, args...) }
	call("add", c.out(z, func(d []float32) { Add(d, x[:m], y[:m]) }), c.in(x), c.in(y))
	call("scale", c.out(z, func(d []float32) { Scale(d, x[:m], s) }), c.in(x), s)
	call("axpy", c.out(z, func(d []float32) { Axpy(d, x[:m], s) }), c.in(x), s)
	call("exp", c.out(z, func(d []float32) { Exp(d, x[:m]) }), c.in(x))
	call("sigmoid", c.out(z, func(d []float32) { Sigmoid(d, x[:m]) }), c.in(x))
	call("swiglu", c.out(z, func(d []float32) { SwiGLU(d, x[:m], y[:m]) }), c.in(x), c.in(y))
	call("div", c.out(z, func(d []float32) {
		for i := range d {
			d[i] = fp.Canon(d[i] / s)
		}
	}), s)
	call("scaleMul", c.out(z, func(d []float32) {
		for i := range d {
			d[i] = fp.Canon(float32(x[i]*s) * y[i])
		}
	}), c.in(x), c.in(y), s)
	var lo, hi []float32
	for i := range m {
		a, b := turn(x[i], z[i], y[i], x[i])
		lo, hi = append(lo, a), append(hi, b)
	}
	call("ropeHalves", c.out(x, func(d []float32) { copy(d, lo) }), c.out(z, func(d []float32) { copy(d, hi) }), c.in(y), c.in(x))
	both := append(slices.Clone(x), y...)
	want := slices.Clone(both)
	RopeAdjacent(want[:2*m], 1, 0, z[:m], x[:m])
	call("ropeAdjacent", testutil.Slice{Buffer: &testutil.Buffer{In: both, Want: want}, Len: len(both)}, c.in(z), c.in(x))
}

func (c emulated) backward(x, y, z []float32, s float32) {
	m := c.done
	call := func(kernel string, args ...any) { c.Call("vec."+kernel+"AVX512", c.name, args...) }
	grad := func(more bool) testutil.Slice {
		return c.out(z, func(d []float32) {
			for i := range d {
				var acc float32
				if more {
					acc = d[i]
				}
				d[i] = fp.Canon(fp.FMA32(s, fp.FMA32(-y[i], 3, x[i]*x[i]), acc))
			}
		})
	}
	call("normGrad", grad(false), c.in(x), c.in(x), c.in(y), s, float32(3))
	call("normGradMore", grad(true), c.in(x), c.in(x), c.in(y), s, float32(3))
	call("mulAxpy", c.out(z, func(d []float32) { RMSNormWeightGrad(d, x[:m], y[:m], []float32{s}, m, 0) }), c.in(x), c.in(y), s)
	dgate, dup := slices.Clone(z), slices.Clone(x)
	SwiGLUGrad(dgate[:m], dup[:m], x[:m], y[:m], z[:m])
	call("swigluGrad", testutil.Slice{Buffer: &testutil.Buffer{In: z, Want: dgate}, Len: c.n}, testutil.Slice{Buffer: &testutil.Buffer{In: x, Want: dup}, Len: c.n},
		c.in(x), c.in(y), c.in(z))
	step := AdamWStep{Clip: s, Rest1: 0.1, Beta2: 0.99, Rest2: 0.01, Root: 2, Eps: 1e-8, Decay: 0.9, Rate: -0.1}
	p, m1, v, half := slices.Clone(x), slices.Clone(y), slices.Clone(z), make([]uint16, c.n)
	before := slices.Clone(half)
	AdamW(p[:m], m1[:m], v[:m], x[:m], half[:m], &step)
	slice := func(in, want []float32) testutil.Slice {
		return testutil.Slice{Buffer: &testutil.Buffer{In: in, Want: want}, Len: c.n}
	}
	call("adamW", testutil.Slice{Buffer: &testutil.Buffer{In: before, Want: half}, Len: c.n}, slice(x, p), slice(y, m1), slice(z, v), c.in(x),
		&testutil.Buffer{In: step})
	call("adamW", nil, 0, 0, slice(x, p), slice(y, m1), slice(z, v), c.in(x), &testutil.Buffer{In: step})
}

func (c emulated) conversions(x []float32) {
	h := bits16(x)
	for name, f := range map[string]func(dst []uint16, src []float32){"f32ToF16": F32ToF16, "f32ToBF16": F32ToBF16} {
		want := slices.Clone(h)
		f(want[:c.done], x[:c.done])
		c.Call("vec."+name+"AVX512", c.name, testutil.Slice{Buffer: &testutil.Buffer{In: h, Want: want}, Len: c.n}, c.in(x))
	}
	for name, f := range map[string]func(dst []float32, src []uint16){"f16ToF32": F16ToF32, "bf16ToF32": BF16ToF32} {
		c.Call("vec."+name+"AVX512", c.name, c.out(x, func(d []float32) { f(d, h[:c.done]) }), testutil.Slice{Buffer: &testutil.Buffer{In: h}, Len: c.n})
	}
}

func (c emulated) reductions(x, y []float32) {
	top := Max(x)
	if c.n == 0 {
		top = 0
	}
	lanesOf := func(start float32, f func(lane float32, i int) float32) *testutil.Buffer {
		var want [lanes]float32
		for i := range want {
			want[i] = start
		}
		for i := range c.done {
			want[i%lanes] = f(want[i%lanes], i)
		}
		return &testutil.Buffer{In: row(rand.New(rand.NewPCG(1, 1)), lanes, 0), Want: want}
	}
	call := func(kernel string, args ...any) { c.Call("vec."+kernel+"AVX512", c.name, args...) }
	call("dot", lanesOf(0, func(l float32, i int) float32 { return fp.FMA32(x[i], y[i], l) }), c.in(x), c.in(y))
	call("dot3", lanesOf(0, func(l float32, i int) float32 { return fp.FMA32(x[i]*y[i], x[i], l) }), c.in(x), c.in(y), c.in(x))
	call("sum", lanesOf(0, func(l float32, i int) float32 { return l + x[i] }), c.in(x))
	call("max", lanesOf(float32(math.Inf(-1)), func(l float32, i int) float32 { return max(l, x[i]) }), c.in(x))
	sum := func(l float32, i int) float32 { return l + Exp1(x[i]-top) }
	call("expSumOnly", lanesOf(0, sum), c.in(x), top)
	call("expSum", lanesOf(0, sum), c.out(y, func(d []float32) {
		for i := range d {
			d[i] = Exp1(x[i] - top)
		}
	}), c.in(x), top)
}
