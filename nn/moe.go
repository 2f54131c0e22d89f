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
}

// moeSpace is the working memory of a mixture of experts, kept between layers.
type moeSpace struct {
	ids      []int32
	weights  []float32
	starts   []int // of each expert's part of order
	order    []int // the choices (row*Used + i) sorted by expert
	inputs   []*tensor.Input
	products []tensor.Product
}

// waveRows is how many chosen rows are multiplied in one go: the experts of a few tokens together, a prompt's one after the other.
const waveRows = 64

// Forward adds the output for the normalised rows h to the residual stream x and returns it.
func (m *MoE) Forward(p *Pass, layer int, x, h []float32) []float32 {
	if p.Rows == 0 {
		return x
	}
	mark, d := p.Arena.Mark(), m.Router.Cols
	in := p.in.Set(h, p.Rows, d)
	m.route(p, in)
	if p.Route != nil {
		p.Route(layer, p.moe.ids, p.moe.weights)
	}
	sum := p.Arena.F32(p.Rows * d)
	clear(sum)
	for e := 0; e < m.Experts; {
		first, rows := e, 0
		for ; e < m.Experts && (rows == 0 || rows+p.moe.count(e) <= waveRows); e++ {
			rows += p.moe.count(e)
		}
		if rows > 0 {
			m.wave(p, first, e, rows, sum, h)
		}
	}
	if m.Shared != nil {
		sum = m.Shared.Forward(p, sum, h)
	}
	x = p.add(x, sum)
	p.release(mark)
	return x
}

// route fills the working memory with every row's choice and the choices' order by expert.
func (m *MoE) route(p *Pass, in *tensor.Input) {
	mark, s := p.Arena.Mark(), &p.moe
	n := p.Rows * m.Used
	s.ids, s.weights, s.order, s.starts = resize(s.ids, n), resize(s.weights, n), resize(s.order, n), resize(s.starts, m.Experts+1)
	scores := p.Arena.F32(p.Rows * m.Experts)
	p.products[0] = tensor.Product{In: in, W: m.Router, Y: scores, Exact: true}
	p.MatMuls(p.products[:1])
	choice, groups := p.Arena.F32(len(scores)), p.Arena.F32(p.Rows*m.Groups)
	if p.Rows > fewRows {
		p.Exec.Rows(p.Rows, func(lo, hi int) { m.chooseRows(s, lo, hi, scores, choice, groups) })
	} else {
		m.chooseRows(s, 0, p.Rows, scores, choice, groups)
	}
	s.sort(m.Experts)
	p.Arena.Release(mark)
}

// chooseRows turns the router's logits of some rows into affinities and chooses.
func (m *MoE) chooseRows(s *moeSpace, lo, hi int, scores, choice, groups []float32) {
	for r := lo; r < hi; r++ {
		row := scores[r*m.Experts:][:m.Experts]
		if m.Scoring == Sigmoid {
			vec.Sigmoid(row, row)
		} else {
			vec.Softmax(row, row)
		}
		m.choose(s.ids[r*m.Used:][:m.Used], s.weights[r*m.Used:][:m.Used], row, m.Bias, choice[r*m.Experts:][:m.Experts], groups[r*m.Groups:][:m.Groups])
	}
}

// sort orders the choices by expert, rows ascending within each.
func (s *moeSpace) sort(experts int) {
	clear(s.starts)
	for _, e := range s.ids {
		s.starts[e+1]++
	}
	for e := range experts {
		s.starts[e+1] += s.starts[e]
	}
	for i, e := range s.ids {
		s.order[s.starts[e]] = i
		s.starts[e]++
	}
	copy(s.starts[1:], s.starts[:experts]) // each start has moved on to the next one's place
	s.starts[0] = 0
}

// input is the k-th expert input of a wave.
func (s *moeSpace) input(k int) *tensor.Input {
	if k == len(s.inputs) {
		s.inputs = append(s.inputs, new(tensor.Input))
	}
	return s.inputs[k]
}

func (s *moeSpace) count(e int) int { return s.starts[e+1] - s.starts[e] }

// wave runs the rows of experts first to end-1 through them and adds the weighted outputs to sum.
func (m *MoE) wave(p *Pass, first, end, rows int, sum, h []float32) {
	mark, s, d, width := p.Arena.Mark(), &p.moe, m.Router.Cols, m.Gate[0].Rows
	gathered, gate, up := p.Arena.F32(rows*d), p.Arena.F32(rows*width), p.Arena.F32(rows*width)
	chosen := s.order[s.starts[first]:s.starts[end]]
	for i, c := range chosen {
		copy(gathered[i*d:][:d], h[c/m.Used*d:])
	}
	s.products = s.products[:0]
	for e, at, k := first, 0, 0; e < end; e++ {
		if n := s.count(e); n > 0 {
			in := s.input(k).Set(gathered[at*d:(at+n)*d], n, d)
			s.products = append(s.products, tensor.Product{In: in, W: m.Gate[e], Y: gate[at*width : (at+n)*width]},
				tensor.Product{In: in, W: m.Up[e], Y: up[at*width : (at+n)*width]})
			at, k = at+n, k+1
		}
	}
	p.MatMuls(s.products)
	p.swiGLU(gate, up, rows)
	out := gathered // no longer needed
	s.products = s.products[:0]
	for e, at, k := first, 0, 0; e < end; e++ {
		if n := s.count(e); n > 0 {
			in := s.input(k).Set(gate[at*width:(at+n)*width], n, width)
			s.products = append(s.products, tensor.Product{In: in, W: m.Down[e], Y: out[at*d : (at+n)*d]})
			at, k = at+n, k+1
		}
	}
	p.MatMuls(s.products)
	for i, c := range chosen {
		vec.Axpy(sum[c/m.Used*d:][:d], out[i*d:][:d], s.weights[c])
	}
	p.Arena.Release(mark)
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
