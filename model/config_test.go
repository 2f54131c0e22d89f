package model

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/nn"
)

// edit is a published config with some keys set to other JSON values; "" removes a key.
func edit(t *testing.T, base string, changes map[string]string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(published[base]), &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range changes {
		if m[k] = json.RawMessage(v); v == "" {
			delete(m, k)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Nonsense is refused by an error that names the field.
func TestHFConfigRefuses(t *testing.T) {
	for _, c := range []struct{ base, key, value, names string }{
		{"v3", "vocab_size", "0", "vocab_size"},
		{"v3", "vocab_size", "-5", "vocab_size"},
		{"v3", "vocab_size", "99999999999", "vocab_size"},
		{"v3", "vocab_size", `"many"`, "vocab_size"},
		{"v3", "hidden_size", "", "hidden_size"},
		{"v3", "num_hidden_layers", "1000000", "num_hidden_layers"},
		{"v3", "num_attention_heads", "0", "num_attention_heads"},
		{"v3", "kv_lora_rank", "0", "kv_lora_rank"},
		{"v3", "qk_rope_head_dim", "63", "rotary dimension"},
		{"v3", "v_head_dim", "-1", "v_head_dim"},
		{"v3", "q_lora_rank", "-1", "q_lora_rank"},
		{"v3", "rms_norm_eps", "0", "rms_norm_eps"},
		{"v3", "rms_norm_eps", "1e999", "rms_norm_eps"},
		{"v3", "rope_theta", "-1", "rope_theta"},
		{"v3", "n_group", "7", "n_group"},
		{"v3", "n_group", "0", "n_group"},
		{"v3", "topk_group", "9", "topk_group"},
		{"v3", "topk_group", "0", "topk_group"},
		{"v3", "num_experts_per_tok", "257", "num_experts_per_tok"},
		{"v3", "num_experts_per_tok", "200", "topk_group"},
		{"v3", "n_routed_experts", "100000000", "number of experts"},
		{"v3", "moe_intermediate_size", "", "moe_intermediate_size"},
		{"v3", "scoring_func", `"tanh"`, "scoring_func"},
		{"v3", "topk_method", `"greedy"`, "topk_method"},
		{"v3", "routed_scaling_factor", "0", "routed_scaling_factor"},
		{"v3", "moe_layer_freq", "0", "moe_layer_freq"},
		{"v3", "attention_bias", "true", "attention_bias"},
		{"v3", "num_nextn_predict_layers", "3", "num_nextn_predict_layers"},
		{"v3", "rope_scaling", `{"type": "dynamic", "factor": 2}`, "dynamic"},
		{"v3", "rope_scaling", `{"type": "yarn", "factor": 0}`, "factor"},
		{"v3", "rope_scaling", `{"type": "yarn", "factor": 4, "beta_slow": 64}`, "beta_slow"},
		{"v3", "rope_scaling", `{"type": "llama3", "factor": 4}`, "low_freq_factor"},
		{"v3", "rope_scaling", `{"type": "yarn", "factor": 4, "original_max_position_embeddings": -1}`, "original_max_position_embeddings"},
		{"v3", "quantization_config", `{"quant_method": "gptq", "bits": 4}`, "gptq"},
		{"v3", "quantization_config", `{"quant_method": "fp8", "weight_block_size": [64, 64]}`, "weight_block_size"},
		{"v3", "model_type", `"deepseek_v4"`, "deepseek_v4"},
		{"v3", "model_type", "", "model_type"},
		{"v2", "scoring_func", `"sigmoid"`, "scoring_func"},
		{"r1-distill-qwen-1.5b", "num_key_value_heads", "5", "num_key_value_heads"},
		{"r1-distill-qwen-1.5b", "num_attention_heads", "11", "head_dim"},
		{"r1-distill-qwen-1.5b", "hidden_act", `"gelu"`, "hidden_act"},
		{"r1-distill-qwen-1.5b", "use_sliding_window", "true", "use_sliding_window"},
		{"r1-distill-qwen-1.5b", "partial_rotary_factor", "0.5", "partial_rotary_factor"},
		{"r1-distill-qwen-1.5b", "max_position_embeddings", "0", "max_position_embeddings"},
	} {
		_, err := ParseHFConfig([]byte(edit(t, c.base, map[string]string{c.key: c.value})))
		if err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s with %s = %s: error %v, want one that names %s", c.base, c.key, c.value, err, c.names)
		}
	}
}

// Keys that older or newer writers leave out or write otherwise.
func TestHFConfigVariants(t *testing.T) {
	v3 := parse(t, edit(t, "v3", map[string]string{"rope_scaling": "", "rope_theta": "",
		"rope_parameters": `{"rope_type": "yarn", "rope_theta": 50000, "factor": 40, "mscale": 1, "mscale_all_dim": 1, "original_max_position_embeddings": 4096}`}))
	if r := v3.Rope; r.Theta != 50000 || r.Scaling != nn.RopeYaRN || r.BetaFast != 32 || r.BetaSlow != 1 {
		t.Errorf("rope_parameters read as %+v", r)
	}
	for text, want := range map[string][]int{"7": {7}, "[7, 9]": {7, 9}, "null": nil} {
		if got := parse(t, edit(t, "v3", map[string]string{"eos_token_id": text})).EOS; !slices.Equal(got, want) {
			t.Errorf("eos_token_id %s read as %v", text, got)
		}
	}
	for _, absent := range []string{"moe_layer_freq", "scoring_func", "num_nextn_predict_layers", "quantization_config", "n_shared_experts"} {
		parse(t, edit(t, "v3", map[string]string{absent: ""}))
	}
	dense := parse(t, edit(t, "v3", map[string]string{"n_routed_experts": "null", "num_nextn_predict_layers": "0"}))
	if dense.MoE != nil || dense.IsSparse(60) {
		t.Error("a network without n_routed_experts has experts")
	}
	moe := parse(t, `{"model_type": "qwen3_moe", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 4,
		"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 3, "decoder_sparse_step": 2, "mlp_only_layers": [3]}`)
	if want := []bool{false, true, false, false, false, true}; !slices.Equal(moe.MoE.Sparse, want) {
		t.Errorf("layers with experts %v, want %v", moe.MoE.Sparse, want)
	}
}

func FuzzHFConfig(f *testing.F) {
	for _, text := range published {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseHFConfig(text)
		if err != nil {
			return
		}
		c.Count()
		c.FLOPs(1000)
		c.Rope.Frequencies()
	})
}

// metadata of a small deepseek2 file, as converters write it.
var deepseek2 = map[string]any{
	"general.architecture": "deepseek2", "deepseek2.block_count": uint32(2), "deepseek2.context_length": uint32(4096),
	"deepseek2.embedding_length": uint32(8), "deepseek2.feed_forward_length": uint32(6), "deepseek2.attention.head_count": uint32(2),
	"deepseek2.attention.head_count_kv": uint32(1), "deepseek2.attention.key_length": uint32(9), "deepseek2.attention.value_length": uint32(5),
	"deepseek2.attention.key_length_mla": uint32(7), "deepseek2.attention.value_length_mla": uint32(3), "deepseek2.attention.kv_lora_rank": uint32(5),
	"deepseek2.rope.dimension_count": uint32(4), "deepseek2.attention.layer_norm_rms_epsilon": float32(1e-6),
	"deepseek2.leading_dense_block_count": uint32(1), "deepseek2.expert_count": uint32(8), "deepseek2.expert_used_count": uint32(2),
	"deepseek2.expert_feed_forward_length": uint32(4), "deepseek2.expert_shared_count": uint32(1), "deepseek2.expert_weights_scale": float32(2.5),
	"deepseek2.expert_weights_norm": true, "deepseek2.expert_gating_func": uint32(2), "deepseek2.expert_group_count": uint32(4),
	"deepseek2.expert_group_used_count": uint32(2),
}

func readMeta(t *testing.T, changes map[string]any) (*Config, error) {
	t.Helper()
	meta := maps.Clone(deepseek2)
	for k, v := range changes {
		if meta[k] = v; v == nil {
			delete(meta, k)
		}
	}
	var w gguf.Writer
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		w.Set(k, meta[k])
	}
	w.AddTensor(gguf.Tensor{Name: "token_embd.weight", Type: dtype.F32, Dims: []int{8, 11}, Data: make([]byte, 4*88)})
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ReadGGUFConfig(f)
}

