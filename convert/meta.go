package convert

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/quant"
)

// quantVersion is general.quantization_version: the layout of the block formats.
const quantVersion = 2

// ggufArch is general.architecture.
func ggufArch(c *model.Config) string {
	switch c.Arch {
	case "qwen3_moe":
		return "qwen3moe"
	case "deepseek_v2", "deepseek_v3":
		return "deepseek2"
	}
	return c.Arch
}

// metaWriter sets keys below the architecture's name.
type metaWriter struct {
	*gguf.Writer
	arch string
}

func (w metaWriter) size(key string, n int)      { w.Set(w.arch+"."+key, uint32(n)) }
func (w metaWriter) float(key string, f float64) { w.Set(w.arch+"."+key, float32(f)) }

// ggufMeta writes a network's metadata, by the keys and types that llama.cpp reads.
func (j *job) ggufMeta(to *gguf.Writer, main dtype.Type) error {
	c := j.source.config
	w := metaWriter{to, ggufArch(c)}
	if c.Vocab > math.MaxUint32 || c.Context > math.MaxUint32 {
		return fmt.Errorf("config: vocab_size %d or max_position_embeddings %d does not fit in 32 bits", c.Vocab, c.Context)
	}
	w.Set("general.architecture", w.arch)
	w.Set("general.type", "model")
	w.Set("general.name", modelName(j.source.path))
	w.Set("general.size_label", sizeLabel(c))
	w.Set("general.file_type", fileType(j.mix, main))
	w.Set("general.quantization_version", uint32(quantVersion))
	w.size("block_count", c.Layers+c.MTP)
	w.size("context_length", c.Context)
	w.size("embedding_length", c.Hidden)
	w.size("feed_forward_length", c.Intermediate)
	w.size("vocab_size", c.Vocab)
	w.size("attention.head_count", c.Heads)
	w.float("attention.layer_norm_rms_epsilon", float64(c.NormEps))
	w.size("rope.dimension_count", c.Rope.Dim)
	w.float("rope.freq_base", c.Rope.Theta)
	if c.MLA != nil {
		w.latent(c)
	} else {
		w.size("attention.head_count_kv", c.KVHeads)
		w.size("attention.key_length", c.HeadDim)
		w.size("attention.value_length", c.HeadDim)
	}
	if err := w.mixture(c); err != nil {
		return err
	}
	if err := w.rope(c); err != nil {
		return err
	}
	j.noteDifferences()
	return j.ggufVocab(to)
}

// noteDifferences tells where llama.cpp computes otherwise than the published code, whatever the file says.
func (j *job) noteDifferences() {
	c := j.source.config
	m := c.MoE
	if m != nil && c.MLA == nil && slices.Contains(m.Sparse, false) {
		j.note("llama.cpp does not load networks of this architecture in which some layers have no experts")
	}
	switch {
	case m == nil:
	case c.MLA == nil && !m.Normalize:
		j.note("norm_topk_prob is false: the file says so (expert_weights_norm), but llama.cpp always normalises the chosen experts' weights")
	case c.MLA != nil && m.GroupScore == nn.GroupMax && m.Groups > 1:
		j.note("llama.cpp scores a group by its two best experts; this network's own code goes by the best one")
	}
	if c.MLA != nil && c.NormEps != 1e-6 {
		j.note("llama.cpp uses rms_norm_eps %v also for the latents' norms; the published code has 1e-6 there", c.NormEps)
	}
}

// latent says the shapes of latent attention. To llama.cpp it is attention of many query heads to one key head, the latent and the rotary
// part, whose first part serves as the value.
func (w metaWriter) latent(c *model.Config) {
	m := c.MLA
	w.size("attention.head_count_kv", 1)
	w.size("attention.key_length", m.KVLoRA+m.Rope)
	w.size("attention.value_length", m.KVLoRA)
	w.size("attention.key_length_mla", m.Nope+m.Rope)
	w.size("attention.value_length_mla", m.V)
	w.size("attention.q_lora_rank", m.QLoRA) // 0 says none; llama.cpp wants the key for all but a few numbers of layers
	w.size("attention.kv_lora_rank", m.KVLoRA)
}

// Values of expert_gating_func.
const (
	gateSoftmax = 1
	gateSigmoid = 2
)

