// Package model says what a decoder network is: its configuration, its weights whichever file they lie in, what it costs, and the small
// interface that its users (scoring, generation, learning) see. The architectures stand in the folders below, one each.
package model

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/nn"
)

// Config fixes a network's shape and arithmetic. Names follow Hugging Face's config.json, whichever format it was read from.
type Config struct {
	Arch         string // model_type: llama, qwen2, qwen3, qwen3_moe, deepseek_v2, deepseek_v3
	Vocab        int
	Hidden       int
	Layers       int // decoder layers of the main network
	Heads        int
	KVHeads      int // query heads are shared out among so many key/value heads; not used by latent attention
	HeadDim      int // of queries and keys; for latent attention nope + rope
	Intermediate int // width of the dense feed-forward layers
	Context      int // max_position_embeddings: the context that the network was made for
	NormEps      float32
	Tied         bool // the output head is the embedding
	AttnBias     bool // biases on q, k and v
	OutBias      bool // a bias on the attention's output projection
	MLPBias      bool // biases in the dense feed-forward layers
	QKNorm       bool // RMSNorm over each head's query and key, before RoPE
	Rope         nn.Rope
	MLA          *MLA // latent attention; nil for grouped-query attention
	MoE          *MoE // nil for a dense network
	MTP          int  // multi-token prediction modules after the last layer: 0 or 1
	BOS          int  // -1 when the config names none
	EOS          []int
	FP8Block     [2]int // rows and columns that share one scale of an F8_E4M3 weight; zero when the weights have none
	Source       Format // where the config came from: decides tensor names
}

// MLA is the shape of DeepSeek's multi-head latent attention.
type MLA struct {
	QLoRA  int // rank of the query latent; 0: queries are projected directly
	KVLoRA int // rank of the key/value latent: what the cache holds
	Nope   int // dimensions of a head without position
	Rope   int // dimensions of a head with position, shared by all heads on the key side
	V      int // dimensions of a head's value
}

// MoE is the shape of the mixture-of-experts layers.
type MoE struct {
	nn.Routing
	Intermediate int    // width of one expert
	Shared       int    // experts that every token goes through, as one network of Shared·Intermediate
	Sparse       []bool // which of the main layers have experts; the others are dense. MTP modules always have experts
}

// Limits on what a config may ask for, far above any published network, so that products of sizes cannot overflow.
const (
	maxLayers  = 4096
	maxWidth   = 1 << 20
	maxVocab   = 1 << 24
	maxHeads   = 1 << 14
	maxExperts = 1 << 16
	maxContext = 1 << 31
)

type bound struct {
	field  string
	v      int
	lo, hi int
}

func checkBounds(bs []bound) error {
	for _, b := range bs {
		if b.v < b.lo || b.v > b.hi {
			return fmt.Errorf("config: %s is %d, want %d to %d", b.field, b.v, b.lo, b.hi)
		}
	}
	return nil
}

// Validate reports the first field that makes no sense, by its Hugging Face name.
func (c *Config) Validate() error {
	err := checkBounds([]bound{
		{"vocab_size", c.Vocab, 1, maxVocab}, {"hidden_size", c.Hidden, 1, maxWidth}, {"num_hidden_layers", c.Layers, 1, maxLayers},
		{"num_attention_heads", c.Heads, 1, maxHeads}, {"num_key_value_heads", c.KVHeads, 1, maxHeads}, {"head_dim", c.HeadDim, 1, maxWidth},
		{"intermediate_size", c.Intermediate, 1, maxWidth}, {"max_position_embeddings", c.Context, 1, maxContext},
		{"num_nextn_predict_layers", c.MTP, 0, 1},
	})
	if err != nil {
		return err
	}
	if c.Heads*c.HeadDim > maxWidth {
		return fmt.Errorf("config: num_attention_heads %d times head_dim %d is over %d", c.Heads, c.HeadDim, maxWidth)
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("config: num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if !(c.NormEps > 0) || math.IsInf(float64(c.NormEps), 0) {
		return fmt.Errorf("config: rms_norm_eps is %v, want a positive number", c.NormEps)
	}
	if b := c.FP8Block; b != [2]int{} && b != [2]int{128, 128} {
		return fmt.Errorf("config: quantization_config.weight_block_size is %v, only [128 128] is supported", b)
	}
	if err := c.Rope.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := c.MLA.validate(c); err != nil {
		return err
	}
	return c.MoE.validate(c)
}

func (m *MLA) validate(c *Config) error {
	if m == nil {
		if c.Rope.Dim != c.HeadDim {
			return fmt.Errorf("config: %d of %d head dimensions turn: partial rotary embedding is not supported for %s", c.Rope.Dim, c.HeadDim, c.Arch)
		}
		return nil
	}
	if err := checkBounds([]bound{
		{"q_lora_rank", m.QLoRA, 0, maxWidth}, {"kv_lora_rank", m.KVLoRA, 1, maxWidth}, {"qk_nope_head_dim", m.Nope, 1, maxWidth},
		{"qk_rope_head_dim", m.Rope, 2, maxWidth}, {"v_head_dim", m.V, 1, maxWidth},
	}); err != nil {
		return err
	}
	if c.Heads*(m.Nope+m.V) > maxWidth*4 {
		return fmt.Errorf("config: %d heads of %d+%d are too wide", c.Heads, m.Nope, m.V)
	}
	return nil
}

func (m *MoE) validate(c *Config) error {
	if m == nil {
		if c.MTP > 0 {
			return fmt.Errorf("config: num_nextn_predict_layers is %d, but the network has no experts", c.MTP)
		}
		return nil
	}
	if err := checkBounds([]bound{
		{"moe_intermediate_size", m.Intermediate, 1, maxWidth}, {"n_shared_experts", m.Shared, 0, 64},
		{"number of experts", m.Experts, 1, maxExperts},
	}); err != nil {
		return err
	}
	if len(m.Sparse) != c.Layers {
		return fmt.Errorf("config: %d layers are told dense or sparse, want %d", len(m.Sparse), c.Layers)
	}
	if err := m.Routing.Validate(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// IsSparse reports whether a layer has experts; layers from Layers on are MTP modules.
func (c *Config) IsSparse(layer int) bool {
	return c.MoE != nil && (layer >= c.Layers || c.MoE.Sparse[layer])
}
