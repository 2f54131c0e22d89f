package zoo

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tensor"
)

// weights of the terms of a loss: of each prediction, of each of the module's, of the balance of a sequence.
const predictWeight, aheadWeight, balanceWeight = 0.02, 0.01, 0.05

// accumulate learns a batch in micro-batches, with all that a network can learn from.
func accumulate(t *testing.T, l *model.Learner, batch []model.Sequence, micro int) model.Stats {
	t.Helper()
	l.BalanceSequences(balanceWeight)
	if _, ok := l.Model().(model.Predictor); ok {
		if err := l.LearnAhead(&model.CrossEntropy{Weight: aheadWeight}); err != nil {
			t.Fatal(err)
		}
	}
	for at := 0; at < len(batch); at += micro {
		if _, err := l.Accumulate(batch[at:min(at+micro, len(batch))], &model.CrossEntropy{Weight: predictWeight}); err != nil {
			t.Fatal(err)
		}
	}
	return l.Finish()
}

// total is the loss of a batch, straight from the formulas.
func (r *reference) total(batch []model.Sequence) (total float64) {
	for _, s := range batch {
		clear(r.routed)
		states := r.states(s.IDs[:len(s.IDs)-1])
		for i, x := range states {
			total += predictWeight * surprise(r.mul(r.head(), x), s, i+1)
		}
		if r.c.MTP > 0 && len(s.IDs) > 2 {
			for i, logits := range r.ahead(s.IDs, states) {
				total += aheadWeight * surprise(logits, s, i+2)
			}
		}
		for _, tokens := range r.routed {
			total += balanceWeight * r.balance(tokens)
		}
	}
	return total
}

// surprise is the loss of a prediction of position t.
func surprise(logits []float64, s model.Sequence, t int) float64 {
	label, sum := s.IDs[t], 0.0
	if s.Labels != nil {
		label = s.Labels[t]
	}
	if label == model.Unlearnt {
		return 0
	}
	for _, z := range logits {
		sum += math.Exp(z - logits[label])
	}
	return math.Log(sum)
}

// balance is the balance loss of one sequence in one layer, equations 17 to 20 of DeepSeek-V3.
func (r *reference) balance(tokens []routed) (loss float64) {
	e := r.c.MoE
	for i := range e.Experts {
		f, p := 0.0, 0.0
		for _, token := range tokens {
			if slices.Contains(token.chosen, i) {
				f += float64(e.Experts) / float64(e.Used*len(tokens))
			}
			all := 0.0
			for _, s := range token.affinity {
				all += s
			}
			p += token.affinity[i] / all / float64(len(tokens))
		}
		loss += f * p
	}
	return loss
}

// TestLearnReference holds loss and gradients of networks of random sizes, with experts and prediction modules, to the float64 reference: each
// tensor's gradient to how the loss changes along a random direction.
func TestLearnReference(t *testing.T) {
	for _, arch := range []string{"qwen3_moe", "deepseek_v2", "deepseek_v3"} {
		tried := 0
		for seed := uint64(0); tried < 2; seed++ {
			r := rand.New(rand.NewPCG(seed, 11))
			c := randomConfig(r, arch)
			w := model.SyntheticWeights(func(string, []int) dtype.Type { return dtype.F32 })
			if arch == "deepseek_v3" {
				c.MTP = min(1, int(seed%3))
				if seed%2 == 0 { // the module shares embedding and head
					w = model.FreshWeights(0.3, seed)
				}
			}
			if c.Vocab < 8 || c.Hidden < 8 { // hardly anything to learn
				continue
			}
			if againstDifferences(t, r, c, w) {
				tried++
			}
		}
	}
}

