package tensor

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/kernel/gemm"
	"github.com/pennyml/penny/kernel/vec"
)

// Gradient is what a product Y = X·Wᵀ (+ bias) gives back (docs/NUMERICS.md section 8). Products in a row with the same DX are one sum: each goes on
// from the one before.
type Gradient struct {
	W  *Matrix
	M  int
	X  []float32 // M rows of W.Cols; read for DW only
	DY []float32 // M rows of W.Rows

	DX   []float32 // gains dY·W; nil: not wanted
	More bool      // DX holds something to add to
	DW   []float32 // gains dYᵀ·X; nil: not wanted
	DB   []float32 // gains the sum of the rows of dY; nil: not wanted

	// Ends are the ends of the sequences that the rows belong to, which bf16 products sum by pairs of rows; nil: all are of one.
	Ends []int

	dy, x []uint16 // rounded
	end   [1]int
}

func (g *Gradient) check() {
	w := g.W
	if g.M < 1 || len(g.DY) != g.M*w.Rows || g.DX != nil && len(g.DX) != g.M*w.Cols ||
		g.DW != nil && (len(g.DW) != w.Rows*w.Cols || len(g.X) != g.M*w.Cols) || g.DB != nil && len(g.DB) != w.Rows {
		panic(fmt.Sprintf("tensor: backward of %d rows over W %v: X %d, dY %d, dX %d, dW %d, dB %d values",
			g.M, w, len(g.X), len(g.DY), len(g.DX), len(g.DW), len(g.DB)))
	}
	if g.Ends == nil {
		g.end[0] = g.M
		g.Ends = g.end[:]
	}
	if g.Ends[len(g.Ends)-1] != g.M {
		panic(fmt.Sprintf("tensor: backward of %d rows of sequences that end at %v", g.M, g.Ends))
	}
}

// backPiece is a part of a backward loop: columns of a dX, over the products that add to it, or rows of a dW and its dB.
type backPiece struct {
	first, end int // products
	lo, hi     int
	weights    bool
}

// Backward carries out the backward of several products in one loop.
func (e *Exec) Backward(gs []Gradient) {
	e.gradients, e.pieces = gs, e.pieces[:0]
	work := 0
	for i := range gs {
		gs[i].check()
		for _, wanted := range []bool{gs[i].DX != nil, gs[i].DW != nil} {
			if wanted {
				work += gs[i].work()
			}
		}
	}
	share := work / (piecesEach * e.pool.Threads()) // of a piece
	for i := 0; i < len(gs); {
		end, sum := i+1, gs[i].work()
		for ; end < len(gs) && gs[i].DX != nil && unsafe.SliceData(gs[end].DX) == unsafe.SliceData(gs[i].DX); end++ {
			sum += gs[end].work()
		}
		if gs[i].DX != nil {
			e.cut(backPiece{first: i, end: end}, gs[i].W.Cols, dxColumns, share, sum)
		}
		i = end
	}
	for i := range gs {
		if gs[i].DW != nil || gs[i].DB != nil {
			e.cut(backPiece{first: i, weights: true}, gs[i].W.Rows, dwRows, share, gs[i].work())
		}
	}
	if e.compute == BF16 {
		e.roundAll(gs)
	}
	e.pool.Do(len(e.pieces), e.backward)
	e.gradients = nil
}

// work is the number of multiply-adds of one of the two products.
func (g *Gradient) work() int { return g.M * g.W.Rows * g.W.Cols }

const (
	piecesEach = 4 // pieces for each worker, about
	// What pieces are multiples of: at these the kernels are best.
	dxColumns = 64
	dwRows    = 48
	// Larger ones pack an operand again.
	dxPanel = 2 * dxColumns
	dwPanel = 8 * dwRows
)

// cut adds the pieces of 0 ≤ i < n, which take work in all, each about a share.
func (e *Exec) cut(p backPiece, n, grain, share, work int) {
	size, panel := n, dxPanel
	if p.weights {
		panel = dwPanel
	}
	if e.pool.Threads() > 1 {
		if size = int(float64(n) * float64(share) / float64(work)); size > panel/2 {
			size = panel
		}
		size = max((size+grain-1)/grain*grain, grain)
	}
	for p.lo = 0; p.lo < n; p.lo = p.hi {
		p.hi = min(p.lo+size, n)
		e.pieces = append(e.pieces, p)
	}
}

func (e *Exec) backwardPiece(worker, i int) {
	p, s := e.pieces[i], &e.scratch[worker]
	if p.weights {
		g := &e.gradients[p.first]
		switch {
		case g.DW == nil:
		case e.pairs(g.W):
			gemm.AccTNBF16(g.DW, g.dy, g.x, g.Ends, g.W.Rows, g.W.Cols, p.lo, p.hi, s.gemm)
		default:
			gemm.AccTN(g.DW, g.DY, g.X, g.M, g.W.Rows, g.W.Cols, p.lo, p.hi, s.gemm)
		}
		if g.DB != nil {
			db := g.DB[p.lo:p.hi]
			for r := range g.M {
				vec.Add(db, db, g.DY[r*g.W.Rows:][p.lo:p.hi])
			}
		}
		return
	}
	for j := p.first; j < p.end; j++ {
		g := &e.gradients[j]
		w := gemm.Weights{Type: g.W.Type, Data: g.W.Data, K: g.W.Cols}
		if more := g.More || j > p.first; e.pairs(g.W) {
			gemm.MulNNBF16(g.DX, g.W.Cols, g.dy, g.M, g.W.Rows, w, p.lo, p.hi, more, s.gemm)
		} else {
			gemm.MulNN(g.DX, g.W.Cols, g.DY, g.M, g.W.Rows, w, p.lo, p.hi, more, s.gemm)
		}
	}
}
