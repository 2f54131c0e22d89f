package quant

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/dtype"
)

func dataDir(t *testing.T) string {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set")
	}
	return dir
}

// list builds a model's tensors: outer ones, then for each layer those that layer returns. Every tensor is stored as F32.
func list(layers int, outer []Tensor, layer func(i int) []Tensor) []Tensor {
	all := outer
	for i := range layers {
		for _, t := range layer(i) {
			t.Name = fmt.Sprintf("blk.%d.%s", i, t.Name)
			all = append(all, t)
		}
	}
	for i := range all {
		all[i].Type = dtype.F32
	}
	return all
}

func tensor(name string, dims ...int) Tensor { return Tensor{Name: name, Dims: dims} }

func outer(embd, vocab int) []Tensor {
	return []Tensor{tensor("token_embd.weight", embd, vocab), tensor("output.weight", embd, vocab), tensor("output_norm.weight", embd)}
}

func qwen3(layers, embd, ff, heads, kvHeads int) (Model, []Tensor) {
	return Model{"qwen3", layers, heads, kvHeads, 0}, list(layers, outer(embd, 151936), func(int) []Tensor {
		return []Tensor{
			tensor("attn_norm.weight", embd), tensor("attn_q.weight", embd, 128*heads), tensor("attn_k.weight", embd, 128*kvHeads),
			tensor("attn_v.weight", embd, 128*kvHeads), tensor("attn_output.weight", 128*heads, embd), tensor("attn_q_norm.weight", 128),
			tensor("ffn_norm.weight", embd), tensor("ffn_gate.weight", embd, ff), tensor("ffn_up.weight", embd, ff), tensor("ffn_down.weight", ff, embd),
		}
	})
}

func deepseekV3() (Model, []Tensor) {
	const d, ff, moe = 7168, 18432, 2048
	return Model{"deepseek2", 61, 128, 1, 256}, list(61, outer(d, 129280), func(i int) []Tensor {
		ts := []Tensor{
			tensor("attn_norm.weight", d), tensor("attn_q_a.weight", d, 1536), tensor("attn_q_a_norm.weight", 1536),
			tensor("attn_q_b.weight", 1536, 24576), tensor("attn_kv_a_mqa.weight", d, 576), tensor("attn_kv_a_norm.weight", 512),
			tensor("attn_k_b.weight", 128, 512, 128), tensor("attn_v_b.weight", 512, 128, 128), tensor("attn_output.weight", 16384, d),
			tensor("ffn_norm.weight", d),
		}
		if i < 3 {
			return append(ts, tensor("ffn_gate.weight", d, ff), tensor("ffn_up.weight", d, ff), tensor("ffn_down.weight", ff, d))
		}
		return append(ts, tensor("ffn_gate_inp.weight", d, 256), tensor("exp_probs_b.bias", 256),
			tensor("ffn_gate_exps.weight", d, moe, 256), tensor("ffn_up_exps.weight", d, moe, 256), tensor("ffn_down_exps.weight", moe, d, 256),
			tensor("ffn_gate_shexp.weight", d, moe), tensor("ffn_up_shexp.weight", d, moe), tensor("ffn_down_shexp.weight", moe, d))
	})
}

func gptOSS() (Model, []Tensor) {
	const d = 2880
	return Model{"gpt-oss", 36, 64, 8, 128}, list(36, outer(d, 201088), func(int) []Tensor {
		return []Tensor{
			tensor("attn_norm.weight", d), tensor("attn_q.weight", d, 4096), tensor("attn_q.bias", 4096), tensor("attn_k.weight", d, 512),
			tensor("attn_v.weight", d, 512), tensor("attn_output.weight", 4096, d), tensor("attn_sinks.weight", 64),
			tensor("post_attention_norm.weight", d), tensor("ffn_gate_inp.weight", d, 128), tensor("ffn_gate_exps.weight", d, d, 128),
			tensor("ffn_gate_exps.bias", d, 128), tensor("ffn_up_exps.weight", d, d, 128), tensor("ffn_down_exps.weight", d, d, 128),
		}
	})
}

// section is a mix of a snapshot: its base type, and the types of the tensors that have another.
type section struct {
	mix       Mix
	base      string
	different map[string]string
}

func parseSnapshot(t *testing.T, path string) (sections []section) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		words := strings.Fields(strings.ToLower(line))
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0][0] == '[':
			mix, err := ParseMix(strings.Trim(words[0], "[]"))
			if err != nil {
				t.Fatal(err)
			}
			sections = append(sections, section{mix, words[1], map[string]string{}})
		default:
			sections[len(sections)-1].different[words[0]] = words[1]
		}
	}
	return sections
}

