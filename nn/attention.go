package nn

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
)

// Attention is grouped-query attention: Heads query heads share KVHeads key and value heads.
type Attention struct {
	Q, K, V, O     Linear
	QNorm, KNorm   []float32 // RMSNorm of each head's query and key before RoPE; nil for none
	NormEps        float32
	Heads, KVHeads int
	HeadDim        int
	Rope           *RopeTable
}

// CacheLayout is how the cache holds a layer of it.
func (a *Attention) CacheLayout(t dtype.Type) attn.Layout {
	return attn.Layout{Type: t, KVHeads: a.KVHeads, KeyDim: a.HeadDim, ValueDim: a.HeadDim}
}

// Forward adds attention over the normalised rows h to the residual stream x and returns both, in the last layer their wanted rows only.
func (a *Attention) Forward(p *Pass, layer int, x, h []float32) (_, _ []float32) {
	mark, d := p.Arena.Mark(), a.HeadDim
	defer p.release(mark)
	q := p.Arena.F32(p.Rows * a.Heads * d)
	k := p.Arena.F32(p.Rows * a.KVHeads * d)
	v := p.Arena.F32(p.Rows * a.KVHeads * d)
	in := p.in.Set(h, p.Rows, a.K.W.Cols)
	if p.Last {
		p.forwardAll(in, []*Linear{&a.K, &a.V}, k, v)
	} else {
		p.forwardAll(in, []*Linear{&a.Q, &a.K, &a.V}, q, k, v)
	}
	if a.KNorm != nil {
		k = p.Norm(k, k, a.KNorm, a.NormEps)
	}
	p.rope(a.Rope, k, a.KVHeads*d, 0, a.KVHeads, d)
	p.remember(layer, k, v)
	if x, h = p.narrow(x, h); len(x) == 0 {
		return x, h
	}
	if p.Last {
		q = q[:p.Rows*a.Heads*d]
		a.Q.Forward(p, q, p.in.Set(h, p.Rows, a.Q.W.Cols))
	}
	if a.QNorm != nil {
		q = p.Norm(q, q, a.QNorm, a.NormEps)
	}
	p.rope(a.Rope, q, a.Heads*d, 0, a.Heads, d)
	out := p.Arena.F32(len(q))
	scale := float32(1 / math.Sqrt(float64(d)))
	top, sum := p.attend(layer, a.Heads, scale, q, out)
	if p.Tape != nil {
		p.attendBack(attn.Gradient{Heads: a.Heads, KVHeads: a.KVHeads, KeyDim: d, ValueDim: d, Scale: scale, Q: q, K: k, V: v, Out: out, Max: top, Sum: sum})
	}
	return p.addForward(x, out, &a.O), h
}
