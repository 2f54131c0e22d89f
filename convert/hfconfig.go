package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// fields are the keys of a config.json.
type fields map[string]any

// number writes a value that was read as f32 in as few digits as tell it, and such that it is no integer: transformers refuses these for floats.
func number(f float64) json.RawMessage {
	s := strconv.FormatFloat(f, 'g', -1, 32)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.RawMessage(s)
}

// torchTypes are the names of the types under torch_dtype.
var torchTypes = map[dtype.Type]string{dtype.F32: "float32", dtype.F16: "float16", dtype.BF16: "bfloat16"}

var architectures = map[string]string{
	"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "qwen3_moe": "Qwen3MoeForCausalLM",
	"deepseek_v2": "DeepseekV2ForCausalLM", "deepseek_v3": "DeepseekV3ForCausalLM",
}

// HFConfig is the text of the config.json of a network whose weights are in type t.
func HFConfig(c *model.Config, t dtype.Type) ([]byte, error) {
	f, err := hfConfig(c, t)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}

// hfConfig is the config.json of a network whose weights are in type t.
func hfConfig(c *model.Config, t dtype.Type) (fields, error) {
	f := fields{
		"architectures": []string{architectures[c.Arch]}, "model_type": c.Arch, "torch_dtype": torchTypes[t],
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "max_position_embeddings": c.Context,
		"hidden_act": "silu", "rms_norm_eps": number(float64(c.NormEps)), "rope_theta": number(c.Rope.Theta),
		"tie_word_embeddings": c.Tied, "use_cache": true, "bos_token_id": nil, "eos_token_id": nil,
	}
	if c.BOS >= 0 {
		f["bos_token_id"] = c.BOS
	}
	switch len(c.EOS) {
	case 0:
	case 1:
		f["eos_token_id"] = c.EOS[0]
	default:
		f["eos_token_id"] = c.EOS
	}
	if c.MLA == nil {
		f["head_dim"] = c.HeadDim
	} else {
		f.deepseek(c)
	}
	switch c.Arch {
	case "llama":
		f["attention_bias"], f["mlp_bias"] = c.AttnBias, c.MLPBias
		if c.AttnBias != c.OutBias {
			return nil, fmt.Errorf("biases on q, k and v: %t, on attn_output: %t; config.json can say only both or none", c.AttnBias, c.OutBias)
		}
	case "qwen2":
		f["use_sliding_window"] = false
	case "qwen3", "qwen3_moe":
		f["attention_bias"], f["use_sliding_window"] = c.AttnBias, false
	}
	if c.Arch == "qwen3_moe" {
		f.qwenMoE(c)
	}
	return f, f.rope(c)
}

func (f fields) qwenMoE(c *model.Config) {
	m := c.MoE
	f["num_experts"], f["num_experts_per_tok"], f["moe_intermediate_size"] = m.Experts, m.Used, m.Intermediate
	f["norm_topk_prob"], f["decoder_sparse_step"] = m.Normalize, 1
	dense := []int{}
	for l, sparse := range m.Sparse {
		if !sparse {
			dense = append(dense, l)
		}
	}
	f["mlp_only_layers"] = dense
}

func (f fields) deepseek(c *model.Config) {
	a := c.MLA
	f["attention_bias"] = false
	f["q_lora_rank"], f["kv_lora_rank"] = nil, a.KVLoRA
	if a.QLoRA > 0 {
		f["q_lora_rank"] = a.QLoRA
	}
	f["qk_nope_head_dim"], f["qk_rope_head_dim"], f["v_head_dim"] = a.Nope, a.Rope, a.V
	if c.Arch == "deepseek_v3" {
		f["num_nextn_predict_layers"] = c.MTP
	}
	m := c.MoE
	if m == nil { // transformers wants to know of experts all the same, and then has no layer with them
		m = &model.MoE{Intermediate: c.Intermediate, Shared: 1, Sparse: make([]bool, c.Layers),
			Routing: nn.Routing{Experts: 1, Used: 1, Groups: 1, GroupsUsed: 1, Scale: 1, Normalize: true}}
		if c.Arch == "deepseek_v3" {
			m.Scoring = nn.Sigmoid
		}
	}
	dense := 0
	for dense < c.Layers && !m.Sparse[dense] {
		dense++
	}
	f["first_k_dense_replace"], f["moe_layer_freq"] = dense, 1
	f["n_routed_experts"], f["n_shared_experts"], f["num_experts_per_tok"] = m.Experts, m.Shared, m.Used
	f["moe_intermediate_size"], f["n_group"], f["topk_group"] = m.Intermediate, m.Groups, m.GroupsUsed
	f["routed_scaling_factor"], f["norm_topk_prob"] = number(float64(m.Scale)), m.Normalize
	switch {
	case m.Scoring == nn.Sigmoid:
		f["scoring_func"], f["topk_method"] = "sigmoid", "noaux_tc"
	case m.Groups > 1:
		f["scoring_func"], f["topk_method"] = "softmax", "group_limited_greedy"
	default:
		f["scoring_func"], f["topk_method"] = "softmax", "greedy"
	}
}

