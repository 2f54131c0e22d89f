package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/pennyml/penny/nn"
)

// Format is where a network was read from.
type Format uint8

const (
	HuggingFace Format = iota // a folder of config.json and safetensors
	GGUF
)

func (f Format) String() string { return [...]string{"huggingface", "gguf"}[f] }

// hfConfig is what we read of config.json. Pointers tell an absent or null key from zero.
type hfConfig struct {
	ModelType        string   `json:"model_type"`
	Architectures    []string `json:"architectures"`
	VocabSize        int      `json:"vocab_size"`
	HiddenSize       int      `json:"hidden_size"`
	Layers           int      `json:"num_hidden_layers"`
	Heads            int      `json:"num_attention_heads"`
	KVHeads          *int     `json:"num_key_value_heads"`
	HeadDim          *int     `json:"head_dim"`
	Intermediate     int      `json:"intermediate_size"`
	Context          *int     `json:"max_position_embeddings"`
	NormEps          *float32 `json:"rms_norm_eps"`
	HiddenAct        *string  `json:"hidden_act"`
	Tied             *bool    `json:"tie_word_embeddings"`
	AttnBias         bool     `json:"attention_bias"`
	MLPBias          bool     `json:"mlp_bias"`
	UseSlidingWindow bool     `json:"use_sliding_window"`
	LayerTypes       []string `json:"layer_types"`
	PartialRotary    *float64 `json:"partial_rotary_factor"`
	RopeTheta        *float64 `json:"rope_theta"`
	RopeScaling      *hfRope  `json:"rope_scaling"`
	RopeParameters   *hfRope  `json:"rope_parameters"`
	BOS              *int     `json:"bos_token_id"`
	EOS              intList  `json:"eos_token_id"`
	Quantization     *hfQuant `json:"quantization_config"`

	// Mixture of experts, Qwen3
	NumExperts     int   `json:"num_experts"`
	SparseStep     *int  `json:"decoder_sparse_step"`
	MLPOnlyLayers  []int `json:"mlp_only_layers"`
	ExpertsPerTok  int   `json:"num_experts_per_tok"`
	NormTopK       bool  `json:"norm_topk_prob"`
	MoEIntermedate int   `json:"moe_intermediate_size"`

	// DeepSeek
	RoutedExperts *int     `json:"n_routed_experts"`
	SharedExperts *int     `json:"n_shared_experts"`
	Groups        *int     `json:"n_group"`
	GroupsUsed    *int     `json:"topk_group"`
	TopKMethod    *string  `json:"topk_method"`
	ScoringFunc   *string  `json:"scoring_func"`
	RoutedScale   *float32 `json:"routed_scaling_factor"`
	FirstDense    int      `json:"first_k_dense_replace"`
	LayerFreq     *int     `json:"moe_layer_freq"`
	QLoRA         *int     `json:"q_lora_rank"`
	KVLoRA        int      `json:"kv_lora_rank"`
	Nope          int      `json:"qk_nope_head_dim"`
	RopeDim       int      `json:"qk_rope_head_dim"`
	VDim          int      `json:"v_head_dim"`
	MTP           *int     `json:"num_nextn_predict_layers"`
}

