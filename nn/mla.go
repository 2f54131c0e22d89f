package nn

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/tensor"
)

// LatentEps is the epsilon of the norms over the latents, whatever the network's own is: so the published code has it.
const LatentEps = 1e-6

// MLA is multi-head latent attention in its absorbed form: keys and values of all heads are one cached vector, the normalised latent followed
// by a key that carries the position; each head maps its query into the latent space and the attended latent back out.
type MLA struct {
	QA, QB Linear    // queries through a latent; QA.W is nil when they are projected directly, by QB
	QNorm  []float32 // of the query latent
	KVA    Linear    // latent and rotary key
	KVNorm []float32 // of the latent
	KB     []*tensor.Matrix
	VB     []*tensor.Matrix
	O      Linear

	Heads, Latent, Nope, RopeDim, V int
	Rope                            *RopeTable
	SoftmaxFactor                   float64 // on the scale 1/sqrt(nope + rope)
}

// CacheLayout is how the cache holds a layer of it.
func (a *MLA) CacheLayout(t dtype.Type) attn.Layout {
	return attn.Layout{Type: t, KVHeads: 1, KeyDim: a.Latent + a.RopeDim, ValueDim: a.Latent, Latent: true}
}

// Forward adds attention over the normalised rows h to the residual stream x.
func (a *MLA) Forward(p *Pass, layer int, x, h []float32) {
	mark, head, key := p.Arena.Mark(), a.Nope+a.RopeDim, a.Latent+a.RopeDim
	q := p.Arena.F32(p.Rows * a.Heads * head)
	kv := p.Arena.F32(p.Rows * key)
	in := p.in.Set(h, p.Rows, a.KVA.W.Cols)
	if a.QA.W != nil {
		latent := p.Arena.F32(p.Rows * a.QA.W.Rows)
		p.forwardAll(in, []*Linear{&a.QA, &a.KVA}, latent, kv)
		p.RMSNorm(latent, latent, a.QNorm, LatentEps)
		a.QB.Forward(p, q, p.inner.Set(latent, p.Rows, a.QB.W.Cols))
	} else {
		p.forwardAll(in, []*Linear{&a.QB, &a.KVA}, q, kv)
	}
	for r := range p.Rows {
		c := kv[r*key:][:a.Latent]
		p.RMSNorm(c, c, a.KVNorm, LatentEps)
	}
	p.rope(a.Rope, kv, key, a.Latent, 1, a.RopeDim)
	p.rope(a.Rope, q, a.Heads*head, a.Nope, a.Heads, head)

	absorbed := p.Arena.F32(p.Rows * a.Heads * key)
	p.heads = tensor.Heads{W: a.KB, M: p.Rows, X: q, XRow: a.Heads * head, XHead: head, Y: absorbed, YRow: a.Heads * key, YHead: key}
	p.MatMulHeads(&p.heads)
	for i := range p.Rows * a.Heads {
		copy(absorbed[i*key+a.Latent:][:a.RopeDim], q[i*head+a.Nope:])
	}
	latents := p.Arena.F32(p.Rows * a.Heads * a.Latent)
	p.attend(layer, a.Heads, float32(a.SoftmaxFactor/math.Sqrt(float64(head))), absorbed, kv, nil, latents)

	out := p.Arena.F32(p.Rows * a.Heads * a.V)
	p.heads = tensor.Heads{W: a.VB, M: p.Rows, X: latents, XRow: a.Heads * a.Latent, XHead: a.Latent, Y: out, YRow: a.Heads * a.V, YHead: a.V}
	p.MatMulHeads(&p.heads)
	p.addForward(x, out, &a.O)
	p.Arena.Release(mark)
}

// SplitKV cuts a fused kv_b, whose rows are for each head Nope of the key and then V of the value, into what the absorbed form multiplies with:
// the key part transposed. Values stay where they are. The transposed keys are copies: of the same type for float weights, but float32 for
// block formats and for F8 whose scales would be cut (512·128 values a head, 2 GiB in all for DeepSeek-V3, 110 MiB for V2-Lite).
func (a *MLA) SplitKV(kvB *tensor.Matrix) {
	a.KB, a.VB = make([]*tensor.Matrix, a.Heads), make([]*tensor.Matrix, a.Heads)
	for h := range a.Heads {
		row := h * (a.Nope + a.V)
		a.KB[h] = kvB.Slice(row, a.Nope).Transpose()
		a.VB[h] = kvB.Slice(row+a.Nope, a.V)
	}
}
