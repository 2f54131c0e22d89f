package nn

import (
	"fmt"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// Linear is y = x·Wᵀ + Bias, and what an adapter adds.
type Linear struct {
	W       *tensor.Matrix
	Bias    []float32 // nil for none
	Adapter *Adapter  // nil for none
}

// Forward computes y for every row of in.
func (l *Linear) Forward(p *Pass, y []float32, in *tensor.Input) {
	p.MatMul(y, in, l.W)
	l.addBias(p, y)
	if p.Tape != nil {
		p.linearBack(in.X, in.M, []*Linear{l}, y)
	}
	if l.Adapter != nil {
		l.Adapter.forward(p, y, in)
	}
}

func (l *Linear) addBias(p *Pass, y []float32) {
	n := len(l.Bias)
	switch {
	case n == 0:
	case len(y) > fewRows*n:
		p.Exec.Rows(len(y)/n, func(lo, hi int) { addRows(y[lo*n:hi*n], l.Bias) })
	default:
		addRows(y, l.Bias)
	}
}

func addRows(y, bias []float32) {
	for n := len(bias); len(y) > 0; y = y[n:] {
		vec.Add(y[:n], y[:n], bias)
	}
}

// addForward adds l of the rows of h to the residual stream x and returns it.
func (p *Pass) addForward(x, h []float32, l *Linear) []float32 {
	y := p.Arena.F32(len(x))
	l.Forward(p, y, p.inner.Set(h, p.Rows, l.W.Cols))
	return p.add(x, y)
}

// add is the residual stream x and what a block adds to it, y, which only the sum reads: over x, or over y if there is a tape, as x is then
// still needed. The gradient of all three is one.
func (p *Pass) add(x, y []float32) []float32 {
	dst := x
	if p.Tape != nil {
		p.Tape.Alias(y, x)
		dst = y
	}
	if p.Rows > fewRows {
		d := len(x) / p.Rows
		p.Exec.Rows(p.Rows, func(lo, hi int) { vec.Add(dst[lo*d:hi*d], x[lo*d:hi*d], y[lo*d:hi*d]) })
		return dst
	}
	vec.Add(dst, x, y)
	return dst
}

// forwardAll computes several linear layers over one input in one loop.
func (p *Pass) forwardAll(in *tensor.Input, layers []*Linear, ys ...[]float32) {
	for i, l := range layers {
		p.products[i] = tensor.Product{In: in, W: l.W, Y: ys[i]}
	}
	p.MatMuls(p.products[:len(layers)])
	for i, l := range layers {
		l.addBias(p, ys[i])
	}
	if p.Tape != nil {
		p.linearBack(in.X, in.M, layers, ys...)
	}
	for i, l := range layers {
		if l.Adapter != nil {
			l.Adapter.forward(p, ys[i], in)
		}
	}
}

// Embedding maps ids to rows.
type Embedding struct{ W *tensor.Matrix }

// Forward writes the exact values of the row of each id to y.
func (e *Embedding) Forward(p *Pass, y []float32, ids []int32) {
	if p.Tape != nil {
		p.Tape.Push(func() { e.back(p, y, ids) })
	}
	if len(ids) > fewRows {
		p.Exec.Rows(len(ids), func(lo, hi int) { e.rows(y[lo*e.W.Cols:], ids[lo:hi]) })
		return
	}
	e.rows(y, ids)
}

func (e *Embedding) rows(y []float32, ids []int32) {
	d := e.W.Cols
	for i, id := range ids {
		if id < 0 || int(id) >= e.W.Rows {
			panic(fmt.Sprintf("nn: token id %d of an embedding %v", id, e.W))
		}
		e.W.DecodeRow(y[i*d:][:d], int(id))
	}
}
