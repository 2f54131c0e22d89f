package rl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task"
)

// Text is how problems become tokens and tokens text.
type Text struct {
	Prompt func(p task.Problem) ([]int32, error)
	Answer func(ids []int32) string // what a grader sees of an answer
	IsEnd  func(id int32) bool
	Token  func(text string) (int32, bool) // the id of a token, for those that the configuration names

	// Completion is an answer as a dataset has it: without the vocabulary's own end, which learning from the dataset puts there again.
	Completion func(ids []int32) string
}

// Recorder takes down what a stage does and costs. *run.Recorder is one.
type Recorder interface {
	ledger.Recorder
	Enter(p ledger.Purpose) (before ledger.Purpose)
	Discard(from ledger.Purpose, flops, tokens int64, reason string) error
	Note(event, text string) error
	Sample(s run.Sample)
}

// Attempt is one answer with its verdict.
type Attempt struct {
	engine.Rollout
	Text    string
	Verdict task.Verdict
	Reward  float64
}

// Tried is a problem with the answers of its group.
type Tried struct {
	Problem  task.Problem
	Prompt   []int32
	Attempts []Attempt
}

// right is how many of them are.
func (t *Tried) right() (n int) {
	for i := range t.Attempts {
		if t.Attempts[i].Verdict.Right {
			n++
		}
	}
	return n
}

// degenerate reports a group from which nothing can be learnt by comparison.
func (t *Tried) degenerate() bool {
	for i := range t.Attempts {
		if t.Attempts[i].Reward != t.Attempts[0].Reward {
			return false
		}
	}
	return true
}

// cost is the arithmetic of sampling the group, and the tokens that it ran.
func (t *Tried) cost(c *model.Config) (flops, tokens int64) {
	lengths := make([]int, len(t.Attempts))
	for i := range lengths {
		lengths[i] = len(t.Attempts[i].IDs)
	}
	return sampling(c, len(t.Prompt), lengths)
}

// sampling is the arithmetic of sampling answers of these lengths to a prompt, and the tokens that it runs.
func sampling(c *model.Config, prompt int, lengths []int) (flops, tokens int64) {
	perKey := c.FLOPs(1) - c.FLOPs(0)
	at := func(from, to int) (sum int64) { // positions from..to-1, each of which sees those before it and itself
		n := int64(to - from)
		return (c.FLOPs(0)-perKey)*n + perKey*(n*int64(from)+n*(n+1)/2)
	}
	flops, tokens = at(0, prompt), int64(prompt)
	for _, length := range lengths {
		if n := length - 1; n > 0 { // the last token is drawn, not run
			flops += at(prompt, prompt+n)
			tokens += int64(n)
		}
	}
	return flops, tokens
}

// sampler samples answers to problems and has them graded.
type sampler struct {
	rollouts *engine.Rollouts
	config   *model.Config
	task     task.Task
	text     Text
	params   sample.Params
	most     int // tokens
	recorder Recorder
}

// try samples a group of n answers to each problem; seed is that of answer i to problem p.
func (s *sampler) try(ctx context.Context, ps []task.Problem, n int, purpose ledger.Purpose, seed func(p, i int) uint64) ([]*Tried, error) {
	before := s.recorder.Enter(purpose)
	defer s.recorder.Enter(before)
	tried, groups := make([]*Tried, len(ps)), make([]engine.Group, len(ps))
	for i, p := range ps {
		ids, err := s.text.Prompt(p)
		if err != nil {
			return nil, fmt.Errorf("rl: problem %s: %w", p.ID, err)
		}
		tried[i] = &Tried{Problem: p, Prompt: ids, Attempts: make([]Attempt, n)}
		groups[i] = engine.Group{Prompt: ids, Samples: n, MaxTokens: s.most, Params: s.params, IsEnd: s.text.IsEnd, Seed: func(j int) uint64 { return seed(i, j) }}
	}
	g := newGrading(s.task, s.text)
	stats, err := s.rollouts.Run(ctx, groups, func(r engine.Rollout) error {
		a := &tried[r.Group].Attempts[r.Sample]
		a.Rollout = r
		return g.add(tried[r.Group], a)
	})
	if purpose == ledger.Rollout {
		s.recorder.Enter(ledger.Reward) // what is left of it: most went on beside the sampling
	}
	if failed := g.wait(); err == nil {
		err = failed
	}
	perKey := s.config.FLOPs(1) - s.config.FLOPs(0)
	ran := int64(stats.PrefillTokens + stats.DecodeTokens)
	flops := (s.config.FLOPs(0)-perKey)*ran + perKey*stats.Attended
	s.recorder.Spend(purpose, flops, ran)
	if err != nil && flops > 0 {
		err = errors.Join(err, s.recorder.Discard(purpose, flops, ran, "stopped"))
	}
	return tried, err
}

// grading judges answers on all cores while others are still being sampled.
type grading struct {
	task task.Task
	text Text
	jobs chan job
	done sync.WaitGroup
	mu   sync.Mutex
	err  error
}

type job struct {
	of *Tried
	a  *Attempt
}

func newGrading(t task.Task, text Text) *grading {
	g := &grading{task: t, text: text, jobs: make(chan job, 1024)}
	for range runtime.GOMAXPROCS(0) {
		g.done.Go(g.work)
	}
	return g
}

func (g *grading) add(of *Tried, a *Attempt) error {
	g.jobs <- job{of, a}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *grading) wait() error {
	close(g.jobs)
	g.done.Wait()
	return g.err
}

func (g *grading) work() {
	for j := range g.jobs {
		j.a.Text = g.text.Answer(j.a.IDs)
		v, err := g.task.Grade(j.of.Problem, j.a.Text)
		if err != nil {
			g.mu.Lock()
			if g.err == nil {
				g.err = fmt.Errorf("rl: grading an answer to problem %s: %w", j.of.Problem.ID, err)
			}
			g.mu.Unlock()
			continue
		}
		j.a.Verdict, j.a.Reward = v, v.Reward
	}
}
