package convert

import (
	"fmt"
	"strings"

	"github.com/pennyml/penny/model"
)

// layout is how a tensor differs between the two formats.
type layout uint8

const (
	same    layout = iota
	rotary         // Llama's queries and keys: GGUF files have the rows of a head permuted
	experts        // one tensor an expert in a Hugging Face folder, one for all in a GGUF file
	latent         // kv_b: two tensors a layer in a GGUF file, that of the keys transposed; older ones have it whole
)

// item is a tensor of a network, by its Hugging Face name.
type item struct {
	name  string // of experts without their number: model.layers.N.mlp.experts.gate_proj.weight
	shape []int  // slowest first; of one expert
	layout
	heads    int  // rotary
	optional bool // checkpoints may leave it out
}

// inventory lists all tensors of a network.
func inventory(c *model.Config) []item {
	l := lister{c: c}
	l.add("model.embed_tokens.weight", c.Vocab, c.Hidden)
	for i := range c.Layers + c.MTP {
		l.prefix = fmt.Sprintf("model.layers.%d.", i)
		l.layer(i)
	}
	l.prefix = ""
	l.add("model.norm.weight", c.Hidden)
	if !c.Tied {
		l.add("lm_head.weight", c.Vocab, c.Hidden)
	}
	return l.items
}

type lister struct {
	c      *model.Config
	prefix string
	items  []item
}

func (l *lister) add(name string, shape ...int) *item {
	l.items = append(l.items, item{name: l.prefix + name, shape: shape})
	return &l.items[len(l.items)-1]
}

// linear adds a weight and, if need be, its bias, of one layout.
func (l *lister) linear(name string, rows, cols int, bias bool, how layout, heads int) {
	w := l.add(name+".weight", rows, cols)
	w.layout, w.heads = how, heads
	if bias {
		b := l.add(name+".bias", rows)
		b.layout, b.heads = how, heads
	}
}

func (l *lister) layer(i int) {
	c := l.c
	if i >= c.Layers {
		l.add("enorm.weight", c.Hidden)
		l.add("hnorm.weight", c.Hidden)
		l.add("eh_proj.weight", c.Hidden, 2*c.Hidden)
		l.add("embed_tokens.weight", c.Vocab, c.Hidden).optional = true
	}
	l.add("input_layernorm.weight", c.Hidden)
	if c.MLA != nil {
		l.latentAttention()
	} else {
		l.attention()
	}
	l.add("post_attention_layernorm.weight", c.Hidden)
	if c.IsSparse(i) {
		l.mixture()
	} else {
		l.linear("mlp.gate_proj", c.Intermediate, c.Hidden, c.MLPBias, same, 0)
		l.linear("mlp.up_proj", c.Intermediate, c.Hidden, c.MLPBias, same, 0)
		l.linear("mlp.down_proj", c.Hidden, c.Intermediate, c.MLPBias, same, 0)
	}
	if i >= c.Layers {
		l.add("shared_head.norm.weight", c.Hidden)
		l.add("shared_head.head.weight", c.Vocab, c.Hidden).optional = true
	}
}

func (l *lister) attention() {
	c := l.c
	how := same
	if c.Arch == "llama" {
		how = rotary
	}
	l.linear("self_attn.q_proj", c.Heads*c.HeadDim, c.Hidden, c.AttnBias, how, c.Heads)
	l.linear("self_attn.k_proj", c.KVHeads*c.HeadDim, c.Hidden, c.AttnBias, how, c.KVHeads)
	l.linear("self_attn.v_proj", c.KVHeads*c.HeadDim, c.Hidden, c.AttnBias, same, 0)
	l.linear("self_attn.o_proj", c.Hidden, c.Heads*c.HeadDim, c.OutBias, same, 0)
	if c.QKNorm {
		l.add("self_attn.q_norm.weight", c.HeadDim)
		l.add("self_attn.k_norm.weight", c.HeadDim)
	}
}

func (l *lister) latentAttention() {
	c, m := l.c, l.c.MLA
	if m.QLoRA > 0 {
		l.add("self_attn.q_a_proj.weight", m.QLoRA, c.Hidden)
		l.add("self_attn.q_a_layernorm.weight", m.QLoRA)
		l.add("self_attn.q_b_proj.weight", c.Heads*c.HeadDim, m.QLoRA)
	} else {
		l.add("self_attn.q_proj.weight", c.Heads*c.HeadDim, c.Hidden)
	}
	l.add("self_attn.kv_a_proj_with_mqa.weight", m.KVLoRA+m.Rope, c.Hidden)
	l.add("self_attn.kv_a_layernorm.weight", m.KVLoRA)
	l.add("self_attn.kv_b_proj.weight", c.Heads*(m.Nope+m.V), m.KVLoRA).layout = latent
	l.add("self_attn.o_proj.weight", c.Hidden, c.Heads*m.V)
}

func (l *lister) mixture() {
	c, m := l.c, l.c.MoE
	l.add("mlp.gate.weight", m.Experts, c.Hidden)
	if m.Biased {
		l.add(routerBias, m.Experts)
	}
	l.add("mlp.experts.gate_proj.weight", m.Intermediate, c.Hidden).layout = experts
	l.add("mlp.experts.up_proj.weight", m.Intermediate, c.Hidden).layout = experts
	l.add("mlp.experts.down_proj.weight", c.Hidden, m.Intermediate).layout = experts
	if m.Shared > 0 {
		width := m.Shared * m.Intermediate
		l.add("mlp.shared_experts.gate_proj.weight", width, c.Hidden)
		l.add("mlp.shared_experts.up_proj.weight", width, c.Hidden)
		l.add("mlp.shared_experts.down_proj.weight", c.Hidden, width)
	}
}

// routerBias is the one tensor that is kept in f32 whatever the rest is in: choices depend on its last bits.
const routerBias = "mlp.gate.e_score_correction_bias"

// expert is the name of expert e's tensor.
func (it *item) expert(e int) string {
	return strings.Replace(it.name, ".experts.", fmt.Sprintf(".experts.%d.", e), 1)
}
