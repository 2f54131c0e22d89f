package tensor

import (
	"fmt"

	"github.com/pennyml/penny/kernel/attn"
)

// Heads is one small product a head, as latent attention has them: for each of M rows and each head h, W[h].Cols values of X from
// row*XRow + h*XHead on give W[h].Rows values of Y at row*YRow + h*YHead.
type Heads struct {
	W           []*Matrix
	M           int
	X, Y        []float32
	XRow, XHead int
	YRow, YHead int
}

func (p *Heads) check() {
	for h, w := range p.W {
		last := p.M - 1
		if p.M < 1 || h*p.XHead+w.Cols > p.XRow || h*p.YHead+w.Rows > p.YRow || last*p.XRow+h*p.XHead+w.Cols > len(p.X) ||
			last*p.YRow+h*p.YHead+w.Rows > len(p.Y) {
			panic(fmt.Sprintf("tensor: head %d, W %v, of %d rows: X %d values in rows of %d, heads of %d; Y %d, %d, %d",
				h, w, p.M, len(p.X), p.XRow, p.XHead, len(p.Y), p.YRow, p.YHead))
		}
	}
}

// MatMulHeads computes the product of every head.
func (e *Exec) MatMulHeads(p *Heads) {
	p.check()
	e.heads = p
	e.pool.Do(len(p.W), e.multiplyHead)
	e.heads = nil
}

func (e *Exec) multiplyHeadPiece(worker, h int) {
	p, s := e.heads, &e.scratch[worker]
	w := p.W[h]
	s.x = gather(s.x, p.X[h*p.XHead:], p.M, w.Cols, p.XRow)
	f := formOf(e.compute, w.Type)
	s.in.Set(s.x, p.M, w.Cols).reserve(f)
	s.fill(&s.in, f, 0, p.M)
	s.mul(p.Y[h*p.YHead:], p.YRow, &s.in, f, w, 0, w.Rows)
}

// Attend carries out the attention of several sequences in one loop.
func (e *Exec) Attend(ps []attn.Problem) {
	e.problems = ps
	defer func() { e.problems = nil }()
	if len(ps) >= wholeProblems*e.pool.Threads() {
		e.pool.Spans(len(ps), 1, e.attendWhole)
		return
	}
	e.ends = e.ends[:0]
	n := 0
	for i := range ps {
		n += ps[i].Split((e.pool.Threads() + len(ps) - 1) / len(ps))
		e.ends = append(e.ends, n)
	}
	e.pool.Do(n, e.attend)
}

// wholeProblems is from how many problems a worker on they are not cut up.
const wholeProblems = 8

func (e *Exec) attendSpan(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		var next *attn.Problem
		if i+1 < hi {
			next = &e.problems[i+1]
		}
		attn.ForwardWhole(&e.problems[i], next, &e.scratch[worker].attn)
	}
}

func (e *Exec) attendPiece(worker, i int) {
	at, first := e.locate(i)
	attn.Forward(&e.problems[at], i-first, i-first+1, &e.scratch[worker].attn)
}

// AttendBackward goes back through the attention of several sequences: one loop, or one a wave.
func (e *Exec) AttendBackward(gs []attn.Gradient) {
	waves := 0
	for i := range gs {
		waves = max(waves, gs[i].Split((e.pool.Threads()+len(gs)-1)/len(gs)))
	}
	e.attnGradients = gs
	for e.wave = range waves {
		e.ends = e.ends[:0]
		n := 0
		for i := range gs {
			n += gs[i].Units(e.wave)
			e.ends = append(e.ends, n)
		}
		e.pool.Do(n, e.attendBack)
	}
	e.attnGradients = nil
}

func (e *Exec) attendBackPiece(worker, i int) {
	at, first := e.locate(i)
	attn.Backward(&e.attnGradients[at], e.wave, i-first, i-first+1, &e.scratch[worker].attn)
}

// locate finds the problem that the piece i of the loop at hand belongs to, and that problem's first piece.
func (e *Exec) locate(i int) (at, first int) {
	for i >= e.ends[at] {
		first = e.ends[at]
		at++
	}
	return at, first
}
