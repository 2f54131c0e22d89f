package attn

import (
	"fmt"

	"github.com/pennyml/penny/kernel/fp"
	"github.com/pennyml/penny/kernel/vec"
)

// Gradient is the backward of the attention of a whole sequence, from position 0 on: docs/NUMERICS.md section 8.
type Gradient struct {
	Heads, KVHeads   int
	KeyDim, ValueDim int
	Tokens           int
	Scale            float32
	Window           int       // as in Problem
	Q                []float32 // [Tokens][Heads][KeyDim]
	K                []float32 // [Tokens][KVHeads][KeyDim]
	V                []float32 // [Tokens][KVHeads][ValueDim]; nil where the value is the first ValueDim of the key (MLA)
	Out, DOut        []float32 // [Tokens][Heads][ValueDim]
	DQ, DK, DV       []float32 // as Q, K and V: overwritten; without V, what the values gain is added to DK
}

func (g *Gradient) check() {
	n := g.Tokens
	ok := n > 0 && g.KVHeads > 0 && g.Heads%g.KVHeads == 0 && len(g.Q) == n*g.Heads*g.KeyDim && len(g.K) == n*g.KVHeads*g.KeyDim &&
		(g.V == nil && g.KVHeads == 1 && g.ValueDim <= g.KeyDim || len(g.V) == n*g.KVHeads*g.ValueDim) && len(g.Out) == n*g.Heads*g.ValueDim &&
		len(g.DOut) == len(g.Out) && len(g.DQ) == len(g.Q) && len(g.DK) == len(g.K) && len(g.DV) == len(g.V)
	if !ok {
		panic(fmt.Sprintf("attn: backward of %d tokens, %d and %d heads of %d and %d: q %d, k %d, v %d, out %d, dout %d, dq %d, dk %d, dv %d", n, g.Heads,
			g.KVHeads, g.KeyDim, g.ValueDim, len(g.Q), len(g.K), len(g.V), len(g.Out), len(g.DOut), len(g.DQ), len(g.DK), len(g.DV)))
	}
}

// Units is the number of units that the work can be cut into; each is run by Backward.
func (g *Gradient) Units() int { return g.KVHeads }

// Backward computes one unit of g.
func Backward(g *Gradient, unit int) {
	g.check()
	s, p := make([]float32, g.Tokens), make([]float32, g.Tokens)
	for t := range g.Tokens {
		row := g.key(g.DK, t, unit)
		clear(row)
		if g.V != nil {
			clear(g.value(g.DV, t, unit))
		}
	}
	group := g.Heads / g.KVHeads
	for t := range g.Tokens {
		for i := range group {
			g.row(t, unit, unit*group+i, s, p)
		}
	}
}

func (g *Gradient) key(x []float32, t, h int) []float32 {
	return x[(t*g.KVHeads+h)*g.KeyDim:][:g.KeyDim]
}

func (g *Gradient) value(x []float32, t, h int) []float32 {
	return x[(t*g.KVHeads+h)*g.ValueDim:][:g.ValueDim]
}

// row is the backward of one query.
func (g *Gradient) row(t, kv, head int, s, p []float32) {
	first := 0
	if g.Window > 0 {
		first = max(0, t-g.Window+1)
	}
	at := t*g.Heads + head
	q, dq := g.Q[at*g.KeyDim:][:g.KeyDim], g.DQ[at*g.KeyDim:][:g.KeyDim]
	out, dout := g.Out[at*g.ValueDim:][:g.ValueDim], g.DOut[at*g.ValueDim:][:g.ValueDim]
	for j := first; j <= t; j++ {
		s[j] = float32(dot(q, g.key(g.K, j, kv)) * g.Scale)
	}
	vec.Softmax(p[first:t+1], s[first:t+1])
	delta := vec.Dot(out, dout)
	clear(dq)
	for j := first; j <= t; j++ {
		k, dk := g.key(g.K, j, kv), g.key(g.DK, j, kv)
		v, dv := k[:min(g.ValueDim, len(k))], dk[:min(g.ValueDim, len(k))]
		if g.V != nil {
			v, dv = g.value(g.V, j, kv), g.value(g.DV, j, kv)
		}
		ds := float32(float32(p[j]*(dot(dout, v)-delta)) * g.Scale)
		axpy(dq, k, ds)
		axpy(dk, q, ds)
		axpy(dv, dout, p[j])
	}
}

func dot(a, b []float32) float32 {
	var acc float32
	for i, v := range a {
		acc = fp.FMA32(v, b[i], acc)
	}
	return acc
}

func axpy(dst, x []float32, w float32) {
	for i, v := range x {
		dst[i] = fp.FMA32(w, v, dst[i])
	}
}

// Slice is g for the rows of one sequence, n from first on.
func (g *Gradient) Slice(first, n int) Gradient {
	s := *g
	s.Tokens = n
	cut := func(x *[]float32, width int) {
		if *x != nil {
			*x = (*x)[first*width:][:n*width]
		}
	}
	for _, x := range []*[]float32{&s.Q, &s.DQ} {
		cut(x, g.Heads*g.KeyDim)
	}
	for _, x := range []*[]float32{&s.K, &s.DK} {
		cut(x, g.KVHeads*g.KeyDim)
	}
	for _, x := range []*[]float32{&s.V, &s.DV} {
		cut(x, g.KVHeads*g.ValueDim)
	}
	for _, x := range []*[]float32{&s.Out, &s.DOut} {
		cut(x, g.Heads*g.ValueDim)
	}
	return s
}
