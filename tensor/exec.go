package tensor

import (
	"fmt"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kernel/gemm"
	"github.com/pennyml/penny/kernel/qdot"
)

// Exec carries out products and attention on a pool of workers. It holds the working memory of each, so that nothing is allocated once buffers
// have grown to what a network needs. One Exec serves one forward pass at a time.
type Exec struct {
	pool    *par.Pool
	compute Compute
	scratch []scratch
	single  [1]Product

	// The loop at hand, read by the workers.
	inputs   []preparation
	products []Product
	ends     []int // of each product's pieces, counted through
	chunk    []int // rows of W a piece
	heads    *Heads
	problems []attn.Problem

	gradients     []Gradient
	pieces        []backPiece
	attnGradients []attn.Gradient
	wave          int
	rounds        []rounding

	headsGradient *HeadsGradient

	// Its bodies, made once: a func made anew for each call would be allocated.
	multiply, prepare, multiplyHead, backward, round, backwardHead, attend, attendBack func(worker, i int)
	attendWhole                                                                        func(worker, lo, hi int)
}

// scratch is one worker's working memory.
type scratch struct {
	gemm *gemm.Scratch
	qdot qdot.Scratch
	attn attn.Scratch
	row  []float32 // decoded rows of weights, or one row of activations
	in   Input     // of one head
	x    []float32
	dy   []float32 // of one head

	halfX, halfDY []uint16 // the same, rounded
	end           [1]int
}

// NewExec starts workers on so many threads, 0 for one on each CPU.
func NewExec(threads int, c Compute) *Exec {
	p := par.New(threads)
	e := &Exec{pool: p, compute: c, scratch: make([]scratch, p.Threads())}
	for i := range e.scratch {
		e.scratch[i].gemm = gemm.NewScratch()
	}
	e.multiply, e.prepare, e.multiplyHead, e.backward = e.multiplyPiece, e.preparePiece, e.multiplyHeadPiece, e.backwardPiece
	e.attend, e.attendBack, e.backwardHead, e.round = e.attendPiece, e.attendBackPiece, e.backwardHeadPiece, e.roundBlock
	e.attendWhole = e.attendSpan
	return e
}

// Close ends the workers.
func (e *Exec) Close() { e.pool.Close() }

// Compute is how activations are rounded.
func (e *Exec) Compute() Compute { return e.compute }

// Threads is the number of workers.
func (e *Exec) Threads() int { return e.pool.Threads() }

// Rows calls f for spans of the rows 0 to n-1, on all workers.
func (e *Exec) Rows(n int, f func(lo, hi int)) {
	e.pool.Spans(n, 1, func(_, lo, hi int) { f(lo, hi) })
}

// Product is one Y = X·Wᵀ: In.M rows of W.Rows values, row m at Y[m*W.Rows:].
type Product struct {
	In *Input
	W  *Matrix
	Y  []float32

	// Exact products keep the activations in f32 whatever the compute: routers.
	Exact bool
}

func (p *Product) check() {
	if p.In.K != p.W.Cols || len(p.Y) != p.In.M*p.W.Rows {
		panic(fmt.Sprintf("tensor: X [%d, %d] times W %v into %d values", p.In.M, p.In.K, p.W, len(p.Y)))
	}
}

func (e *Exec) formOf(p *Product) form {
	if p.Exact {
		return formF32
	}
	return formOf(e.compute, p.W.Type)
}

// MatMul computes one product.
func (e *Exec) MatMul(y []float32, in *Input, w *Matrix) {
	e.single[0] = Product{In: in, W: w, Y: y}
	e.MatMuls(e.single[:])
}

