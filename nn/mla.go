package nn

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kernel/vec"
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
	O      Linear

	// The heads' maps, from query to latent (Latent rows of Nope) and from latent to value (V rows of Latent). Where a checkpoint has them fused
	// as KVB, for each head Nope rows of the key and then V of the value, the first pass makes them of it.
	KB, VB []*tensor.Matrix
	KVB    *tensor.Matrix

	Heads, Latent, Nope, RopeDim, V int
	Rope                            *RopeTable
	SoftmaxFactor                   float64 // on the scale 1/sqrt(nope + rope)
}

// CacheLayout is how the cache holds a layer of it.
func (a *MLA) CacheLayout(t dtype.Type) attn.Layout {
	return attn.Layout{Type: t, KVHeads: 1, KeyDim: a.Latent + a.RopeDim, ValueDim: a.Latent, Latent: true}
}

// Forward adds attention over the normalised rows h to the residual stream x and returns both, in the last layer their wanted rows only.
func (a *MLA) Forward(p *Pass, layer int, x, h []float32) (_, _ []float32) {
	mark := p.Arena.Mark()
	defer p.release(mark)
	if a.KB == nil {
		a.split(p)
	}
	first := &a.QB // of the queries' products
	if a.QA.W != nil {
		first = &a.QA
	}
	key := a.Latent + a.RopeDim
	kv, fq := p.Arena.F32(p.Rows*key), p.Arena.F32(p.Rows*first.W.Rows)
	in := p.in.Set(h, p.Rows, a.KVA.W.Cols)
	if p.Last {
		a.KVA.Forward(p, kv, in)
	} else {
		p.forwardAll(in, []*Linear{first, &a.KVA}, fq, kv)
	}
	kv = a.normLatents(p, kv)
	p.rope(a.Rope, kv, key, a.Latent, 1, a.RopeDim)
	p.remember(layer, kv, nil)
	if x, h = p.narrow(x, h); len(x) == 0 {
		return x, h
	}
	if p.Last {
		fq = fq[:p.Rows*first.W.Rows]
		first.Forward(p, fq, p.in.Set(h, p.Rows, first.W.Cols))
	}
	out := p.Arena.F32(p.Rows * a.Heads * a.V)
	a.attend(p, layer, a.queries(p, fq), kv, out)
	return p.addForward(x, out, &a.O), h
}

// queries are the heads' queries, from what the first product has given.
func (a *MLA) queries(p *Pass, q []float32) []float32 {
	if a.QA.W != nil {
		latent := q
		q = p.Arena.F32(p.Rows * a.QB.W.Rows)
		latent = p.Norm(latent, latent, a.QNorm, LatentEps)
		a.QB.Forward(p, q, p.inner.Set(latent, p.Rows, a.QB.W.Cols))
	}
	head := a.Nope + a.RopeDim
	p.rope(a.Rope, q, a.Heads*head, a.Nope, a.Heads, head)
	return q
}

// normLatents normalises the latents of rows of latent and rotary key: over kv, or in a new buffer if there is a tape.
func (a *MLA) normLatents(p *Pass, kv []float32) []float32 {
	if p.Tape == nil {
		a.normAllRows(p, kv, kv)
		return kv
	}
	y := p.Arena.F32(len(kv))
	copy(y, kv)
	a.normAllRows(p, y, kv)
	p.Tape.Push(func() { a.normLatentsBack(p, y, kv) })
	return y
}

func (a *MLA) normAllRows(p *Pass, dst, kv []float32) {
	key := a.Latent + a.RopeDim
	if p.Rows > fewRows {
		p.Exec.Rows(p.Rows, func(lo, hi int) { a.normRows(dst, kv, lo, hi, key) })
		return
	}
	a.normRows(dst, kv, 0, p.Rows, key)
}

func (a *MLA) normRows(dst, kv []float32, lo, hi, key int) {
	for r := lo; r < hi; r++ {
		vec.RMSNorm(dst[r*key:][:a.Latent], kv[r*key:][:a.Latent], a.KVNorm, LatentEps)
	}
}

