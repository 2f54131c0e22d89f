package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/tensor"
)

// bench runs blocks forward and back.
type bench struct {
	*Pass
	params *grad.Params
	ends   []int            // rows at which sequences end
	layout attn.Layout      // of the one layer's cache
	values [][]float32      // inputs, then parameters
	learnt []*grad.Param    //
	run    func() []float32 // the block over what the inputs point at
	inputs []*[]float32
}

func newBench(threads int, rows ...int) *bench {
	b := &bench{Pass: NewPass(tensor.NewExec(threads, tensor.F32)), params: grad.NewParams()}
	for _, n := range rows {
		b.Rows += n
		b.ends = append(b.ends, b.Rows)
	}
	return b
}

// input makes an input of so many values a row. It points at the buffer of the pass.
func (b *bench) input(r *rand.Rand, d int) *[]float32 {
	return b.given(random(r, b.Rows*d))
}

func (b *bench) given(x []float32) *[]float32 {
	p := new([]float32)
	b.inputs, b.values = append(b.inputs, p), append(b.values, x)
	return p
}

func (b *bench) matrix(r *rand.Rand, rows, cols int) *tensor.Matrix {
	return b.givenMatrix(random(r, rows*cols), rows, cols)
}

func (b *bench) givenMatrix(x []float32, rows, cols int) *tensor.Matrix {
	p := b.param([]int{rows, cols}, x)
	m := tensor.FromF32(p.Value, rows, cols)
	b.params.AddMatrix(p, m)
	return m
}

func (b *bench) vector(r *rand.Rand, n int) []float32 { return b.givenVector(random(r, n)) }

func (b *bench) givenVector(x []float32) []float32 {
	p := b.param([]int{len(x)}, x)
	b.params.AddVector(p)
	return p.Value
}

