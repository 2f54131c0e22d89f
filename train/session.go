// Package train teaches networks: pretraining and supervised fine-tuning, stage by stage, with an account of every step. What a run computes depends on its
// recipe, its data and its seed; not on threads, micro-batches or on how often it was killed and resumed.
package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/train/data"
)

// Session is what the stages of a run have in common.
type Session struct {
	Dir         string // of the run
	Recorder    *run.Recorder
	Checkpoints Checkpoints
	Vocab       data.Vocabulary
	VocabDir    string // the files of Vocab
	Pool        *par.Pool
	DataDirs    []string // where relative paths of data are looked for
	Cache       string   // for token files
	Recompute   bool     // as the learners were told
	Budget      Budget   // of the run, which the Recorder watches

	Progress Progress // how far the run has come
	Restore  string   // the checkpoint of the stage at hand that the run goes on from; empty at the beginning of a stage
	Base     string   // what the stage at hand began with

	Teacher *model.Learner // of the stage at hand, if it distils
}

// End says how a stage ended.
type End struct {
	Outcome ledger.Outcome
	Reason  string
	Budget  bool // the whole run's budget is used up
	State   ledger.Hash
	Path    string // of the last checkpoint
}

// ErrDiverged says that training came to nothing.
var ErrDiverged = errors.New("training diverged")

// Learn runs a stage to its end, or on from Restore, and leaves the network that it ends with in the folder out, as e says. The learner is that of the stage's
// beginning; in a stage without LoRA that goes on, that of Restore. open makes the lessons of the stage; nil: supervised ones, from its data.
func (s *Session) Learn(ctx context.Context, l *model.Learner, stage *Stage, set *Settings, out string, e Export, open func() (Lessons, error)) (end End, err error) {
	if s.Recorder == nil {
		return End{}, ledger.ErrNoRecorder
	}
	if open == nil {
		open = func() (Lessons, error) { return s.supervise(l, stage, set) }
	}
	lessons, err := open()
	if err != nil {
		return End{}, err
	}
	defer func() { err = errors.Join(err, lessons.Close()) }()
	t, err := s.begin(l, stage, set, lessons)
	if err != nil {
		return End{}, err
	}
	over := t.state.Ended != ""
	end, err = t.run(ctx)
	if _, missing := os.Stat(out); err == nil && end.Outcome == ledger.Done && (!over || missing != nil) {
		s.Recorder.Enter(ledger.Other)
		if err = t.export(ctx, out, e); stopped(ctx, err) { // the run goes on with it
			end.Outcome, end.Reason, err = ledger.Interrupted, "interrupted", nil
		}
	}
	s.Progress, s.Restore = t.state.Progress, ""
	return end, err
}

// Save writes a checkpoint and records it.
func (s *Session) Save(state *State, c *model.Config) (ledger.Hash, string, error) {
	before := s.Recorder.Enter(ledger.Other)
	defer s.Recorder.Enter(before)
	sum, err := state.Hash()
	if err != nil {
		return "", "", err
	}
	path, err := s.Checkpoints.Save(state, c, s.VocabDir)
	if err != nil {
		return "", "", fmt.Errorf("checkpoint of step %d: %w", state.Step, err)
	}
	inside, err := filepath.Rel(s.Dir, path)
	if err != nil {
		return "", "", err
	}
	return sum, path, s.Recorder.Checkpoint(int64(state.Step), state.Tokens, sum, inside)
}

// CollectorPercent is for runtime/debug.SetGCPercent while learning. What learning holds is a few large buffers without pointers: collecting is cheap, and
// memory that may grow to twice of what is in use would be dear.
const CollectorPercent = 10
