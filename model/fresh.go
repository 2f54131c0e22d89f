package model

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/nn"
)

// Fresh is a network to be made, as a recipe states it. What is 0 gets the value that the comment names; zero values of MLA and MoE serve for
// architectures that have neither.
type Fresh struct {
	Arch         string  `yaml:"arch"`          // deepseek_v3, deepseek_v2, llama, qwen2, qwen3 or qwen3_moe
	Vocab        int     `yaml:"vocab"`         // the tokenizer's
	Hidden       int     `yaml:"hidden"`        //
	Layers       int     `yaml:"layers"`        //
	Heads        int     `yaml:"heads"`         //
	KVHeads      int     `yaml:"kv_heads"`      // Heads
	HeadDim      int     `yaml:"head_dim"`      // Hidden/Heads
	Intermediate int     `yaml:"intermediate"`  // of the dense layers: 8/3 of Hidden, rounded up to a multiple of 16
	Context      int     `yaml:"context"`       // max_position_embeddings: 2048
	RopeTheta    float64 `yaml:"rope_theta"`    // 10000
	YaRN         float64 `yaml:"yarn"`          // factor by which Context exceeds what the frequencies are made for: none
	NormEps      float32 `yaml:"norm_eps"`      // 1e-6
	Tied         bool    `yaml:"tied"`          // the head is the embedding
	MTP          int     `yaml:"mtp"`           // multi-token prediction modules, 0 or 1
	InitStd      float64 `yaml:"init_std"`      // of all matrices: 0.02; DeepSeek-V3 took 0.006
	BOS          *int    `yaml:"bos_token_id"`  // none
	EOS          []int   `yaml:"eos_token_ids"` // none

	MLA FreshMLA `yaml:"mla"`
	MoE FreshMoE `yaml:"moe"`
}

// FreshMLA is the latent attention of a network to be made.
type FreshMLA struct {
	QLoRA  int `yaml:"q_lora_rank"`      // queries are projected directly
	KVLoRA int `yaml:"kv_lora_rank"`     // Hidden/4, rounded up to a multiple of 16
	Nope   int `yaml:"qk_nope_head_dim"` // HeadDim
	Rope   int `yaml:"qk_rope_head_dim"` // half of Nope, even
	V      int `yaml:"v_head_dim"`       // Nope
}

// FreshMoE is the mixture of experts of a network to be made.
type FreshMoE struct {
	Experts      int     `yaml:"experts"`      // 0 makes a dense network
	Used         int     `yaml:"used"`         // num_experts_per_tok: 2
	Shared       int     `yaml:"shared"`       // none
	Intermediate int     `yaml:"intermediate"` // that a token's experts are together as wide as a dense layer, rounded up to a multiple of 16
	DenseLayers  int     `yaml:"dense_layers"` // first_k_dense_replace: none
	Groups       int     `yaml:"groups"`       // 1
	GroupsUsed   int     `yaml:"groups_used"`  // all
	Scale        float32 `yaml:"scale"`        // routed_scaling_factor: 2.5·√(Used/8) for deepseek_v3, as published for 8, else 1
}

