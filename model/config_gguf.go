package model

import (
	"errors"
	"fmt"
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/nn"
)

// keys reads the metadata of one architecture, remembering the first key that is missing or of the wrong type.
type keys struct {
	meta   *gguf.Meta
	prefix string
	err    error
}

func (k *keys) fail(key, want string) {
	if k.err == nil {
		k.err = k.meta.Missing(k.prefix+key, want)
	}
}

// absent reports whether key is not in the file at all; one of another type is an error.
func (k *keys) absent(key, want string) bool {
	if _, there := k.meta.Value(k.prefix + key); !there {
		return true
	}
	k.fail(key, want)
	return false
}

func (k *keys) size(key string) int {
	v, ok := k.meta.Uint(k.prefix + key)
	if !ok {
		k.fail(key, "an integer")
	}
	return int(min(v, math.MaxInt32)) // bounds are judged by Config.Validate
}

func (k *keys) sizeOr(key string, absent int) int {
	v, ok := k.meta.Uint(k.prefix + key)
	if !ok && k.absent(key, "an integer") {
		return absent
	}
	return int(min(v, math.MaxInt32))
}

func (k *keys) floatOr(key string, absent float64) float64 {
	v, ok := k.meta.Float(k.prefix + key)
	if !ok && k.absent(key, "a float") {
		return absent
	}
	return v
}

func (k *keys) boolOr(key string, absent bool) bool {
	v, ok := k.meta.Bool(k.prefix + key)
	if !ok && k.absent(key, "a bool") {
		return absent
	}
	return v
}

func (k *keys) stringOr(key, absent string) string {
	v, ok := k.meta.String(k.prefix + key)
	if !ok && k.absent(key, "a string") {
		return absent
	}
	return v
}

// ReadGGUFConfig reads and validates the configuration in a GGUF file's metadata.
//
// What a file does not say is taken from the published networks: a qwen3moe file by llama.cpp's converter carries no norm_topk_prob, and every
// published network has it true; a deepseek2 file says neither the group score nor mscale, which are V3's where the gate is a sigmoid and V2's where it is a softmax,
// and mscale = mscale_all_dim as in every published config.
func ReadGGUFConfig(f *gguf.File) (*Config, error) {
	arch, ok := f.Meta.String("general.architecture")
	if !ok {
		return nil, f.Meta.Missing("general.architecture", "a string")
	}
	k := &keys{meta: &f.Meta, prefix: arch + "."}
	c := &Config{Source: GGUF, Hidden: k.size("embedding_length"), Layers: k.size("block_count"), Heads: k.size("attention.head_count"),
		Intermediate: k.size("feed_forward_length"), Context: k.sizeOr("context_length", 2048), BOS: -1,
		NormEps: float32(k.floatOr("attention.layer_norm_rms_epsilon", 1e-6))}
	c.KVHeads = k.sizeOr("attention.head_count_kv", c.Heads)
	if k.err != nil {
		return nil, k.err
	}
	if err := checkBounds([]bound{{"attention.head_count", c.Heads, 1, maxHeads}, {"block_count", c.Layers, 1, maxLayers}}); err != nil {
		return nil, fmt.Errorf("%s: %w", arch, err)
	}
	c.HeadDim = k.sizeOr("attention.key_length", c.Hidden/c.Heads)
	if v := k.sizeOr("attention.value_length", c.HeadDim); arch != "deepseek2" && v != c.HeadDim {
		return nil, fmt.Errorf("%s.attention.value_length is %d and key_length %d: they have to be equal", arch, v, c.HeadDim)
	}
	k.tokens(c)
	embedding, ok := f.Tensor("token_embd.weight")
	if !ok {
		return nil, errors.New("tensor token_embd.weight: missing")
	}
	c.Vocab = embedding.Rows()
	_, head := f.Tensor("output.weight")
	c.Tied = !head
	if err := k.family(arch, f, c); err != nil {
		return nil, err
	}
	if err := k.rope(f, c); err != nil {
		return nil, err
	}
	if k.err != nil {
		return nil, k.err
	}
	return c, c.Validate()
}

