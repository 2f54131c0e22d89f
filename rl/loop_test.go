package rl

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
	"github.com/pennyml/penny/train/optim"
)

// echo is a task over the letters a to p: the answer is right if it begins with the prompt's letter. Bit 4 of a token ends an answer.
type echo struct{ letters int }

const echoVocab = 20 // 16 letters, three that mean nothing, and the end

func (e echo) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		r := task.NewRand(q.Seed, 0)
		for {
			c := string(rune('a' + r.IntN(e.letters)))
			if !yield(task.Problem{ID: c, Prompt: c, Key: c, Difficulty: 1, Split: task.Train}, nil) {
				return
			}
		}
	}
}

func (e echo) Grade(p task.Problem, text string) (task.Verdict, error) {
	right := strings.HasPrefix(text, p.Prompt)
	v := task.Verdict{Right: right, Parts: []task.Part{{Name: "first", Weight: 1, Value: 0}}}
	if right {
		v.Reward, v.Parts[0].Value = 1, 1
	}
	return v, nil
}

var echoText = Text{
	Prompt: func(p task.Problem) ([]int32, error) { return []int32{17, int32(p.Prompt[0] - 'a')}, nil },
	Answer: func(ids []int32) string {
		var b strings.Builder
		for _, id := range ids {
			b.WriteByte('a' + byte(id))
		}
		return b.String()
	},
	IsEnd:      func(id int32) bool { return id == 19 },
	Completion: func(ids []int32) string { return fmt.Sprint(ids) },
	Token:      func(s string) (int32, bool) { return map[string]int32{"<value>": 18}[s], s == "<value>" },
}

// tally is a Recorder in memory.
type tally struct {
	ledger.Tally
	mu        sync.Mutex
	discarded int64
	samples   []run.Sample
}

func (t *tally) Enter(p ledger.Purpose) ledger.Purpose { return ledger.Other }
func (t *tally) Note(event, text string) error         { return nil }
func (t *tally) Sample(s run.Sample)                   { t.samples = append(t.samples, s) }
func (t *tally) Discard(from ledger.Purpose, flops, tokens int64, reason string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.discarded += flops
	return nil
}

// bench is a network, an optimiser and a Loop over them.
type bench struct {
	*Loop
	learner *model.Learner
	opt     *optim.Optimizer
	tally   *tally
	updates int
}

func echoConfig() Config {
	c := DefaultConfig()
	c.Task, c.Prompts, c.Group, c.MaxTokens, c.Degenerate = "echo", 8, 8, 3, 0
	return c
}

type setting struct {
	threads   int
	arch      string
	recompute bool
}

