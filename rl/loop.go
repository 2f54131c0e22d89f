package rl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

// Loop is a stage of reinforcement learning. Each step samples groups of answers with the network as it is, has them graded, lets the algorithm give
// their tokens credit, and makes the gradient of one or more updates, which whoever drives the Loop applies in between.
type Loop struct {
	c         Config
	objective *Objective
	learner   *model.Learner
	ref       *model.Learner
	recorder  Recorder
	seed      uint64
	value     int32 // token whose logit is the critic's value; -1 without one
	problems  *problems
	sampler   *sampler
	mark      Mark
	batch     *batch // under way; nil: none
	cost      train.Cost
	drafts    *sync.Pool
	heldOut   []task.Problem
}

// Parts are what a Loop works with.
type Parts struct {
	Learner   *model.Learner
	Reference *model.Learner // only where the objective needs it; it must not learn
	Task      task.Task
	Text      Text
	Recorder  Recorder
	Seed      uint64
	Recompute bool // as the learner was told
	LoRA      bool // likewise
}

// NewLoop makes a Loop that stands at the beginning.
func NewLoop(c Config, p Parts) (*Loop, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("rl: %w", err)
	}
	if err := ledger.Require(p.Recorder); err != nil {
		return nil, fmt.Errorf("rl: %w", err)
	}
	o, err := c.Objective()
	if err != nil {
		return nil, err
	}
	if o.NeedsReference() && p.Reference == nil {
		return nil, errors.New("rl: the objective needs a reference network")
	}
	l := &Loop{c: c, objective: o, learner: p.Learner, ref: p.Reference, recorder: p.Recorder, seed: p.Seed, value: -1}
	l.drafts = newScratch(p.Learner.Config().Vocab)
	l.cost = train.CostOf(p.Learner.Config(), p.Recompute, p.LoRA, p.Learner.Params())
	params, err := l.params(p.Text.Token)
	if err != nil {
		return nil, err
	}
	l.sampler = &sampler{rollouts: engine.NewRollouts(p.Learner.Model(), engine.RolloutOptions{Sequences: c.Sequences}), config: p.Learner.Config(), task: p.Task,
		text: p.Text, params: params, most: c.MaxTokens, recorder: p.Recorder}
	return l, l.seek(Mark{})
}

// seek goes to a mark.
func (l *Loop) seek(m Mark) error {
	if l.problems != nil {
		l.problems.close()
	}
	l.mark, l.batch = m, nil
	q := task.Query{Seed: sample.Seed(l.seed, 1), Split: task.Train, Min: l.c.MinDifficulty, Max: l.c.MaxDifficulty}
	var err error
	l.problems, err = newProblems(l.sampler.task, q, l.c.Curriculum, &l.mark)
	return err
}

// params are those that answers are sampled with: the critic's token and those that are banned are never drawn.
func (l *Loop) params(token func(string) (int32, bool)) (sample.Params, error) {
	p := l.c.Params()
	names := l.c.Banned
	if l.c.ValueToken != "" {
		names = append([]string{l.c.ValueToken}, names...)
	}
	for i, name := range names {
		id, ok := token(name)
		if !ok {
			return p, fmt.Errorf("rl: the vocabulary has no token %q", name)
		}
		p.Banned = append(p.Banned, id)
		if i == 0 && l.c.ValueToken != "" {
			l.value = id
		}
	}
	return p, nil
}

// Close ends the sequence of problems.
func (l *Loop) Close() error { l.problems.close(); return nil }

// Mark notes where the next step begins. It is asked for between steps.
func (l *Loop) Mark(p *train.Progress) error {
	text, err := json.Marshal(l.mark)
	p.Mark = text
	return err
}

// Resume goes there.
func (l *Loop) Resume(p *train.Progress) error {
	var m Mark
	if err := json.Unmarshal(p.Mark, &m); err != nil {
		return fmt.Errorf("rl: the mark of a checkpoint: %w", err)
	}
	return l.seek(m)
}

// Steps is what the budgets say: how much a step takes is not known before it is made.
func (l *Loop) Steps(stage, run train.Budget, _ int64) (int, error) {
	if stage.Steps > 0 && (run.Steps == 0 || stage.Steps < run.Steps) {
		return stage.Steps, nil
	}
	return run.Steps, nil
}

