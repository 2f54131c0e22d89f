package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/train/data"
	"github.com/pennyml/penny/train/optim"
)

// trainer runs one stage.
type trainer struct {
	*Session
	stage    *Stage
	set      *Settings
	schedule optim.Schedule
	learner  *model.Learner
	costs    costs
	state    State
	data     *data.Dataset
	loader   *data.Loader
	purpose  ledger.Purpose
	began    ledger.Sums // when this process took up the stage
	end      End
}

// epochs is the end of a stage that has gone through its data as often as asked.
const epochs = "epochs"

var purposes = map[Kind]ledger.Purpose{Pretrain: ledger.Pretrain, SFT: ledger.SFT}

// begin opens the data of a stage and sets up or restores its state.
func (s *Session) begin(l *model.Learner, stage *Stage, set *Settings) (*trainer, error) {
	t := &trainer{Session: s, stage: stage, set: set, learner: l, costs: costsOf(l.Config(), s.Recompute, set.LoRA != nil, l.Params()), purpose: purposes[stage.Kind]}
	t.state = State{Progress: s.Progress.Clone(), Tensors: l.Tensors()}
	if set.LoRA != nil {
		t.state.Adapted = l.Params()
	}
	t.began = s.Recorder.Totals().All
	var err error
	if t.state.Optimizer, err = optim.New(set.Optimizer, l.Params(), s.Pool); err != nil {
		return nil, err
	}
	if o := set.Optimizer; o.EMA > 0 {
		t.state.Average = optim.NewEMA(o.EMA, o.FromStart, l.Params(), s.Pool)
	}
	if t.data, err = s.openData(set); err != nil {
		return nil, err
	}
	if t.loader, err = t.data.Train(set.Batch.Global); err == nil {
		err = t.place()
	}
	if err != nil {
		return nil, errors.Join(err, t.data.Close())
	}
	debug.FreeOSMemory() // what reading the data left behind is not to stay beside what learning needs
	return t, s.Recorder.Stage(stage.Name)
}

// place puts state and data where the stage begins or goes on.
func (t *trainer) place() error {
	p := &t.state.Progress
	t.schedule = t.set.Schedule
	if t.Restore != "" {
		if err := t.state.Restore(t.Restore); err != nil {
			return err
		}
		t.learner.Updated()
		t.schedule.Steps = p.Steps // the budget may have been changed since
		if p.Ended != epochs {
			p.Ended = t.spent()
		}
		return errors.Join(t.schedule.Validate(), t.loader.Seek(p.Cursor))
	}
	if t.schedule.Steps == 0 && t.schedule.Shape != optim.Constant {
		w, err := work(t.data, &t.costs, t.set)
		if err != nil {
			return err
		}
		t.schedule.Steps, _ = w.Steps(t.stage.Budget, t.Budget.After(Counts{p.Step, p.Tokens, p.FLOPs}))
	}
	if err := t.schedule.Validate(); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	p.Steps, p.Begin = t.schedule.Steps, Counts{p.Step, p.Tokens, p.FLOPs}
	p.Updates, p.Losses, p.Skipped, p.ValLoss, p.Best, p.Ended = 0, nil, 0, nil, nil, ""
	p.Cursor = t.loader.Cursor()
	return nil
}

// run makes the steps of a stage.
func (t *trainer) run(ctx context.Context) (End, error) {
	p := &t.state.Progress
	t.end.Outcome = ledger.Done
	if p.Ended != "" {
		var err error
		t.end.Reason = p.Ended
		_, t.end.Budget = t.Recorder.Exhausted()
		t.end.State, err = t.state.Hash()
		return t.end, err
	}
	first := t.set.Eval.First && p.Step == p.Begin.Step && t.Restore == ""
	if first {
		if err := t.evaluate(); err != nil {
			return t.end, err
		}
	}
	for {
		if t.end.Reason = t.spent(); t.end.Reason != "" {
			break
		}
		t.Recorder.Enter(t.purpose)
		batch, err := t.loader.Next()
		if errors.Is(err, io.EOF) {
			t.end.Reason = epochs
			break
		}
		if err == nil {
			err = t.step(ctx, batch)
		}
		if err != nil {
			return t.end, err
		}
		if t.end.Outcome == ledger.Interrupted {
			return t.end, nil
		}
	}
	t.Recorder.Enter(ledger.Other)
	return t.end, t.finish()
}

// spent says what of the budget of the stage or of the run is used up; empty: nothing.
func (t *trainer) spent() string {
	p, b := &t.state.Progress, &t.stage.Budget
	now := t.Recorder.Totals().All
	for _, c := range []struct {
		name      string
		have, all float64
	}{{"steps", float64(p.Step - p.Begin.Step), float64(b.Steps)}, {"tokens", float64(p.Tokens - p.Begin.Tokens), float64(b.Tokens)},
		{"flops", float64(p.FLOPs - p.Begin.FLOPs), b.FLOPs}, {"dollars", now.Dollars - t.began.Dollars, b.Dollars},
		{"minutes", (now.Seconds - t.began.Seconds) / 60, b.Minutes}} {
		if c.all > 0 && c.have >= c.all {
			return c.name
		}
	}
	by, out := t.Recorder.Exhausted()
	if t.end.Budget = out; out {
		return by
	}
	return ""
}

