package nn

import (
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// MoE is a mixture of experts: a router chooses a few of many small MLPs for each token. Tokens are grouped by expert, so that a prompt is
// multiplied as matrices; outputs are added up in ascending order of expert, so that the grouping cannot be seen.
type MoE struct {
	Routing
	Router         *tensor.Matrix // Experts rows
	Bias           []float32      // on the choice, not on the weights; nil for none
	Gate, Up, Down []*tensor.Matrix
	Shared         *MLP // every token goes through it; nil for none

	// Learning is what passes with a tape add up; nil where nobody learns.
	Learning *MoELearning
}

// choices are the experts that rows chose.
type choices struct {
	ids     []int32 // of each row Used, ascending
	weights []float32
	starts  []int // of each expert's part of order
	order   []int // the choices (row*Used + i) sorted by expert
	place   []int // of each choice in order
}

// moeSpace is the working memory of a mixture of experts, kept between layers.
type moeSpace struct {
	choices
	inputs    []*tensor.Input
	products  []tensor.Product
	gradients []tensor.Gradient
}

// How many chosen rows are multiplied in one go. Of a prompt the experts of a few tokens together, a long one's one after the other. Where there is
// a tape more, as its passes are long and a loop over all experts shares the work out better.
const (
	waveRows = 64
	tapeRows = 4096
)

// Forward adds the output for the normalised rows h to the residual stream x and returns it.
func (m *MoE) Forward(p *Pass, layer int, x, h []float32) []float32 {
	if p.Rows == 0 {
		return x
	}
	if p.Tape != nil {
		return m.forwardTaped(p, layer, x, h)
	}
	mark, s := p.Arena.Mark(), &p.moe
	affinity := p.Arena.F32(p.Rows * m.Experts)
	m.route(p, &s.choices, layer, affinity, h)
	sum := p.Arena.F32(len(h))
	clear(sum)
	for w := (wave{}); m.next(&w, &s.choices, waveRows); {
		mark, width := p.Arena.Mark(), w.rows*m.Gate[0].Rows
		gate, up := p.Arena.F32(width), p.Arena.F32(width)
		out := m.experts(p, &s.choices, w, gate, up, gate, h)
		for i, c := range s.order[s.starts[w.first]:s.starts[w.end]] {
			vec.Axpy(sum[c/m.Used*m.Router.Cols:][:m.Router.Cols], out[i*m.Router.Cols:][:m.Router.Cols], s.weights[c])
		}
		p.Arena.Release(mark)
	}
	if m.Shared != nil {
		sum = m.Shared.Forward(p, sum, h)
	}
	x = p.add(x, sum)
	p.Arena.Release(mark)
	return x
}

// route makes every row's choice, and its order by expert; affinity receives the scores of all experts.
func (m *MoE) route(p *Pass, c *choices, layer int, affinity, h []float32) {
	mark, n := p.Arena.Mark(), p.Rows*m.Used
	c.ids, c.weights, c.order, c.starts = resize(c.ids, n), resize(c.weights, n), resize(c.order, n), resize(c.starts, m.Experts+1)
	p.products[0] = tensor.Product{In: p.in.Set(h, p.Rows, m.Router.Cols), W: m.Router, Y: affinity, Exact: true}
	p.MatMuls(p.products[:1])
	choice, groups := p.Arena.F32(len(affinity)), p.Arena.F32(p.Rows*m.Groups)
	if p.Rows > fewRows {
		p.Exec.Rows(p.Rows, func(lo, hi int) { m.chooseRows(c, lo, hi, affinity, choice, groups) })
	} else {
		m.chooseRows(c, 0, p.Rows, affinity, choice, groups)
	}
	c.sort(m.Experts)
	p.Arena.Release(mark)
	if p.Route != nil && !p.Again {
		p.Route(layer, c.ids, c.weights)
	}
}

// chooseRows turns the router's logits of some rows into affinities and chooses.
func (m *MoE) chooseRows(c *choices, lo, hi int, scores, choice, groups []float32) {
	for r := lo; r < hi; r++ {
		row := scores[r*m.Experts:][:m.Experts]
		if m.Scoring == Sigmoid {
			vec.Sigmoid(row, row)
		} else {
			vec.Softmax(row, row)
		}
		m.choose(c.ids[r*m.Used:][:m.Used], c.weights[r*m.Used:][:m.Used], row, m.Bias, choice[r*m.Experts:][:m.Experts], groups[r*m.Groups:][:m.Groups])
	}
}

// sort orders the choices by expert, rows ascending within each.
func (c *choices) sort(experts int) {
	clear(c.starts)
	for _, e := range c.ids {
		c.starts[e+1]++
	}
	for e := range experts {
		c.starts[e+1] += c.starts[e]
	}
	for i, e := range c.ids {
		c.order[c.starts[e]] = i
		c.starts[e]++
	}
	copy(c.starts[1:], c.starts[:experts]) // each start has moved on to the next one's place
	c.starts[0] = 0
}

func (c *choices) count(e int) int { return c.starts[e+1] - c.starts[e] }

// wave is experts first to end-1, whose chosen rows are multiplied in one go.
type wave struct{ first, end, rows int }

// next is the wave after w, of at most limit rows if that is possible; false at the end.
func (m *MoE) next(w *wave, c *choices, limit int) bool {
	w.first, w.rows = w.end, 0
	for ; w.end < m.Experts && (w.rows == 0 || w.rows+c.count(w.end) <= limit); w.end++ {
		w.rows += c.count(w.end)
	}
	return w.rows > 0
}

// input is the k-th expert input of a wave.
func (s *moeSpace) input(k int) *tensor.Input {
	if k == len(s.inputs) {
		s.inputs = append(s.inputs, new(tensor.Input))
	}
	return s.inputs[k]
}

// experts runs the rows of a wave through its experts and returns their outputs, in the order of the choices. gate, up and act, which may be gate,
// receive what lies between the products.
func (m *MoE) experts(p *Pass, c *choices, w wave, gate, up, act, h []float32) []float32 {
	s, d, width := &p.moe, m.Router.Cols, m.Gate[0].Rows
	gathered := p.Arena.F32(w.rows * d)
	m.gather(p, c, w, gathered, h)
	s.products = s.products[:0]
	for e, at, k := w.first, 0, 0; e < w.end; e++ {
		if n := c.count(e); n > 0 {
			in := s.input(k).Set(gathered[at*d:(at+n)*d], n, d)
			s.products = append(s.products, tensor.Product{In: in, W: m.Gate[e], Y: gate[at*width : (at+n)*width]},
				tensor.Product{In: in, W: m.Up[e], Y: up[at*width : (at+n)*width]})
			at, k = at+n, k+1
		}
	}
	p.MatMuls(s.products)
	p.activate(act, gate, up, w.rows)
	out := gathered // no longer needed
	s.products = s.products[:0]
	for e, at, k := w.first, 0, 0; e < w.end; e++ {
		if n := c.count(e); n > 0 {
			in := s.input(k).Set(act[at*width:(at+n)*width], n, width)
			s.products = append(s.products, tensor.Product{In: in, W: m.Down[e], Y: out[at*d : (at+n)*d]})
			at, k = at+n, k+1
		}
	}
	p.MatMuls(s.products)
	return out
}

// gather brings the rows of x that a wave's experts chose together in their order.
func (m *MoE) gather(p *Pass, c *choices, w wave, dst, x []float32) {
	chosen, d := c.order[c.starts[w.first]:c.starts[w.end]], m.Router.Cols
	if w.rows <= waveRows {
		gatherRows(dst, x, chosen, m.Used, d)
		return
	}
	p.Exec.Rows(w.rows, func(lo, hi int) { gatherRows(dst[lo*d:], x, chosen[lo:hi], m.Used, d) })
}

func gatherRows(dst, x []float32, chosen []int, used, d int) {
	for i, c := range chosen {
		copy(dst[i*d:][:d], x[c/used*d:])
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
