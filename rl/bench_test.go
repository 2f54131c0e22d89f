//go:build unix

package rl

import (
	"context"
	"iter"
	"syscall"
	"testing"
	"time"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/task"
)

// lottery is a task whose answers all have 100 tokens and are right by chance.
type lottery struct{}

func (lottery) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		for yield(task.Problem{ID: "x", Prompt: "abcdefghijkl", Key: "x", Split: q.Split}, nil) {
		}
	}
}

func (lottery) Grade(p task.Problem, text string) (task.Verdict, error) {
	if right := text[0]%2 == 0; right {
		return task.Verdict{Right: true, Reward: 1}, nil
	}
	return task.Verdict{}, nil
}

// clock is a Recorder that measures what time goes to.
type clock struct {
	tally
	purpose ledger.Purpose
	since   time.Time
	spent   map[ledger.Purpose]time.Duration
}

func (c *clock) Enter(p ledger.Purpose) ledger.Purpose {
	now, before := time.Now(), c.purpose
	c.spent[before] += now.Sub(c.since)
	c.purpose, c.since = p, now
	return before
}

// BenchmarkStep is steps of 256 answers of 100 tokens, 8 to a prompt of 12 tokens, sampled and learnt from, with networks of about 0.9 million parameters.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name  string
		fresh model.Fresh
	}{
		{"dense", model.Fresh{Arch: "llama", Vocab: 32, Hidden: 128, Layers: 4, Heads: 4, Intermediate: 384, Context: 128, Tied: true}},
		{"latent-experts", model.Fresh{Arch: "deepseek_v3", Vocab: 32, Hidden: 128, Layers: 4, Heads: 4, Context: 128,
			MoE: model.FreshMoE{Experts: 8, Used: 2, Shared: 1, Intermediate: 128, DenseLayers: 1}}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkStep(b, c.fresh) })
	}
}

func benchmarkStep(b *testing.B, f model.Fresh) {
	config, err := f.Config()
	if err != nil {
		b.Fatal(err)
	}
	l, err := zoo.LearnNew(config, model.FreshWeights(0.02, 1), model.LearnOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c := DefaultConfig()
	c.Task, c.Prompts, c.Group, c.MaxTokens, c.Degenerate, c.Algorithm = "lottery", 32, 8, 100, 0, "dapo"
	text := Text{
		Prompt: func(p task.Problem) ([]int32, error) { return []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, nil },
		Answer: func(ids []int32) string { return string(rune(ids[0])) },
		IsEnd:  func(int32) bool { return false },
	}
	rec := &clock{spent: map[ledger.Purpose]time.Duration{}, since: time.Now()}
	loop, err := NewLoop(c, Parts{Learner: l, Task: lottery{}, Text: text, Recorder: rec, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer loop.Close()
	step := func() {
		if _, err := loop.Gradient(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	step()
	clear(rec.spent)
	start, flops := cpuSeconds(), loop.learner.Config().FLOPs(50)
	for b.Loop() {
		step()
	}
	n := float64(b.N) * 256
	b.ReportMetric(n/b.Elapsed().Seconds(), "answers/s")
	b.ReportMetric(n/(cpuSeconds()-start), "answers/cpu-s")
	b.ReportMetric(100*n/rec.spent[ledger.Rollout].Seconds(), "sampled/s")
	b.ReportMetric(111*n/rec.spent[ledger.Learner].Seconds(), "learnt/s")
	b.ReportMetric(n*(100+3*111)*float64(flops)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op")
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
