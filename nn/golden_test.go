package nn

import (
	"math"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
)

// heads turns [B][H][T][d] into [B][T][H][d], or back with H and T exchanged.
func heads(x []float32, batch, h, n int) []float32 {
	y, d := make([]float32, len(x)), len(x)/(batch*h*n)
	for b := range batch {
		for i := range h {
			for t := range n {
				copy(y[((b*n+t)*h+i)*d:][:d], x[((b*h+i)*n+t)*d:])
			}
		}
	}
	return y
}

// goldenOps say, for each recorded operation, its rows, and make the block with the recorded inputs; result names the gradients in the order of
// the values.
var goldenOps = map[string]struct {
	rows   []int
	result []string
	build  func(t *testing.T, c recorded, b *bench)
}{
	"linear": {[]int{7}, []string{"dx", "dw", "db"}, func(t *testing.T, c recorded, b *bench) {
		x := b.given(c.floats(t, "linear.x"))
		l := Linear{W: b.givenMatrix(c.floats(t, "linear.w"), 9, 13), Bias: b.givenVector(c.floats(t, "linear.b"))}
		b.run = func() []float32 {
			y := b.Arena.F32(7 * 9)
			l.Forward(b.Pass, y, b.in.Set(*x, 7, 13))
			return y
		}
	}},
	"rmsnorm": {[]int{5}, []string{"dx", "dw"}, func(t *testing.T, c recorded, b *bench) {
		x, w := b.given(c.floats(t, "rmsnorm.x")), b.givenVector(c.floats(t, "rmsnorm.w"))
		b.run = func() []float32 { return b.Norm(nil, *x, w, 1e-5) }
	}},
	"swiglu": {[]int{4}, []string{"dgate", "dup"}, func(t *testing.T, c recorded, b *bench) {
		gate, up := b.given(c.floats(t, "swiglu.gate")), b.given(c.floats(t, "swiglu.up"))
		b.run = func() []float32 { return b.swiGLU(*gate, *up, 4) }
	}},
	"mla_attention": {[]int{8, 8}, []string{"", "dx", "dq_a_proj", "dq_a_layernorm", "dq_b_proj", "dkv_a_proj_with_mqa", "dkv_a_layernorm", "dkv_b_proj",
		"do_proj"}, func(t *testing.T, c recorded, b *bench) {
		const hidden, nope, rope, v, latent, query = 11, 6, 4, 5, 7, 9
		get := func(name string) []float32 { return c.floats(t, "mla_attention."+name) }
		x, h := b.given(make([]float32, 16*hidden)), b.given(get("x")) // what the block adds, it adds to nothing
		a := MLA{Heads: 3, Latent: latent, Nope: nope, RopeDim: rope, V: v, SoftmaxFactor: 1, Rope: NewRopeTable(&Rope{Dim: rope, Theta: 10000, Layout: Adjacent})}
		a.QA.W, a.QNorm = b.givenMatrix(get("q_a_proj"), query, hidden), b.givenVector(get("q_a_layernorm"))
		a.QB.W, a.KVA.W = b.givenMatrix(get("q_b_proj"), 3*(nope+rope), query), b.givenMatrix(get("kv_a_proj_with_mqa"), latent+rope, hidden)
		a.KVNorm, a.KVB = b.givenVector(get("kv_a_layernorm")), b.givenMatrix(get("kv_b_proj"), 3*(nope+v), latent)
		a.O.W = b.givenMatrix(get("o_proj"), hidden, 3*v)
		b.layout = a.CacheLayout(dtype.F32)
		b.run = func() []float32 {
			y, _ := a.Forward(b.Pass, 0, *x, *h)
			return y
		}
	}},
	"embedding": {[]int{7}, []string{"dtable"}, func(t *testing.T, c recorded, b *bench) {
		e, ids := Embedding{b.givenMatrix(c.floats(t, "embedding.table"), 11, 5)}, c.ids(t, "embedding.ids")
		b.run = func() []float32 {
			y := b.Arena.F32(7 * 5)
			e.Forward(b.Pass, y, ids)
			return y
		}
	}},
}

// checkFunc compares a result of an operation with the recorded one.
type checkFunc func(t *testing.T, op, name string, got []float32)

// TestGoldenOps holds single operations to recorded values and gradients.
func TestGoldenOps(t *testing.T) {
	tolerances := map[string]struct{ Tolerance map[string]float64 }{}
	c := gradients(t, "ops", &tolerances)
	var check checkFunc = func(t *testing.T, op, name string, got []float32) {
		t.Helper()
		within(t, name, got, c.floats(t, op+"."+name), tolerances[op].Tolerance[name])
	}
	for op, o := range goldenOps {
		t.Run(op, func(t *testing.T) {
			b := newBench(2, o.rows...)
			defer b.Close()
			o.build(t, c, b)
			y, grads := b.gradients(t, func([]float32) []float32 { return c.floats(t, op+".dy") })
			check(t, op, "y", y)
			for i, name := range o.result {
				if name == "" { // not recorded
					continue
				}
				check(t, op, name, grads[i])
			}
		})
	}
	t.Run("rope", func(t *testing.T) { goldenRope(t, c, check) })
	t.Run("gqa_attention", func(t *testing.T) { goldenAttention(t, c, check) })
}

// goldenRope turns single rows, since the positions recorded do not follow each other.
func goldenRope(t *testing.T, c recorded, check checkFunc) {
	for op, layout := range map[string]PairLayout{"rope_halves": Halves, "rope_interleaved": Adjacent} {
		const n, d = 5, 12
		table := NewRopeTable(&Rope{Dim: d, Theta: 10000, Layout: layout})
		y, dx := c.floats(t, op+".x"), c.floats(t, op+".dy")
		for i := range 2 * n {
			pos := int(c.ids(t, op+".positions")[i%n])
			table.Grow(pos + 1)
			table.turn(y[i*d:][:d], pos, d, 0, 1, d, false)
			table.turn(dx[i*d:][:d], pos, d, 0, 1, d, true)
		}
		check(t, op, "y", y)
		check(t, op, "dx", dx)
	}
}

// goldenAttention is attention without projections and rotations.
func goldenAttention(t *testing.T, c recorded, check checkFunc) {
	const op, batch, h, kv, n, d = "gqa_attention", 2, 6, 2, 9, 8
	a := Attention{Heads: h, KVHeads: kv, HeadDim: d}
	b := newBench(2, n, n)
	defer b.Close()
	b.layout = a.CacheLayout(dtype.F32)
	q, k, v := b.given(heads(c.floats(t, op+".q"), batch, h, n)), b.given(heads(c.floats(t, op+".k"), batch, kv, n)), b.given(heads(c.floats(t, op+".v"), batch, kv, n))
	b.run = func() []float32 {
		b.remember(0, *k, *v)
		out, scale := b.Arena.F32(len(*q)), float32(1/math.Sqrt(d))
		top, sum := b.attend(0, h, scale, *q, out)
		if b.Tape != nil {
			b.attendBack(attn.Gradient{Heads: h, KVHeads: kv, KeyDim: d, ValueDim: d, Scale: scale, Q: *q, K: *k, V: *v, Out: out, Max: top, Sum: sum})
		}
		return out
	}
	y, grads := b.gradients(t, func([]float32) []float32 { return heads(c.floats(t, op+".dy"), batch, h, n) })
	check(t, op, "y", heads(y, batch, n, h))
	check(t, op, "dq", heads(grads[0], batch, n, h))
	check(t, op, "dk", heads(grads[1], batch, n, kv))
	check(t, op, "dv", heads(grads[2], batch, n, kv))
}