// The types that llama.cpp chooses for real models, every mix and tensor.
func TestPlanSnapshots(t *testing.T) {
	dir := filepath.Join(dataDir(t), "refs", "llama.cpp-quant-snapshots")
	models := map[string]func() (Model, []Tensor){
		"qwen3-0.6b":    func() (Model, []Tensor) { return qwen3(28, 1024, 3072, 16, 8) },
		"qwen3-14b":     func() (Model, []Tensor) { return qwen3(40, 5120, 17408, 40, 8) },
		"deepseek-v3.1": deepseekV3, "gpt-oss-120b": gptOSS,
	}
	for name, build := range models {
		model, tensors := build()
		sections := parseSnapshot(t, filepath.Join(dir, name+".schema"))
		if len(sections) != len(mixes) {
			t.Errorf("%s has %d mixes, we know %d", name, len(sections), len(mixes))
		}
		for _, s := range sections {
			if s.mix.Base().String() != s.base {
				t.Errorf("%v: base type %v, want %s", s.mix, s.mix.Base(), s.base)
			}
			got := map[string]string{}
			for i, typ := range Plan(s.mix, model, tensors) {
				switch tt := tensors[i]; {
				case !quantizable(tt):
					if typ != tt.Type {
						t.Errorf("%s as %v: %s became %v", name, s.mix, tt.Name, typ)
					}
				case typ.String() != s.base:
					got[tt.Name] = typ.String()
				}
			}
			if !maps.Equal(got, s.different) {
				t.Errorf("%s as %v: (-want +got)\n%s", name, s.mix, cmp.Diff(s.different, got))
			}
		}
	}
}

// The order in which tensors are given does not matter.
func TestPlanOrder(t *testing.T) {
	model, tensors := qwen3(40, 5120, 17408, 40, 8)
	want := Plan(Q4_K_M, model, tensors)
	n := len(tensors)
	back := make([]Tensor, n)
	for i, t := range tensors {
		back[n-1-i] = t
	}
	for i, typ := range Plan(Q4_K_M, model, back) {
		if typ != want[n-1-i] {
			t.Errorf("%s: %v, want %v", back[i].Name, typ, want[n-1-i])
		}
	}
}

func TestPlanCorners(t *testing.T) {
	dense := Model{"llama", 32, 32, 32, 0}
	big := Model{"llama", 80, 64, 8, 0}
	eight := Model{"llama", 32, 32, 8, 8}
	for _, c := range []struct {
		mix    Mix
		m      Model
		t      Tensor
		want   dtype.Type
		untied bool
	}{
		{Q4_K_M, dense, tensor("token_embd.weight", 4096, 32000), dtype.Q6_K, false}, // serves as the output too
		{Q4_K_M, dense, tensor("token_embd.weight", 4096, 32000), dtype.Q4_K, true},
		{Q4_K_M, dense, tensor("token_embd.weight", 288, 32000), dtype.Q8_0, false},
		{Q4_K_M, dense, tensor("token_embd.weight", 288, 32000), dtype.Q5_0, true},
		{Q6_K, dense, tensor("blk.3.attn_q.weight", 288, 288), dtype.Q8_0, true},
		{Q6_K, dense, tensor("blk.3.attn_q.weight", 33, 288), dtype.F16, true},
		{Q4_0, dense, tensor("blk.3.attn_q.weight", 33, 288), dtype.F16, true},
		{Q8_0, dense, tensor("blk.3.attn_norm.weight", 4096), dtype.F32, true},
		{Q8_0, dense, tensor("blk.3.attn_q.bias", 4096, 4096), dtype.F32, true},
		{Q8_0, dense, tensor("blk.3.attn_q.weight", 4096, 1), dtype.F32, true}, // a vector
		{BF16, dense, tensor("blk.3.attn_q.weight", 4096, 4096), dtype.BF16, true},
		{BF16, dense, tensor("blk.3.attn_norm.weight", 4096), dtype.F32, true},
		{Q3_K_S, dense, tensor("blk.9.attn_v.weight", 4096, 4096), dtype.Q3_K, true},
		{Q3_K_S, big, tensor("blk.9.attn_v.weight", 8192, 1024), dtype.Q5_K, true},
		{Q4_K_M, eight, tensor("blk.9.attn_v.weight", 4096, 1024), dtype.Q8_0, true},
		{Q4_K_M, eight, tensor("blk.9.attn_k.weight", 4096, 1024), dtype.Q8_0, true},
		{Q4_K_M, eight, tensor("blk.9.attn_output.weight", 4096, 4096), dtype.Q5_K, true},
		{MXFP4, eight, tensor("blk.9.ffn_up_exps.weight", 4096, 1024, 8), dtype.MXFP4, true},
		{MXFP4, eight, tensor("blk.9.attn_q.weight", 4096, 1024), dtype.Q8_0, true},
	} {
		tensors := []Tensor{c.t}
		if c.untied {
			tensors = append(tensors, tensor("output.weight", 4096, 32000))
		}
		for i := range tensors {
			tensors[i].Type = dtype.F32
		}
		if got := Plan(c.mix, c.m, tensors)[0]; got != c.want {
			t.Errorf("%v: %s %v becomes %v, want %v", c.mix, c.t.Name, c.t.Dims, got, c.want)
		}
	}
}

func TestParseMix(t *testing.T) {
	for m, d := range mixes {
		got, err := ParseMix(strings.ToUpper(string(m)))
		if err != nil || got != m {
			t.Errorf("ParseMix(%q) = %q, %v", m, got, err)
		}
		if back, ok := MixOfFileType(d.fileType); !ok || back != m {
			t.Errorf("file type %d is %q, want %q", d.fileType, back, m)
		}
	}
	if m, err := ParseMix("mxfp4"); err != nil || m != MXFP4 {
		t.Errorf("mxfp4: %q, %v", m, err)
	}
	if _, err := ParseMix("q4_k"); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("error %v", err)
	}
}
