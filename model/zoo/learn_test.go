package zoo

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tensor"
)

// TestGradients holds loss and gradients of whole networks to recorded ones.
func TestGradients(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens")
	for _, name := range []string{"llama", "qwen3", "deepseek_v2-lite", "deepseek_v3", "deepseek_v3-mtp"} {
		t.Run(name, func(t *testing.T) { checkGradients(t, dir, name) })
	}
}

func checkGradients(t *testing.T, dir, name string) {
	var want struct {
		Loss          float64
		LossTolerance float64 `json:"loss_tolerance"`
		MainLoss      float64 `json:"main_loss"`
		MTPLoss       float64 `json:"mtp_loss"`
		MTPWeight     float64 `json:"mtp_weight"`
		Tensors       map[string]struct{ Tolerance float64 }
	}
	text, err := os.ReadFile(filepath.Join(dir, "gradients", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	f := openTensors(t, filepath.Join(dir, "gradients", name+".safetensors"))
	l, err := Learn(filepath.Join(dir, "networks", name), model.LearnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	inputs, labels := ids(t, f, "input_ids"), ids(t, f, "labels")
	var batch []model.Sequence
	n, ahead := 0, 0
	for b := range inputs {
		s := model.Sequence{IDs: inputs[b], Labels: labels[b]}
		batch = append(batch, s)
		n, ahead = n+s.Predictions(), ahead+s.PredictionsAhead()
	}
	if want.MTPWeight > 0 {
		if err := l.LearnAhead(&model.CrossEntropy{Weight: float32(want.MTPWeight) / float32(ahead)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Accumulate(batch, &model.CrossEntropy{Weight: 1 / float32(n)}); err != nil {
		t.Fatal(err)
	}
	s := l.Finish()
	if d := math.Abs(s.Loss + s.AheadLoss - want.Loss); !(d <= want.LossTolerance) {
		t.Errorf("loss %v, want %v: %.2g apart, tolerance %.2g", s.Loss, want.Loss, d, want.LossTolerance)
	}
	if len(l.Params()) != len(want.Tensors) {
		t.Errorf("%d parameters, want %d", len(l.Params()), len(want.Tensors))
	}
	for _, p := range l.Params() {
		if d, tolerance := maxDiff(p.Grad, floats(t, f, "grad."+p.Name)), want.Tensors[p.Name].Tolerance; !(d <= tolerance) {
			t.Errorf("%s: gradient differs by %.2g, tolerance %.2g", p.Name, d, tolerance)
		}
	}
}

// randomBatch is sequences of odd lengths, some of whose tokens are not learnt.
func randomBatch(r *rand.Rand, n, vocab int) []model.Sequence {
	batch := make([]model.Sequence, n)
	for i := range batch {
		ids := randomIDs(r, 2+r.IntN(20), vocab)
		if i == n/2 {
			ids = randomIDs(r, 70, vocab)
		}
		batch[i].IDs = ids
		if i%3 == 1 {
			batch[i].Labels = slices.Clone(ids)
			for t := range ids {
				if r.IntN(2) == 0 {
					batch[i].Labels[t] = model.Unlearnt
				}
			}
		}
	}
	return batch
}

// learnt gives the gradients of a batch, cut into micro-batches, of a network of made-up weights.
func learnt(t *testing.T, c *model.Config, batch []model.Sequence, micro int, o model.LearnOptions) (_ [][]float32, loss float64) {
	t.Helper()
	config := *c
	l, err := LearnNew(&config, model.SyntheticWeights(func(string, []int) dtype.Type { return dtype.F32 }), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 { // a batch before leaves nothing behind
		for at := 0; at < len(batch); at += micro {
			if _, err := l.Accumulate(batch[at:min(at+micro, len(batch))], &model.CrossEntropy{Weight: 0.01, ZLoss: 1e-3}); err != nil {
				t.Fatal(err)
			}
		}
		loss = l.Finish().Loss
	}
	return gradients(l), loss
}

// TestLearnExact: the gradients are the same bits on any number of threads, at every level, however a batch is cut, and whether layers are run
// again or remembered.
func TestLearnExact(t *testing.T) {
	for _, arch := range families {
		for _, compute := range []tensor.Compute{tensor.F32, tensor.BF16} {
			learnExact(t, arch, compute)
		}
	}
}

func learnExact(t *testing.T, arch string, compute tensor.Compute) {
	r := rand.New(rand.NewPCG(1, 2))
	c := randomConfig(r, arch)
	batch := randomBatch(r, 9, c.Vocab)
	want, loss := learnt(t, c, batch, len(batch), model.LearnOptions{Threads: 2, Compute: compute})
	if norm(want) == 0 {
		t.Fatalf("%s: no gradient", arch)
	}
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for _, micro := range []int{1, 2, 8} {
			for _, o := range []model.LearnOptions{{Threads: 1}, {Threads: 2, Recompute: true}} {
				if l == cpu.Generic && (micro != 2 || !o.Recompute) {
					continue // slow
				}
				o.Compute = compute
				got, other := learnt(t, c, batch, micro, o)
				if other != loss || !slices.EqualFunc(got, want, sameBits) {
					t.Errorf("%s: gradients differ in micro-batches of %d, %+v", arch, micro, o)
				}
			}
		}
	})
}

// TestLearnBF16: under bf16 the gradients point where those of f32 do.
func TestLearnBF16(t *testing.T) {
	for _, arch := range []string{"llama", "qwen2", "qwen3"} { // without experts, whose choice may turn
		r := rand.New(rand.NewPCG(5, 6))
		c := randomConfig(r, arch)
		batch := randomBatch(r, 3, c.Vocab)
		a, _ := learnt(t, c, batch, 3, model.LearnOptions{})
		b, _ := learnt(t, c, batch, 3, model.LearnOptions{Compute: tensor.BF16})
		var dot float64
		for i := range a {
			for j, v := range a[i] {
				dot += float64(v) * float64(b[i][j])
			}
		}
		if cosine := dot / norm(a) / norm(b); !(cosine > 0.995 && cosine < 1) {
			t.Errorf("%s: the cosine between the gradients is %v", arch, cosine)
		}
	}
}

func norm(xs [][]float32) float64 {
	var sum float64
	for _, x := range xs {
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
	}
	return math.Sqrt(sum)
}

// TestSamplerIsLearner: the learner's log-probabilities are those that sampling from its network sees, to the bit.
func TestSamplerIsLearner(t *testing.T) {
	for _, arch := range families {
		for _, compute := range []tensor.Compute{tensor.F32, tensor.BF16} {
			r := rand.New(rand.NewPCG(3, 4))
			c := randomConfig(r, arch)
			l, err := LearnNew(c, model.SyntheticWeights(func(string, []int) dtype.Type { return dtype.F32 }), model.LearnOptions{Compute: compute})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			checkSampler(t, l, randomBatch(r, 5, c.Vocab))
		}
	}
}

func checkSampler(t *testing.T, l *model.Learner, batch []model.Sequence) {
	t.Helper()
	got, vocab := logprobs(t, l, batch), l.Config().Vocab
	for i, s := range batch {
		var want []float32
		logits := run(t, l.Model(), s.IDs[:len(s.IDs)-1], 1+i)
		for j, id := range s.IDs[1:] {
			row := logits[j*vocab:][:vocab]
			want = append(want, row[id]-vec.LogSumExp(row))
		}
		if !sameBits(got[i], want) {
			t.Errorf("%s, sequence %d: learner %v, sampler %v", l.Config().Arch, i, got[i], want)
		}
	}
}

// TestLearnFormats: a network read from a GGUF file to learn is the one of the Hugging Face folder that the file was made of.
func TestLearnFormats(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens")
	files, err := filepath.Glob(filepath.Join(dir, "gguf", "*-F32*.gguf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no GGUF files in %s: %v", dir, err)
	}
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), "-F32")
		folder := filepath.Join(dir, "networks", name)
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			a, b := learner(t, file), learner(t, folder)
			have := map[string]*grad.Param{}
			for _, p := range a.Tensors() {
				have[p.Name] = p
			}
			for _, p := range b.Tensors() {
				q := have[p.Name]
				if q == nil || !slices.Equal(p.Shape, q.Shape) || !sameBits(p.Value, q.Value) {
					t.Errorf("%s differs", p.Name)
				}
				delete(have, p.Name)
			}
			for name := range have {
				t.Errorf("%s is only in the GGUF file", name)
			}
			batch := randomBatch(rand.New(rand.NewPCG(1, 1)), 2, a.Config().Vocab)
			x, err := a.Logprobs(batch)
			if err != nil {
				t.Fatal(err)
			}
			y, err := b.Logprobs(batch)
			if err != nil {
				t.Fatal(err)
			}
			for i := range x { // rotary frequencies and factors are float32 in the file
				if d := maxDiff(x[i], y[i]); d > 1e-4 && name != "qwen3_moe-unnormalised" { // which the file does not say
					t.Errorf("log-probabilities differ by %v", d)
				}
			}
		})
	}
}

func learner(t *testing.T, path string) *model.Learner {
	t.Helper()
	l, err := Learn(path, model.LearnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestLearnQuantised: weights of block formats are decoded to what inference takes them for.
func TestLearnQuantised(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens", "gguf")
	for _, name := range []string{"llama-wide-Q4_1", "llama-wide-Q4_K_M", "llama-wide-IQ4_XS", "deepseek_v3-wide-Q8_0"} {
		path := filepath.Join(dir, name+".gguf")
		l, m := learner(t, path), open(t, path, exact)
		vocab := m.Config().Vocab
		batch := randomBatch(rand.New(rand.NewPCG(1, 1)), 1, vocab)
		logits := run(t, m, batch[0].IDs, 0)
		for i, got := range logprobs(t, l, batch)[0] {
			row := logits[i*vocab:][:vocab]
			if want := row[batch[0].IDs[i+1]] - vec.LogSumExp(row); math.Abs(float64(got-want)) > 1e-4 {
				t.Errorf("%s: log-probability %d is %v, want %v", name, i, got, want)
			}
		}
	}
}
