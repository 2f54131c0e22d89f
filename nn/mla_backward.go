package nn

import (
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// normLatentsBack is the backward of normLatents: a norm over the latents, and the rotary keys as they are.
func (a *MLA) normLatentsBack(p *Pass, y, kv []float32) {
	dy, dx, key := p.Tape.Grad(y), p.whole(kv), a.Latent+a.RopeDim
	rows := len(kv) / key
	mark := p.Arena.Mark()
	inv := p.Arena.F32(rows)
	p.Exec.Rows(rows, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at, end := r*key, r*key+a.Latent
			vec.RMSNormGrad(dx[at:end], dy[at:end], kv[at:end], a.KVNorm, inv[r:r+1], LatentEps, false)
			copy(dx[end:at+key], dy[end:])
		}
	})
	if dw := p.Tape.Params.Vector(a.KVNorm); dw != nil {
		p.columns(a.Latent, func(lo, hi int) { vec.RMSNormWeightGrad(dw[lo:hi], dy, kv, inv, key, lo) })
	}
	p.Arena.Release(mark)
}

// absorbBack is the backward of the queries' way into the latent space, heads what was multiplied: the part without position through the keys'
// half of KVB, the rotary part as it is.
func (a *MLA) absorbBack(p *Pass, heads tensor.Heads, ends []int) {
	p.headsGradient = tensor.HeadsGradient{Heads: heads, DY: p.Tape.Grad(heads.Y), DX: p.whole(heads.X), DW: a.kvbGrad(p, 0, a.Nope), Ends: ends,
		Transposed: true}
	g := &p.headsGradient
	p.BackwardHeads(g)
	p.Exec.Rows(heads.M*a.Heads, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			copy(g.DX[i*heads.XHead+a.Nope:][:a.RopeDim], g.DY[i*heads.YHead+a.Latent:])
		}
	})
}

// expandBack is the backward of the way back, through the values' half of KVB.
func (a *MLA) expandBack(p *Pass, heads tensor.Heads, ends []int) {
	p.headsGradient = tensor.HeadsGradient{Heads: heads, DY: p.Tape.Grad(heads.Y), DX: p.whole(heads.X), DW: a.kvbGrad(p, a.Nope, a.V), Ends: ends}
	p.BackwardHeads(&p.headsGradient)
}

// kvbGrad is where the gradients of some rows of each head's part of KVB are added up; nil if it is not learnt.
func (a *MLA) kvbGrad(p *Pass, row, rows int) [][]float32 {
	if a.KVB == nil {
		return nil
	}
	dw := p.Tape.Params.Matrix(a.KVB)
	if dw == nil {
		return nil
	}
	p.headGrads = resize(p.headGrads, a.Heads)
	for h := range a.Heads {
		p.headGrads[h] = dw[(h*(a.Nope+a.V)+row)*a.Latent:][:rows*a.Latent]
	}
	return p.headGrads
}