// attend maps the queries into the latent space, attends there to the latents and keys kv and maps back.
func (a *MLA) attend(p *Pass, layer int, q, kv, out []float32) {
	head, key := a.Nope+a.RopeDim, a.Latent+a.RopeDim
	absorbed := p.Arena.F32(p.Rows * a.Heads * key)
	ends := p.ends()
	in := tensor.Heads{W: a.KB, M: p.Rows, X: q, XRow: a.Heads * head, XHead: head, Y: absorbed, YRow: a.Heads * key, YHead: key}
	p.forwardHeads(in)
	a.copyRotary(p, absorbed, q)
	if p.Tape != nil {
		p.Tape.Push(func() { a.absorbBack(p, in, ends) })
	}
	latents := p.Arena.F32(p.Rows * a.Heads * a.Latent)
	scale := float32(a.SoftmaxFactor / math.Sqrt(float64(head)))
	top, sum := p.attend(layer, a.Heads, scale, absorbed, latents)
	back := tensor.Heads{W: a.VB, M: p.Rows, X: latents, XRow: a.Heads * a.Latent, XHead: a.Latent, Y: out, YRow: a.Heads * a.V, YHead: a.V}
	p.forwardHeads(back)
	if p.Tape != nil {
		p.attendBack(attn.Gradient{Heads: a.Heads, KVHeads: 1, KeyDim: key, ValueDim: a.Latent, Scale: scale, Q: absorbed, K: kv, Out: latents,
			Max: top, Sum: sum})
		p.Tape.Push(func() { a.expandBack(p, back, ends) })
	}
}

// copyRotary brings the rotary parts of the queries behind their absorbed parts.
func (a *MLA) copyRotary(p *Pass, absorbed, q []float32) {
	if n := p.Rows * a.Heads; p.Rows > fewRows {
		p.Exec.Rows(n, func(lo, hi int) { a.copyHeads(absorbed, q, lo, hi) })
	} else {
		a.copyHeads(absorbed, q, 0, n)
	}
}

func (a *MLA) copyHeads(absorbed, q []float32, lo, hi int) {
	head, key := a.Nope+a.RopeDim, a.Latent+a.RopeDim
	for i := lo; i < hi; i++ {
		copy(absorbed[i*key+a.Latent:][:a.RopeDim], q[i*head+a.Nope:])
	}
}

func (p *Pass) forwardHeads(h tensor.Heads) {
	p.heads = h
	p.MatMulHeads(&p.heads)
}

// Refresh brings the transposed keys up to KVB, after its values have changed.
func (a *MLA) Refresh(e *tensor.Exec) {
	if a.KB == nil || a.KVB == nil {
		return // they will be made, or are all there is
	}
	e.Rows(a.Heads, func(lo, hi int) {
		for h := lo; h < hi; h++ {
			a.KVB.Slice(h*(a.Nope+a.V), a.Nope).TransposeTo(a.KB[h])
		}
	})
}

// split cuts the fused KVB into what the absorbed form multiplies with: the key part transposed. It is done at the first pass, not when a
// checkpoint is opened. Values stay where they are. The transposed keys are copies: of the same type for float weights, but float32 for block
// formats and for F8 whose scales would be cut (512·128 values a head: 2 GiB in all for DeepSeek-V3, 110 MiB for V2-Lite).
func (a *MLA) split(p *Pass) {
	kb, vb := make([]*tensor.Matrix, a.Heads), make([]*tensor.Matrix, a.Heads)
	p.Exec.Rows(a.Heads, func(lo, hi int) {
		for h := lo; h < hi; h++ {
			row := h * (a.Nope + a.V)
			kb[h] = a.KVB.Slice(row, a.Nope).Transpose()
			vb[h] = a.KVB.Slice(row+a.Nope, a.V)
		}
	})
	a.KB, a.VB = kb, vb
}