type hfRope struct {
	Type            string   `json:"type"`
	RopeType        string   `json:"rope_type"`
	Theta           *float64 `json:"rope_theta"`
	Factor          float64  `json:"factor"`
	OriginalContext *float64 `json:"original_max_position_embeddings"`
	LowFreq         float64  `json:"low_freq_factor"`
	HighFreq        float64  `json:"high_freq_factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	MScale          float64  `json:"mscale"`
	MScaleAllDim    float64  `json:"mscale_all_dim"`
	AttentionFactor *float64 `json:"attention_factor"`
	Truncate        *bool    `json:"truncate"`
}

type hfQuant struct {
	Method    string `json:"quant_method"`
	Format    string `json:"fmt"`
	BlockSize []int  `json:"weight_block_size"`
}

// intList reads a number, a list of numbers or null.
type intList []int

func (l *intList) UnmarshalJSON(b []byte) error {
	var one *int
	if json.Unmarshal(b, &one) == nil {
		if one != nil {
			*l = intList{*one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]int)(l))
}

// maxConfigBytes bounds config.json; published ones are a few kilobytes.
const maxConfigBytes = 4 << 20

// ReadHFConfig reads and validates config.json in a Hugging Face folder.
func ReadHFConfig(folder string) (*Config, error) {
	path := filepath.Join(folder, "config.json")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("%s: over %d bytes", path, maxConfigBytes)
	}
	c, err := ParseHFConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseHFConfig reads and validates the text of a config.json.
func ParseHFConfig(text []byte) (*Config, error) {
	var h hfConfig
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c := &Config{Source: HuggingFace, Arch: h.ModelType, Vocab: h.VocabSize, Hidden: h.HiddenSize, Layers: h.Layers, Heads: h.Heads,
		KVHeads: or(h.KVHeads, h.Heads), Intermediate: h.Intermediate, Context: or(h.Context, 2048), NormEps: or(h.NormEps, 1e-6),
		Tied: or(h.Tied, false), AttnBias: h.AttnBias, OutBias: h.AttnBias, MLPBias: h.MLPBias, BOS: or(h.BOS, -1), EOS: h.EOS}
	if err := h.refuse(); err != nil {
		return nil, err
	}
	if h.HeadDim != nil {
		c.HeadDim = *h.HeadDim
	} else if c.Heads > 0 {
		if c.HeadDim = c.Hidden / c.Heads; c.HeadDim*c.Heads != c.Hidden && h.KVLoRA == 0 {
			return nil, fmt.Errorf("config: hidden_size %d is not a multiple of num_attention_heads %d and head_dim is absent", c.Hidden, c.Heads)
		}
	}
	if err := h.family(c); err != nil {
		return nil, err
	}
	if err := h.rope(c); err != nil {
		return nil, err
	}
	if h.Quantization != nil && len(h.Quantization.BlockSize) == 2 {
		c.FP8Block = [2]int(h.Quantization.BlockSize)
	}
	return c, c.Validate()
}

// refuse reports what would change the arithmetic and is not built.
func (h *hfConfig) refuse() error {
	if a := or(h.HiddenAct, "silu"); a != "silu" && a != "swish" {
		return fmt.Errorf("config: hidden_act %q is not supported (silu is)", a)
	}
	if h.UseSlidingWindow || slices.Contains(h.LayerTypes, "sliding_attention") {
		return errors.New("config: use_sliding_window: windowed attention is not supported for this architecture")
	}
	if p := or(h.PartialRotary, 1); p != 1 {
		return fmt.Errorf("config: partial_rotary_factor %v is not supported", p)
	}
	q := h.Quantization
	if q != nil && (q.Method != "fp8" || q.Format != "" && q.Format != "e4m3" || len(q.BlockSize) != 2) {
		return fmt.Errorf("config: quantization_config: quant_method %q, fmt %q, weight_block_size %v is not supported (fp8, e4m3, [128, 128] is)",
			q.Method, q.Format, q.BlockSize)
	}
	return nil
}

// family fills in what is particular to an architecture.
func (h *hfConfig) family(c *Config) error {
	switch h.ModelType {
	case "llama":
	case "qwen2":
		c.AttnBias, c.OutBias = true, false
	case "qwen3":
		c.QKNorm = true
	case "qwen3_moe":
		c.QKNorm = true
		c.MoE = &MoE{Intermediate: h.MoEIntermedate, Routing: nn.Routing{Experts: h.NumExperts, Used: h.ExpertsPerTok, Groups: 1, GroupsUsed: 1,
			Scoring: nn.Softmax, Normalize: h.NormTopK, Scale: 1}}
		step := or(h.SparseStep, 1)
		if step < 1 {
			return fmt.Errorf("config: decoder_sparse_step is %d, want at least 1", step)
		}
		c.MoE.Sparse = sparse(c.Layers, func(l int) bool { return (l+1)%step == 0 && !slices.Contains(h.MLPOnlyLayers, l) })
	case "deepseek_v2", "deepseek_v3", "kimi_k2":
		return h.deepseek(c)
	default:
		return fmt.Errorf("config: model_type %q (architectures %v) is not supported", h.ModelType, h.Architectures)
	}
	return nil
}

func (h *hfConfig) deepseek(c *Config) error {
	if c.Arch == "kimi_k2" { // the same network under another name
		c.Arch = "deepseek_v3"
	}
	if h.AttnBias {
		return fmt.Errorf("config: attention_bias is not supported for %s", c.Arch)
	}
	c.MLA = &MLA{QLoRA: or(h.QLoRA, 0), KVLoRA: h.KVLoRA, Nope: h.Nope, Rope: h.RopeDim, V: h.VDim}
	c.HeadDim, c.KVHeads = h.Nope+h.RopeDim, c.Heads
	c.MTP = or(h.MTP, 0)
	if h.RoutedExperts == nil {
		return nil
	}
	m := &MoE{Intermediate: h.MoEIntermedate, Shared: or(h.SharedExperts, 0), Routing: nn.Routing{Experts: *h.RoutedExperts,
		Used: h.ExpertsPerTok, Groups: or(h.Groups, 1), GroupsUsed: or(h.GroupsUsed, 1), Scale: or(h.RoutedScale, 1)}}
	c.MoE = m
	freq := or(h.LayerFreq, 1)
	if freq < 1 {
		return fmt.Errorf("config: moe_layer_freq is %d, want at least 1", freq)
	}
	m.Sparse = sparse(c.Layers, func(l int) bool { return l >= h.FirstDense && l%freq == 0 })
	if !slices.Contains(m.Sparse, true) && c.MTP == 0 {
		c.MoE = nil // no layer has experts
		return nil
	}
	score, method := or(h.ScoringFunc, ""), or(h.TopKMethod, "")
	switch {
	case c.Arch == "deepseek_v3" && oneOf(score, "", "sigmoid") && oneOf(method, "", "noaux_tc"):
		m.Scoring, m.GroupScore, m.Biased, m.Normalize = nn.Sigmoid, nn.GroupTop2, true, h.NormTopK
	case c.Arch == "deepseek_v2" && oneOf(score, "", "softmax") && oneOf(method, "", "greedy"):
		m.Groups, m.GroupsUsed = 1, 1
	case c.Arch == "deepseek_v2" && oneOf(score, "", "softmax") && method == "group_limited_greedy":
		m.GroupScore = nn.GroupMax // V2 never renormalises, whatever norm_topk_prob says
	default:
		return fmt.Errorf("config: scoring_func %q with topk_method %q is not supported for %s", score, method, c.Arch)
	}
	return nil
}

func (h *hfConfig) rope(c *Config) error {
	s := h.RopeParameters // transformers 5 keeps rope_theta and the scaling together
	if s == nil {
		s = h.RopeScaling
	}
	c.Rope = nn.Rope{Dim: c.HeadDim, Theta: or(h.RopeTheta, 10000)}
	if c.MLA != nil {
		c.Rope.Dim, c.Rope.Layout = c.MLA.Rope, nn.Adjacent
	}
	if s == nil {
		return nil
	}
	c.Rope.Theta = or(s.Theta, c.Rope.Theta)
	kind := s.RopeType
	if kind == "" {
		kind = s.Type
	}
	switch kind {
	case "", "default":
		return nil
	case "linear":
		c.Rope.Scaling = nn.RopeLinear
	case "llama3":
		c.Rope.Scaling = nn.RopeLlama3
	case "yarn":
		c.Rope.Scaling = nn.RopeYaRN
	default:
		return fmt.Errorf("config: rope_scaling type %q is not supported (default, linear, llama3, yarn are)", kind)
	}
	old := or(s.OriginalContext, float64(c.Context))
	if old < 1 || old > maxContext {
		return fmt.Errorf("config: rope_scaling.original_max_position_embeddings is %v", old)
	}
	r := &c.Rope
	r.Factor, r.OriginalContext, r.LowFreqFactor, r.HighFreqFactor = s.Factor, int(old), s.LowFreq, s.HighFreq
	r.BetaFast, r.BetaSlow, r.KeepFraction = or(s.BetaFast, 32), or(s.BetaSlow, 1), !or(s.Truncate, true)
	r.MScale, r.MScaleAllDim, r.AttentionFactor = s.MScale, s.MScaleAllDim, or(s.AttentionFactor, 0)
	return nil
}

// or is *p, or a default where the key is absent.
func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

func oneOf(s string, want ...string) bool { return slices.Contains(want, s) }

func sparse(layers int, is func(layer int) bool) []bool {
	s := make([]bool, max(0, min(layers, maxLayers)))
	for l := range s {
		s[l] = is(l)
	}
	return s
}