// tokens reads the ids that begin and end a text.
func (k *keys) tokens(c *Config) {
	if v, ok := k.meta.Uint("tokenizer.ggml.bos_token_id"); ok && v < maxVocab {
		c.BOS = int(v)
	}
	for _, key := range []string{"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"} {
		if v, ok := k.meta.Uint(key); ok && v < maxVocab && (len(c.EOS) == 0 || c.EOS[0] != int(v)) {
			c.EOS = append(c.EOS, int(v))
		}
	}
}

func (k *keys) family(arch string, f *gguf.File, c *Config) error {
	has := func(name string) bool { _, ok := f.Tensor(name); return ok }
	c.Arch = arch
	switch arch {
	case "llama":
		if n := k.sizeOr("expert_count", 0); n > 0 {
			return fmt.Errorf("llama.expert_count is %d: Llama with experts is not supported", n)
		}
		c.AttnBias, c.OutBias, c.MLPBias = has("blk.0.attn_q.bias"), has("blk.0.attn_output.bias"), has("blk.0.ffn_gate.bias")
	case "qwen2":
		c.AttnBias = true
	case "qwen3", "qwen3moe":
		c.QKNorm, c.AttnBias, c.OutBias = true, has("blk.0.attn_q.bias"), has("blk.0.attn_output.bias")
		if arch == "qwen3moe" {
			c.Arch = "qwen3_moe"
			c.MoE = &MoE{Intermediate: k.size("expert_feed_forward_length"), Routing: nn.Routing{Experts: k.size("expert_count"),
				Used: k.size("expert_used_count"), Groups: 1, GroupsUsed: 1, Scoring: nn.Softmax, Scale: 1,
				Normalize: k.boolOr("expert_weights_norm", true)}}
			c.MoE.Sparse = sparse(c.Layers, func(l int) bool { return has(fmt.Sprintf("blk.%d.ffn_gate_inp.weight", l)) })
		}
	case "deepseek2":
		return k.deepseek(c)
	default:
		return fmt.Errorf("general.architecture %q is not supported (llama, qwen2, qwen3, qwen3moe, deepseek2 are)", arch)
	}
	return nil
}

// deepseek reads deepseek2, the one name under which GGUF files hold V2, V3, R1, Moonlight and Kimi-K2.
func (k *keys) deepseek(c *Config) error {
	m := &MLA{QLoRA: k.sizeOr("attention.q_lora_rank", 0), KVLoRA: k.size("attention.kv_lora_rank"), Rope: k.size("rope.dimension_count")}
	// Files with split k_b and v_b give the cached sizes as key_length and value_length, and the true ones here.
	head := k.sizeOr("attention.key_length_mla", c.HeadDim)
	m.V = k.sizeOr("attention.value_length_mla", k.sizeOr("attention.value_length", head))
	m.Nope = head - m.Rope
	c.MLA, c.HeadDim, c.KVHeads, c.Arch = m, head, c.Heads, "deepseek_v2"
	c.MTP = k.sizeOr("nextn_predict_layers", 0)
	if c.Layers -= c.MTP; c.Layers < 1 {
		return fmt.Errorf("deepseek2.nextn_predict_layers %d leaves no layer of block_count", c.MTP)
	}
	e := &MoE{Intermediate: k.sizeOr("expert_feed_forward_length", 0), Shared: k.sizeOr("expert_shared_count", 0), Routing: nn.Routing{
		Experts: k.sizeOr("expert_count", 0), Used: k.sizeOr("expert_used_count", 0), Groups: k.sizeOr("expert_group_count", 1),
		GroupsUsed: k.sizeOr("expert_group_used_count", 1), Scale: float32(k.floatOr("expert_weights_scale", 1))}}
	dense := k.sizeOr("leading_dense_block_count", 0)
	e.Sparse = sparse(c.Layers, func(l int) bool { return l >= dense })
	switch gate := k.sizeOr("expert_gating_func", 0); gate {
	case 0, 1: // V2 and V2.5 files were first written without the key
		e.Scoring, e.GroupScore = nn.Softmax, nn.GroupMax
	case 2:
		c.Arch = "deepseek_v3"
		e.Scoring, e.GroupScore, e.Biased, e.Normalize = nn.Sigmoid, nn.GroupTop2, true, k.boolOr("expert_weights_norm", false)
	default:
		return fmt.Errorf("deepseek2.expert_gating_func is %d, want 1 (softmax) or 2 (sigmoid)", gate)
	}
	if e.Groups == 0 { // some writers say "no groups" so
		e.Groups, e.GroupsUsed = 1, 1
	}
	if e.Experts == 0 {
		return nil
	}
	if _, there := k.meta.Value("deepseek2.expert_group_count"); !there {
		publishedGroups(c, e)
	}
	c.MoE = e
	return nil
}

