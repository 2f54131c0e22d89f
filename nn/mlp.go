package nn

// MLP is the SwiGLU feed-forward layer: Down(silu(Gate x) · Up x).
type MLP struct{ Gate, Up, Down Linear }

// Forward adds the layer's output for the normalised rows h to the residual stream x and returns it.
func (m *MLP) Forward(p *Pass, x, h []float32) []float32 {
	if p.Rows == 0 {
		return x
	}
	mark := p.Arena.Mark()
	gate, up := p.Arena.F32(p.Rows*m.Gate.W.Rows), p.Arena.F32(p.Rows*m.Up.W.Rows)
	p.forwardAll(p.in.Set(h, p.Rows, m.Gate.W.Cols), []*Linear{&m.Gate, &m.Up}, gate, up)
	x = p.addForward(x, p.swiGLU(gate, up, p.Rows), &m.Down)
	p.release(mark)
	return x
}