func (b *bench) param(shape []int, x []float32) *grad.Param {
	p := &grad.Param{Name: fmt.Sprint(len(b.learnt)), Shape: shape, Value: x, Grad: make([]float32, len(x))}
	b.learnt, b.values = append(b.learnt, p), append(b.values, x)
	return p
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// begin starts a pass over the sequences.
func (b *bench) begin(t testing.TB) {
	t.Helper()
	var runs []Run
	first := 0
	for _, end := range b.ends {
		run := Run{First: first, Rows: end - first}
		if b.layout.KeyDim > 0 {
			c, err := kvcache.New([]attn.Layout{b.layout}, end-first)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Extend(end - first); err != nil {
				t.Fatal(err)
			}
			run.Cache = c
		}
		runs, first = append(runs, run), end
	}
	b.Begin(runs)
}

// forward gives what the block makes of the inputs, without a tape.
func (b *bench) forward(t testing.TB) []float32 {
	t.Helper()
	b.begin(t)
	for i, x := range b.inputs {
		*x = b.Arena.F32(len(b.values[i]))
		copy(*x, b.values[i])
	}
	return slices.Clone(b.run())
}

// gradients runs the block with a tape and back from dy: the outputs, and the gradients of all values.
func (b *bench) gradients(t testing.TB, dy func(y []float32) []float32) (y []float32, grads [][]float32) {
	t.Helper()
	b.begin(t)
	b.params.Clear(b.Exec)
	b.Tape = grad.NewTape(b.params, b.Arena)
	defer func() { b.Tape = nil }()
	region := b.Tape.Begin()
	for i, x := range b.inputs {
		buf, g := b.Arena.F32(len(b.values[i])), make([]float32, len(b.values[i]))
		copy(buf, b.values[i])
		b.Tape.Push(func() { copy(g, b.Tape.Grad(buf)) })
		*x, grads = buf, append(grads, g)
	}
	out := b.run()
	y = slices.Clone(out)
	b.Tape.Push(func() { copy(b.Tape.Grad(out), dy(y)) })
	b.Tape.Backward(region)
	for _, p := range b.learnt {
		grads = append(grads, slices.Clone(p.Grad))
	}
	return y, grads
}

// blocks are the operations that have a backward, over sequences of the given rows.
var blocks = map[string]func(b *bench, r *rand.Rand){
	"linear": func(b *bench, r *rand.Rand) {
		x, l := b.input(r, 13), Linear{W: b.matrix(r, 9, 13), Bias: b.vector(r, 9)}
		b.run = func() []float32 {
			y := b.Arena.F32(b.Rows * 9)
			l.Forward(b.Pass, y, b.in.Set(*x, b.Rows, 13))
			return y
		}
	},
	"three linear over one": func(b *bench, r *rand.Rand) {
		x := b.input(r, 130)
		ls := []*Linear{{W: b.matrix(r, 7, 130)}, {W: b.matrix(r, 19, 130)}, {W: b.matrix(r, 3, 130), Bias: b.vector(r, 3)}}
		b.run = func() []float32 {
			y0, y1, y2 := b.Arena.F32(b.Rows*7), b.Arena.F32(b.Rows*19), b.Arena.F32(b.Rows*3)
			b.forwardAll(b.in.Set(*x, b.Rows, 130), ls, y0, y1, y2)
			return join(b, y0, y1, y2)
		}
	},
	"linear with adapter": func(b *bench, r *rand.Rand) {
		x := b.input(r, 21)
		l := Linear{b.matrix(r, 9, 21), b.vector(r, 9), &Adapter{b.matrix(r, 4, 21), b.matrix(r, 9, 4), 0.5}}
		b.run = func() []float32 {
			y := b.Arena.F32(b.Rows * 9)
			l.Forward(b.Pass, y, b.in.Set(*x, b.Rows, 21))
			return y
		}
	},
	"norm": func(b *bench, r *rand.Rand) {
		x, w := b.input(r, 21), b.vector(r, 21)
		b.run = func() []float32 { return b.Norm(nil, *x, w, 1e-2) }
	},
	"norm of heads in place": func(b *bench, r *rand.Rand) {
		x, w := b.input(r, 3*18), b.vector(r, 18)
		b.run = func() []float32 { return b.Norm(*x, *x, w, 1e-5) }
	},
	"rope halves":            rope(Rope{Dim: 10, Theta: 100}, 0, 10),
	"rope adjacent, partial": rope(Rope{Dim: 6, Theta: 100, Layout: Adjacent}, 5, 11),
	"swiglu": func(b *bench, r *rand.Rand) {
		gate, up := b.input(r, 35), b.input(r, 35)
		b.run = func() []float32 { return b.swiGLU(*gate, *up, b.Rows) }
	},
	"mlp": func(b *bench, r *rand.Rand) {
		x, h := b.input(r, 20), b.input(r, 20)
		m := MLP{Linear{W: b.matrix(r, 33, 20), Bias: b.vector(r, 33)}, Linear{W: b.matrix(r, 33, 20)}, Linear{W: b.matrix(r, 20, 33), Bias: b.vector(r, 20)}}
		b.run = func() []float32 { return m.Forward(b.Pass, *x, *h) }
	},
	"attention": func(b *bench, r *rand.Rand) {
		x, h := b.input(r, 20), b.input(r, 20)
		a := Attention{Q: Linear{W: b.matrix(r, 40, 20), Bias: b.vector(r, 40)}, K: Linear{W: b.matrix(r, 20, 20)}, V: Linear{W: b.matrix(r, 20, 20)},
			O: Linear{W: b.matrix(r, 20, 40)}, QNorm: b.vector(r, 10), KNorm: b.vector(r, 10), NormEps: 1e-5, Heads: 4, KVHeads: 2, HeadDim: 10,
			Rope: NewRopeTable(&Rope{Dim: 10, Theta: 10})}
		b.layout = a.CacheLayout(dtype.F32)
		b.run = func() []float32 {
			y, _ := a.Forward(b.Pass, 0, *x, *h)
			return y
		}
	},
	"latent attention": func(b *bench, r *rand.Rand) {
		x, h := b.input(r, 20), b.input(r, 20)
		a := MLA{QA: Linear{W: b.matrix(r, 11, 20)}, QNorm: b.vector(r, 11), QB: Linear{W: b.matrix(r, 3*14, 11)}, KVA: Linear{W: b.matrix(r, 17+6, 20)},
			KVNorm: b.vector(r, 17), KVB: b.matrix(r, 3*(8+5), 17), O: Linear{W: b.matrix(r, 20, 3*5)}}
		b.latent(&a, x, h)
	},
	"latent attention, queries projected directly": func(b *bench, r *rand.Rand) {
		x, h := b.input(r, 20), b.input(r, 20)
		a := MLA{QB: Linear{W: b.matrix(r, 3*14, 20)}, KVA: Linear{W: b.matrix(r, 17+6, 20)}, KVNorm: b.vector(r, 17),
			KVB: b.matrix(r, 3*(8+5), 17), O: Linear{W: b.matrix(r, 20, 3*5)}}
		b.latent(&a, x, h)
	},
	"experts, all of them": func(b *bench, r *rand.Rand) {
		x, h := b.input(r, 12), b.input(r, 12)
		m := MoE{Routing: Routing{Experts: 3, Used: 3, Groups: 1, GroupsUsed: 1, Scoring: Sigmoid, Normalize: true, Scale: 1.7}, Router: b.matrix(r, 3, 12)}
		for range 3 {
			m.Gate, m.Up, m.Down = append(m.Gate, b.matrix(r, 9, 12)), append(m.Up, b.matrix(r, 9, 12)), append(m.Down, b.matrix(r, 12, 9))
		}
		m.Shared = &MLP{Linear{W: b.matrix(r, 18, 12)}, Linear{W: b.matrix(r, 18, 12)}, Linear{W: b.matrix(r, 12, 18)}}
		b.run = func() []float32 { return m.Forward(b.Pass, 0, *x, *h) }
	},
	"pair of selected rows": func(b *bench, r *rand.Rand) {
		x, y := b.input(r, 6), b.input(r, 4)
		rows := make([]int, b.Rows)
		for i := range rows {
			rows[i] = i * i % b.Rows
		}
		b.run = func() []float32 { return b.Pair(b.Select(*x, rows, 6), *y) }
	},
	"embedding": func(b *bench, r *rand.Rand) {
		e, ids := Embedding{b.matrix(r, 5, 18)}, make([]int32, b.Rows)
		for i := range ids {
			ids[i] = int32(r.IntN(5))
		}
		b.run = func() []float32 {
			y := b.Arena.F32(b.Rows * 18)
			e.Forward(b.Pass, y, ids)
			return y
		}
	},
}

// latent completes a latent attention of 3 heads, 17 latents, 8 and 6 dimensions of keys and 5 of values.
func (b *bench) latent(a *MLA, x, h *[]float32) {
	a.Heads, a.Latent, a.Nope, a.RopeDim, a.V, a.SoftmaxFactor = 3, 17, 8, 6, 5, 0.05 // of scores as random weights make them
	a.Rope = NewRopeTable(&Rope{Dim: 6, Theta: 10, Layout: Adjacent})
	b.layout = a.CacheLayout(dtype.F32)
	b.run = func() []float32 {
		a.Refresh(b.Exec)
		y, _ := a.Forward(b.Pass, 0, *x, *h)
		return y
	}
}

func rope(rope Rope, offset, stride int) func(b *bench, r *rand.Rand) {
	return func(b *bench, r *rand.Rand) {
		x, table := b.input(r, 2*stride), NewRopeTable(&rope)
		b.run = func() []float32 {
			b.rope(table, *x, 2*stride, offset, 2, stride)
			return *x
		}
	}
}

// join puts buffers one after the other.
func join(b *bench, ys ...[]float32) []float32 {
	all := b.Arena.F32(len(slices.Concat(ys...)))
	copy(all, slices.Concat(ys...))
	if b.Tape != nil {
		b.Tape.Push(func() {
			g := b.Tape.Grad(all)
			for _, y := range ys {
				copy(b.Tape.Grad(y), g)
				g = g[len(y):]
			}
		})
	}
	return all
}

// TestFiniteDifferences holds each gradient to the change of Σ dy·y as the values move a little along a random direction, and the outputs with a
// tape to those without.
func TestFiniteDifferences(t *testing.T) {
	for name, block := range blocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			b := newBench(2, 7, 1, 66)
			defer b.Close()
			block(b, r)
			var dy []float32
			y, grads := b.gradients(t, func(y []float32) []float32 { dy = random(r, len(y)); return dy })
			if !slices.Equal(y, b.forward(t)) {
				t.Error("the outputs with a tape differ from those without")
			}
			for i, x := range b.values {
				compare(t, b, i, x, grads[i], dy, r)
			}
		})
	}
}

