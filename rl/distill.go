package rl

import (
	"context"
	"fmt"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/train"
)

// Distiller is a stage of on-policy distillation (GKD, 2306.13649): the student answers problems itself, and learns at each token of its answers what
// the teacher would have said there. Answers are graded to show what comes of it, not to learn from.
type Distiller struct {
	*Loop
	taught  *train.Teaching
	teacher train.Cost
}

// NewDistiller makes a Distiller.
func NewDistiller(c Config, p Parts, teacher *model.Learner, t *train.Teacher) (*Distiller, error) {
	if t.Share != 0 && t.Share != 1 {
		return nil, fmt.Errorf("rl: teacher.share is %v: a student's own answers are no data, so the divergence is all of the loss", t.Share)
	}
	taught, err := train.NewTeaching(p.Learner, teacher, t)
	if err != nil {
		return nil, fmt.Errorf("rl: %w", err)
	}
	l, err := NewLoop(c, p)
	if err != nil {
		return nil, err
	}
	return &Distiller{l, taught, train.CostOf(teacher.Config(), false, false, nil)}, nil
}

// Gradient samples answers and makes the gradient of the divergence, a mean over their tokens.
func (d *Distiller) Gradient(ctx context.Context) (train.Lesson, error) {
	out := train.Lesson{Last: true}
	ps, err := d.problems.several(d.c.Prompts)
	if err != nil {
		return out, err
	}
	seed := func(p, i int) uint64 { return sample.Seed(d.seed, 2, uint64(d.mark.Step), uint64(p), uint64(i)) }
	tried, err := d.sampler.try(ctx, ps, d.c.Group, ledger.Rollout, seed)
	if err != nil {
		return out, err
	}
	b := &batch{}
	n, all := 0, []int(nil)
	for _, t := range tried {
		b.stats.add(t)
		flops, _ := t.cost(d.sampler.config)
		out.FLOPs += flops
		for i := range t.Attempts {
			a := newAnswer(t, i, d.sampler.params)
			a.label(a.all())
			all = append(all, len(b.answers))
			b.answers = append(b.answers, a)
			n += a.len()
		}
	}
	d.show(tried)
	before := d.recorder.Enter(ledger.Distill)
	defer d.recorder.Enter(before)
	d.taught.Weigh(1, 1/float64(n), 0)
	err = b.micro(all, func(lo, hi int) error { return d.learn(b.answers[lo:hi], &out) })
	stats := d.learner.Finish()
	out.Loss, out.Extra = stats.Loss, b.stats.numbers(d.c.Group)
	d.mark.Step++
	return out, err
}

// learn runs a micro-batch through teacher and student.
func (d *Distiller) learn(answers []*answer, out *train.Lesson) error {
	sequences := make([]model.Sequence, len(answers))
	flops, rows := int64(0), int64(0)
	for i, a := range answers {
		sequences[i] = a.sequence()
		flops += d.teacher.Forward(len(a.ids), a.len()) + d.cost.Learn(len(a.ids), a.len())
		rows += int64(len(a.ids) - 1)
	}
	err := d.taught.Prepare(sequences)
	if err == nil {
		_, err = d.learner.Accumulate(sequences, d.taught)
	}
	d.recorder.Spend(ledger.Distill, flops, rows)
	out.FLOPs += flops
	out.Tokens += rows
	return err
}
