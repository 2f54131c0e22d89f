package zoo

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
)

// ggufBytes is a small network as a GGUF file.
func ggufBytes(t testing.TB, arch string) []byte {
	t.Helper()
	c := randomConfig(rand.New(rand.NewPCG(11, 4)), arch)
	c.Vocab, c.Tied, c.AttnBias, c.OutBias, c.MLPBias = 7, true, false, false, false
	_, weights := synthetic(t, c, dtype.F16, exact)
	name := map[string]string{"llama": "llama", "deepseek_v3": "deepseek2"}[arch]
	var w gguf.Writer
	w.Set("general.architecture", name)
	set := func(key string, v int) { w.Set(name+"."+key, uint32(v)) }
	set("embedding_length", c.Hidden)
	set("block_count", c.Layers)
	set("attention.head_count", c.Heads)
	set("attention.head_count_kv", c.KVHeads)
	set("attention.key_length", c.HeadDim)
	set("attention.value_length", c.HeadDim)
	set("feed_forward_length", c.Intermediate)
	if m, e := c.MLA, c.MoE; m != nil {
		set("rope.dimension_count", m.Rope)
		set("attention.value_length", m.V)
		set("attention.q_lora_rank", m.QLoRA)
		set("attention.kv_lora_rank", m.KVLoRA)
		set("expert_count", e.Experts)
		set("expert_used_count", e.Used)
		set("expert_group_count", e.Groups)
		set("expert_group_used_count", e.GroupsUsed)
		set("expert_feed_forward_length", e.Intermediate)
		set("expert_shared_count", e.Shared)
		set("expert_gating_func", 2)
		dense := 0
		if !e.Sparse[0] {
			dense = 1
		}
		set("leading_dense_block_count", dense)
	}
	stacks := map[string]*gguf.Tensor{}
	weights.Tensors(func(hf string, typ dtype.Type, shape []int, data []byte) {
		dims := []int{shape[len(shape)-1]}
		if len(shape) == 2 {
			dims = append(dims, shape[0])
		}
		if before, after, ok := strings.Cut(hf, ".experts."); ok { // one tensor an expert becomes one for all
			_, projection, _ := strings.Cut(after, ".")
			hf = before + ".experts." + projection
			if s := stacks[hf]; s != nil {
				s.Dims[2]++
				s.Data = append(s.Data, data...)
				return
			}
			stacks[hf] = &gguf.Tensor{Type: typ, Dims: append(dims, 1), Data: append([]byte(nil), data...)}
			return
		}
		gname, ok := model.GGUFName(hf)
		if !ok {
			t.Fatalf("no name for %s", hf)
		}
		w.AddTensor(gguf.Tensor{Name: gname, Type: typ, Dims: dims, Data: data})
	})
	for hf, s := range stacks {
		s.Name, _ = model.GGUFName(hf)
		w.AddTensor(*s)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
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
