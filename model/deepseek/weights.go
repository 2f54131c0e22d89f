package deepseek

import (
	"fmt"

	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

func loadLayer(c *model.Config, w *model.Weights, i int, rope *nn.RopeTable) layer {
	prefix := fmt.Sprintf("model.layers.%d.", i)
	l := layer{
		attnNorm: w.Vector(prefix+"input_layernorm.weight", c.Hidden),
		attn:     loadMLA(c, w, prefix+"self_attn.", rope),
		mlpNorm:  w.Vector(prefix+"post_attention_layernorm.weight", c.Hidden),
	}
	if c.IsSparse(i) {
		l.moe = w.MoE(prefix+"mlp.", c)
	} else {
		l.mlp = w.MLP(prefix+"mlp.", c.Intermediate, c.Hidden, false)
	}
	return l
}

func loadMLA(c *model.Config, w *model.Weights, prefix string, rope *nn.RopeTable) nn.MLA {
	m := c.MLA
	a := nn.MLA{Heads: c.Heads, Latent: m.KVLoRA, Nope: m.Nope, RopeDim: m.Rope, V: m.V, Rope: rope, SoftmaxFactor: c.Rope.SoftmaxFactor(),
		KVA:    w.Linear(prefix+"kv_a_proj_with_mqa", m.KVLoRA+m.Rope, c.Hidden, false),
		KVNorm: w.Vector(prefix+"kv_a_layernorm.weight", m.KVLoRA),
		O:      w.Linear(prefix+"o_proj", c.Hidden, c.Heads*m.V, false),
	}
	if m.QLoRA > 0 {
		a.QA = w.Linear(prefix+"q_a_proj", m.QLoRA, c.Hidden, false)
		a.QNorm = w.Vector(prefix+"q_a_layernorm.weight", m.QLoRA)
		a.QB = w.Linear(prefix+"q_b_proj", c.Heads*c.HeadDim, m.QLoRA, false)
	} else {
		a.QB = w.Linear(prefix+"q_proj", c.Heads*c.HeadDim, c.Hidden, false)
	}
	if w.Has(prefix + "k_b_proj.weight") { // GGUF: split, and the keys' half transposed already
		a.KB = w.Stack(prefix+"k_b_proj.weight", c.Heads, m.KVLoRA, m.Nope)
		a.VB = w.Stack(prefix+"v_b_proj.weight", c.Heads, m.V, m.KVLoRA)
	} else {
		a.KVB = w.Matrix(prefix+"kv_b_proj.weight", c.Heads*(m.Nope+m.V), m.KVLoRA)
	}
	return a
}

// loadMTP takes the module after the last layer. Its embedding and head are copies of the network's own in published checkpoints; where a file
// leaves them out, and where they are to learn together, the network's serve.
func (m *Model) loadMTP(c *model.Config, w *model.Weights, rope *nn.RopeTable) *mtp {
	prefix := fmt.Sprintf("model.layers.%d.", c.Layers)
	t := &mtp{
		eNorm: w.Vector(prefix+"enorm.weight", c.Hidden),
		hNorm: w.Vector(prefix+"hnorm.weight", c.Hidden),
		proj:  w.Linear(prefix+"eh_proj", c.Hidden, 2*c.Hidden, false),
		layer: loadLayer(c, w, c.Layers, rope),
	}
	t.embed.W = w.Shared(prefix+"embed_tokens.weight", "model.embed_tokens.weight", m.Embed.W)
	head := "lm_head.weight"
	if c.Tied {
		head = "model.embed_tokens.weight"
	}
	t.stack = model.Stack{Input: t.input, Layer: t.forward, Norm: w.Vector(prefix+"shared_head.norm.weight", c.Hidden),
		Head: w.Shared(prefix+"shared_head.head.weight", head, m.Main.Head), Layouts: []attn.Layout{t.layer.attn.CacheLayout(m.CacheType())}}
	t.number, t.eps = c.Layers, c.NormEps
	return t
}
