package model

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestFreshDefaults(t *testing.T) {
	c, err := Fresh{Arch: "deepseek_v3", Vocab: 65, Hidden: 128, Layers: 4, Heads: 4, MTP: 1, MoE: FreshMoE{Experts: 16, Used: 2, Shared: 1, DenseLayers: 1}}.Config()
	if err != nil {
		t.Fatal(err)
	}
	if *c.MLA != (MLA{QLoRA: 0, KVLoRA: 32, Nope: 32, Rope: 16, V: 32}) || c.HeadDim != 48 || c.Rope.Dim != 16 {
		t.Errorf("latent attention %+v, head of %d", *c.MLA, c.HeadDim)
	}
	m := c.MoE
	if c.Intermediate != 352 || m.Intermediate != 128 || m.Scale != 1.25 || !m.Normalize || !m.Biased || !slices.Equal(m.Sparse, []bool{false, true, true, true}) {
		t.Errorf("dense %d wide, experts %+v", c.Intermediate, *m)
	}
}

func TestFreshRefuses(t *testing.T) {
	base := Fresh{Arch: "deepseek_v3", Vocab: 9, Hidden: 16, Layers: 1, Heads: 2}
	for want, change := range map[string]func(f *Fresh){
		"vocab, hidden":           func(f *Fresh) { f.Vocab = 0 },
		"layers is":               func(f *Fresh) { f.Layers = 1 << 40 },
		"intermediate is":         func(f *Fresh) { f.Intermediate = -1 },
		"arch \"gpt\"":            func(f *Fresh) { f.Arch = "gpt" },
		"no latent attention":     func(f *Fresh) { f.Arch, f.MLA.V = "llama", 8 },
		"no experts":              func(f *Fresh) { f.Arch, f.MoE.Experts = "qwen2", 8 },
		"without a number":        func(f *Fresh) { f.MoE.Shared = 1 },
		"no multi-token":          func(f *Fresh) { f.Arch, f.MTP = "qwen3", 1 },
		"has no experts":          func(f *Fresh) { f.MTP = 1 },
		"num_experts_per_tok":     func(f *Fresh) { f.MoE = FreshMoE{Experts: 2, Used: 3} },
		"qwen3_moe needs":         func(f *Fresh) { f.Arch = "qwen3_moe" },
		"init_std":                func(f *Fresh) { f.InitStd = math.NaN() },
		"yarn is":                 func(f *Fresh) { f.YaRN = 0.5 },
		"kv_heads":                func(f *Fresh) { f.KVHeads = 1 },
		"rotary dimension":        func(f *Fresh) { f.MLA.Rope = 3 },
		"max_position_embeddings": func(f *Fresh) { f.Context = -1 },
	} {
		f := base
		change(&f)
		if _, err := f.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestFreshWeights(t *testing.T) {
	w := FreshWeights(0.1, 3)
	m, n := w.Matrix("a.weight", 200, 100), w.Vector("norm.weight", 7)
	sum, squares := 0.0, 0.0
	row := make([]float32, 100)
	for r := range 200 {
		m.DecodeRow(row, r)
		for _, v := range row {
			sum, squares = sum+float64(v), squares+float64(v)*float64(v)
		}
	}
	if mean, std := sum/20000, math.Sqrt(squares/20000); math.Abs(mean) > 0.003 || math.Abs(std-0.1) > 0.002 {
		t.Errorf("mean %v and deviation %v, want 0 and 0.1", mean, std)
	}
	if !slices.Equal(n, []float32{1, 1, 1, 1, 1, 1, 1}) || !slices.Equal(w.Vector("x.bias", 2), []float32{0, 0}) {
		t.Error("a norm does not start at 1, or a bias at 0")
	}
	same, other := FreshWeights(0.1, 3).Matrix("a.weight", 200, 100), FreshWeights(0.1, 4).Matrix("a.weight", 200, 100)
	if !slices.Equal(m.Data, same.Data) || slices.Equal(m.Data, other.Data) {
		t.Error("the seed does not decide the values")
	}
}

func TestStretch(t *testing.T) {
	c, err := Fresh{Arch: "deepseek_v3", Vocab: 9, Hidden: 16, Layers: 1, Heads: 2, Context: 64}.Config()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stretch(8, 64); err != nil || c.Context != 512 || c.Rope.OriginalContext != 64 {
		t.Errorf("context %d, %+v, %v", c.Context, c.Rope, err)
	}
	if err := c.Stretch(2, 64); err == nil {
		t.Error("stretched twice")
	}
}
