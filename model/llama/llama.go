// Package llama is the Llama network: Llama 2 and 3, SmolLM2 and the R1 distills onto Llama. Qwen is the same but for biases and norms on
// queries and keys, and stands in package qwen.
package llama

import (
	"fmt"

	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// Model is a Llama network.
type Model struct {
	*model.Decoder
	layers []layer
	eps    float32
}

type layer struct {
	attnNorm []float32
	attn     nn.Attention
	mlpNorm  []float32
	mlp      *nn.MLP
}

// New makes the network that c describes from the weights of a checkpoint.
func New(c *model.Config, w *model.Weights, o model.Options) (model.Model, error) {
	m := &Model{Decoder: model.NewDecoder(c, w, o), layers: make([]layer, c.Layers), eps: c.NormEps}
	rope := nn.NewRopeTable(&c.Rope)
	m.Main.Layer, m.Main.Layouts = m.layer, make([]attn.Layout, c.Layers)
	for i := range m.layers {
		m.layers[i] = load(c, w, fmt.Sprintf("model.layers.%d.", i), rope)
		m.Main.Layouts[i] = m.layers[i].attn.CacheLayout(m.CacheType())
	}
	if err := w.Done(); err != nil {
		return nil, err
	}
	m.Start()
	return m, nil
}

func load(c *model.Config, w *model.Weights, prefix string, rope *nn.RopeTable) layer {
	return layer{
		attnNorm: w.Vector(prefix+"input_layernorm.weight", c.Hidden),
		attn:     w.Attention(prefix+"self_attn.", c, rope),
		mlpNorm:  w.Vector(prefix+"post_attention_layernorm.weight", c.Hidden),
		mlp:      w.MLP(prefix+"mlp.", c.Intermediate, c.Hidden, c.MLPBias),
	}
}

func (m *Model) layer(p *nn.Pass, i int, x []float32) []float32 {
	l := &m.layers[i]
	x, h := l.attn.Forward(p, i, x, p.Norm(nil, x, l.attnNorm, m.eps))
	h = p.Norm(h, x, l.mlpNorm, m.eps)
	return l.mlp.Forward(p, x, h)
}