func compare(t *testing.T, b *bench, i int, x, grad, dy []float32, r *rand.Rand) {
	t.Helper()
	const step = 1.0 / 256
	was, along := slices.Clone(x), random(r, len(x))
	sum := func(sign float32) (s float64) {
		for j := range x {
			x[j] = was[j] + sign*step*along[j]
		}
		for j, v := range b.forward(t) {
			s += float64(v) * float64(dy[j])
		}
		copy(x, was)
		return s
	}
	want := (sum(1) - sum(-1)) / (2 * step)
	var got, size float64
	for j, g := range grad {
		got += float64(g) * float64(along[j])
		size += float64(g) * float64(g)
	}
	if size == 0 || !(math.Abs(got-want) <= 3e-3*math.Sqrt(size)) {
		t.Errorf("value %d: %v along a direction, want %v (gradient of length %v)", i, got, want, math.Sqrt(size))
	}
}

// TestBackwardExact: the gradients have the same bits on any number of threads and at every level.
func TestBackwardExact(t *testing.T) {
	for name, block := range blocks {
		var want [][]float32
		testutil.EachLevel(t, func(t *testing.T, _ cpu.Level) {
			for _, threads := range []int{1, 2} {
				r := rand.New(rand.NewPCG(5, 6))
				b := newBench(threads, 3, 9)
				defer b.Close()
				block(b, r)
				_, got := b.gradients(t, func(y []float32) []float32 { return random(r, len(y)) })
				if want == nil {
					want = got
				}
				for i := range got {
					if !sameBits(got[i], want[i]) {
						t.Errorf("%s: gradient %d differs with %d threads", name, i, threads)
					}
				}
			}
		})
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
