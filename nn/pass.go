// Package nn holds the blocks that decoder networks are made of: linear layers, norms, rotary embedding, grouped-query and latent attention,
// feed-forward layers and mixtures of experts. A block is plain weights with a Forward that works on a Pass.
package nn

import (
	"fmt"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/tensor"
)

// Pass is one forward pass under way: the rows of activations of all sequences in the batch, one after the other, and the workspace. A Pass is
// kept from step to step; once its buffers have grown, a step allocates nothing.
type Pass struct {
	*tensor.Exec
	Arena *tensor.Arena
	Runs  []Run // the sequences, in row order
	Rows  int   // of all runs together

	// Last is set in the last layer: attention goes on with each run's last Wanted rows only, since nothing else is read of the others.
	Last bool

	// Tape, when not nil, is written as the pass runs, and nothing that the backward reads is overwritten: each step of the residual stream is a
	// buffer of its own. The runs then begin at position 0. The values are the same, to the bit.
	Tape *grad.Tape

	// Again is set where a layer is run a second time only to write the tape: who counts what passes must not count it twice.
	Again bool

	// Route, when not nil, is shown what each mixture of experts chose: Rows times k ids, ascending, and weights.
	Route func(layer int, ids []int32, weights []float32)

	in, inner tensor.Input      // what a block multiplies: its input, and what lies between its two products
	low       tensor.Input      // between those of an adapter
	products  [4]tensor.Product // of one MatMuls
	problems  []attn.Problem
	gradients []attn.Gradient
	heads     tensor.Heads

	headsGradient tensor.HeadsGradient
	headGrads     [][]float32
	moe           moeSpace
}

// Run is consecutive new tokens of one sequence.
type Run struct {
	Cache  *kvcache.Cache
	First  int // row of the first
	Rows   int
	Pos    int // position of the first
	Wanted int // of the last rows, those that the network's output is wanted of
}

// NewPass makes a pass that computes on e.
func NewPass(e *tensor.Exec) *Pass { return &Pass{Exec: e, Arena: new(tensor.Arena)} }

// release takes back the buffers handed out since mark, unless the tape refers to them.
func (p *Pass) release(mark int) {
	if p.Tape == nil {
		p.Arena.Release(mark)
	}
}

// Begin starts a pass over the given runs, whose caches have been extended.
func (p *Pass) Begin(runs []Run) {
	p.Arena.Release(0)
	p.Turn(runs)
}

// Turn goes on with other runs in the same pass.
func (p *Pass) Turn(runs []Run) {
	p.Runs, p.Rows, p.Last = runs, 0, false
	for _, r := range runs {
		if r.First != p.Rows || r.Rows < 1 {
			panic(fmt.Sprintf("nn: run of %d rows from row %d after %d rows", r.Rows, r.First, p.Rows))
		}
		p.Rows += r.Rows
	}
}

// narrow leaves the wanted rows of x and h, which it moves to the front, and of the runs.
func (p *Pass) narrow(x, h []float32) (_, _ []float32) {
	if !p.Last {
		return x, h
	}
	d, rows := len(x)/p.Rows, 0
	for i := range p.Runs {
		r := &p.Runs[i]
		from, n := (r.First+r.Rows-r.Wanted)*d, r.Wanted*d
		copy(x[rows*d:][:n], x[from:])
		copy(h[rows*d:][:n], h[from:])
		*r = Run{Cache: r.Cache, First: rows, Rows: r.Wanted, Pos: r.Pos + r.Rows - r.Wanted, Wanted: r.Wanted}
		rows += r.Wanted
	}
	p.Rows = rows
	return x[:rows*d], h[:rows*d]
}

// fewRows is the number of rows up to which elementwise work is not worth sharing out.
const fewRows = 4

// Norm is rows of len(w) values, normalised: x / rms(x) · w. It is written over dst, which may be x; in a new buffer where dst is nil or there is
// a tape.
func (p *Pass) Norm(dst, x, w []float32, eps float32) []float32 {
	if dst == nil || p.Tape != nil {
		dst = p.Arena.F32(len(x))
	}
	p.RMSNorm(dst[:len(x)], x, w, eps)
	return dst[:len(x)]
}

// RMSNorm is Norm to a place that is given, which may be x only where there is no tape.
func (p *Pass) RMSNorm(dst, x, w []float32, eps float32) {
	if p.Tape != nil {
		p.Tape.Push(func() { p.normBack(dst, x, w, eps) })
	}
	d := len(w)
	if rows := len(x) / d; rows > fewRows {
		p.Exec.Rows(rows, func(lo, hi int) { vec.RMSNorm(dst[lo*d:hi*d], x[lo*d:hi*d], w, eps) })
		return
	}
	vec.RMSNorm(dst, x, w, eps)
}

// Pair is the rows of a and of b, both p.Rows rows, side by side.
func (p *Pass) Pair(a, b []float32) []float32 {
	rows := p.Rows
	n, m := len(a)/rows, len(b)/rows
	y := p.Arena.F32(len(a) + len(b))
	for r := range rows {
		copy(y[r*(n+m):][:n], a[r*n:])
		copy(y[r*(n+m)+n:][:m], b[r*m:])
	}
	if p.Tape != nil {
		p.Tape.Push(func() {
			dy, da, db := p.Tape.Grad(y), p.whole(a), p.whole(b)
			for r := range rows {
				copy(da[r*n:][:n], dy[r*(n+m):])
				copy(db[r*m:][:m], dy[r*(n+m)+n:])
			}
		})
	}
	return y
}