// publishedGroups fills in the groups of the networks whose files were written before the key existed: by their shapes they are known.
func publishedGroups(c *Config, e *MoE) {
	switch {
	case e.Experts == 256 && c.Layers == 61 && e.Scoring == nn.Sigmoid: // V3, R1
		e.Groups, e.GroupsUsed = 8, 4
	case e.Experts == 160 && c.Layers == 60 && e.Scoring == nn.Softmax: // V2, V2.5
		e.Groups, e.GroupsUsed = 8, 3
	}
}

func (k *keys) rope(f *gguf.File, c *Config) error {
	r := &c.Rope
	r.Dim, r.Theta = k.sizeOr("rope.dimension_count", c.HeadDim), k.floatOr("rope.freq_base", 10000)
	switch c.Arch { // Llama's query and key rows are permuted so that neighbours turn together; DeepSeek publishes them so
	case "llama", "deepseek_v2", "deepseek_v3":
		r.Layout = nn.Adjacent
	}
	if t, ok := f.Tensor("rope_freqs.weight"); ok {
		if t.Type != dtype.F32 || len(t.Dims) != 1 || t.Dims[0] != r.Dim/2 {
			return fmt.Errorf("tensor rope_freqs.weight: %v %v, want f32 [%d]", t.Type, t.Dims, r.Dim/2)
		}
		r.Divisors = make([]float32, t.Dims[0])
		dtype.Decode(dtype.F32, r.Divisors, t.Data)
	}
	// The older key scale_linear means the same as scaling.factor with type linear, the type that is meant where a factor stands alone.
	r.Factor = k.floatOr("rope.scaling.factor", k.floatOr("rope.scale_linear", 1))
	if r.Factor == 0 { // written by some converters for "none"
		r.Factor = 1
	}
	switch kind := k.stringOr("rope.scaling.type", "linear"); {
	case kind == "none" || kind == "linear" && r.Factor == 1:
	case kind == "linear":
		r.Scaling = nn.RopeLinear
	case kind == "yarn":
		r.Scaling = nn.RopeYaRN
		r.OriginalContext = k.sizeOr("rope.scaling.original_context_length", c.Context)
		r.BetaFast, r.BetaSlow = k.floatOr("rope.scaling.yarn_beta_fast", 32), k.floatOr("rope.scaling.yarn_beta_slow", 1)
		k.magnitude(c)
	default:
		return fmt.Errorf("%s.rope.scaling.type %q is not supported (none, linear, yarn are)", c.Arch, kind)
	}
	return nil
}

// magnitude reads YaRN's factors on cos and sin and on the attention logits. A deepseek2 file gives l = 10·yarn_log_multiplier, the converter
// having written 0.1·mscale_all_dim, and a = attn_factor: cos and sin are multiplied by a, and the logits by (a·(1 + 0.1·l·ln(factor)))². With
// a = 1, as in all published files, that is mscale = mscale_all_dim = l. In other files a comes on top of YaRN's own factor.
func (k *keys) magnitude(c *Config) {
	r, a := &c.Rope, k.floatOr("rope.scaling.attn_factor", 1)
	log := 0.1 * math.Log(max(r.Factor, 1))
	switch l := float64(float32(k.floatOr("rope.scaling.yarn_log_multiplier", 0)) / 0.1); {
	case a == 1 && c.MLA != nil:
		r.MScale, r.MScaleAllDim = l, l
	case a == 1 || !(log > 0):
	case c.MLA == nil:
		r.AttentionFactor = a * (1 + log)
	default:
		if l == 0 {
			a *= 1 + log
		}
		r.AttentionFactor, r.MScaleAllDim = a, (a*(1+l*log)-1)/log
	}
}
