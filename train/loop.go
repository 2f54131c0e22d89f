package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"strings"

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
	state    State
	lessons  Lessons
	purpose  ledger.Purpose
	began    ledger.Sums // when this process took up the stage
	end      End
}

// Epochs is the end of a stage that has gone through its data as often as asked.
const Epochs = "epochs"

var purposes = map[Kind]ledger.Purpose{Pretrain: ledger.Pretrain, SFT: ledger.SFT, RL: ledger.Learner, Reject: ledger.Rollout, Distill: ledger.Distill}

// begin sets up or restores the state of a stage that learns from lessons.
func (s *Session) begin(l *model.Learner, stage *Stage, set *Settings, lessons Lessons) (*trainer, error) {
	t := &trainer{Session: s, stage: stage, set: set, learner: l, lessons: lessons, purpose: purposes[stage.Kind]}
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
	if err := t.place(); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what reading the data left behind is not to stay beside what learning needs
	return t, s.Recorder.Stage(stage.Name)
}

// place puts state and lessons where the stage begins or goes on.
func (t *trainer) place() error {
	p := &t.state.Progress
	t.schedule = t.set.Schedule
	if t.Restore != "" {
		if err := t.state.Restore(t.Restore); err != nil {
			return err
		}
		t.learner.Updated()
		t.schedule.Steps = p.Steps // the budget may have been changed since
		if p.Ended != Epochs {
			p.Ended = t.spent()
		}
		return errors.Join(t.schedule.Validate(), t.lessons.Resume(p))
	}
	if t.schedule.Steps == 0 && t.schedule.Shape != optim.Constant {
		var err error
		if t.schedule.Steps, err = t.lessons.Steps(t.stage.Budget, t.Budget.After(Counts{p.Step, p.Tokens, p.FLOPs}), t.state.Optimizer.FLOPs()); err != nil {
			return err
		}
	}
	if err := t.schedule.Validate(); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	p.Steps, p.Begin = t.schedule.Steps, Counts{p.Step, p.Tokens, p.FLOPs}
	p.Updates, p.Losses, p.Skipped, p.ValLoss, p.Best, p.Ended = 0, nil, 0, nil, nil, ""
	p.Cursor, p.Mark = data.Cursor{}, nil
	return t.lessons.Mark(p)
}

