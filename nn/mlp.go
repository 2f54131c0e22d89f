package nn

// MLP is the SwiGLU feed-forward layer: Down(silu(Gate x) · Up x).
type MLP struct{ Gate, Up, Down Linear }

// Forward adds the layer's output for the normalised rows h to the residual stream x.
func (m *MLP) Forward(p *Pass, x, h []float32) {
	if p.Rows == 0 {
		return
	}
	mark := p.Arena.Mark()
	gate, up := p.Arena.F32(p.Rows*m.Gate.W.Rows), p.Arena.F32(p.Rows*m.Up.W.Rows)
	p.forwardAll(p.in.Set(h, p.Rows, m.Gate.W.Cols), []*Linear{&m.Gate, &m.Up}, gate, up)
	p.swiGLU(gate, up, p.Rows)
	p.addForward(x, gate, &m.Down)
	p.Arena.Release(mark)
}
