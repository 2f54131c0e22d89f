package zoo

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// randomConfig draws a network of a family with sizes that nothing was made for.
func randomConfig(r *rand.Rand, arch string) *model.Config {
	from := func(lo, hi int) int { return lo + r.IntN(hi-lo+1) }
	kv := from(1, 3)
	c := &model.Config{Arch: arch, Vocab: from(3, 90), Hidden: from(1, 70), Layers: from(1, 3), KVHeads: kv, Heads: kv * from(1, 4),
		HeadDim: 2 * from(1, 13), Intermediate: from(1, 80), Context: 4096, NormEps: 1e-5, Tied: r.IntN(2) == 0, BOS: -1}
	c.Rope = nn.Rope{Dim: c.HeadDim, Theta: 10000}
	switch r.IntN(4) {
	case 0:
		c.Rope.Scaling, c.Rope.Factor = nn.RopeLinear, 3
	case 1:
		c.Rope.Scaling, c.Rope.Factor, c.Rope.OriginalContext, c.Rope.LowFreqFactor, c.Rope.HighFreqFactor = nn.RopeLlama3, 8, 16, 1, 4
	case 2:
		c.Rope.Scaling, c.Rope.Factor, c.Rope.OriginalContext, c.Rope.BetaFast, c.Rope.BetaSlow = nn.RopeYaRN, 4, 24, 32, 1
	}
	if arch == "llama" || arch == "qwen2" {
		c.AttnBias = arch == "qwen2" || r.IntN(2) == 0
		c.OutBias, c.MLPBias = arch == "llama" && r.IntN(2) == 0, arch == "llama" && r.IntN(2) == 0
		return c
	}
	c.QKNorm = true
	if arch == "qwen3" {
		return c
	}
	groups, size := from(1, 4), from(1, 5)
	e := &model.MoE{Intermediate: from(1, 40), Routing: nn.Routing{Experts: groups * size, Groups: groups, GroupsUsed: from(1, groups), Scale: 1.5}}
	e.Used = from(1, e.GroupsUsed*size)
	for l := range c.Layers {
		e.Sparse = append(e.Sparse, l > 0 || r.IntN(2) == 0)
	}
	c.MoE = e
	if arch == "qwen3_moe" {
		e.Groups, e.GroupsUsed, e.Scale, e.Normalize = 1, 1, 1, r.IntN(2) == 0
		return c
	}
	c.QKNorm, c.KVHeads, e.Shared = false, c.Heads, from(0, 2)
	c.MLA = &model.MLA{QLoRA: from(0, 1) * from(1, 40), KVLoRA: from(1, 50), Nope: from(1, 20), Rope: c.HeadDim, V: from(1, 30)}
	c.HeadDim = c.MLA.Nope + c.MLA.Rope
	c.Rope.Layout, c.Rope.MScale, c.Rope.MScaleAllDim = nn.Adjacent, 1, 0.7
	if arch == "deepseek_v3" {
		e.Scoring, e.GroupScore, e.Biased, e.Normalize = nn.Sigmoid, nn.GroupTop2, true, r.IntN(2) == 0
	}
	return c
}

var families = []string{"llama", "qwen2", "qwen3", "qwen3_moe", "deepseek_v2", "deepseek_v3"}

func synthetic(t testing.TB, c *model.Config, typ dtype.Type, o model.Options) (model.Model, *model.Weights) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	w := model.SyntheticWeights(func(string, []int) dtype.Type { return typ })
	m, err := architectures[c.Arch](c, w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, w
}

func randomIDs(r *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// TestRandomNetworks holds networks of random sizes to a plain float64 reference, and wide ones with weights in blocks.
func TestRandomNetworks(t *testing.T) {
	types := []dtype.Type{dtype.F32, dtype.BF16, dtype.F16, dtype.F8E4M3}
	for _, arch := range families {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 7))
			c := randomConfig(r, arch)
			againstReference(t, r, c, types[r.IntN(len(types))], 1+r.IntN(80))
		}
		for _, typ := range []dtype.Type{dtype.Q8_0, dtype.Q5_K, dtype.F8E4M3} {
			againstReference(t, rand.New(rand.NewPCG(3, 3)), wide(arch), typ, 4)
		}
	}
}

func againstReference(t *testing.T, r *rand.Rand, c *model.Config, typ dtype.Type, tokens int) {
	t.Helper()
	m, w := synthetic(t, c, typ, exact)
	ids := randomIDs(r, tokens, c.Vocab)
	ref := newReference(c, w)
	want, got := ref.logits(ids), run(t, m, ids, 1+r.IntN(len(ids)))
	if ref.margin < 1e-4 {
		return // a choice that rounding may turn
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - v); !(d <= 2e-4*math.Max(1, math.Abs(v))) {
			t.Errorf("%s (%v): logit %d is %v, want %v\n%+v", c.Arch, typ, i, got[i], v, c)
			return
		}
	}
}

// wide gives a family's network whose rows are whole blocks of every format.
func wide(arch string) *model.Config {
	c := randomConfig(rand.New(rand.NewPCG(3, 1)), arch)
	c.Vocab, c.Hidden, c.Layers, c.Intermediate, c.KVHeads, c.Heads = 200, 256, 2, 512, 2, 4
	if c.MLA == nil {
		c.HeadDim, c.Rope.Dim = 64, 64
	} else {
		c.KVHeads = 4
		*c.MLA = model.MLA{QLoRA: 256, KVLoRA: 256, Nope: 128, Rope: 32, V: 128}
		c.HeadDim, c.Rope.Dim = 160, 32
	}
	if c.MoE != nil {
		c.MoE.Intermediate, c.MoE.Sparse = 256, []bool{false, true}
	}
	return c
}