func TestGGUFConfig(t *testing.T) {
	c, err := readMeta(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Arch != "deepseek_v3" || c.Vocab != 11 || !c.Tied || *c.MLA != (MLA{KVLoRA: 5, Nope: 3, Rope: 4, V: 3}) || c.MoE.Groups != 4 || !c.MoE.Normalize {
		t.Errorf("%+v %+v %+v", c, c.MLA, c.MoE)
	}
	fused, err := readMeta(t, map[string]any{"deepseek2.attention.key_length": uint32(7), "deepseek2.attention.value_length": uint32(3),
		"deepseek2.attention.key_length_mla": nil, "deepseek2.attention.value_length_mla": nil})
	if err != nil {
		t.Fatal(err)
	}
	if *fused.MLA != *c.MLA {
		t.Errorf("the older layout reads as %+v, want %+v", fused.MLA, c.MLA)
	}
	v2, err := readMeta(t, map[string]any{"deepseek2.expert_gating_func": nil})
	if err != nil {
		t.Fatal(err)
	}
	if v2.Arch != "deepseek_v2" || v2.MoE.Scoring != nn.Softmax || v2.MoE.GroupScore != nn.GroupMax || v2.MoE.Biased || v2.MoE.Normalize {
		t.Errorf("a file without a gating function reads as %s %+v", v2.Arch, v2.MoE)
	}
	// DeepSeek-V3 files from before the keys of groups existed.
	old, err := readMeta(t, map[string]any{"deepseek2.block_count": uint32(61), "deepseek2.expert_count": uint32(256),
		"deepseek2.expert_group_count": nil, "deepseek2.expert_group_used_count": nil})
	if err != nil {
		t.Fatal(err)
	}
	if old.MoE.Groups != 8 || old.MoE.GroupsUsed != 4 {
		t.Errorf("an older V3 file has %d of %d groups, want 4 of 8", old.MoE.GroupsUsed, old.MoE.Groups)
	}
}

func TestGGUFConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		names string
	}{
		{"general.architecture", nil, "general.architecture"},
		{"general.architecture", "deepseek9", "deepseek9"},
		{"deepseek2.block_count", nil, "block_count"},
		{"deepseek2.block_count", uint32(0), "block_count"},
		{"deepseek2.block_count", uint32(1<<32 - 1), "block_count"},
		{"deepseek2.block_count", "two", "block_count"},
		{"deepseek2.embedding_length", uint64(1 << 62), "hidden_size"},
		{"deepseek2.attention.head_count", uint32(0), "head_count"},
		{"deepseek2.attention.head_count", []uint32{2, 2}, "head_count"},
		{"deepseek2.rope.dimension_count", uint32(5), "rotary dimension"},
		{"deepseek2.rope.dimension_count", uint32(8), "qk_nope_head_dim"},
		{"deepseek2.expert_used_count", uint32(9), "num_experts_per_tok"},
		{"deepseek2.expert_gating_func", uint32(7), "expert_gating_func"},
		{"deepseek2.rope.scaling.type", "longrope", "longrope"},
		{"deepseek2.rope.scaling.factor", float32(-2), "factor"},
		{"deepseek2.nextn_predict_layers", uint32(2), "nextn_predict_layers"},
	} {
		_, err := readMeta(t, map[string]any{c.key: c.value})
		if err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s = %v: error %v, want one that names %s", c.key, c.value, err, c.names)
		}
	}
}

