package tensor

import (
	"math"
	"slices"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
)

// sequence is the attention of n tokens of one sequence and the way back.
func sequence(seed uint64, l attn.Layout, heads, n int) (attn.Problem, attn.Gradient) {
	q, k, v := values(seed, n*heads*l.KeyDim), values(seed+1, n*l.KeyElems()), values(seed+2, n*l.ValueElems())
	if l.Latent {
		v = nil
	}
	cache := attn.Blocks{Layout: l}
	for i := 0; i < n; i += attn.Block {
		page, m := make([]byte, l.BlockBytes()), min(attn.Block, n-i)
		l.Put(page, 0, k[i*l.KeyElems():][:m*l.KeyElems()], v[i*l.ValueElems():][:m*l.ValueElems()])
		cache.Pages = append(cache.Pages, page)
	}
	p := attn.Problem{Cache: cache, Heads: heads, Scale: float32(1 / math.Sqrt(float64(l.KeyDim))), Tokens: n, Q: q, Out: make([]float32, n*heads*l.ValueDim),
		Max: make([]float32, n*heads), Sum: make([]float32, n*heads)}
	g := attn.Gradient{Heads: heads, KVHeads: l.KVHeads, KeyDim: l.KeyDim, ValueDim: l.ValueDim, Scale: p.Scale, Tokens: n, Q: q, K: k, V: v,
		Out: p.Out, Max: p.Max, Sum: p.Sum, DOut: values(seed+3, len(p.Out)),
		DQ: make([]float32, len(q)), DK: make([]float32, len(k)), DV: make([]float32, n*l.KVHeads*l.ValueDim)}
	return p, g
}

// TestAttend: forward and backward, several sequences at once on several workers are what each is alone on one.
func TestAttend(t *testing.T) {
	var results [2][]float32
	for i, threads := range []int{1, 2} {
		e := NewExec(threads, Auto)
		defer e.Close()
		var ps []attn.Problem
		var gs []attn.Gradient
		for s, n := range []int{300, 5, 70} {
			for _, l := range []attn.Layout{{Type: dtype.F32, KVHeads: 2, KeyDim: 20, ValueDim: 12}, {Type: dtype.F32, KVHeads: 1, KeyDim: 24, ValueDim: 16, Latent: true}} {
				p, g := sequence(uint64(10*s), l, 6, n)
				ps, gs = append(ps, p), append(gs, g)
			}
		}
		if threads == 1 {
			for j := range ps {
				e.Attend(ps[j : j+1])
				e.AttendBackward(gs[j : j+1])
			}
		} else {
			e.Attend(ps)
			e.AttendBackward(gs[:2]) // long ones by themselves are cut into waves
			e.AttendBackward(gs[2:])
		}
		for _, g := range gs {
			results[i] = append(results[i], slices.Concat(g.Out, g.DQ, g.DK, g.DV)...)
		}
	}
	if bits(results[0]) != bits(results[1]) {
		t.Error("two workers give other bits than one")
	}
	zeros := 0
	for _, x := range results[0] {
		if x != x {
			t.Fatal("a result is NaN")
		}
		if x == 0 {
			zeros++
		}
	}
	if zeros > len(results[0])/100 { // a first token's scores have no gradient
		t.Errorf("%d of %d results are 0", zeros, len(results[0]))
	}
}
