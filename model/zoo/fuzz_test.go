package zoo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
)

// ggufWriter holds a network's weights as a GGUF file.
func ggufWriter(t testing.TB, c *model.Config, weights *model.Weights) *gguf.Writer {
	t.Helper()
	name := map[string]string{"llama": "llama", "deepseek_v3": "deepseek2"}[c.Arch]
	w := &gguf.Writer{}
	w.Set("general.architecture", name)
	set := func(key string, v int) { w.Set(name+"."+key, uint32(v)) }
	set("embedding_length", c.Hidden)
	set("block_count", c.Layers+c.MTP)
	set("attention.head_count", c.Heads)
	set("attention.head_count_kv", c.KVHeads)
	set("attention.key_length", c.HeadDim)
	set("attention.value_length", c.HeadDim)
	set("feed_forward_length", c.Intermediate)
	w.Set(name+".attention.layer_norm_rms_epsilon", c.NormEps)
	if m, e := c.MLA, c.MoE; m != nil {
		set("rope.dimension_count", m.Rope)
		set("attention.value_length", m.V)
		set("attention.q_lora_rank", m.QLoRA)
		set("attention.kv_lora_rank", m.KVLoRA)
		set("nextn_predict_layers", c.MTP)
		set("expert_count", e.Experts)
		set("expert_used_count", e.Used)
		set("expert_group_count", e.Groups)
		set("expert_group_used_count", e.GroupsUsed)
		set("expert_feed_forward_length", e.Intermediate)
		set("expert_shared_count", e.Shared)
		set("expert_gating_func", 2)
		w.Set(name+".expert_weights_scale", e.Scale)
		w.Set(name+".expert_weights_norm", e.Normalize)
		dense := 0
		if !e.Sparse[0] {
			dense = 1
		}
		set("leading_dense_block_count", dense)
	}
	add := func(hf string, typ dtype.Type, dims []int, data []byte) {
		gname, ok := model.GGUFName(hf)
		if !ok {
			t.Fatalf("no name for %s", hf)
		}
		w.AddTensor(gguf.Tensor{Name: gname, Type: typ, Dims: dims, Data: data})
	}
	parts := map[string][]byte{} // of one expert
	weights.Tensors(func(hf string, _ dtype.Type, _ []int, data []byte) { parts[hf] = data })
	weights.Tensors(func(hf string, typ dtype.Type, shape []int, data []byte) {
		dims := []int{shape[len(shape)-1]}
		if len(shape) == 2 {
			dims = append(dims, shape[0])
		}
		before, after, expert := strings.Cut(hf, ".experts.")
		number, projection, _ := strings.Cut(after, ".")
		switch {
		case !expert:
			add(hf, typ, dims, data)
		case number == "0": // one tensor an expert becomes one for all
			var all []byte
			for e := range c.MoE.Experts {
				all = append(all, parts[fmt.Sprintf("%s.experts.%d.%s", before, e, projection)]...)
			}
			add(before+".experts."+projection, typ, append(dims, c.MoE.Experts), all)
		}
	})
	return w
}

// smallConfig is a network that all the formats can hold.
func smallConfig(arch string) *model.Config {
	c := randomConfig(rand.New(rand.NewPCG(11, 4)), arch)
	c.Vocab, c.Tied, c.AttnBias, c.OutBias, c.MLPBias = 7, true, false, false, false
	c.Rope.Scaling = nn.RopePlain
	return c
}

// ggufBytes is a small network as a GGUF file.
func ggufBytes(t testing.TB, arch string) []byte {
	t.Helper()
	c := smallConfig(arch)
	_, weights := synthetic(t, c, dtype.F16, exact)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := ggufWriter(t, c, weights).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFormatsAgree: the same weights give the same bits from memory, from one GGUF file, and from one in parts; the prediction module too.
func TestFormatsAgree(t *testing.T) {
	c := smallConfig("deepseek_v3")
	c.MTP = 1
	m, weights := synthetic(t, c, dtype.BF16, exact)
	ids := []int32{1, 5, 2, 6, 0, 3}
	want := run(t, m, ids, 0)
	state := slices.Clone(m.Hidden()[:5*c.Hidden])
	wantMTP := predict(t, m.(model.Predictor), state, ids[1:], 5)
	dir := t.TempDir()
	paths, err := ggufWriter(t, c, weights).WriteSplit(filepath.Join(dir, "split"), 3000)
	if err != nil || len(paths) < 3 {
		t.Fatalf("split into %v: %v", paths, err)
	}
	whole := filepath.Join(dir, "whole.gguf")
	if err := ggufWriter(t, c, weights).WriteFile(whole); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{whole, paths[0]} {
		l := open(t, path, exact)
		if !sameBits(run(t, l, ids, 0), want) {
			t.Errorf("%s gives other bits", path)
		}
		p, ok := l.Model.(model.Predictor)
		if !ok {
			t.Fatalf("%s has no prediction module", path)
		}
		if !sameBits(predict(t, p, state, ids[1:], 2), wantMTP) {
			t.Errorf("%s: the prediction module gives other bits", path)
		}
	}
}

// TestSyntheticFolder writes a published shape as a Hugging Face folder and opens it by each of the names it may be called by.
func TestSyntheticFolder(t *testing.T) {
	const name = "tiny"
	shapes[name] = strings.Replace(tinyConfig, "4096", "2", 1)
	defer delete(shapes, name)
	dir := t.TempDir()
	if err := WriteSynthetic(dir, name, dtype.BF16); err != nil {
		t.Fatal(err)
	}
	m, err := Synthetic(name, dtype.BF16, exact)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids := []int32{1, 5, 2}
	for _, path := range []string{dir, filepath.Join(dir, "config.json"), filepath.Join(dir, "model.safetensors")} {
		if !sameBits(run(t, open(t, path, exact), ids, 0), run(t, m, ids, 0)) {
			t.Errorf("%s gives other bits", path)
		}
	}
	if _, err := Synthetic("none", dtype.F32, exact); err == nil || !strings.Contains(err.Error(), "llama-3.2-1b") {
		t.Errorf("error %v, want one that lists the shapes", err)
	}
}

// TestWrittenGGUF: the seeds of FuzzOpen are networks that open.
func TestWrittenGGUF(t *testing.T) {
	for _, arch := range []string{"llama", "deepseek_v3"} {
		if !openAndRun(t, ggufBytes(t, arch)) {
			t.Errorf("%s does not open", arch)
		}
	}
}

// FuzzOpen: whatever bytes a file holds, it is refused with an error or runs.
func FuzzOpen(f *testing.F) {
	for _, arch := range []string{"llama", "deepseek_v3"} {
		f.Add(ggufBytes(f, arch))
	}
	f.Fuzz(func(t *testing.T, data []byte) { openAndRun(t, data) })
}

func openAndRun(t *testing.T, data []byte) bool {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, exact)
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := l.NewCache(4)
	if err != nil {
		return false
	}
	if _, err := l.Forward([]model.Chunk{{Cache: c, IDs: []int32{0, 0, 0}, Logits: 2}}); err != nil {
		t.Fatal(err)
	}
	return true
}