func newBench(t testing.TB, c Config, s setting) *bench {
	t.Helper()
	open := func(frozen func(string) bool) *model.Learner {
		f := model.Fresh{Arch: "llama", Vocab: echoVocab, Hidden: 32, Layers: 2, Heads: 2, Context: 32, Tied: true}
		if s.arch != "" {
			f = model.Fresh{Arch: s.arch, Vocab: echoVocab, Hidden: 32, Layers: 2, Heads: 2, Context: 32, MTP: 1,
				MoE: model.FreshMoE{Experts: 4, Used: 2, Shared: 1, DenseLayers: 1}}
		}
		config, err := f.Config()
		if err != nil {
			t.Fatal(err)
		}
		l, err := zoo.LearnNew(config, model.FreshWeights(0.1, 7), model.LearnOptions{Threads: s.threads, Frozen: frozen, Recompute: s.recompute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	b := &bench{learner: open(nil), tally: &tally{}}
	p := Parts{Learner: b.learner, Task: echo{4}, Text: echoText, Recorder: b.tally, Seed: 5, Recompute: s.recompute}
	if o, err := c.Objective(); err != nil {
		t.Fatal(err)
	} else if o.NeedsReference() {
		p.Reference = open(func(string) bool { return true })
	}
	pool := par.New(1)
	t.Cleanup(pool.Close)
	oc := optim.Default()
	oc.LR, oc.WeightDecay = 0.01, 0
	var err error
	if b.opt, err = optim.New(oc, b.learner.Params(), pool); err != nil {
		t.Fatal(err)
	}
	if b.Loop, err = NewLoop(c, p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// step makes all updates of a step and returns its numbers.
func (b *bench) step(t testing.TB) (map[string]float64, error) {
	for {
		out, err := b.Gradient(context.Background())
		if err != nil {
			return nil, err
		}
		if !out.Empty {
			b.opt.Step(0.01, optim.ClipFactor(b.opt.Norm(), 1))
			b.learner.Updated()
			b.updates++
		}
		if math.IsNaN(out.Loss) {
			t.Fatal("the loss is NaN")
		}
		if out.Last {
			return out.Extra, nil
		}
	}
}

func (b *bench) steps(t testing.TB, n int) (last map[string]float64) {
	t.Helper()
	for range n {
		var err error
		if last, err = b.step(t); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

func (b *bench) state() string {
	var s strings.Builder
	for _, p := range b.learner.Tensors() {
		h := uint64(14695981039346656037)
		for _, v := range p.Value {
			h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
		}
		fmt.Fprintf(&s, "%x ", h)
	}
	return s.String()
}

// TestAlgorithmsLearn: each algorithm, with what it may take on, teaches a network to begin its answer as the prompt says.
func TestAlgorithmsLearn(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"grpo":        func(c *Config) {},
		"dr_grpo":     func(c *Config) { c.Entropy = 0.001 },
		"dapo":        func(c *Config) { c.Dynamic.Rounds = 3; c.Overlong.Cache = 1 },
		"rloo":        func(c *Config) { c.Curriculum = Curriculum{Low: 0, High: 0.99, Revisit: 0.2} },
		"reinforce++": func(c *Config) { c.Mu = 2 },
		"gspo":        func(c *Config) { c.Mu, c.EpsilonLow, c.EpsilonHigh = 2, Set(0.2), Set(0.2) },
		"cispo":       func(c *Config) { c.Minibatches = 2 },
		"ppo":         func(c *Config) { c.Minibatches, c.ValueToken = 2, "<value>" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := echoConfig()
			c.Algorithm = name
			change(&c)
			b := newBench(t, c, setting{threads: 1})
			first := b.steps(t, 1)
			last := 0.0
			for range 60 {
				if last = b.steps(t, 1)["reward"]; last > 0.9 {
					break
				}
			}
			if first["reward"] > 0.3 || last < 0.9 {
				t.Errorf("reward %.2f at first, %.2f after %d updates", first["reward"], last, b.updates)
			}
		})
	}
}

// TestControls: nothing is learnt of random rewards, and a heavy penalty holds the policy at the reference.
func TestControls(t *testing.T) {
	c := echoConfig()
	c.Reward = RewardRandom
	if r := newBench(t, c, setting{threads: 1}).steps(t, 30)["pass_at_1"]; r > 0.4 {
		t.Errorf("random rewards taught the task: pass@1 %.2f", r)
	}
	c = echoConfig()
	c.KL = KL{Beta: 50, Estimator: K2}
	n := newBench(t, c, setting{threads: 1}).steps(t, 30)
	if n["pass_at_1"] > 0.4 || n["kl_loss"] == 0 {
		t.Errorf("a heavy penalty: pass@1 %.2f, KL %v", n["pass_at_1"], n["kl_loss"])
	}
}

// TestNoBitDependsOnTheMachine: threads, sequences under way, recomputing and stopping in between leave the same weights.
func TestNoBitDependsOnTheMachine(t *testing.T) {
	for _, arch := range []string{"", "deepseek_v3"} {
		c := echoConfig()
		c.Mu, c.Minibatches, c.Entropy, c.Curriculum = 2, 2, 0.01, Curriculum{Low: 0.1, High: 0.9, Revisit: 0.3}
		b := newBench(t, c, setting{threads: 1, arch: arch})
		want := b.steps(t, 3)
		state := b.state()
		for _, s := range []setting{{threads: 2, arch: arch}, {threads: 1, arch: arch, recompute: true}} {
			c.Sequences = 3 * s.threads
			b := newBench(t, c, s)
			b.steps(t, 2)
			var p train.Progress // what a run goes on from, beside weights and optimiser
			old := b.Loop
			err := old.Mark(&p)
			if err == nil {
				b.Loop, err = NewLoop(c, Parts{Learner: b.learner, Task: echo{4}, Text: echoText, Recorder: b.tally, Seed: 5})
			}
			if err == nil {
				err = b.Loop.Resume(&p)
			}
			if err != nil {
				t.Fatal(err)
			}
			old.Close()
			t.Cleanup(func() { b.Loop.Close() })
			got := b.steps(t, 1)
			if b.state() != state || got["reward"] != want["reward"] || got["entropy"] != want["entropy"] {
				t.Errorf("%s %+v: other weights after three steps, or %v in place of %v", arch, s, got, want)
			}
		}
	}
}

// TestMismatchIsFound: a network that is not the one that sampled is an error, not a silent bias.
func TestMismatchIsFound(t *testing.T) {
	c := echoConfig()
	b := newBench(t, c, setting{threads: 1})
	b.steps(t, 1)
	if err := func() error {
		got, err := b.collect(context.Background())
		if err != nil {
			return err
		}
		b.batch = got
		b.learner.Params()[0].Value[3] += 1e-4
		_, err = b.Gradient(context.Background())
		return err
	}(); err == nil || !strings.Contains(err.Error(), "not the same network") {
		t.Errorf("error %v", err)
	}
}

// TestSampledOtherwise: tokens drawn with temperature, filters and bans are learnt under the distribution that they were drawn from, to the bit.
func TestSampledOtherwise(t *testing.T) {
	c := echoConfig()
	c.Temperature, c.TopK, c.TopP, c.Banned, c.Mu = 1.3, 12, 0.95, []string{"<value>"}, 2
	b := newBench(t, c, setting{threads: 1})
	last := 0.0
	for range 40 {
		if last = b.steps(t, 1)["reward"]; last > 0.9 {
			return
		}
	}
	t.Errorf("reward %.2f after %d updates", last, b.updates)
}

func TestHopelessBatch(t *testing.T) {
	c := echoConfig()
	c.Degenerate, c.Group, c.MaxTokens = 0.9, 2, 1
	b := newBench(t, c, setting{threads: 1})
	b.Loop.sampler.task = echo{letters: 1} // and the network has to find it among 20 tokens
	_, err := b.step(t)
	for err == nil && b.mark.Step < 1 {
		_, err = b.step(t)
	}
	if err == nil || !strings.Contains(err.Error(), "no variance") || !strings.Contains(err.Error(), "max_tokens") {
		t.Errorf("error %v", err)
	}
}

// TestAccount: sampling is booked once, and groups without variance as thrown away.
func TestAccount(t *testing.T) {
	c := echoConfig()
	b := newBench(t, c, setting{threads: 1})
	var flops int64
	for range 3 {
		out, err := b.Gradient(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		flops += out.FLOPs
	}
	rollout, tokens := b.tally.For(ledger.Rollout)
	learner, rows := b.tally.For(ledger.Learner)
	if all := rollout.Plus(learner); all != ledger.Count(flops) || rows == 0 || tokens == 0 {
		t.Errorf("recorded %v and %v operations, told %d", rollout, learner, flops)
	}
	if b.tally.discarded == 0 || ledger.Count(b.tally.discarded).Float() > rollout.Float() || len(b.tally.samples) != 3 {
		t.Errorf("%d operations discarded of %v; %d samples shown", b.tally.discarded, rollout, len(b.tally.samples))
	}
}