func (w metaWriter) mixture(c *model.Config) error {
	m := c.MoE
	if c.MTP > 0 {
		w.size("nextn_predict_layers", c.MTP)
	}
	if c.MLA == nil {
		if m == nil {
			return nil
		}
		w.size("expert_count", m.Experts)
		w.size("expert_used_count", m.Used)
		w.size("expert_feed_forward_length", m.Intermediate)
		if !m.Normalize { // not read by llama.cpp, which always normalises
			w.Set(w.arch+".expert_weights_norm", false)
		}
		return nil
	}
	if m == nil {
		w.size("leading_dense_block_count", c.Layers)
		w.size("expert_feed_forward_length", c.Intermediate)
		w.size("expert_shared_count", 0)
		if c.Arch == "deepseek_v3" { // nothing else tells V3 from V2 where no layer has experts
			w.size("expert_gating_func", gateSigmoid)
		}
		return nil
	}
	dense := 0
	for dense < c.Layers && !m.Sparse[dense] {
		dense++
	}
	for i := dense; i < c.Layers; i++ {
		if !m.Sparse[i] {
			return fmt.Errorf("config: layer %d is dense after layer %d, which has experts: a GGUF file can say only how many layers are dense at the start", i, dense)
		}
	}
	w.size("leading_dense_block_count", dense)
	w.size("expert_count", m.Experts)
	w.size("expert_used_count", m.Used)
	w.size("expert_shared_count", m.Shared)
	w.size("expert_feed_forward_length", m.Intermediate)
	w.size("expert_group_count", m.Groups)
	w.size("expert_group_used_count", m.GroupsUsed)
	w.float("expert_weights_scale", float64(m.Scale))
	if m.Normalize {
		w.Set(w.arch+".expert_weights_norm", true)
	}
	if m.Scoring == nn.Sigmoid {
		w.size("expert_gating_func", gateSigmoid)
	} else {
		w.size("expert_gating_func", gateSoftmax)
	}
	return nil
}

// rope says how positions turn queries and keys; llama3's rule is a tensor of divisors (ropeFreqs) instead.
func (w metaWriter) rope(c *model.Config) error {
	r := &c.Rope
	switch r.Scaling {
	case nn.RopeLinear:
		w.Set(w.arch+".rope.scaling.type", "linear")
		w.float("rope.scaling.factor", r.Factor)
	case nn.RopeYaRN:
		if r.KeepFraction {
			return fmt.Errorf("config: rope_scaling.truncate false cannot be said in a GGUF file of %s", w.arch)
		}
		w.Set(w.arch+".rope.scaling.type", "yarn")
		w.float("rope.scaling.factor", r.Factor)
		w.size("rope.scaling.original_context_length", r.OriginalContext)
		w.float("rope.scaling.yarn_beta_fast", r.BetaFast)
		w.float("rope.scaling.yarn_beta_slow", r.BetaSlow)
		w.magnitude(c)
	}
	return nil
}

// magnitude says YaRN's factors on cos and sin (r.Magnitude) and on the attention logits (r.SoftmaxFactor). Files of deepseek2 carry two
// numbers: with l = 10·yarn_log_multiplier and a = attn_factor, cos and sin are multiplied by a, and the logits by (a·(1 + 0.1·l·ln(factor)))²;
// published configs have a = 1. Others have a alone, relative to YaRN's own factor, 1 + 0.1·ln(factor).
func (w metaWriter) magnitude(c *model.Config) {
	r, log := &c.Rope, 0.1*math.Log(max(c.Rope.Factor, 1))
	a := r.Magnitude()
	switch {
	case c.MLA == nil:
		a /= 1 + log
	case a == 1 && r.MScaleAllDim != 0:
		w.float("rope.scaling.yarn_log_multiplier", 0.1*r.MScaleAllDim)
	case log > 0:
		w.float("rope.scaling.yarn_log_multiplier", 0.1*(math.Sqrt(r.SoftmaxFactor())/a-1)/log)
	}
	if float32(a) != 1 {
		w.float("rope.scaling.attn_factor", a)
	}
}

// ropeFreqs is the tensor that holds llama3's scaling: what each frequency is divided by. Nil for other networks.
func ropeFreqs(c *model.Config) *gguf.Tensor {
	if c.Rope.Scaling != nn.RopeLlama3 {
		return nil
	}
	d := llama3Divisors(&c.Rope)
	t := &gguf.Tensor{Name: "rope_freqs.weight", Type: dtype.F32, Dims: []int{len(d)}, Data: make([]byte, 4*len(d))}
	if err := dtype.Encode(dtype.F32, t.Data, d); err != nil {
		panic(err)
	}
	return t
}

// fileType is general.file_type; main is what most of the weights are stored in where no mix was asked for.
func fileType(m quant.Mix, main dtype.Type) uint32 {
	if m == "" {
		switch main {
		case dtype.F16:
			m = quant.F16
		case dtype.BF16:
			m = quant.BF16
		default:
			m = quant.F32
		}
	}
	return m.FileType()
}

// modelName is the name of the folder, without what is there only as a file system wants it.
func modelName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.ReplaceAll(strings.ReplaceAll(filepath.Base(path), "-", " "), "_", " ")
}

// sizeLabel is the number of parameters for people: 8.0B, or 256x20B with experts.
func sizeLabel(c *model.Config) string {
	shared, expert, count := 0, 0, 0
	for _, it := range inventory(c) {
		n := 1
		for _, d := range it.shape {
			n *= d
		}
		if it.layout == experts {
			expert, count = expert+n, c.MoE.Experts
		} else {
			shared += n
		}
	}
	label := rounded(float64(shared + expert))
	if count > 0 {
		label = fmt.Sprintf("%dx%s", count, label)
	}
	return label
}

// rounded is a count in two digits or more.
func rounded(n float64) string {
	unit := "K"
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}} {
		if n > u.size {
			n, unit = n/u.size*1e3, u.name
			break
		}
	}
	n /= 1e3
	if n < 9.5 {
		return fmt.Sprintf("%.1f%s", n, unit)
	}
	return fmt.Sprintf("%.0f%s", n, unit)
}
