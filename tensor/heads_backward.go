package tensor

import (
	"fmt"

	"github.com/pennyml/penny/kernel/gemm"
	"github.com/pennyml/penny/kernel/vec"
)

// HeadsGradient is what the products of Heads give back, in the layouts of their X and Y.
type HeadsGradient struct {
	Heads
	DY []float32 // as Y

	DX []float32   // as X: becomes dY·W, head by head; what lies between the heads stays
	DW [][]float32 // of each head, gains dYᵀ·X; nil: not wanted

	Ends []int // as in Gradient

	// Transposed says that W is kept as the transpose of what is learnt: DW then gains Xᵀ·dY, W.Cols rows of W.Rows.
	Transposed bool

	split bool // each head in two pieces
}

func (p *HeadsGradient) check() {
	p.Heads.check()
	if len(p.DX) != len(p.X) || len(p.DY) != len(p.Y) || p.DW != nil && len(p.DW) != len(p.W) {
		panic(fmt.Sprintf("tensor: backward of %d heads: X %d, dX %d, Y %d, dY %d values, %d dW", len(p.W), len(p.X), len(p.DX), len(p.Y), len(p.DY), len(p.DW)))
	}
}

// BackwardHeads computes the gradients of every head.
func (e *Exec) BackwardHeads(p *HeadsGradient) {
	p.check()
	e.headsGradient = p
	n := len(p.W)
	if p.split = p.DW != nil && n < 4*e.pool.Threads(); p.split {
		n *= 2
	}
	e.pool.Do(n, e.backwardHead)
	e.headsGradient = nil
}

// backwardHeadPiece does a head; where each is split in two, its dX, or from the number of heads on its dW.
func (e *Exec) backwardHeadPiece(worker, i int) {
	p, s := e.headsGradient, &e.scratch[worker]
	h := i % len(p.W)
	dx, dw := true, p.DW != nil
	if p.split {
		dx, dw = i < len(p.W), i >= len(p.W)
	}
	if e.pairs(p.W[h]) {
		s.backwardHeadBF16(p, h, dx, dw)
	} else {
		s.backwardHead(p, h, dx, dw)
	}
}

func (s *scratch) backwardHead(p *HeadsGradient, h int, dx, dw bool) {
	w := p.W[h]
	s.dy = gather(s.dy, p.DY[h*p.YHead:], p.M, w.Rows, p.YRow)
	if dx {
		gw := gemm.Weights{Type: w.Type, Data: w.Data, K: w.Cols}
		gemm.MulNN(p.DX[h*p.XHead:], p.XRow, s.dy, p.M, w.Rows, gw, 0, w.Cols, false, s.gemm)
	}
	if !dw {
		return
	}
	s.x = gather(s.x, p.X[h*p.XHead:], p.M, w.Cols, p.XRow)
	if p.Transposed {
		gemm.AccTN(p.DW[h], s.x, s.dy, p.M, w.Cols, w.Rows, 0, w.Cols, s.gemm)
	} else {
		gemm.AccTN(p.DW[h], s.dy, s.x, p.M, w.Rows, w.Cols, 0, w.Rows, s.gemm)
	}
}

func (s *scratch) backwardHeadBF16(p *HeadsGradient, h int, dx, dw bool) {
	w := p.W[h]
	s.halfDY = gatherBF16(s.halfDY, p.DY[h*p.YHead:], p.M, w.Rows, p.YRow)
	if dx {
		gw := gemm.Weights{Type: w.Type, Data: w.Data, K: w.Cols}
		gemm.MulNNBF16(p.DX[h*p.XHead:], p.XRow, s.halfDY, p.M, w.Rows, gw, 0, w.Cols, false, s.gemm)
	}
	if !dw {
		return
	}
	s.halfX = gatherBF16(s.halfX, p.X[h*p.XHead:], p.M, w.Cols, p.XRow)
	s.end[0] = p.M
	ends := s.end[:]
	if p.Ends != nil {
		ends = p.Ends
	}
	if p.Transposed {
		gemm.AccTNBF16(p.DW[h], s.halfX, s.halfDY, ends, w.Cols, w.Rows, 0, w.Cols, s.gemm)
	} else {
		gemm.AccTNBF16(p.DW[h], s.halfDY, s.halfX, ends, w.Rows, w.Cols, 0, w.Rows, s.gemm)
	}
}

// gatherBF16 is gather to bf16.
func gatherBF16(buf []uint16, x []float32, m, n, pitch int) []uint16 {
	buf = atLeast(buf, m*n)
	for r := range m {
		vec.F32ToBF16(buf[r*n:][:n], x[r*pitch:][:n])
	}
	return buf
}

// gather brings the first n values of m rows, pitch apart, together in buf, or a larger one.
func gather(buf, x []float32, m, n, pitch int) []float32 {
	buf = atLeast(buf, m*n)
	for r := range m {
		copy(buf[r*n:][:n], x[r*pitch:])
	}
	return buf
}
