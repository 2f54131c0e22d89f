package train

import (
	"context"
	"errors"
	"io"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/train/data"
)

// Lessons are what a stage learns from: they make the gradients that the stage's optimiser follows, and measure what has come of it.
type Lessons interface {
	// Steps is how many steps a budget and the lessons themselves allow, where each update takes so many operations besides; 0 where that cannot be told beforehand.
	Steps(stage, run Budget, update int64) (int, error)

	// Mark notes in p where the next step begins, and Resume goes there.
	Mark(p *Progress) error
	Resume(p *Progress) error

	// Gradient makes the gradient of the next update, complete in the learner's parameters, and books what it costs. io.EOF: there are no more lessons.
	Gradient(ctx context.Context) (Lesson, error)

	// Evaluate measures on what is held out.
	Evaluate(ctx context.Context) (Evaluation, error)

	Close() error
}

// Lesson is what one update is made of.
type Lesson struct {
	Loss   float64
	Tokens int64 // rows of the network that were learnt from
	FLOPs  int64
	Empty  bool               // nothing is to be learnt: no update is made
	Last   bool               // of its step
	Extra  map[string]float64 // further numbers of the step, with its last update
}

// Evaluation is what an evaluation has found.
type Evaluation struct {
	Loss  *float64 // nil: none
	FLOPs int64
	Extra map[string]float64
}

// supervised are the lessons of text: next-token prediction.
type supervised struct {
	*Session
	set     *Settings
	learner *model.Learner
	costs   costs
	data    *data.Dataset
	loader  *data.Loader
	purpose ledger.Purpose
	taught  *Teaching // nil: by the data alone
	teacher *costs
}

// supervise opens the data of a stage.
func (s *Session) supervise(l *model.Learner, stage *Stage, set *Settings) (Lessons, error) {
	t := &supervised{Session: s, set: set, learner: l, costs: costsOf(l.Config(), s.Recompute, set.LoRA != nil, l.Params()), purpose: purposes[stage.Kind]}
	var err error
	if s.Teacher != nil {
		its := costsOf(s.Teacher.Config(), false, false, nil)
		t.teacher = &its
		if t.taught, err = NewTeaching(l, s.Teacher, set.Teacher); err != nil {
			return nil, err
		}
	}
	if t.data, err = s.openData(set); err != nil {
		return nil, err
	}
	if t.loader, err = t.data.Train(set.Batch.Global); err != nil {
		return nil, errors.Join(err, t.data.Close())
	}
	return t, nil
}

// Close closes the data.
func (t *supervised) Close() error { return t.data.Close() }

// Mark is the place in the data.
func (t *supervised) Mark(p *Progress) error { p.Cursor = t.loader.Cursor(); return nil }

// Resume goes there.
func (t *supervised) Resume(p *Progress) error { return t.loader.Seek(p.Cursor) }

// Steps looks at the data.
func (t *supervised) Steps(stage, run Budget, update int64) (int, error) {
	w, err := work(t.data, &t.costs, t.teacher, t.set)
	w.FLOPs += float64(update)
	n, _ := w.Steps(stage, run)
	return n, err
}

// Gradient learns from one batch.
func (t *supervised) Gradient(context.Context) (Lesson, error) {
	batch, err := t.loader.Next()
	if err != nil {
		return Lesson{}, err
	}
	stats, flops, err := t.accumulate(batch)
	return Lesson{Loss: stats.Loss, Tokens: positions(batch.Rows), FLOPs: flops, Last: true, Extra: t.extra(stats)}, err
}

// accumulate runs the micro-batches of a batch forward and back, in order.
func (t *supervised) accumulate(batch data.Batch) (model.Stats, int64, error) {
	loss, err := t.losses(batch)
	if err != nil {
		return model.Stats{}, 0, err
	}
	micro := t.set.Batch.Micro
	if micro == 0 {
		micro = len(batch.Rows)
	}
	var all int64
	for lo := 0; lo < len(batch.Rows); lo += micro {
		rows := batch.Rows[lo:min(lo+micro, len(batch.Rows))]
		sequences := sequencesOf(rows)
		if len(sequences) == 0 {
			continue
		}
		flops := t.costs.training(rows, t.modules())
		if t.taught != nil {
			if err := t.taught.Prepare(sequences); err != nil {
				return model.Stats{}, 0, err
			}
			flops += t.teacher.rows(rows, false)
		}
		if _, err := t.learner.Accumulate(sequences, loss); err != nil {
			return model.Stats{}, 0, err
		}
		all += flops
		t.Recorder.Spend(t.purpose, flops, positions(rows))
	}
	return t.learner.Finish(), all, nil
}

// losses sets up what a batch is learnt by: means over all of it, however it is cut.
func (t *supervised) losses(batch data.Batch) (model.Loss, error) {
	w, ahead := &t.set.Loss, 0
	sequences := sequencesOf(batch.Rows)
	for i := range sequences {
		ahead += sequences[i].PredictionsAhead()
	}
	mean := func(weight float64, n int) float32 { return float32(weight / float64(max(n, 1))) }
	if t.modules() {
		if err := t.learner.LearnAhead(&model.CrossEntropy{Weight: mean(w.MTP, ahead), ZLoss: float32(w.ZLoss)}); err != nil {
			return nil, err
		}
	}
	t.learner.BalanceSequences(mean(w.Balance, len(sequences)))
	if t.taught != nil {
		t.taught.Weigh(t.set.Teacher.Share, 1/float64(max(batch.Learnt, 1)), w.ZLoss)
		return t.taught, nil
	}
	return &model.CrossEntropy{Weight: mean(1, batch.Learnt), ZLoss: float32(w.ZLoss)}, nil
}

// extra are the figures that only some networks have.
func (t *supervised) extra(s model.Stats) map[string]float64 {
	m := map[string]float64{}
	if t.modules() {
		m["mtp_loss"] = s.AheadLoss / t.set.Loss.MTP
	}
	if t.learner.Config().MoE != nil {
		m["balance_loss"], m["max_violation"] = s.Balance, t.learner.MaxViolation()
	}
	return m
}

// modules reports whether multi-token prediction is learnt.
func (t *supervised) modules() bool { return t.learner.Config().MTP > 0 && t.set.Loss.MTP > 0 }

// sequencesOf are the sequences of rows that something is learnt of.
func sequencesOf(rows []data.Row) []model.Sequence {
	var list []model.Sequence
	for _, r := range rows {
		for _, s := range r {
			if s.Learnt() > 0 {
				list = append(list, model.Sequence{IDs: s.IDs, Labels: s.Labels})
			}
		}
	}
	return list
}

// Evaluate measures the mean cross-entropy over what is held out, if anything is.
func (t *supervised) Evaluate(context.Context) (e Evaluation, err error) {
	micro := t.set.Batch.Micro
	if micro == 0 {
		micro = t.set.Batch.Global
	}
	loader, err := t.data.Val(micro)
	if err != nil || loader == nil {
		return e, err
	}
	sum, n := 0.0, 0
	for {
		batch, err := loader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return e, err
		}
		sequences := sequencesOf(batch.Rows)
		if len(sequences) == 0 {
			continue
		}
		loss, err := losses(t.learner, sequences)
		if err != nil {
			return e, err
		}
		for _, v := range loss {
			sum += v
		}
		n += len(loss)
		flops := t.costs.rows(batch.Rows, false)
		e.FLOPs += flops
		t.Recorder.Spend(ledger.Evaluation, flops, positions(batch.Rows))
	}
	if n > 0 {
		mean := sum / float64(n)
		e.Loss = &mean
	}
	return e, nil
}
