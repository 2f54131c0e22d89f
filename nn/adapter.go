package nn

import (
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// Adapter is a low-rank addition to a linear layer (LoRA, Hu et al. 2021): y gains Scale · (x·Aᵀ)·Bᵀ.
type Adapter struct {
	A, B  *tensor.Matrix // rank by inputs, outputs by rank
	Scale float32
}

// forward adds to y, the layer's output for in.
func (a *Adapter) forward(p *Pass, y []float32, in *tensor.Input) {
	rank, width := a.A.Rows, a.B.Rows
	low := p.Arena.F32(in.M * rank)
	mark := p.Arena.Mark()
	add := p.Arena.F32(len(y))
	p.MatMul(low, in, a.A)
	p.MatMul(add, p.low.Set(low, in.M, rank), a.B)
	p.Exec.Rows(in.M, func(lo, hi int) { vec.Axpy(y[lo*width:hi*width], add[lo*width:hi*width], a.Scale) })
	p.Arena.Release(mark)
	if p.Tape != nil {
		x, ends := in.X, p.ends()
		p.Tape.Push(func() { a.back(p, y, low, x, ends) })
	}
}

// back is the backward: from the gradient of y, which the layer's own part reads too, to those of A, B and x.
func (a *Adapter) back(p *Pass, y, low, x []float32, ends []int) {
	rank, width := a.A.Rows, a.B.Rows
	rows, dy := len(low)/rank, p.Tape.Grad(y)
	mark := p.Arena.Mark()
	add, dlow := p.Arena.F32(len(y)), p.Arena.F32(len(low))
	p.Exec.Rows(rows, func(lo, hi int) { vec.Scale(add[lo*width:hi*width], dy[lo*width:hi*width], a.Scale) })
	gs := []tensor.Gradient{{W: a.B, M: rows, Ends: ends, X: low, DY: add, DX: dlow, DW: p.Tape.Params.Matrix(a.B)}}
	p.Exec.Backward(gs)
	dx, more := p.Tape.GradTo(x)
	gs[0] = tensor.Gradient{W: a.A, M: rows, Ends: ends, X: x, DY: dlow, DX: dx, More: more, DW: p.Tape.Params.Matrix(a.A)}
	p.Exec.Backward(gs)
	p.Arena.Release(mark)
}
