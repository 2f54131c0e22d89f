package zoo

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tensor"
)

// TestLoRA: at first the network is what it was; only what was added learns, of every target; merged, the network says the same as with it.
func TestLoRA(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens", "networks", "llama")
	plain := learner(t, dir)
	l, err := Learn(dir, model.LearnOptions{LoRA: &model.LoRA{Rank: 3, Alpha: 6, Targets: []string{"q_proj", "down_proj"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := rand.New(rand.NewPCG(1, 2))
	batch := randomBatch(r, 3, l.Config().Vocab)
	before := logprobs(t, plain, batch)
	if !slices.EqualFunc(logprobs(t, l, batch), before, sameBits) {
		t.Error("the network differs before anything was learnt")
	}
	if n := len(l.Params()); n != 2*2*l.Config().Layers {
		t.Errorf("%d parameters learn", n)
	}
	for range 3 { // by plain descent: the first step moves B alone
		if _, err := l.Accumulate(batch, &model.CrossEntropy{Weight: 0.01}); err != nil {
			t.Fatal(err)
		}
		l.Finish()
		for _, p := range l.Params() {
			if !strings.Contains(p.Name, ".lora_") || strings.Contains(p.Name, "lora_B") && norm([][]float32{p.Grad}) == 0 {
				t.Errorf("%s has a gradient of length %v", p.Name, norm([][]float32{p.Grad}))
			}
			for i, g := range p.Grad {
				p.Value[i] -= 0.1 * g
			}
		}
		l.Updated()
	}
	after := logprobs(t, l, batch)
	if slices.EqualFunc(after, before, sameBits) {
		t.Fatal("nothing was learnt")
	}
	checkSampler(t, l, batch)
	merged := learner(t, writeMerged(t, dir, l))
	for i, got := range logprobs(t, merged, batch) {
		if d := maxDiff(got, after[i]); d > 1e-4 {
			t.Errorf("sequence %d: merged, log-probabilities differ by %v", i, d)
		}
	}
}

// TestLoRABF16: every family's linear layers learn by additions, and the sampler sees them.
func TestLoRABF16(t *testing.T) {
	for _, arch := range families {
		r := rand.New(rand.NewPCG(7, 8))
		c := randomConfig(r, arch)
		l, err := LearnNew(c, model.SyntheticWeights(func(string, []int) dtype.Type { return dtype.F32 }),
			model.LearnOptions{Compute: tensor.BF16, LoRA: &model.LoRA{Rank: 2, Alpha: 4, Seed: 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		batch := randomBatch(r, 3, c.Vocab)
		var losses []float64
		for range 8 {
			s, err := l.Accumulate(batch, &model.CrossEntropy{Weight: 0.01})
			if err != nil {
				t.Fatal(err)
			}
			l.Finish()
			losses = append(losses, s.Loss)
			step := 0.3 / norm(gradients(l))
			for _, p := range l.Params() {
				for i, g := range p.Grad {
					p.Value[i] -= float32(step) * g
				}
			}
			l.Updated()
		}
		if losses[7] >= losses[0] {
			t.Errorf("%s: losses %v", arch, losses)
		}
		checkSampler(t, l, batch)
	}
}

func gradients(l *model.Learner) (gs [][]float32) {
	for _, p := range l.Params() {
		gs = append(gs, p.Grad)
	}
	return gs
}

func logprobs(t *testing.T, l *model.Learner, batch []model.Sequence) [][]float32 {
	t.Helper()
	lp, err := l.Logprobs(batch)
	if err != nil {
		t.Fatal(err)
	}
	return lp
}

func writeMerged(t *testing.T, from string, l *model.Learner) string {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	var w safetensors.Writer
	for _, p := range l.Merged() {
		w.Add(p.Name, dtype.F32, p.Shape, func(to io.Writer) error {
			data := make([]byte, 4*len(p.Value))
			if err := dtype.Encode(dtype.F32, data, p.Value); err != nil {
				return err
			}
			_, err := to.Write(data)
			return err
		})
	}
	if err := w.WriteFile(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	return dir
}