func againstDifferences(t *testing.T, r *rand.Rand, c *model.Config, w *model.Weights) bool {
	t.Helper()
	l, err := LearnNew(c, w, model.LearnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	batch := []model.Sequence{{IDs: randomIDs(r, 7, c.Vocab)}, {IDs: randomIDs(r, 2, c.Vocab)}, {IDs: randomIDs(r, 4, c.Vocab)}}
	batch[0].Labels = slices.Clone(batch[0].IDs)
	batch[0].Labels[3], batch[0].Labels[6] = model.Unlearnt, model.Unlearnt
	ref := newReference(c, w)
	loss := ref.total(batch)
	if ref.margin < 1e-3 {
		return false // a choice that a small step may turn
	}
	s := accumulate(t, l, batch, len(batch))
	if got := s.Loss + s.AheadLoss + s.Balance; math.Abs(got-loss) > 1e-4*math.Abs(loss) {
		t.Errorf("%s: loss %v, want %v\n%+v", c.Arch, got, loss, c)
	}
	for _, p := range l.Params() {
		if strings.Contains(p.Name, ".experts.") && r.IntN(8) > 0 {
			continue // there are many
		}
		const step = 1e-5
		rows := ref.w[p.Name]
		along, got, size := make([]float64, p.Len()), 0.0, 0.0
		for i, g := range p.Grad {
			along[i] = r.NormFloat64()
			got += along[i] * float64(g)
			size += float64(g) * float64(g)
		}
		move := func(by float64) {
			i := 0
			for _, row := range rows {
				for k := range row {
					row[k] += by * along[i]
					i++
				}
			}
		}
		move(step)
		up := ref.total(batch)
		move(-2 * step)
		down := ref.total(batch)
		move(step)
		if want := (up - down) / (2 * step); math.Abs(got-want) > 2e-3*math.Sqrt(size)+1e-6 {
			t.Errorf("%s: %s: %v along a direction, want %v (gradient of length %v)", c.Arch, p.Name, got, want, math.Sqrt(size))
		}
	}
	return true
}

// TestLearnExpertsExact: with experts under a balance loss and a prediction module, gradients, loads and biases are the same bits on any number of
// threads, at every level, however a batch is cut, and whether layers are run again or remembered.
func TestLearnExpertsExact(t *testing.T) {
	for _, compute := range []tensor.Compute{tensor.F32, tensor.BF16} {
		learnExpertsExact(t, compute)
	}
}

// learntTwice is what two batches came to: all gradients, then all tensors, and the second's figures.
type learntTwice struct {
	values [][]float32
	stats  model.Stats
	loads  [][]int64
}

func learnExpertsExact(t *testing.T, compute tensor.Compute) {
	f := model.Fresh{Arch: "deepseek_v3", Vocab: 40, Hidden: 36, Layers: 3, Heads: 3, MTP: 1, Tied: true,
		MLA: model.FreshMLA{QLoRA: 20, KVLoRA: 18, Nope: 7, Rope: 4, V: 9},
		MoE: model.FreshMoE{Experts: 6, Used: 2, Shared: 1, Intermediate: 21, DenseLayers: 1, Groups: 3, GroupsUsed: 2}}
	batch := randomBatch(rand.New(rand.NewPCG(2, 2)), 9, f.Vocab)
	var want *learntTwice
	testutil.EachLevel(t, func(t *testing.T, level cpu.Level) {
		for _, micro := range []int{1, 2, 8} {
			for _, o := range []model.LearnOptions{{Threads: 1}, {Threads: 2}, {Threads: 2, Recompute: true}} {
				if level == cpu.Generic && (micro != 2 || !o.Recompute) {
					continue // slow
				}
				o.Compute = compute
				got := learnTwice(t, f, batch, micro, o)
				if want == nil {
					want = got
				}
				if got.stats != want.stats || !slices.EqualFunc(got.values, want.values, sameBits) || !slices.EqualFunc(got.loads, want.loads, slices.Equal) {
					t.Errorf("gradients differ in micro-batches of %d, %+v: %+v, want %+v", micro, o, got.stats, want.stats)
				}
			}
		}
	})
	if want.stats.AheadLoss == 0 || want.stats.Balance == 0 {
		t.Errorf("nothing was learnt: %+v", want.stats)
	}
}

// learnTwice learns a batch, twice, with a step between.
func learnTwice(t *testing.T, f model.Fresh, batch []model.Sequence, micro int, o model.LearnOptions) *learntTwice {
	t.Helper()
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	l, err := LearnNew(c, model.FreshWeights(0.3, 1), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := new(learntTwice)
	for range 2 {
		r.stats = accumulate(t, l, batch, micro)
		for _, p := range l.Params() {
			r.values = append(r.values, slices.Clone(p.Grad))
			for i, g := range p.Grad {
				p.Value[i] -= g
			}
		}
		l.UpdateBiases(0.1)
		l.Updated()
	}
	for _, p := range l.Tensors() {
		r.values = append(r.values, slices.Clone(p.Value))
	}
	r.loads = l.Loads()
	return r
}

// TestModuleSamplerIsLearner: what the module predicts while it learns is what ForwardMTP gives, to the bit; and after the weights have changed.
func TestModuleSamplerIsLearner(t *testing.T) {
	for _, compute := range []tensor.Compute{tensor.F32, tensor.BF16} {
		f := model.Fresh{Arch: "deepseek_v3", Vocab: 40, Hidden: 32, Layers: 2, Heads: 2, MTP: 1, MoE: model.FreshMoE{Experts: 4, Shared: 1}}
		c, err := f.Config()
		if err != nil {
			t.Fatal(err)
		}
		l, err := LearnNew(c, model.FreshWeights(0.3, 1), model.LearnOptions{Compute: compute})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 75, c.Vocab)
		for range 2 {
			checkModule(t, l, ids)
			for _, p := range l.Params() {
				for i, g := range p.Grad {
					p.Value[i] -= g / 100
				}
			}
			l.Updated()
		}
	}
}

// checkModule learns ids and holds what the module saw to what ForwardMTP gives.
func checkModule(t *testing.T, l *model.Learner, ids []int32) {
	t.Helper()
	see := &seen{CrossEntropy: model.CrossEntropy{Weight: 1}, rows: map[int][]float32{}}
	if err := l.LearnAhead(see); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accumulate([]model.Sequence{{IDs: ids}}, &model.CrossEntropy{Weight: 1}); err != nil {
		t.Fatal(err)
	}
	l.Finish()
	m, n, vocab := l.Model().(model.Predictor), len(ids)-2, l.Config().Vocab
	cache, err := m.NewCache(len(ids))
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := m.NewMTPCache(len(ids))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Forward([]model.Chunk{{Cache: cache, IDs: ids[:n], Logits: n}}); err != nil {
		t.Fatal(err)
	}
	logits, err := m.ForwardMTP(slices.Clone(m.Hidden()), model.Chunk{Cache: ahead, IDs: ids[1 : n+1], Logits: n})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if !sameBits(see.rows[i+2], logits[i*vocab:][:vocab]) {
			t.Fatalf("the prediction of position %d differs", i+2)
		}
	}
}

// seen is a cross-entropy that keeps the logits.
type seen struct {
	model.CrossEntropy
	sync.Mutex
	rows map[int][]float32
}

func (s *seen) Row(r model.Row, logits []float32) float32 {
	s.Lock()
	s.rows[r.Pos] = slices.Clone(logits)
	s.Unlock()
	return s.CrossEntropy.Row(r, logits)
}
