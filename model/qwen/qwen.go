// Package qwen is the Qwen2 and Qwen3 networks, dense and mixture of experts, and so the R1 distills onto them. They are Llama with biases on
// q, k and v (Qwen2) or norms on each head's query and key (Qwen3).
package qwen

import (
	"fmt"

	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// Model is a Qwen network.
type Model struct {
	*model.Decoder
	layers []layer
	eps    float32
}

type layer struct {
	attnNorm []float32
	attn     nn.Attention
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
		m.layers[i] = load(c, w, i, rope)
		m.Main.Layouts[i] = m.layers[i].attn.CacheLayout(m.CacheType())
	}
	if err := w.Done(); err != nil {
		return nil, err
	}
	m.Start()
	return m, nil
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

func load(c *model.Config, w *model.Weights, i int, rope *nn.RopeTable) layer {
	prefix := fmt.Sprintf("model.layers.%d.", i)
	l := layer{
		attnNorm: w.Vector(prefix+"input_layernorm.weight", c.Hidden),
		attn:     w.Attention(prefix+"self_attn.", c, rope),
		mlpNorm:  w.Vector(prefix+"post_attention_layernorm.weight", c.Hidden),
	}
	if c.IsSparse(i) {
		l.moe = w.MoE(prefix+"mlp.", c)
	} else {
		l.mlp = w.MLP(prefix+"mlp.", c.Intermediate, c.Hidden, false)
	}
	return l
}

func (m *Model) layer(p *nn.Pass, i int, x []float32) []float32 {
	l := &m.layers[i]
	x, h := l.attn.Forward(p, i, x, p.Norm(nil, x, l.attnNorm, m.eps))
	h = p.Norm(h, x, l.mlpNorm, m.eps)
	if l.moe != nil {
		return l.moe.Forward(p, i, x, h)
	}
	return l.mlp.Forward(p, x, h)
}
