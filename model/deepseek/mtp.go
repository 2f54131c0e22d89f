package deepseek

import (
	"fmt"

	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// WithMTP is a network with its multi-token prediction module.
type WithMTP struct {
	*Model
	mtp *mtp
}

// mtp predicts the token after next: the state at position i and the embedding of token i+1, each normalised, are projected to one vector,
// which goes through a layer and a head of the module's own. The embedding comes first in the projection, as every published implementation
// has it; the paper's equation writes the state first.
type mtp struct {
	embed        nn.Embedding
	eNorm, hNorm []float32
	proj         nn.Linear
	layer        layer
	stack        model.Stack
	number       int
	eps          float32

	given []float32 // the states of the pass under way
	in    tensor.Input
}

// NewMTPCache makes an empty cache for the module.
func (m *WithMTP) NewMTPCache(limit int) (*kvcache.Cache, error) {
	return kvcache.New(m.mtp.stack.Layouts, limit)
}

// ForwardMTP runs the module; see model.Predictor. The published states are those after the final norm, which Hidden gives.
func (m *WithMTP) ForwardMTP(hidden []float32, c model.Chunk) ([]float32, error) {
	if want := len(c.IDs) * m.Config().Hidden; len(hidden) != want {
		return nil, fmt.Errorf("deepseek: %d values of hidden state for %d tokens, want %d", len(hidden), len(c.IDs), want)
	}
	m.mtp.given = append(m.mtp.given[:0], hidden...) // the pass reuses the memory that they may lie in
	return m.Run(&m.mtp.stack, []model.Chunk{c})
}

func (t *mtp) input(p *nn.Pass, ids []int32, x []float32) {
	mark, rows := p.Arena.Mark(), len(ids)
	d := len(x) / rows
	embedded, pairs := p.Arena.F32(rows*d), p.Arena.F32(rows*2*d)
	t.embed.Forward(p, embedded, ids)
	for r := range rows {
		p.RMSNorm(pairs[2*r*d:][:d], embedded[r*d:][:d], t.eNorm, t.eps)
		p.RMSNorm(pairs[(2*r+1)*d:][:d], t.given[r*d:][:d], t.hNorm, t.eps)
	}
	t.proj.Forward(p, x, t.in.Set(pairs, rows, 2*d))
	p.Arena.Release(mark)
}

func (t *mtp) forward(p *nn.Pass, slot int, x []float32) []float32 {
	return t.layer.forward(p, t.number, slot, x, t.eps)
}
