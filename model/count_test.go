package model

import "testing"

// The published networks, in config.json's words.
var published = map[string]string{
	"v3": `{"model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
		"num_hidden_layers": 61, "first_k_dense_replace": 3, "moe_layer_freq": 1, "num_attention_heads": 128, "num_key_value_heads": 128,
		"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 256,
		"n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
		"norm_topk_prob": true, "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 1, "rms_norm_eps": 1e-6, "rope_theta": 10000,
		"rope_scaling": {"type": "yarn", "factor": 40, "mscale": 1, "mscale_all_dim": 1, "beta_fast": 32, "beta_slow": 1,
		"original_max_position_embeddings": 4096}, "max_position_embeddings": 163840, "quantization_config": {"activation_scheme": "dynamic",
		"fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}}`,
	"v2": `{"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536,
		"num_hidden_layers": 60, "first_k_dense_replace": 1, "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
		"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 160, "n_shared_experts": 2,
		"num_experts_per_tok": 6, "n_group": 8, "topk_group": 3, "topk_method": "group_limited_greedy", "scoring_func": "softmax",
		"norm_topk_prob": false, "routed_scaling_factor": 16.0, "rms_norm_eps": 1e-6, "max_position_embeddings": 163840}`,
	"v2-lite": `{"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408,
		"num_hidden_layers": 27, "first_k_dense_replace": 1, "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null,
		"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64, "n_shared_experts": 2,
		"num_experts_per_tok": 6, "n_group": 1, "topk_group": 1, "topk_method": "greedy", "scoring_func": "softmax", "routed_scaling_factor": 1.0}`,
	"moonlight": `{"model_type": "deepseek_v3", "vocab_size": 163840, "hidden_size": 2048, "intermediate_size": 11264, "moe_intermediate_size": 1408,
		"num_hidden_layers": 27, "first_k_dense_replace": 1, "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null,
		"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64, "n_shared_experts": 2,
		"num_experts_per_tok": 6, "n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true,
		"routed_scaling_factor": 2.446, "rms_norm_eps": 1e-5, "rope_theta": 50000, "max_position_embeddings": 8192, "num_nextn_predict_layers": 0}`,
	"k2": `{"model_type": "kimi_k2", "vocab_size": 163840, "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
		"num_hidden_layers": 61, "first_k_dense_replace": 1, "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1536,
		"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 384, "n_shared_experts": 1,
		"num_experts_per_tok": 8, "n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true,
		"routed_scaling_factor": 2.827, "rope_theta": 50000, "rope_scaling": {"type": "yarn", "factor": 32, "mscale": 1, "mscale_all_dim": 1,
		"beta_fast": 1, "beta_slow": 1, "original_max_position_embeddings": 4096}, "max_position_embeddings": 131072}`,
	"r1-distill-qwen-1.5b": `{"model_type": "qwen2", "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
		"num_attention_heads": 12, "num_key_value_heads": 2, "rope_theta": 10000, "rms_norm_eps": 1e-6, "max_position_embeddings": 131072,
		"sliding_window": 4096, "use_sliding_window": false, "tie_word_embeddings": false}`,
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := ParseHFConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPublishedCounts(t *testing.T) {
	for name, want := range map[string]Counts{
		"v3":                   {671_026_419_200, 37_552_297_472, 13_463_426_304},
		"v2":                   {235_741_434_880, 21_375_800_320, 0},
		"v2-lite":              {15_706_484_224, 2_661_150_208, 0},
		"moonlight":            {15_960_110_208, 2_914_776_192, 0},
		"k2":                   {1_026_408_232_448, 32_861_500_928, 0},
		"r1-distill-qwen-1.5b": {1_777_088_000, 1_777_088_000, 0},
	} {
		if got := parse(t, published[name]).Count(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	v3 := parse(t, published["v3"])
	h, vocab := int64(v3.Hidden), int64(v3.Vocab)
	if got, want := v3.Count().MTP-2*vocab*h, int64(11_610_068_224); got != want {
		t.Errorf("V3's MTP module has %d parameters of its own, want %d", got, want)
	}
	if got, want := v3.Count().Active-vocab*h, int64(36_625_618_432); got != want {
		t.Errorf("V3 without the input embedding: %d active, want %d", got, want)
	}
	if got, want := v3.attention().total()-2*h, int64(187_105_280+1536+512); got != want {
		t.Errorf("V3's attention has %d parameters a layer, want %d", got, want)
	}
}

func TestCacheElements(t *testing.T) {
	for name, want := range map[string]int64{"v3": 61 * 576, "v2-lite": 27 * 576, "r1-distill-qwen-1.5b": 28 * 2 * 2 * 128} {
		if got := parse(t, published[name]).CacheElements(); got != want {
			t.Errorf("%s: %d cached values a token, want %d", name, got, want)
		}
	}
}

// FLOPs by hand for a network small enough to add up on paper.
func TestFLOPs(t *testing.T) {
	c := parse(t, `{"model_type": "qwen2", "vocab_size": 100, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2}`)
	perLayer := 8*8 + 2*8*4 + 8*8 + 3*8*12
	attention := func(keys int) int { return 4 * keys * (2 + 2) }
	for _, context := range []int{0, 9} {
		if got, want := c.FLOPs(context), int64(2*(100*8+2*(perLayer+attention(context+1)))); got != want {
			t.Errorf("after %d tokens: %d, want %d", context, got, want)
		}
	}
}
