package nn

import (
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// MoELearning is what a mixture of experts adds up over the passes of a batch, and the balance loss that it is under.
type MoELearning struct {
	Balance Balance
	Loss    float64 // the balance loss so far
	Load    []int64 // how many rows each expert got

	kept choices // of the pass under way
}

// Begin starts a batch under a balance loss of the given weight, 0 for none.
func (m *MoE) Begin(weight float32) {
	if m.Learning == nil {
		m.Learning = &MoELearning{Load: make([]int64, m.Experts)}
	}
	m.Learning.Balance.Weight, m.Learning.Loss = weight, 0
	clear(m.Learning.Load)
}

// mixed is what the backward of a mixture of experts reads of its forward pass, beside the choices.
type mixed struct {
	*MoE
	h        []float32
	affinity []float32
	gate, up []float32 // in the order of the choices
	sum      []float32 // whose gradient is that of the output
	runs     []Run
	bf16     bool // products go by pairs of rows of one sequence
}

// forwardTaped is Forward where there is a tape.
func (m *MoE) forwardTaped(p *Pass, layer int, x, h []float32) []float32 {
	if m.Learning == nil {
		m.Begin(0)
	}
	c, width, d := &m.Learning.kept, m.Gate[0].Rows, m.Router.Cols
	b := &mixed{MoE: m, h: h, affinity: p.Arena.F32(p.Rows * m.Experts), gate: p.Arena.F32(p.Rows * m.Used * width),
		up: p.Arena.F32(p.Rows * m.Used * width), runs: p.Runs,
		bf16: p.Exec.Compute() == tensor.BF16}
	m.route(p, c, layer, b.affinity, h)
	c.place = resize(c.place, len(c.order))
	for i, choice := range c.order {
		c.place[choice] = i
	}
	for e := range m.Experts {
		m.Learning.Load[e] += int64(c.count(e))
	}
	sum := p.Arena.F32(len(h))
	clear(sum)
	p.Tape.Push(func() { b.back(p) })
	mark := p.Arena.Mark()
	for w := (wave{}); m.next(&w, c, tapeRows); {
		from, to := c.starts[w.first]*width, c.starts[w.end]*width
		out := m.experts(p, c, w, b.gate[from:to], b.up[from:to], p.Arena.F32(to-from), h)
		m.eachChoice(p, c, w, func(row, choice, at int) { vec.Axpy(sum[row*d:][:d], out[at*d:][:d], c.weights[choice]) })
		p.Arena.Release(mark)
	}
	b.sum = sum
	if m.Shared != nil {
		b.sum = m.Shared.Forward(p, sum, h)
	}
	return p.add(x, b.sum)
}

// eachChoice calls f for the choices of a wave's experts, with their row and their place in the wave. Rows are shared out; the choices of each come
// in ascending order of expert.
func (m *MoE) eachChoice(p *Pass, c *choices, w wave, f func(row, choice, at int)) {
	from, to := c.starts[w.first], c.starts[w.end]
	p.Exec.Rows(len(c.ids)/m.Used, func(lo, hi int) {
		for choice := lo * m.Used; choice < hi*m.Used; choice++ {
			if at := c.place[choice]; at >= from && at < to {
				f(choice/m.Used, choice, at-from)
			}
		}
	})
}

// back is the backward of the routed experts and the router. To the gradient of h the shared experts have added first; then come the experts in
// ascending order, each with a sum of its own, and last the router.
func (b *mixed) back(p *Pass) {
	c, d, mark := &b.Learning.kept, b.Router.Cols, p.Arena.Mark()
	dy, dh := p.Tape.Grad(b.sum), p.Tape.Grad(b.h)
	dweights := p.Arena.F32(len(c.weights))
	inner := p.Arena.Mark()
	for w := (wave{}); b.next(&w, c, tapeRows); {
		dx := b.expertsBack(p, c, w, dy, dweights)
		b.eachChoice(p, c, w, func(row, _, at int) { vec.Add(dh[row*d:][:d], dh[row*d:][:d], dx[at*d:][:d]) })
		p.Arena.Release(inner)
	}
	dz := b.routerBack(p, c, dweights)
	p.moe.gradients = append(p.moe.gradients[:0], tensor.Gradient{W: b.Router, M: len(dz) / b.Experts, X: b.h, DY: dz, DX: dh, More: true,
		DW: p.Tape.Params.Matrix(b.Router)})
	p.Backward(p.moe.gradients)
	p.Arena.Release(mark)
}

// expertsBack is the backward of a wave's experts, dy the gradient of the output. It gives the gradients of their inputs, in the order of the
// choices, and sets those of the choices' weights.
func (b *mixed) expertsBack(p *Pass, c *choices, w wave, dy, dweights []float32) []float32 {
	d, width := b.Router.Cols, b.Gate[0].Rows
	from := c.starts[w.first]
	gate, up := b.gate[from*width:][:w.rows*width], b.up[from*width:][:w.rows*width]
	gradient, dact, act := p.Arena.F32(w.rows*d), p.Arena.F32(len(gate)), p.Arena.F32(len(gate))
	b.gather(p, c, w, gradient, dy)
	gs := p.moe.gradients[:0]
	b.eachExpert(c, w, func(e, at, n int) {
		gs = append(gs, tensor.Gradient{W: b.Down[e], M: n, DY: gradient[at*d:][:n*d], DX: dact[at*width:][:n*width]})
	})
	p.Backward(gs)

	dgate, dup, chosen := p.Arena.F32(len(gate)), p.Arena.F32(len(gate)), c.order[from:]
	p.Exec.Rows(w.rows, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			at, end, weight := i*width, (i+1)*width, c.weights[chosen[i]]
			vec.SwiGLU(act[at:end], gate[at:end], up[at:end])
			dweights[chosen[i]] = vec.Dot(act[at:end], dact[at:end]) // what Down makes of act, times the gradient of the output
			vec.Scale(act[at:end], act[at:end], weight)
			vec.Scale(dact[at:end], dact[at:end], weight)
			vec.SwiGLUGrad(dgate[at:end], dup[at:end], dact[at:end], gate[at:end], up[at:end])
		}
	})

	gathered, dx, params := p.Arena.F32(w.rows*d), p.Arena.F32(w.rows*d), p.Tape.Params
	b.gather(p, c, w, gathered, b.h)
	gs = gs[:0]
	b.eachExpert(c, w, func(e, at, n int) {
		in := tensor.Gradient{M: n, Ends: b.ends(c, e), X: gathered[at*d:][:n*d], DX: dx[at*d:][:n*d]}
		g, u := in, in
		g.W, g.DY, g.DW = b.Gate[e], dgate[at*width:][:n*width], params.Matrix(b.Gate[e])
		u.W, u.DY, u.DW = b.Up[e], dup[at*width:][:n*width], params.Matrix(b.Up[e])
		gs = append(gs, g, u, tensor.Gradient{W: b.Down[e], M: n, Ends: in.Ends, X: act[at*width:][:n*width], DY: gradient[at*d:][:n*d], DW: params.Matrix(b.Down[e])})
	})
	p.Backward(gs)
	p.moe.gradients = gs
	return dx
}

