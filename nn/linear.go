package nn

import (
	"fmt"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// Linear is y = x·Wᵀ + Bias.
type Linear struct {
	W    *tensor.Matrix
	Bias []float32 // nil for none
}

// Forward computes y for every row of in.
func (l *Linear) Forward(p *Pass, y []float32, in *tensor.Input) {
	p.MatMul(y, in, l.W)
	l.addBias(y)
}

func (l *Linear) addBias(y []float32) {
	if l.Bias == nil {
		return
	}
	for n := len(l.Bias); len(y) > 0; y = y[n:] {
		vec.Add(y[:n], y[:n], l.Bias)
	}
}

// addForward adds l of the rows of h to the residual stream x.
func (p *Pass) addForward(x, h []float32, l *Linear) {
	y := p.Arena.F32(len(x))
	l.Forward(p, y, p.inner.Set(h, p.Rows, l.W.Cols))
	p.add(x, y)
}

// add adds y to x.
func (p *Pass) add(x, y []float32) {
	if p.Rows > fewRows {
		d := len(x) / p.Rows
		p.Exec.Rows(p.Rows, func(lo, hi int) { vec.Add(x[lo*d:hi*d], x[lo*d:hi*d], y[lo*d:hi*d]) })
		return
	}
	vec.Add(x, x, y)
}

// forwardAll computes several linear layers over one input in one loop.
func (p *Pass) forwardAll(in *tensor.Input, layers []*Linear, ys ...[]float32) {
	for i, l := range layers {
		p.products[i] = tensor.Product{In: in, W: l.W, Y: ys[i]}
	}
	p.MatMuls(p.products[:len(layers)])
	for i, l := range layers {
		l.addBias(ys[i])
	}
}

// Embedding maps ids to rows.
type Embedding struct{ W *tensor.Matrix }

// Forward writes the exact values of the row of each id to y.
func (e *Embedding) Forward(y []float32, ids []int32) {
	d := e.W.Cols
	for i, id := range ids {
		if id < 0 || int(id) >= e.W.Rows {
			panic(fmt.Sprintf("nn: token id %d of an embedding %v", id, e.W))
		}
		e.W.DecodeRow(y[i*d:][:d], int(id))
	}
}