// rope writes rope_scaling.
func (f fields) rope(c *model.Config) error {
	r := c.Rope
	if r.Divisors != nil {
		fitted, err := fitLlama3(&r)
		if err != nil {
			return err
		}
		if r.Scaling != nn.RopePlain {
			return fmt.Errorf("rope_freqs.weight together with rope.scaling.type %v cannot be said in config.json", r.Scaling)
		}
		r = fitted
	}
	s := fields{"rope_type": r.Scaling.String(), "factor": number(r.Factor)}
	f["rope_scaling"] = s
	switch r.Scaling {
	case nn.RopePlain:
		f["rope_scaling"] = nil
	case nn.RopeLlama3:
		s["original_max_position_embeddings"] = r.OriginalContext
		s["low_freq_factor"], s["high_freq_factor"] = number(r.LowFreqFactor), number(r.HighFreqFactor)
	case nn.RopeYaRN:
		s["original_max_position_embeddings"] = r.OriginalContext
		s["beta_fast"], s["beta_slow"] = number(r.BetaFast), number(r.BetaSlow)
		if c.MLA == nil {
			if r.AttentionFactor != 0 {
				s["attention_factor"] = number(r.AttentionFactor)
			}
			break
		}
		s["type"] = "yarn" // DeepSeek's own code looks here
		mscale, allDim := mscales(&r)
		s["mscale"], s["mscale_all_dim"] = number(mscale), number(allDim)
	}
	return nil
}

// mscales are the two numbers of DeepSeek's YaRN behind the factors on cos and sin and on the attention logits. What was read as f32 is rounded
// to the digits that such a number has.
func mscales(r *nn.Rope) (mscale, allDim float64) {
	const digits = 6
	log := 0.1 * math.Log(r.Factor)
	if r.AttentionFactor == 0 || !(log > 0) {
		return roundTo(r.MScale, digits), roundTo(r.MScaleAllDim, digits)
	}
	m := math.Sqrt(r.SoftmaxFactor())
	return roundTo((r.AttentionFactor*m-1)/log, digits), roundTo((m-1)/log, digits)
}

// recast is the text of a config.json for the same network with its weights in type t.
func recast(text []byte, t dtype.Type) (fields, error) {
	var f fields
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // keeps numbers as they are written
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	delete(f, "quantization_config")
	for _, key := range []string{"torch_dtype", "dtype"} {
		if _, there := f[key]; there || key == "torch_dtype" && f["dtype"] == nil {
			f[key] = torchTypes[t]
		}
	}
	return f, nil
}

// maxCopied bounds the files that are copied beside the weights: tokenizers take some tens of megabytes.
const maxCopied = 256 << 20

// copyFolder makes the files of a Hugging Face folder that are not weights, for weights of type t. What it holds besides (code, other formats of
// the weights) is left out.
func copyFolder(dir, from string, t dtype.Type) error {
	return eachBeside(from, func(name string, data []byte) error {
		if name != "config.json" {
			return writeFile(filepath.Join(dir, name), data)
		}
		config, err := recast(data, t)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(from, name), err)
		}
		return writeJSON(filepath.Join(dir, name), config)
	})
}

// eachBeside shows f the files of a Hugging Face folder that are not weights.
func eachBeside(from string, f func(name string, data []byte) error) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		info, err := os.Stat(filepath.Join(from, name)) // of what a link points to
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || !besideWeights(name) || info.Size() > maxCopied {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = f(name, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// besideWeights reports the files that belong to a checkpoint without being weights.
func besideWeights(name string) bool {
	switch filepath.Ext(name) {
	case ".json":
		return !strings.HasSuffix(name, ".safetensors.index.json") && !strings.HasSuffix(name, ".bin.index.json")
	case ".model", ".tiktoken", ".jinja", ".txt", ".md":
		return true
	case ".gz":
		return name == "tokenizer.json.gz"
	}
	return strings.HasPrefix(name, "LICENSE")
}
