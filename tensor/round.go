package tensor

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/vec"
)

// rounding is an operand of backward products that is rounded to bf16.
type rounding struct {
	from []float32
	to   []uint16
}

// roundPiece is how many values are rounded at a time.
const roundPiece = 1 << 14

// pairs reports whether the backward of a product over w goes by pairs of bf16 values.
func (e *Exec) pairs(w *Matrix) bool { return e.compute == BF16 && w.Type == dtype.BF16 }

// roundAll rounds what the products read by pairs, each buffer once.
func (e *Exec) roundAll(gs []Gradient) {
	e.rounds, e.ends = e.rounds[:0], e.ends[:0]
	for i := range gs {
		if g := &gs[i]; e.pairs(g.W) {
			if g.dy = e.rounded(g.DY); g.DW != nil {
				g.x = e.rounded(g.X)
			}
		}
	}
	n := 0
	for _, r := range e.rounds {
		n += (len(r.from) + roundPiece - 1) / roundPiece
		e.ends = append(e.ends, n)
	}
	e.pool.Do(n, e.round)
}

// rounded is where x will be rounded to.
func (e *Exec) rounded(x []float32) []uint16 {
	for i := len(e.rounds) - 1; i >= 0; i-- {
		if r := &e.rounds[i]; len(r.from) == len(x) && unsafe.SliceData(r.from) == unsafe.SliceData(x) {
			return r.to
		}
	}
	at := len(e.rounds)
	if at == cap(e.rounds) {
		e.rounds = append(e.rounds[:cap(e.rounds)], rounding{})
	}
	e.rounds = e.rounds[:at+1]
	r := &e.rounds[at]
	r.from, r.to = x, atLeast(r.to, len(x))
	return r.to
}

func (e *Exec) roundBlock(_, i int) {
	at, first := e.locate(i)
	r := &e.rounds[at]
	lo := (i - first) * roundPiece
	hi := min(lo+roundPiece, len(r.from))
	vec.F32ToBF16(r.to[lo:hi], r.from[lo:hi])
}