// step learns from one batch; then evaluates and saves where it is time to.
func (t *trainer) step(ctx context.Context, batch data.Batch) error {
	p, o := &t.state.Progress, t.state.Optimizer
	stats, flops, err := t.accumulate(batch)
	if err != nil {
		return err
	}
	norm := o.Norm()
	lr := t.set.Optimizer.LR * t.schedule.At(p.Step-p.Begin.Step)
	fault := t.fault(stats.Loss, norm)
	if fault == "" {
		o.Step(lr, optim.ClipFactor(norm, t.set.Optimizer.Clip))
		t.learner.UpdateBiases(float32(t.set.Loss.Gamma))
		if t.state.Average != nil {
			t.state.Average.Update()
		}
		t.learner.Updated()
		p.Updates++
		p.Losses = append(p.Losses, stats.Loss)
		p.Losses = p.Losses[max(0, len(p.Losses)-t.set.Divergence.Window):]
		p.Skipped = 0
	}
	p.Step++
	p.Tokens += positions(batch.Rows)
	p.FLOPs += flops
	p.Cursor = t.loader.Cursor()
	if math.IsNaN(stats.Loss) || math.IsInf(stats.Loss, 0) {
		p.Loss = nil
	} else {
		p.Loss = &stats.Loss
	}
	row := run.Row{Step: int64(p.Step), Tokens: p.Tokens, Loss: stats.Loss, LR: lr, GradNorm: norm, Extra: t.extra(stats)}
	if fault != "" {
		if err := t.diverged(fault, row, flops, positions(batch.Rows)); err != nil {
			return err
		}
	}
	return t.after(ctx, row)
}

// accumulate runs the micro-batches of a batch forward and back, in order.
func (t *trainer) accumulate(batch data.Batch) (model.Stats, int64, error) {
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
		if _, err := t.learner.Accumulate(sequences, loss); err != nil {
			return model.Stats{}, 0, err
		}
		flops := t.costs.training(rows, t.modules())
		all += flops
		t.Recorder.Spend(t.purpose, flops, positions(rows))
	}
	return t.learner.Finish(), all, nil
}

// losses sets up what a batch is learnt by: means over all of it, however it is cut.
func (t *trainer) losses(batch data.Batch) (*model.CrossEntropy, error) {
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
	return &model.CrossEntropy{Weight: mean(1, batch.Learnt), ZLoss: float32(w.ZLoss)}, nil
}

// extra are the figures that only some networks have.
func (t *trainer) extra(s model.Stats) map[string]float64 {
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
func (t *trainer) modules() bool { return t.learner.Config().MTP > 0 && t.set.Loss.MTP > 0 }

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

// fault says what is wrong with a step's loss or gradient; empty: nothing.
func (t *trainer) fault(loss, norm float64) string {
	d, past := &t.set.Divergence, t.state.Losses
	switch {
	case math.IsNaN(loss) || math.IsInf(loss, 0):
		return fmt.Sprintf("the loss is %v", loss)
	case math.IsNaN(norm) || math.IsInf(norm, 0):
		return fmt.Sprintf("the norm of the gradient is %v", norm)
	case d.Spike == 0 || len(past) < d.Window:
		return ""
	}
	mean := 0.0
	for _, v := range past {
		mean += v / float64(len(past))
	}
	if loss > d.Spike*mean {
		return fmt.Sprintf("the loss is %.4g, over %g times the mean of the last %d steps, %.4g", loss, d.Spike, len(past), mean)
	}
	return ""
}

// diverged stops the run or skips the step, as the recipe has it.
func (t *trainer) diverged(fault string, row run.Row, flops, tokens int64) error {
	p, d := &t.state.Progress, &t.set.Divergence
	p.Skipped++
	stop := d.Policy == "stop" || p.Skipped > d.Most
	event := "skip"
	if stop {
		event = "divergence"
	}
	if err := t.Recorder.Note(event, fmt.Sprintf("step %d: %s", row.Step, fault)); err != nil {
		return err
	}
	if !stop {
		return t.Recorder.Discard(t.purpose, flops, tokens, "skipped: "+fault)
	}
	if err := t.Recorder.Step(row); err != nil {
		return err
	}
	return fmt.Errorf("%w at step %d: %s", ErrDiverged, row.Step, fault)
}

// after records a step, evaluates and saves.
func (t *trainer) after(ctx context.Context, row run.Row) error {
	p, set := &t.state.Progress, t.set
	inStage := p.Step - p.Begin.Step
	better := false
	if set.Eval.Every > 0 && inStage%set.Eval.Every == 0 {
		best := p.Best
		if err := t.evaluate(); err != nil {
			return err
		}
		row.ValLoss = p.ValLoss
		better = p.Best != best
	}
	if err := t.Recorder.Step(row); err != nil {
		return err
	}
	policy := t.Checkpoints.Policy
	due := policy.Every > 0 && p.Step%policy.Every == 0 || better && policy.KeepBest && policy.Every > 0
	if ctx.Err() != nil {
		due, t.end.Outcome, t.end.Reason = true, ledger.Interrupted, "interrupted"
	}
	if !due {
		return nil
	}
	var err error
	t.end.State, t.end.Path, err = t.Save(&t.state, t.learner.Config())
	return err
}

// finish evaluates and saves at the end of a stage.
func (t *trainer) finish() error {
	p := &t.state.Progress
	if t.set.Eval.Every == 0 || (p.Step-p.Begin.Step)%t.set.Eval.Every != 0 {
		if err := t.evaluate(); err != nil {
			return err
		}
	}
	if !t.end.Budget || t.stage.Budget == (Budget{}) {
		p.Ended = t.end.Reason
	}
	var err error
	t.end.State, t.end.Path, err = t.Save(&t.state, t.learner.Config())
	return err
}
