package zoo

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
)

// shapes are configurations of published networks, for timing with made-up weights.
var shapes = map[string]string{
	"smollm2-135m": `{"model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
		"num_attention_heads": 9, "num_key_value_heads": 3, "rope_theta": 100000, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192,
		"tie_word_embeddings": true}`,
	"qwen3-0.6b": `{"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
		"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "rope_theta": 1000000, "rms_norm_eps": 1e-6,
		"max_position_embeddings": 40960, "tie_word_embeddings": true}`,
	"llama-3.2-1b": `{"model_type": "llama", "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
		"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "rope_theta": 500000, "rms_norm_eps": 1e-5,
		"rope_scaling": {"rope_type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4,
		"original_max_position_embeddings": 8192}, "max_position_embeddings": 131072, "tie_word_embeddings": true}`,
	"qwen2.5-1.5b": `{"model_type": "qwen2", "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
		"num_attention_heads": 12, "num_key_value_heads": 2, "rope_theta": 10000, "rms_norm_eps": 1e-6, "max_position_embeddings": 131072,
		"tie_word_embeddings": false}`,
	"deepseek-v2-lite": `{"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944,
		"moe_intermediate_size": 1408, "num_hidden_layers": 27, "first_k_dense_replace": 1, "num_attention_heads": 16,
		"num_key_value_heads": 16, "q_lora_rank": null, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
		"v_head_dim": 128, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "n_group": 1, "topk_group": 1,
		"topk_method": "greedy", "scoring_func": "softmax", "norm_topk_prob": false, "routed_scaling_factor": 1.0, "rms_norm_eps": 1e-6,
		"rope_theta": 10000, "rope_scaling": {"type": "yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707, "beta_fast": 32,
		"beta_slow": 1, "original_max_position_embeddings": 4096}, "max_position_embeddings": 163840, "tie_word_embeddings": false}`,
}

// Shapes names the networks that Synthetic can make.
func Shapes() []string { return slices.Sorted(maps.Keys(shapes)) }

// Synthetic makes a network of a published shape with made-up weights of one type, in memory: for timing.
func Synthetic(name string, t dtype.Type, o model.Options) (model.Model, error) {
	m, _, err := synthesize(name, t, o)
	return m, err
}

// WriteSynthetic writes such a network to a Hugging Face folder, from which it can be converted to any format.
func WriteSynthetic(dir, name string, t dtype.Type) error {
	m, weights, err := synthesize(name, t, model.Options{Threads: 1})
	if err != nil {
		return err
	}
	if err := m.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(shapes[name]), 0o644); err != nil {
		return err
	}
	w := safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	weights.Tensors(func(name string, t dtype.Type, shape []int, data []byte) {
		w.Add(name, t, shape, func(to io.Writer) error { _, err := to.Write(data); return err })
	})
	return w.WriteFolder(dir, 4<<30)
}

func synthesize(name string, t dtype.Type, o model.Options) (model.Model, *model.Weights, error) {
	text, ok := shapes[name]
	if !ok {
		return nil, nil, fmt.Errorf("zoo: no shape %q (there are %s)", name, strings.Join(Shapes(), ", "))
	}
	if t == dtype.F8E4M3 {
		text = strings.Replace(text, "{", `{"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}, `, 1)
	}
	config, err := model.ParseHFConfig([]byte(text))
	if err != nil {
		return nil, nil, err
	}
	weights := model.SyntheticWeights(func(string, []int) dtype.Type { return t })
	m, err := architectures[config.Arch](config, weights, o)
	return m, weights, err
}