// TestSameBits: whatever the threads, the chunks, the company in the batch and the level, each family gives the same bits, for each kind of
// weight and each compute.
func TestSameBits(t *testing.T) {
	best := cpu.Best()
	defer func() { cpu.Use(best) }()
	types := []dtype.Type{dtype.F32, dtype.BF16, dtype.Q8_0, dtype.Q4_K, dtype.F8E4M3}
	for _, arch := range families {
		c := wide(arch)
		ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 70, c.Vocab)
		for _, typ := range types {
			for _, compute := range []tensor.Compute{tensor.Auto, tensor.F32, tensor.BF16, tensor.Q8} {
				var want []float32
				check := func(what string, got []float32) {
					if want == nil {
						want = got
					}
					if !sameBits(want, got) {
						t.Errorf("%s, %v, compute %v: other bits with %s", arch, typ, compute, what)
					}
				}
				two, _ := synthetic(t, c, typ, model.Options{Compute: compute, Threads: 2})
				check("two threads", run(t, two, ids, 0))
				check("company", inCompany(t, two, ids))
				if compute == tensor.Auto { // the kernels' own tests compare levels more closely
					one, _ := synthetic(t, c, typ, model.Options{Compute: compute, Threads: 1})
					check("one thread and chunks of 7", run(t, one, ids, 7))
					for _, level := range cpu.Levels[1:] {
						if cpu.Use(level) == nil {
							check(level.String(), run(t, two, ids, 64))
						}
					}
					cpu.Use(cpu.Generic)
					want = want[:5*c.Vocab]
					check("pure Go", run(t, two, ids[:5], 64))
					cpu.Use(best)
				}
			}
		}
	}
}

// TestFastPaths: each rounding of the activations moves the logits a little and no more: at most positions by under a twentieth of their spread.
func TestFastPaths(t *testing.T) {
	for _, arch := range families {
		c := wide(arch)
		ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 40, c.Vocab)
		for _, typ := range []dtype.Type{dtype.BF16, dtype.F16, dtype.Q8_0, dtype.Q4_K, dtype.F8E4M3} {
			m, _ := synthetic(t, c, typ, exact)
			want := run(t, m, ids, 0)
			for _, compute := range []tensor.Compute{tensor.Auto, tensor.BF16, tensor.Q8} {
				m, _ := synthetic(t, c, typ, model.Options{Compute: compute})
				got, far := run(t, m, ids, 0), 0
				for i := range ids {
					if spread(got[i*c.Vocab:][:c.Vocab], want[i*c.Vocab:][:c.Vocab]) > 0.05 {
						far++
					}
				}
				if far > len(ids)/2 || sameBits(got, want) {
					t.Errorf("%s, %v, compute %v: %d of %d positions are far off", arch, typ, compute, far, len(ids))
				}
			}
		}
	}
}

// spread is the root mean square of a - b over that of b.
func spread(a, b []float32) float64 {
	var diff, size float64
	for i, v := range b {
		diff += math.Pow(float64(a[i]-v), 2)
		size += math.Pow(float64(v), 2)
	}
	return math.Sqrt(diff / size)
}

// inCompany runs ids among two other sequences of other lengths.
func inCompany(t *testing.T, m model.Model, ids []int32) (logits []float32) {
	t.Helper()
	batch := make([]model.Chunk, 3)
	for i := range batch {
		c, err := m.NewCache(200)
		if err != nil {
			t.Fatal(err)
		}
		batch[i].Cache = c
	}
	for len(ids) > 0 {
		n := min(9, len(ids))
		batch[0].IDs, batch[0].Logits = []int32{1, 2, 0}, 1
		batch[1].IDs, batch[1].Logits = ids[:n], n
		batch[2].IDs, batch[2].Logits = ids[:1], 0
		all, err := m.Forward(batch)
		if err != nil {
			t.Fatal(err)
		}
		logits = append(logits, all[m.Config().Vocab:]...)
		ids = ids[n:]
	}
	return logits
}

// TestDecodeAllocatesNothing: once a network has run, a step of one token takes no memory.
func TestDecodeAllocatesNothing(t *testing.T) {
	for _, arch := range families {
		for _, typ := range []dtype.Type{dtype.F32, dtype.Q8_0} {
			m, _ := synthetic(t, wide(arch), typ, model.Options{Threads: 2})
			c, err := m.NewCache(200)
			if err != nil {
				t.Fatal(err)
			}
			prompt := randomIDs(rand.New(rand.NewPCG(1, 1)), 100, m.Config().Vocab)
			if _, err := model.Prefill(m, c, prompt, 0); err != nil {
				t.Fatal(err)
			}
			batch := []model.Chunk{{Cache: c, IDs: prompt[:1], Logits: 1}}
			step := func() {
				if _, err := m.Forward(batch); err != nil {
					t.Fatal(err)
				}
				c.Truncate(100)
			}
			step()
			if n := testing.AllocsPerRun(20, step); n != 0 {
				t.Errorf("%s, %v: %v allocations a step", arch, typ, n)
			}
		}
	}
}