func orDefault[T int | float32 | float64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// Config is the network's configuration, its defaults filled in and validated.
func (f Fresh) Config() (*Config, error) {
	if f.Vocab < 1 || f.Hidden < 1 || f.Layers < 1 || f.Heads < 1 {
		return nil, fmt.Errorf("model: a fresh network needs vocab, hidden, layers and heads, has %d, %d, %d, %d", f.Vocab, f.Hidden, f.Layers, f.Heads)
	}
	if err := checkBounds([]bound{{"hidden", f.Hidden, 1, maxWidth}, {"layers", f.Layers, 1, maxLayers}, {"intermediate", f.Intermediate, 0, maxWidth}}); err != nil {
		return nil, err
	}
	orDefault(&f.KVHeads, f.Heads)
	orDefault(&f.HeadDim, max(f.Hidden/f.Heads, 1))
	orDefault(&f.Intermediate, roundUp(f.Hidden*8/3, 16))
	orDefault(&f.Context, 2048)
	orDefault(&f.RopeTheta, 10000)
	orDefault(&f.NormEps, 1e-6)
	c := &Config{Arch: f.Arch, Vocab: f.Vocab, Hidden: f.Hidden, Layers: f.Layers, Heads: f.Heads, KVHeads: f.KVHeads, HeadDim: f.HeadDim,
		Intermediate: f.Intermediate, Context: f.Context, NormEps: f.NormEps, Tied: f.Tied, MTP: f.MTP, BOS: -1, EOS: f.EOS,
		Rope: nn.Rope{Dim: f.HeadDim, Theta: f.RopeTheta}, Source: HuggingFace}
	if f.BOS != nil {
		c.BOS = *f.BOS
	}
	latent, mixed := false, false
	switch f.Arch {
	case "llama":
	case "qwen2":
		c.AttnBias = true
	case "qwen3":
		c.QKNorm = true
	case "qwen3_moe":
		c.QKNorm, mixed = true, true
	case "deepseek_v2", "deepseek_v3":
		latent, mixed = true, true
	default:
		return nil, fmt.Errorf("model: a fresh network of arch %q is not supported (deepseek_v3, deepseek_v2, llama, qwen2, qwen3, qwen3_moe are)", f.Arch)
	}
	if err := f.refuse(latent, mixed); err != nil {
		return nil, err
	}
	if latent {
		f.latent(c)
	}
	if f.MoE.Experts > 0 {
		f.mixture(c)
	}
	if f.YaRN != 0 {
		if err := c.Stretch(f.YaRN, int(math.Ceil(float64(f.Context)/f.YaRN))); err != nil {
			return nil, err
		}
	}
	return c, c.Validate()
}

// refuse reports settings that the architecture has no place for.
func (f *Fresh) refuse(latent, mixed bool) error {
	switch {
	case !latent && f.MLA != FreshMLA{}:
		return fmt.Errorf("model: %s has no latent attention (mla)", f.Arch)
	case latent && f.KVHeads != f.Heads:
		return fmt.Errorf("model: kv_heads is %d, but latent attention of %s has one latent for all heads", f.KVHeads, f.Arch)
	case !mixed && f.MoE != FreshMoE{}:
		return fmt.Errorf("model: %s has no experts (moe)", f.Arch)
	case f.MoE.Experts == 0 && f.MoE != FreshMoE{}:
		return errors.New("model: moe without a number of experts")
	case f.Arch == "qwen3_moe" && (f.MoE.Experts == 0 || f.MoE.Shared > 0 || f.MoE.Groups > 1):
		return errors.New("model: qwen3_moe needs experts, and has neither shared ones nor groups")
	case f.MTP != 0 && f.Arch != "deepseek_v3":
		return fmt.Errorf("model: %s has no multi-token prediction (mtp)", f.Arch)
	case f.InitStd < 0 || math.IsInf(f.InitStd, 0) || math.IsNaN(f.InitStd):
		return fmt.Errorf("model: init_std is %v", f.InitStd)
	case f.YaRN != 0 && !(f.YaRN > 1) || math.IsInf(f.YaRN, 0):
		return fmt.Errorf("model: yarn is %v, want a factor above 1", f.YaRN)
	}
	return nil
}

func (f *Fresh) latent(c *Config) {
	m := f.MLA
	orDefault(&m.KVLoRA, roundUp(f.Hidden/4, 16))
	orDefault(&m.Nope, f.HeadDim)
	orDefault(&m.Rope, roundUp(m.Nope/2, 2))
	orDefault(&m.V, m.Nope)
	c.MLA = &MLA{QLoRA: m.QLoRA, KVLoRA: m.KVLoRA, Nope: m.Nope, Rope: m.Rope, V: m.V}
	c.HeadDim = m.Nope + m.Rope
	c.Rope.Dim, c.Rope.Layout = m.Rope, nn.Adjacent
}

func (f *Fresh) mixture(c *Config) {
	m := f.MoE
	orDefault(&m.Used, 2)
	orDefault(&m.Groups, 1)
	orDefault(&m.GroupsUsed, m.Groups)
	if width := max(m.Used+m.Shared, 1); m.Intermediate == 0 {
		m.Intermediate = roundUp((f.Intermediate+width-1)/width, 16)
	}
	e := &MoE{Intermediate: m.Intermediate, Shared: m.Shared, Routing: nn.Routing{Experts: m.Experts, Used: m.Used, Groups: m.Groups,
		GroupsUsed: m.GroupsUsed}, Sparse: sparse(f.Layers, func(l int) bool { return l >= m.DenseLayers })}
	if f.Arch == "deepseek_v3" {
		e.Scoring, e.GroupScore, e.Biased = nn.Sigmoid, nn.GroupTop2, true
		orDefault(&m.Scale, float32(2.5*math.Sqrt(float64(m.Used)/8)))
	}
	orDefault(&m.Scale, 1)
	e.Normalize = f.Arch != "deepseek_v2"
	e.Scale = m.Scale
	c.MoE = e
}

// Stretch makes the network one for a longer context by YaRN (Peng et al. 2023): factor times the original positions, with the settings of
// DeepSeek's published networks. Context becomes the product, unless it is longer.
func (c *Config) Stretch(factor float64, original int) error {
	if !(factor > 1) || original < 1 || factor*float64(original) > maxContext {
		return fmt.Errorf("config: YaRN by %v of a context of %d", factor, original)
	}
	if c.Rope.Scaling != nn.RopePlain {
		return fmt.Errorf("config: the rotary frequencies are scaled already (%v)", c.Rope.Scaling)
	}
	r := &c.Rope
	r.Scaling, r.Factor, r.OriginalContext, r.BetaFast, r.BetaSlow = nn.RopeYaRN, factor, original, 32, 1
	if c.MLA != nil {
		r.MScale, r.MScaleAllDim = 1, 1
	}
	c.Context = max(c.Context, int(factor*float64(original)))
	return r.Validate()
}

// FreshWeights are made as a network asks for them, in float32: matrices of normally distributed values of the given standard deviation (0:
// 0.02), norms of 1, biases of 0. The same seed, names and shapes give the same values. A multi-token prediction module shares the embedding
// and the head.
func FreshWeights(std float64, seed uint64) *Weights {
	orDefault(&std, 0.02)
	w := &Weights{format: HuggingFace, path: "fresh", tensors: map[string]*entry{}}
	w.lacks = func(name string) bool {
		return strings.HasPrefix(name, "model.layers.") && (strings.HasSuffix(name, ".embed_tokens.weight") || strings.HasSuffix(name, ".shared_head.head.weight"))
	}
	w.invent = func(name string, shape []int) *entry { return fresh(name, slices.Clone(shape), std, seed) }
	return w
}

func fresh(name string, shape []int, std float64, seed uint64) *entry {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	switch {
	case len(shape) > 1:
		h := fnv.New64a()
		h.Write([]byte(name))
		r := rand.New(rand.NewPCG(seed, h.Sum64()))
		for i := range x {
			x[i] = float32(std * r.NormFloat64())
		}
	case !strings.HasSuffix(name, "bias"):
		for i := range x {
			x[i] = 1
		}
	}
	data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*n)
	return &entry{typ: dtype.F32, dtype: dtype.F32.String(), shape: shape, data: data}
}