// Select is some rows of x, whose rows have d values.
func (p *Pass) Select(x []float32, rows []int, d int) []float32 {
	y := p.Arena.F32(len(rows) * d)
	for i, r := range rows {
		copy(y[i*d:][:d], x[r*d:])
	}
	if p.Tape != nil {
		p.Tape.Push(func() {
			dy, dx := p.Tape.Grad(y), p.Tape.Grad(x)
			for i, r := range rows {
				vec.Add(dx[r*d:][:d], dx[r*d:][:d], dy[i*d:][:d])
			}
		})
	}
	return y
}

// swiGLU is silu(gate)·up, over gate if there is no tape.
func (p *Pass) swiGLU(gate, up []float32, rows int) []float32 {
	dst := gate
	if p.Tape != nil {
		dst = p.Arena.F32(len(gate))
		p.Tape.Push(func() { p.swiGLUBack(dst, gate, up, rows) })
	}
	p.activate(dst, gate, up, rows)
	return dst
}

// activate writes silu(gate)·up to dst.
func (p *Pass) activate(dst, gate, up []float32, rows int) {
	if rows > fewRows {
		d := len(gate) / rows
		p.Exec.Rows(rows, func(lo, hi int) { vec.SwiGLU(dst[lo*d:hi*d], gate[lo*d:hi*d], up[lo*d:hi*d]) })
		return
	}
	vec.SwiGLU(dst, gate, up)
}

// rope turns the heads of every row in place: row r's heads start at x[r*row + offset], stride apart.
func (p *Pass) rope(t *RopeTable, x []float32, row, offset, heads, stride int) {
	if p.Tape != nil {
		runs := p.Runs
		p.Tape.Push(func() { p.turn(t, p.Tape.Grad(x), runs, row, offset, heads, stride, true) })
	}
	p.turn(t, x, p.Runs, row, offset, heads, stride, false)
}

func (p *Pass) turn(t *RopeTable, x []float32, runs []Run, row, offset, heads, stride int, back bool) {
	rows := 0
	for _, r := range runs {
		t.Grow(r.Pos + r.Rows)
		rows += r.Rows
	}
	if rows > fewRows {
		p.Exec.Rows(rows, func(lo, hi int) {
			for _, r := range runs {
				if from, to := max(lo, r.First), min(hi, r.First+r.Rows); from < to {
					t.turn(x[from*row:to*row], r.Pos+from-r.First, row, offset, heads, stride, back)
				}
			}
		})
		return
	}
	for _, r := range runs {
		t.turn(x[r.First*row:(r.First+r.Rows)*row], r.Pos, row, offset, heads, stride, back)
	}
}

// turn applies the table to rows of consecutive positions, or turns them back.
func (t *RopeTable) turn(x []float32, pos, row, offset, heads, stride int, back bool) {
	for ; len(x) > 0; x = x[row:] {
		cos, sin := t.At(pos)
		if back {
			sin = t.back(pos)
		}
		if t.Layout == Adjacent {
			vec.RopeAdjacent(x[offset:row], heads, stride, cos, sin)
		} else {
			vec.RopeHalves(x[offset:row], heads, stride, cos, sin)
		}
		pos++
	}
}

// remember appends the keys and values (nil for latent attention) of all rows to the caches.
func (p *Pass) remember(layer int, k, v []float32) {
	kd, vd := len(k)/p.Rows, len(v)/p.Rows
	if p.Rows <= fewRows {
		for _, r := range p.Runs {
			end := r.First + r.Rows
			r.Cache.Append(layer, r.Pos, k[r.First*kd:end*kd], v[r.First*vd:end*vd])
		}
		return
	}
	pages, runs := 0, p.Runs
	for _, r := range runs {
		pages += r.pages()
	}
	p.Exec.Rows(pages, func(lo, hi int) { // of all runs counted through; a page is fastest written as a whole
		first := 0
		for _, r := range runs {
			end := first + r.pages()
			if from, to := max(lo, first), min(hi, end); from < to {
				page := r.Pos/kvcache.PageLen - first
				pos, stop := max(r.Pos, (page+from)*kvcache.PageLen), min(r.Pos+r.Rows, (page+to)*kvcache.PageLen)
				a, z := r.First+pos-r.Pos, r.First+stop-r.Pos
				r.Cache.Append(layer, pos, k[a*kd:z*kd], v[a*vd:z*vd])
			}
			first = end
		}
	})
}

// pages is the number of pages of its cache that a run lies in.
func (r *Run) pages() int { return (r.Pos+r.Rows-1)/kvcache.PageLen - r.Pos/kvcache.PageLen + 1 }

// attend is the attention of all rows to what the caches hold: q is Rows times heads times the key dimension, out times the value dimension.
// Where there is a tape it returns the maximum and the sum of each softmax.
func (p *Pass) attend(layer, heads int, scale float32, q, out []float32) (top, sum []float32) {
	if p.Tape != nil {
		top, sum = p.Arena.F32(p.Rows*heads), p.Arena.F32(p.Rows*heads)
	}
	p.problems = p.problems[:0]
	qd, od := len(q)/p.Rows, len(out)/p.Rows
	for _, r := range p.Runs {
		if end := r.First + r.Rows; r.Rows > 0 {
			problem := attn.Problem{Cache: r.Cache.Layer(layer), Heads: heads, Scale: scale, Pos: r.Pos, Tokens: r.Rows,
				Q: q[r.First*qd : end*qd], Out: out[r.First*od : end*od]}
			if p.Tape != nil {
				problem.Max, problem.Sum = top[r.First*heads:end*heads], sum[r.First*heads:end*heads]
			}
			p.problems = append(p.problems, problem)
		}
	}
	p.Attend(p.problems)
	return top, sum
}
