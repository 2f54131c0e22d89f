package model

import (
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// thread is the way of a micro-batch through a stack of layers, forward and back.
type thread struct {
	stack   *Stack
	runs    []nn.Run // the sequences
	ids     []int32  // what the rows stand for
	targets []Row    // what is to be predicted, in the order of rows

	x, dx   []float32     // the residual stream, as it left the last layer, and its gradient
	input   grad.Region   //
	regions []grad.Region // of the layers that the tape holds
	xs      [][]float32   // the stream before each of the others, which will be run again

	dHidden []float32 // gradient of the states behind the logits

	in     tensor.Input
	losses []float32 // of the targets

	rowEnds []int
}

// learn runs the thread forward and back. Before it goes back, what else reads the states behind the logits can add to their gradient: between,
// nil for nothing.
func (h *thread) learn(l *Learner, loss Loss, between func(hidden []float32) error) error {
	t := l.tape
	h.forward(l)
	region := t.Begin()
	t.Outside(h.x, h.dx)
	hidden := l.pass.Norm(nil, h.x, h.stack.Norm, l.d.config.NormEps)
	h.dHidden = resize(h.dHidden, len(hidden))
	t.Outside(hidden, h.dHidden)
	if err := h.head(l, hidden, h.dHidden, loss); err != nil {
		return err
	}
	if between != nil {
		if err := between(hidden); err != nil {
			return err
		}
	}
	clear(h.dx)
	t.Backward(region)
	h.back(l)
	return nil
}

// forward runs the layers. Under Recompute the tape is left without all but the last.
func (h *thread) forward(l *Learner) {
	p, t := l.pass, l.tape
	n := len(h.ids) * l.d.config.Hidden
	h.dx, h.regions, h.xs = resize(h.dx, n), h.regions[:0], h.xs[:0]
	h.input = t.Begin()
	h.x = p.Arena.F32(n)
	t.Outside(h.x, h.dx)
	h.stack.Input(p, h.ids, h.x)
	for i := range h.stack.Layouts {
		if l.options.Recompute && i < len(h.stack.Layouts)-1 {
			h.xs = append(h.xs, h.x)
			next := p.Arena.F32(n)
			copy(next, h.x)
			mark := p.Arena.Mark()
			p.Tape = nil
			h.x = h.stack.Layer(p, i, next)
			p.Tape = t
			p.Arena.Release(mark)
			continue
		}
		h.layer(l, i, h.x)
	}
}

// layer runs a layer with the tape.
func (h *thread) layer(l *Learner, i int, x []float32) {
	h.regions = append(h.regions, l.tape.Begin())
	l.tape.Outside(x, h.dx)
	h.x = h.stack.Layer(l.pass, i, x)
}

// back runs the layers back, from the gradient of the stream behind the last.
func (h *thread) back(l *Learner) {
	for i := len(h.stack.Layouts) - 1; i >= 0; i-- {
		if i < len(h.xs) {
			l.pass.Again = true
			h.layer(l, i, h.xs[i])
			l.pass.Again = false
		}
		last := len(h.regions) - 1
		l.tape.Backward(h.regions[last])
		h.regions = h.regions[:last]
	}
	l.tape.Backward(h.input)
}

// headValues is about how many logits exist at a time, and headRows the least rows that are multiplied at once.
const (
	headValues = 1 << 24
	headRows   = 64
)

// head turns the states behind the logits into their gradient by way of the logits, some rows at a time: all logits at once would be most of
// the memory. dHidden may be nil: then the loss only looks. Rows that nothing is learnt of take no part.
func (h *thread) head(l *Learner, hidden, dHidden []float32, loss Loss) error {
	p, d, vocab := l.pass, l.d.config.Hidden, h.stack.Head.Rows
	all := len(h.targets) == len(h.ids)
	if !all {
		clear(dHidden)
	}
	h.losses = resize(h.losses, len(h.targets))
	for from := 0; from < len(h.targets); {
		to := chunkEnd(h.targets, from, max(headValues/vocab, headRows))
		rows := h.targets[from:to]
		mark := p.Arena.Mark()
		x, logits := hidden, p.Arena.F32(len(rows)*vocab)
		if all {
			x = hidden[from*d : to*d]
		} else {
			x = p.Arena.F32(len(rows) * d)
			for i, r := range rows {
				copy(x[i*d:][:d], hidden[r.row*d:])
			}
		}
		p.MatMul(logits, h.in.Set(x, len(rows), d), h.stack.Head)
		if err := h.lose(l, rows, logits, h.losses[from:to], loss); err != nil {
			return err
		}
		if dHidden != nil {
			dx := dHidden[from*d:][:len(x)]
			if !all {
				dx = p.Arena.F32(len(x))
			}
			l.gradient[0] = tensor.Gradient{W: h.stack.Head, M: len(rows), Ends: h.ends(rows), X: x, DY: logits, DX: dx, DW: l.params.Matrix(h.stack.Head)}
			p.Exec.Backward(l.gradient[:])
			if !all {
				for i, r := range rows {
					copy(dHidden[r.row*d:][:d], dx[i*d:])
				}
			}
		}
		p.Arena.Release(mark)
		from = to
	}
	return nil
}

// ends are where, among some targets, those of each sequence end.
func (h *thread) ends(rows []Row) []int {
	h.rowEnds = h.rowEnds[:0]
	for i := range rows {
		if i+1 == len(rows) || rows[i+1].Seq != rows[i].Seq {
			h.rowEnds = append(h.rowEnds, i+1)
		}
	}
	return h.rowEnds
}

// lose puts the gradients of some rows in the place of their logits.
func (h *thread) lose(l *Learner, rows []Row, logits, losses []float32, loss Loss) error {
	if b, ok := loss.(ChunkLoss); ok {
		if err := b.Chunk(rows); err != nil {
			return err
		}
	}
	vocab := len(logits) / len(rows)
	l.pass.Exec.Rows(len(rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			losses[i] = loss.Row(rows[i], logits[i*vocab:][:vocab])
		}
	})
	return nil
}

// chunkEnd is where the chunk of about n targets that begins at from ends: not between the two rows of a pair, of which the bf16 products
// sum a sequence's.
func chunkEnd(targets []Row, from, n int) int {
	if from+n >= len(targets) {
		return len(targets)
	}
	end := from + n
	first := end
	for first > from && targets[first-1].Seq == targets[end].Seq {
		first--
	}
	return end - (end-first)%2
}

func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
