// Package deepseek is the DeepSeek-V2 and V3 networks: V2, V2-Lite, V3, R1, Moonlight, Kimi-K2. Latent attention, a few dense layers, then
// mixtures of fine-grained experts with shared ones; and V3's multi-token prediction module.
package deepseek

import (
	"fmt"

	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// Model is a DeepSeek network.
type Model struct {
	*model.Decoder
	layers []layer
	eps    float32
}

type layer struct {
	attnNorm []float32
	attn     nn.MLA
	mlpNorm  []float32
	mlp      *nn.MLP // nil where there are experts
	moe      *nn.MoE
}

// New makes the network that c describes from the weights of a checkpoint.
func New(c *model.Config, w *model.Weights, o model.Options) (model.Model, error) {
	m := &Model{Decoder: model.NewDecoder(c, w, o), layers: make([]layer, c.Layers), eps: c.NormEps}
	rope := nn.NewRopeTable(&c.Rope)
	m.Main.Layer, m.Main.Layouts = m.layer, make([]attn.Layout, c.Layers)
	for i := range m.layers {
		m.layers[i] = loadLayer(c, w, i, rope)
		m.Main.Layouts[i] = m.layers[i].attn.CacheLayout(m.CacheType())
	}
	var module *mtp
	if c.MTP > 0 && w.Has(fmt.Sprintf("model.layers.%d.eh_proj.weight", c.Layers)) {
		module = m.loadMTP(c, w, rope)
	}
	if err := w.Done(); err != nil {
		return nil, err
	}
	m.Start()
	if module == nil {
		c.MTP = 0 // many re-published checkpoints leave the module out
		return m, nil
	}
	return &WithMTP{m, module}, nil
}

// Mixtures are the mixtures of experts, in the order of the layers.
func (m *Model) Mixtures() []*nn.MoE {
	var all []*nn.MoE
	for i := range m.layers {
		if m.layers[i].moe != nil {
			all = append(all, m.layers[i].moe)
		}
	}
	return all
}

// Refresh brings up to the weights what is derived from them, after they have changed.
func (m *Model) Refresh() {
	for i := range m.layers {
		m.layers[i].attn.Refresh(m.Exec())
	}
}

func (m *Model) layer(p *nn.Pass, i int, x []float32) []float32 {
	return m.layers[i].forward(p, i, i, x, m.eps)
}

// forward adds the layer to the residual stream x and returns it. number is its place in the network, slot that in the cache.
func (l *layer) forward(p *nn.Pass, number, slot int, x []float32, eps float32) []float32 {
	x, h := l.attn.Forward(p, slot, x, p.Norm(nil, x, l.attnNorm, eps))
	h = p.Norm(h, x, l.mlpNorm, eps)
	if l.moe != nil {
		return l.moe.Forward(p, number, x, h)
	}
	return l.mlp.Forward(p, x, h)
}
