package nn

import (
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// The backward of the operations that blocks are made of: docs/NUMERICS.md section 8.

// linearBack notes linear layers over one input x.
func (p *Pass) linearBack(x []float32, rows int, layers []*Linear, ys ...[]float32) {
	gs, ends := make([]tensor.Gradient, len(layers)), p.ends()
	for i, l := range layers {
		gs[i] = tensor.Gradient{W: l.W, M: rows, Ends: ends, X: x, DY: ys[i], DW: p.Tape.Params.Matrix(l.W), DB: p.Tape.Params.Vector(l.Bias)}
	}
	p.Tape.Push(func() {
		dx, more := p.Tape.GradTo(x)
		for i := range gs {
			gs[i].DX, gs[i].More, gs[i].DY = dx, more, p.Tape.Grad(gs[i].DY)
		}
		p.Exec.Backward(gs)
	})
}

// ends are the rows at which the sequences end, for the products that ask for them; else nil.
func (p *Pass) ends() []int {
	if p.Exec.Compute() != tensor.BF16 {
		return nil
	}
	ends := make([]int, len(p.Runs))
	for i, r := range p.Runs {
		ends[i] = r.First + r.Rows
	}
	return ends
}

func (p *Pass) normBack(y, x, w []float32, eps float32) {
	d, dy := len(w), p.Tape.Grad(y)
	dx, more := p.Tape.GradTo(x)
	mark := p.Arena.Mark()
	inv := p.Arena.F32(len(x) / d)
	p.Exec.Rows(len(inv), func(lo, hi int) {
		vec.RMSNormGrad(dx[lo*d:hi*d], dy[lo*d:hi*d], x[lo*d:hi*d], w, inv[lo:hi], eps, more)
	})
	if dw := p.Tape.Params.Vector(w); dw != nil {
		p.columns(d, func(lo, hi int) { vec.RMSNormWeightGrad(dw[lo:hi], dy, x, inv, d, lo) })
	}
	p.Arena.Release(mark)
}

// columns calls f for spans of 0 to n-1 that begin on a cache line, on all workers.
func (p *Pass) columns(n int, f func(lo, hi int)) {
	const line = 16
	p.Exec.Rows((n+line-1)/line, func(lo, hi int) { f(lo*line, min(hi*line, n)) })
}

func (p *Pass) swiGLUBack(y, gate, up []float32, rows int) {
	d, dy := len(gate)/rows, p.Tape.Grad(y)
	dgate, dup := p.whole(gate), p.whole(up)
	p.Exec.Rows(rows, func(lo, hi int) {
		lo, hi = lo*d, hi*d
		vec.SwiGLUGrad(dgate[lo:hi], dup[lo:hi], dy[lo:hi], gate[lo:hi], up[lo:hi])
	})
}

// whole is the gradient of x, which has one reader, for it to write.
func (p *Pass) whole(x []float32) []float32 {
	g, more := p.Tape.GradTo(x)
	if more {
		panic("nn: a second gradient for what one operation reads")
	}
	return g
}

// attendBack notes an attention over all runs. g has all that is the same for each, and the rows of all runs together. Latents, where there is no
// V, get the gradients of the keys and values that they are.
func (p *Pass) attendBack(g attn.Gradient) {
	runs := p.Runs
	p.Tape.Push(func() {
		mark := p.Arena.Mark()
		g.DOut, g.DQ, g.DK = p.Tape.Grad(g.Out), p.whole(g.Q), p.whole(g.K)
		if g.V != nil {
			g.DV = p.whole(g.V)
		} else {
			g.DV = p.Arena.F32(len(g.K) / g.KeyDim * g.ValueDim)
		}
		p.gradients = p.gradients[:0]
		for _, r := range runs {
			p.gradients = append(p.gradients, g.Slice(r.First, r.Rows))
		}
		p.Exec.AttendBackward(p.gradients)
		if g.V == nil {
			p.Exec.Rows(len(g.DV)/g.ValueDim, func(lo, hi int) {
				for r := lo; r < hi; r++ {
					key := g.DK[r*g.KeyDim:][:g.ValueDim]
					vec.Add(key, key, g.DV[r*g.ValueDim:][:g.ValueDim])
				}
			})
		}
		p.Arena.Release(mark)
	})
}

// back adds the gradient of y to the rows of the ids, in order.
func (e *Embedding) back(p *Pass, y []float32, ids []int32) {
	dw, d := p.Tape.Params.Matrix(e.W), e.W.Cols
	if dw == nil {
		return
	}
	dy := p.Tape.Grad(y)
	p.columns(d, func(lo, hi int) {
		for i, id := range ids {
			row := dw[int(id)*d:][lo:hi]
			vec.Add(row, row, dy[i*d:][lo:hi])
		}
	})
}
