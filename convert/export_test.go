package convert

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/tensor"
)

// fresh are networks to be made, exported and read again.
var fresh = map[string]model.Fresh{
	"v3": {Arch: "deepseek_v3", Vocab: 61, Hidden: 48, Layers: 3, Heads: 4, Context: 64, MTP: 1, InitStd: 0.2,
		MLA: model.FreshMLA{QLoRA: 20, KVLoRA: 24, Nope: 10, Rope: 6, V: 14},
		MoE: model.FreshMoE{Experts: 8, Used: 3, Shared: 1, Intermediate: 20, DenseLayers: 1, Groups: 4, GroupsUsed: 2}},
	"v3-short": {Arch: "deepseek_v3", Vocab: 50, Hidden: 32, Layers: 2, Heads: 2, InitStd: 0.2, MoE: model.FreshMoE{Experts: 4, Shared: 2}},
	"v3-tied-yarn": {Arch: "deepseek_v3", Vocab: 50, Hidden: 32, Layers: 2, Heads: 2, Context: 64, YaRN: 4, Tied: true, MTP: 1, InitStd: 0.2,
		MoE: model.FreshMoE{Experts: 5, Used: 1}},
	"v3-dense": {Arch: "deepseek_v3", Vocab: 50, Hidden: 32, Layers: 2, Heads: 2, InitStd: 0.2},
	"v2": {Arch: "deepseek_v2", Vocab: 50, Hidden: 32, Layers: 2, Heads: 2, InitStd: 0.2, MLA: model.FreshMLA{QLoRA: 12},
		MoE: model.FreshMoE{Experts: 8, Used: 2, Shared: 1, Groups: 4, GroupsUsed: 2, Scale: 2}},
	"v2-lite": {Arch: "deepseek_v2", Vocab: 50, Hidden: 32, Layers: 2, Heads: 2, InitStd: 0.2, MoE: model.FreshMoE{Experts: 6, DenseLayers: 1}},
	"llama":   {Arch: "llama", Vocab: 50, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, InitStd: 0.2, Tied: true},
	"qwen2":   {Arch: "qwen2", Vocab: 50, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, InitStd: 0.2},
	"qwen3":   {Arch: "qwen3", Vocab: 50, Hidden: 32, Layers: 2, Heads: 4, HeadDim: 10, InitStd: 0.2},
	"qwen3_moe": {Arch: "qwen3_moe", Vocab: 50, Hidden: 32, Layers: 2, Heads: 4, InitStd: 0.2,
		MoE: model.FreshMoE{Experts: 6, Used: 2}},
}

// export makes a fresh network and writes it to out. It gives its logits for ids.
func export(t *testing.T, f model.Fresh, out string, ids []int32) (*model.Config, []float32) {
	t.Helper()
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	l, err := zoo.LearnNew(c, model.FreshWeights(f.InitStd, 1), model.LearnOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, p := range l.Tensors() { // what is 1 or 0 at the start would hide mistakes
		if len(p.Shape) == 1 {
			for i := range p.Value {
				p.Value[i] += float32(i%5) / 16
			}
		}
	}
	l.Updated()
	if _, err := Export(context.Background(), out, c, l.Tensors(), ExportOptions{Threads: 1}); err != nil {
		t.Fatal(err)
	}
	return c, logits(t, l.Model(), ids)
}

func logits(t *testing.T, m model.Model, ids []int32) []float32 {
	t.Helper()
	cache, err := m.NewCache(len(ids))
	if err != nil {
		t.Fatal(err)
	}
	x, err := m.Forward([]model.Chunk{{Cache: cache, IDs: ids, Logits: len(ids)}})
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), x...)
}

func someIDs(n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i * i * 7 % vocab)
	}
	return ids
}

// TestExport: an exported network read again is the same network, from the folder and from a GGUF file made of it.
func TestExport(t *testing.T) {
	for name, f := range fresh {
		t.Run(name, func(t *testing.T) {
			dir, ids := filepath.Join(t.TempDir(), "net"), someIDs(40, f.Vocab)
			c, want := export(t, f, dir, ids)
			run(t, dir, dir+".gguf", Options{Type: "f32"})
			for _, path := range []string{dir, dir + ".gguf"} {
				l, err := zoo.Open(path, model.Options{Threads: 1, Compute: tensor.F32})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if path == dir {
					if d := cmp.Diff(c, l.Config()); d != "" {
						t.Error(d)
					}
				}
				if _, ahead := l.Model.(model.Predictor); ahead != (f.MTP > 0) {
					t.Errorf("%s: prediction module there: %t", path, ahead)
				}
				got, tolerance := logits(t, l.Model, ids), 0.0
				if path != dir && f.Arch == "llama" {
					tolerance = 1e-5 // its queries and keys lie in another order, in which scores are summed
				}
				for i := range want {
					if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance) {
						t.Fatalf("%s: logit %d is %v, was %v", path, i, got[i], want[i])
					}
				}
			}
		})
	}
}

// TestExportRefuses what is not the network's.
func TestExportRefuses(t *testing.T) {
	f := fresh["llama"]
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	l, err := zoo.LearnNew(c, model.FreshWeights(0, 1), model.LearnOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, ctx, all := filepath.Join(t.TempDir(), "net"), context.Background(), l.Tensors()
	if _, err := Export(ctx, out, c, all[1:], ExportOptions{}); err == nil {
		t.Error("a network without its embedding was exported")
	}
	if _, err := Export(ctx, out, c, all, ExportOptions{Type: dtype.Q8_0}); err == nil {
		t.Error("q8_0 was exported")
	}
	all[1].Value[0] = float32(math.NaN())
	if _, err := Export(ctx, out, c, all, ExportOptions{}); err == nil {
		t.Error("a NaN was exported")
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%s was left", out)
	}
}

// TestTransformers holds exported networks to transformers. PENNY_PYTHON names a Python that has it.
func TestTransformers(t *testing.T) {
	python := os.Getenv("PENNY_PYTHON")
	if python == "" {
		t.Skip("PENNY_PYTHON is not set: no transformers to compare with")
	}
	root, want := t.TempDir(), map[string][]float32{}
	for name, f := range fresh {
		_, want[name] = export(t, f, filepath.Join(root, name), someIDs(40, f.Vocab))
	}
	cmd := exec.Command(python, filepath.Join("testdata", "logits.py"), root, "40")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][]float32
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name := range fresh {
		if len(got[name]) != len(want[name]) {
			t.Fatalf("%s: %d logits, want %d", name, len(got[name]), len(want[name]))
		}
		worst := 0.0
		for i, v := range want[name] {
			worst = max(worst, math.Abs(float64(v)-float64(got[name][i])))
		}
		t.Logf("%s: logits within %.1e", name, worst)
		if !(worst < 1e-4) {
			t.Errorf("%s: logits differ by %g", name, worst)
		}
	}
}
