package quant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
)

// Model is what the choice of types depends on besides the tensors.
type Model struct {
	Arch    string // GGUF name: llama, qwen2, deepseek2 ...
	Layers  int    // all blocks, those for multi-token prediction included
	Heads   int
	KVHeads int
	Experts int // routed experts a layer; 0 if dense
}

// gqa is the number of query heads that share a key head.
func (m Model) gqa() int {
	if m.KVHeads == 0 {
		return 0
	}
	return m.Heads / m.KVHeads
}

// is70B reports the two architectures in which 80 layers mean a 70B-class model with few key heads.
func (m Model) is70B() bool {
	return m.Layers == 80 && (m.Arch == "llama" && m.Heads != m.KVHeads || m.Arch == "qwen2")
}

// Tensor is a tensor by its GGUF name.
type Tensor struct {
	Name string
	Dims []int      // GGUF order: a row's length first
	Type dtype.Type // as stored now
}

// Plan chooses a type for each tensor of a model: the tensor's own where it is not to be quantised (norms, routers, biases, vectors), else one
// by the rules of the mix. Where rows are not whole blocks of that type another takes its place, in the last resort F16. All tensors of the
// model must be there, in any order: the choice for one depends on its place among its like and on whether there is an output.weight.
func Plan(mix Mix, m Model, tensors []Tensor) []dtype.Type {
	p := plan{mix: mix, base: mix.Base(), Model: m, tied: true}
	if !p.base.Valid() {
		panic(fmt.Sprintf("quant: no mix %q", mix))
	}
	order := make([]int, len(tensors))
	for i, t := range tensors {
		order[i] = i
		switch role := roleOf(t.Name); {
		case role == output:
			p.tied = false
		case role == attnV:
			p.attnVs++
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(layerOf(tensors[a].Name), layerOf(tensors[b].Name)), cmp.Compare(tensors[a].Name, tensors[b].Name))
	})
	types := make([]dtype.Type, len(tensors))
	for _, i := range order {
		t := tensors[i]
		switch {
		case !quantizable(t):
			types[i] = t.Type
		case !p.base.IsQuantized():
			types[i] = p.base
		default:
			types[i] = fitting(p.choose(t), t.Dims[0])
		}
	}
	return types
}

// layerOf is the N of "blk.N.", -1 without.
func layerOf(name string) int {
	var n int
	if _, err := fmt.Sscanf(name, "blk.%d.", &n); err != nil {
		return -1
	}
	return n
}

// quantizable tells matrices that are multiplied with activations from what is small or delicate.
func quantizable(t Tensor) bool {
	dims := len(t.Dims)
	for dims > 0 && t.Dims[dims-1] == 1 {
		dims--
	}
	if dims < 2 || !strings.HasSuffix(t.Name, "weight") {
		return false
	}
	for _, s := range []string{"_norm.weight", "ffn_gate_inp.weight", "indexer.k_proj.weight", "indexer.q_proj.weight"} {
		if strings.Contains(t.Name, s) {
			return false
		}
	}
	return true
}

// fitting is the type itself if rows of cols elements are whole blocks of it, else the one of blocks of 32 nearest to it, else F16.
func fitting(t dtype.Type, cols int) dtype.Type {
	if cols%t.BlockSize() == 0 {
		return t
	}
	switch t {
	case dtype.IQ1_S, dtype.IQ1_M, dtype.IQ2_XXS, dtype.IQ2_XS, dtype.IQ2_S, dtype.IQ3_XXS, dtype.IQ3_S, dtype.IQ4_XS:
		t = dtype.IQ4_NL
	case dtype.Q2_K, dtype.Q3_K, dtype.TQ1_0, dtype.TQ2_0:
		t = dtype.Q4_0
	case dtype.Q4_K:
		t = dtype.Q5_0
	case dtype.Q5_K:
		t = dtype.Q5_1
	case dtype.Q6_K:
		t = dtype.Q8_0
	}
	if cols%t.BlockSize() == 0 {
		return t
	}
	return dtype.F16
}

// role is what a tensor does in the network, as far as the rules care.
type role int

const (
	other role = iota
	output
	embedding
	attnV // also a fused QKV, and the fused up-projection of keys and values in MLA
	attnK
	attnQ
	attnOut
	ffnUp
	ffnGate
	ffnDown
)

func roleOf(name string) role {
	switch name {
	case "output.weight":
		return output
	case "token_embd.weight":
		return embedding
	}
	for _, r := range []struct {
		part string
		role role
	}{
		{"attn_qkv.weight", attnV}, {"attn_kv_b.weight", attnV}, {"attn_v.weight", attnV}, {"attn_k.weight", attnK}, {"attn_q.weight", attnQ},
		{"attn_output.weight", attnOut}, {"ffn_up", ffnUp}, {"ffn_gate", ffnGate}, {"ffn_down", ffnDown}, // the last three: experts too
	} {
		if strings.Contains(name, r.part) {
			return r.role
		}
	}
	return other
}
