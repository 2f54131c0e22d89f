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

	given  []float32 // the states of the pass under way
	copied []float32
	in     tensor.Input
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
	m.mtp.copied = append(m.mtp.copied[:0], hidden...) // the pass reuses the memory that they may lie in
	m.mtp.given = m.mtp.copied
	return m.Run(&m.mtp.stack, []model.Chunk{c})
}

// Mixtures are the mixtures of experts, that of the module last.
func (m *WithMTP) Mixtures() []*nn.MoE { return append(m.Model.Mixtures(), m.mtp.layer.moe) }

// Refresh is Model's, for the module too.
func (m *WithMTP) Refresh() {
	m.Model.Refresh()
	m.mtp.layer.attn.Refresh(m.Exec())
}

// Ahead is the module as a stack that reads the states that given names; see model.Ahead.
func (m *WithMTP) Ahead(given []float32) *model.Stack {
	m.mtp.given = given
	return &m.mtp.stack
}

func (t *mtp) input(p *nn.Pass, ids []int32, x []float32) {
	mark, d := p.Arena.Mark(), len(x)/len(ids)
	embedded := p.Arena.F32(len(x))
	t.embed.Forward(p, embedded, ids)
	pairs := p.Pair(p.Norm(nil, embedded, t.eNorm, t.eps), p.Norm(nil, t.given, t.hNorm, t.eps))
	t.proj.Forward(p, x, t.in.Set(pairs, len(ids), 2*d))
	if p.Tape == nil {
		p.Arena.Release(mark)
	}
}

func (t *mtp) forward(p *nn.Pass, slot int, x []float32) []float32 {
	return t.layer.forward(p, t.number, slot, x, t.eps)
}