// MatMuls computes several products in one loop: those that share an input, or many small ones. Their results must not overlap.
func (e *Exec) MatMuls(ps []Product) {
	e.prepareAll(ps)
	e.products, e.ends, e.chunk = ps, e.ends[:0], e.chunk[:0]
	n := 0
	for i := range ps {
		p := &ps[i]
		rows := e.pieceRows(p.In.M, p.W)
		n += (p.W.Rows + rows - 1) / rows
		e.ends, e.chunk = append(e.ends, n), append(e.chunk, rows)
	}
	e.pool.Do(n, e.multiply)
	e.products = nil
}

// pieceRows is how many rows of W one piece of work takes: enough to be worth handing out, few enough to even out the workers. A multiple of
// 32, at which kernels begin best.
func (e *Exec) pieceRows(m int, w *Matrix) int {
	const perWorker, leastWork = 6, 1 << 16
	if e.pool.Threads() == 1 {
		return w.Rows
	}
	rows := max(w.Rows/(perWorker*e.pool.Threads()), leastWork/(m*w.Cols))
	return max(32, (rows+31)&^31)
}

// prepareRows is how many rows of activations a piece of preparation takes; kernels group four.
const prepareRows = 16

// preparation is an input that is brought into a form.
type preparation struct {
	*Input
	form form
}

// prepareAll brings the inputs of some products into the forms that they are read in, in one loop.
func (e *Exec) prepareAll(ps []Product) {
	e.inputs, e.ends = e.inputs[:0], e.ends[:0]
	n := 0
	for i := range ps {
		p := &ps[i]
		p.check()
		if f := e.formOf(p); !p.In.ready[f] {
			p.In.reserve(f)
			p.In.ready[f] = true
			e.inputs = append(e.inputs, preparation{p.In, f})
			n += (p.In.M + prepareRows - 1) / prepareRows
			e.ends = append(e.ends, n)
		}
	}
	if n > 0 {
		e.pool.Do(n, e.prepare)
	}
}

func (e *Exec) preparePiece(worker, i int) {
	at, first := e.locate(i)
	p, row := e.inputs[at], (i-first)*prepareRows
	e.scratch[worker].fill(p.Input, p.form, row, min(row+prepareRows, p.M))
}

func (s *scratch) fill(in *Input, f form, lo, hi int) {
	if f == formRounded || f == formDecoded32 || f == formDecoded256 {
		s.row = atLeast(s.row, in.K)
	}
	in.fill(f, lo, hi, s.row)
}

func (e *Exec) multiplyPiece(worker, i int) {
	at, first := e.locate(i)
	p := &e.products[at]
	n0 := (i - first) * e.chunk[at]
	n1 := min(n0+e.chunk[at], p.W.Rows)
	e.scratch[worker].mul(p.Y, p.W.Rows, p.In, e.formOf(p), p.W, n0, n1)
}

// mul computes the columns n0 to n1-1 of Y = X·Wᵀ, row m at y[m*ldy:], over an input that is in the form f.
func (s *scratch) mul(y []float32, ldy int, in *Input, f form, w *Matrix, n0, n1 int) {
	if f == formQ32 || f == formQ256 {
		a, _ := in.blocks(f)
		qdot.Mul(y, ldy, a, w.Type, w.Data, n0, n1, &s.qdot)
		return
	}
	x := in.packed(f)
	if !w.Type.IsQuantized() {
		gw := gemm.Weights{Type: w.Type, Data: w.Data, K: w.Cols}
		if w.Scales != nil {
			gw.Scale, gw.BlockN, gw.BlockK = w.Scales, FP8Block, FP8Block
		}
		gemm.Mul(y, ldy, x, gw, n0, n1, s.gemm)
		return
	}
	const panel = 16 // rows decoded at a time: they stay in the cache
	s.row = atLeast(s.row, panel*w.Cols)
	for n := n0; n < n1; n += panel {
		rows := min(panel, n1-n)
		for r := range rows {
			w.DecodeRow(s.row[r*w.Cols:][:w.Cols], n+r)
		}
		gemm.MulF32Panel(y, ldy, x, s.row, n, n+rows, s.gemm)
	}
}