// Missing, surplus, mis-shaped and mis-typed tensors are errors that name them.
func TestWeightsAccount(t *testing.T) {
	dir := t.TempDir()
	var w safetensors.Writer
	add := func(name string, typ dtype.Type, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		w.AddTensor(safetensors.Tensor{Name: name, Type: typ, Shape: shape, Data: make([]byte, typ.RowBytes(n))})
	}
	add("good.weight", dtype.BF16, 4, 8)
	add("shape.weight", dtype.F32, 8, 4)
	add("type.weight", dtype.I64, 4, 8)
	add("narrow.weight", dtype.F8E4M3, 4, 8)
	add("extra.weight", dtype.F32, 1)
	add("x.rotary_emb.inv_freq", dtype.F32, 4)
	if err := w.WriteFile(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ws := HFWeights(f)
	if m := ws.Matrix("good.weight", 4, 8); m == nil || m.Type != dtype.BF16 {
		t.Errorf("good.weight is %v", m)
	}
	for _, name := range []string{"good.weight", "shape.weight", "type.weight", "narrow.weight", "missing.weight"} {
		if m := ws.Matrix(name, 4, 8); m != nil {
			t.Errorf("%s came out as %v", name, m)
		}
	}
	if ms := ws.Experts("experts.", "up_proj", 1<<30, 4, 8); ms != nil {
		t.Error("experts that are not there came out")
	}
	err = ws.Done()
	for _, want := range []string{"good.weight: used twice", "shape.weight: shape is [8 4], want [4 8]", "type.weight: type I64", "narrow.weight_scale_inv: missing",
		"missing.weight: missing", "extra.weight: not part", "experts.0.up_proj.weight: missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "inv_freq") {
		t.Error("a rotary buffer is not ignored")
	}
}

// A stack of one matrix is written with two dimensions: ggml drops those of 1 at the end.
func TestGGUFDropsOnes(t *testing.T) {
	var w gguf.Writer
	w.Set("general.architecture", "llama")
	w.AddTensor(gguf.Tensor{Name: "blk.0.attn_k_b.weight", Type: dtype.F32, Dims: []int{3, 4}, Data: make([]byte, 48)})
	w.AddTensor(gguf.Tensor{Name: "blk.0.attn_k.weight", Type: dtype.F32, Dims: []int{5}, Data: make([]byte, 20)})
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ws := GGUFWeights(f)
	ms, m := ws.Stack("model.layers.0.self_attn.k_b_proj.weight", 1, 4, 3), ws.Matrix("model.layers.0.self_attn.k_proj.weight", 1, 5)
	if err := ws.Done(); err != nil || len(ms) != 1 || m == nil {
		t.Errorf("%v, %v: %v", ms, m, err)
	}
}

// Every name translates there and back.
func TestNames(t *testing.T) {
	for hf, want := range map[string]string{
		"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight", "model.norm.weight": "output_norm.weight",
		"model.layers.12.self_attn.q_proj.bias":              "blk.12.attn_q.bias",
		"model.layers.3.mlp.gate.weight":                     "blk.3.ffn_gate_inp.weight",
		"model.layers.3.mlp.gate.e_score_correction_bias":    "blk.3.exp_probs_b.bias",
		"model.layers.0.mlp.experts.down_proj.weight":        "blk.0.ffn_down_exps.weight",
		"model.layers.61.shared_head.norm.weight":            "blk.61.nextn.shared_head_norm.weight",
		"model.layers.7.self_attn.kv_a_proj_with_mqa.weight": "blk.7.attn_kv_a_mqa.weight",
		"model.layers.7.mlp.shared_experts.up_proj.weight":   "blk.7.ffn_up_shexp.weight",
		"model.layers.7.post_attention_layernorm.weight":     "blk.7.ffn_norm.weight",
		"model.layers.5.self_attn.k_b_proj.weight":           "blk.5.attn_k_b.weight",
	} {
		got, ok := GGUFName(hf)
		if back, _ := HFName(got); !ok || got != want || back != hf {
			t.Errorf("%s -> %s (want %s) -> %s", hf, got, want, back)
		}
	}
	for _, name := range []string{"", "model.layers.", "model.layers.1", "model.layers.1.", "x.weight", "model.norm", "model.layers.1.mlp.experts.3.up_proj.weight"} {
		if got, ok := GGUFName(name); ok {
			t.Errorf("%q -> %q", name, got)
		}
	}
}

func TestReadHFConfigBoundsTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), make([]byte, maxConfigBytes+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadHFConfig(dir); err == nil || !strings.Contains(err.Error(), "over") {
		t.Errorf("error %v", err)
	}
}