// Evaluate asks held-out problems.
func (l *Loop) Evaluate(ctx context.Context) (train.Evaluation, error) {
	var e train.Evaluation
	if l.c.HeldOut.Problems == 0 {
		return e, nil
	}
	if l.heldOut == nil {
		q := task.Query{Seed: sample.Seed(l.seed, 5), Split: task.HeldOut, Min: l.c.MinDifficulty, Max: l.c.MaxDifficulty, Distinct: true}
		for p, err := range l.sampler.task.Problems(q) {
			if err != nil {
				return e, err
			}
			if l.heldOut = append(l.heldOut, p); len(l.heldOut) == l.c.HeldOut.Problems {
				break
			}
		}
		if len(l.heldOut) == 0 {
			return e, errors.New("rl: the task holds no problem out: heldout.problems 0 goes on without")
		}
	}
	tried, err := l.sampler.try(ctx, l.heldOut, l.c.HeldOut.Samples, ledger.Evaluation, func(p, i int) uint64 { return sample.Seed(l.seed, 6, uint64(p), uint64(i)) })
	if err != nil {
		return e, err
	}
	var s Stats
	for _, t := range tried {
		s.add(t)
		flops, _ := t.cost(l.sampler.config)
		e.FLOPs += flops
	}
	k, all := l.c.HeldOut.Samples, s.numbers(l.c.HeldOut.Samples)
	e.Extra = map[string]float64{}
	for _, name := range []string{"pass_at_1", fmt.Sprintf("pass_at_%d", k), "answer_tokens", "truncated", "entropy"} {
		e.Extra["heldout_"+name] = all[name]
	}
	return e, nil
}

// Gradient makes the gradient of the next update, complete in the learner's parameters when it returns. The loss is the surrogate: near 0 by construction where
// the policy has not moved, and no measure of success.
func (l *Loop) Gradient(ctx context.Context) (train.Lesson, error) {
	if l.batch == nil {
		b, err := l.collect(ctx)
		if err != nil {
			return train.Lesson{}, err
		}
		l.batch = b
	}
	b := l.batch
	var out train.Lesson
	if len(b.parts) > 0 {
		before := l.recorder.Enter(ledger.Learner)
		loss, err := l.update(b, b.parts[b.next])
		l.recorder.Enter(before)
		if err != nil {
			return train.Lesson{}, err
		}
		b.note(loss)
		out.Loss = loss.Total()
		b.next++
	} else {
		l.learner.Finish()
		out.Empty = true
	}
	out.Tokens, out.FLOPs = b.tokens, b.flops
	b.tokens, b.flops = 0, 0
	if out.Last = b.next >= len(b.parts); out.Last {
		out.Extra = b.numbers(l.c.Group)
		l.mark.Step++
		l.batch = nil
	}
	return out, nil
}

// collect samples and grades the groups of a step.
func (l *Loop) collect(ctx context.Context) (*batch, error) {
	b := &batch{}
	var kept []*Tried
	for round, drawn := 0, 0; ; round++ {
		ps, err := l.problems.several(l.c.Prompts - len(kept))
		if err != nil {
			return nil, err
		}
		first := drawn
		drawn += len(ps)
		seed := func(p, i int) uint64 { return sample.Seed(l.seed, 2, uint64(l.mark.Step), uint64(first+p), uint64(i)) }
		tried, err := l.sampler.try(ctx, ps, l.c.Group, ledger.Rollout, seed)
		if err != nil {
			return nil, err
		}
		for i, t := range tried {
			if l.c.Reward == RewardRandom {
				for j := range t.Attempts {
					t.Attempts[j].Reward = float64(sample.Seed(l.seed, 3, uint64(l.mark.Step), uint64(first+i), uint64(j)) & 1)
				}
			}
			b.stats.add(t)
			l.problems.learn(t.Problem.Key, t.right(), len(t.Attempts))
			if l.c.Dynamic.Rounds == 0 || !t.degenerate() {
				kept = append(kept, t)
			}
			if err := l.account(b, t); err != nil {
				return nil, err
			}
		}
		if round == 0 {
			l.show(tried)
			if l.mark.Step == 0 {
				if err := b.stats.hopeless(&l.c); err != nil {
					return nil, err
				}
			}
		}
		if len(kept) == l.c.Prompts || round+1 >= max(1, l.c.Dynamic.Rounds) {
			break
		}
	}
	return b, l.prepare(b, kept)
}

// account books what a group has cost; one without variance, of which nothing is learnt, as discarded.
func (l *Loop) account(b *batch, t *Tried) error {
	flops, tokens := t.cost(l.sampler.config)
	b.flops += flops
	if !t.degenerate() {
		return nil
	}
	b.discarded += flops
	b.discardedTokens += tokens
	return nil
}

// show hands over one answer, a right one if there is any.
func (l *Loop) show(tried []*Tried) {
	t := tried[0]
	a := &t.Attempts[0]
	for i := range t.Attempts {
		if t.Attempts[i].Verdict.Right {
			a = &t.Attempts[i]
			break
		}
	}
	verdict := "wrong"
	if a.Verdict.Right {
		verdict = "right"
	}
	if a.Verdict.Reason != "" {
		verdict += ": " + a.Verdict.Reason
	}
	l.recorder.Sample(run.Sample{Step: int64(l.mark.Step), Title: "rollout", Prompt: t.Problem.Prompt, Text: a.Text, Verdict: verdict})
}
