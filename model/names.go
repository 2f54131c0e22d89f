package model

import (
	"strings"
)

// The names of tensors: Hugging Face's on the left, GGUF's on the right. Networks ask for Hugging Face's; in a GGUF file they are looked up
// under the other. Both lists serve conversion too.
var (
	topNames = [][2]string{
		{"model.embed_tokens", "token_embd"},
		{"model.norm", "output_norm"},
		{"lm_head", "output"},
	}
	// Inside "model.layers.N." and "blk.N.".
	layerNames = [][2]string{
		{"input_layernorm", "attn_norm"},
		{"self_attn.q_proj", "attn_q"},
		{"self_attn.k_proj", "attn_k"},
		{"self_attn.v_proj", "attn_v"},
		{"self_attn.o_proj", "attn_output"},
		{"self_attn.q_norm", "attn_q_norm"},
		{"self_attn.k_norm", "attn_k_norm"},
		{"self_attn.q_a_proj", "attn_q_a"},
		{"self_attn.q_a_layernorm", "attn_q_a_norm"},
		{"self_attn.q_b_proj", "attn_q_b"},
		{"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
		{"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
		{"self_attn.kv_b_proj", "attn_kv_b"},
		{"self_attn.k_b_proj", "attn_k_b"}, // GGUF only: kv_b's halves, that of the keys transposed per head
		{"self_attn.v_b_proj", "attn_v_b"},
		{"post_attention_layernorm", "ffn_norm"},
		{"mlp.gate_proj", "ffn_gate"},
		{"mlp.up_proj", "ffn_up"},
		{"mlp.down_proj", "ffn_down"},
		{"mlp.gate", "ffn_gate_inp"},
		{"mlp.experts.gate_proj", "ffn_gate_exps"}, // stacked over experts; Hugging Face has one tensor an expert, mlp.experts.E.gate_proj
		{"mlp.experts.up_proj", "ffn_up_exps"},
		{"mlp.experts.down_proj", "ffn_down_exps"},
		{"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
		{"mlp.shared_experts.up_proj", "ffn_up_shexp"},
		{"mlp.shared_experts.down_proj", "ffn_down_shexp"},
		{"embed_tokens", "nextn.embed_tokens"}, // multi-token prediction
		{"enorm", "nextn.enorm"},
		{"hnorm", "nextn.hnorm"},
		{"eh_proj", "nextn.eh_proj"},
		{"shared_head.norm", "nextn.shared_head_norm"},
		{"shared_head.head", "nextn.shared_head_head"},
	}
)

// The one name that changes its last part.
const (
	hfRouterBias   = "mlp.gate.e_score_correction_bias"
	ggufRouterBias = "exp_probs_b.bias"
)

// onlyGGUF reports the halves of kv_b.
func onlyGGUF(name string) bool {
	return strings.HasSuffix(name, ".k_b_proj.weight") || strings.HasSuffix(name, ".v_b_proj.weight")
}

func isRouter(name string) bool { return strings.HasSuffix(name, ".mlp.gate.weight") }

// GGUFName translates a Hugging Face tensor name; false when GGUF files have no such tensor. The experts of a layer share one name there:
// model.layers.N.mlp.experts.gate_proj.weight, without a number, is the stack of them.
func GGUFName(hf string) (string, bool) {
	return translate(hf, 0, "model.layers.", "blk.", hfRouterBias, ggufRouterBias)
}

// HFName is the inverse of GGUFName.
func HFName(gguf string) (string, bool) {
	return translate(gguf, 1, "blk.", "model.layers.", ggufRouterBias, hfRouterBias)
}

func translate(name string, from int, fromLayer, toLayer, fromBias, toBias string) (string, bool) {
	layer, inLayer := strings.CutPrefix(name, fromLayer)
	if !inLayer {
		return lookUp(topNames, name, from)
	}
	number, rest, ok := strings.Cut(layer, ".")
	if !ok {
		return "", false
	}
	if rest == fromBias {
		return toLayer + number + "." + toBias, true
	}
	to, ok := lookUp(layerNames, rest, from)
	return toLayer + number + "." + to, ok
}

// lookUp translates name, a stem and ".weight" or ".bias".
func lookUp(names [][2]string, name string, from int) (string, bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || name[dot:] != ".weight" && name[dot:] != ".bias" {
		return "", false
	}
	for _, n := range names {
		if n[from] == name[:dot] {
			return n[1-from] + name[dot:], true
		}
	}
	return "", false
}