// run makes the steps of a stage.
func (t *trainer) run(ctx context.Context) (End, error) {
	p := &t.state.Progress
	t.end.Outcome = ledger.Done
	if p.Ended != "" {
		var err error
		t.end.Reason, t.end.Path = p.Ended, t.Restore
		_, t.end.Budget = t.Recorder.Exhausted()
		t.end.State, err = t.state.Hash()
		return t.end, err
	}
	if t.set.Eval.First && p.Step == p.Begin.Step && t.Restore == "" {
		found, err := t.evaluate(ctx)
		if p.ValLoss != nil {
			found = map[string]float64{"val_loss": *p.ValLoss}
		}
		if err == nil && len(found) > 0 {
			err = t.Recorder.Note("evaluation", fmt.Sprintf("before the first step: %s", listed(found)))
		}
		if stopped(ctx, err) {
			return t.end, t.interrupted()
		}
		if err != nil {
			return t.end, err
		}
	}
	for {
		if t.end.Reason = t.spent(); t.end.Reason != "" {
			break
		}
		t.Recorder.Enter(t.purpose)
		updates := t.state.Updates
		err := t.step(ctx)
		if errors.Is(err, io.EOF) {
			t.end.Reason = Epochs
			break
		}
		if stopped(ctx, err) && t.state.Updates == updates { // what was under way is given up
			err = t.interrupted()
		}
		if err != nil {
			return t.end, err
		}
		if t.end.Outcome == ledger.Interrupted {
			return t.end, nil
		}
	}
	t.Recorder.Enter(ledger.Other)
	return t.end, t.finish(ctx)
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

// step makes the updates of one step; then evaluates and saves where it is time to.
func (t *trainer) step(ctx context.Context) error {
	p := &t.state.Progress
	row := run.Row{LR: t.set.Optimizer.LR * t.schedule.At(p.Step-p.Begin.Step)}
	for n, last := 0.0, false; !last; {
		lesson, err := t.lessons.Gradient(ctx)
		if err != nil {
			return err
		}
		p.Tokens += lesson.Tokens
		p.FLOPs += lesson.FLOPs
		last = lesson.Last
		if lesson.Extra != nil {
			row.Extra = lesson.Extra
		}
		if lesson.Empty {
			continue
		}
		norm := t.state.Optimizer.Norm()
		n++
		row.Loss += (lesson.Loss - row.Loss) / n
		row.GradNorm += (norm - row.GradNorm) / n
		fault := t.fault(lesson.Loss, norm)
		if fault == "" {
			t.update(&lesson, row.LR, norm)
			continue
		}
		row.Step, row.Tokens = int64(p.Step+1), p.Tokens
		if err := t.diverged(fault, row, lesson.FLOPs, lesson.Tokens); err != nil {
			return err
		}
	}
	p.Step++
	p.Loss = nil
	if loss := row.Loss; !math.IsNaN(loss) && !math.IsInf(loss, 0) {
		p.Loss = &loss
	}
	row.Step, row.Tokens = int64(p.Step), p.Tokens
	if err := t.lessons.Mark(p); err != nil {
		return err
	}
	return t.after(ctx, row)
}

// update moves the parameters along their gradients.
func (t *trainer) update(lesson *Lesson, lr, norm float64) {
	p := &t.state.Progress
	t.state.Optimizer.Step(lr, optim.ClipFactor(norm, t.set.Optimizer.Clip))
	if n := t.state.Optimizer.FLOPs(); n > 0 {
		p.FLOPs += n
		t.Recorder.Spend(t.purpose, n, 0)
	}
	t.learner.UpdateBiases(float32(t.set.Loss.Gamma))
	if t.state.Average != nil {
		t.state.Average.Update()
	}
	t.learner.Updated()
	p.Updates++
	p.Losses = append(p.Losses, lesson.Loss)
	p.Losses = p.Losses[max(0, len(p.Losses)-t.set.Divergence.Window):]
	p.Skipped = 0
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
		found, err := t.evaluate(ctx)
		if err != nil && !stopped(ctx, err) {
			return err
		}
		if row.Extra == nil {
			row.Extra = map[string]float64{}
		}
		maps.Copy(row.Extra, found)
		row.ValLoss = p.ValLoss
		better = p.Best != best
	}
	if err := t.Recorder.Step(row); err != nil {
		return err
	}
	policy := t.Checkpoints.Policy
	due := policy.Every > 0 && p.Step%policy.Every == 0 || better && policy.KeepBest && policy.Every > 0
	if ctx.Err() != nil {
		return t.interrupted()
	}
	if !due {
		return nil
	}
	var err error
	t.end.State, t.end.Path, err = t.Save(&t.state, t.learner.Config())
	return err
}

// interrupted saves the state between two steps, to go on from.
func (t *trainer) interrupted() error {
	t.end.Outcome, t.end.Reason = ledger.Interrupted, "interrupted"
	var err error
	t.end.State, t.end.Path, err = t.Save(&t.state, t.learner.Config())
	return err
}

// stopped says whether err is that ctx is done.
func stopped(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// finish evaluates and saves at the end of a stage.
func (t *trainer) finish(ctx context.Context) error {
	p := &t.state.Progress
	if t.set.Eval.Every == 0 || (p.Step-p.Begin.Step)%t.set.Eval.Every != 0 {
		found, err := t.evaluate(context.WithoutCancel(ctx))
		if err == nil && len(found) > 0 {
			err = t.Recorder.Note("evaluation", "at the end: "+listed(found))
		}
		if err != nil {
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

// listed shows numbers by name.
func listed(numbers map[string]float64) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(numbers)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %.4g", name, numbers[name])
	}
	return b.String()
}