// ends are where, among the rows of an expert, those of each sequence end, for the products that ask for it; else nil.
func (b *mixed) ends(c *choices, e int) []int {
	if !b.bf16 {
		return nil
	}
	ends, order := make([]int, len(b.runs)), c.order[c.starts[e]:c.starts[e+1]]
	n := 0
	for i, run := range b.runs {
		for n < len(order) && order[n]/b.Used < run.First+run.Rows {
			n++
		}
		ends[i] = n
	}
	return ends
}

// eachExpert calls f for the experts of a wave that got rows, with the first of these in the wave and their number.
func (m *MoE) eachExpert(c *choices, w wave, f func(e, at, n int)) {
	for e := w.first; e < w.end; e++ {
		if n := c.count(e); n > 0 {
			f(e, c.starts[e]-c.starts[w.first], n)
		}
	}
}

// routerBack turns the gradients of the choices' weights, and the balance loss, into the gradient of the router's logits.
func (b *mixed) routerBack(p *Pass, c *choices, dweights []float32) []float32 {
	e, k, l := b.Experts, b.Used, b.Learning
	d, losses := p.Arena.F32(len(b.affinity)), p.Arena.F32(len(b.affinity)/e)
	for _, run := range b.runs {
		if l.Balance.Weight != 0 {
			l.Balance.begin(c.ids[run.First*k:][:run.Rows*k], run.Rows, e)
		}
		p.Exec.Rows(run.Rows, func(lo, hi int) {
			for r := run.First + lo; r < run.First+hi; r++ {
				row, s := d[r*e:][:e], b.affinity[r*e:][:e]
				clear(row)
				b.weightsBackward(row, s, c.ids[r*k:][:k], dweights[r*k:][:k])
				if l.Balance.Weight != 0 {
					losses[r] = l.Balance.row(row, s)
				}
				b.Scoring.backward(row, s)
			}
		})
		if l.Balance.Weight != 0 {
			for _, v := range losses[run.First:][:run.Rows] {
				l.Loss += float64(v)
			}
		}
	}
	return d
}
