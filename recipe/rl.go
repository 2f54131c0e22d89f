package recipe

import (
	"errors"
	"strings"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/rl"
	"github.com/pennyml/penny/train"
)

// files are those that a stage reads: its data, or the file that its task is written in.
func (s *Stage) files() ([]string, error) {
	if s.Kind != train.RL {
		return train.DataFiles(s.Data, nil)
	}
	for _, ext := range []string{".star", ".jsonl"} {
		if i := strings.Index(s.RL.Task, ext); i >= 0 {
			return []string{s.RL.Task[:i+len(ext)]}, nil
		}
	}
	return nil, nil
}

// lessons opens what a stage learns from; nil: its data.
func (x *runner) lessons(l *model.Learner, stage *Stage) func() (train.Lessons, error) {
	if stage.Kind != train.RL {
		return nil
	}
	return func() (train.Lessons, error) { return x.reinforce(l, stage) }
}

// reinforced is a loop with the reference that it uses.
type reinforced struct {
	*rl.Loop
	reference *model.Learner
}

func (r *reinforced) Close() error {
	err := r.Loop.Close()
	if r.reference != nil {
		err = errors.Join(err, r.reference.Close())
	}
	return err
}

// reinforce opens a stage of reinforcement learning.
func (x *runner) reinforce(l *model.Learner, stage *Stage) (train.Lessons, error) {
	if x.o.OpenTask == nil {
		return nil, errors.New("recipe: nothing opens tasks")
	}
	t, err := x.o.OpenTask(stage.RL.Task)
	if err != nil {
		return nil, err
	}
	text, err := rl.NewText(x.session.Vocab, l.Config().EOS, stage.RL)
	if err != nil {
		return nil, err
	}
	o, err := stage.RL.Objective()
	if err != nil {
		return nil, err
	}
	p := rl.Parts{Learner: l, Task: t, Text: text, Recorder: x.session.Recorder, Seed: x.Seed + uint64(x.session.Progress.Stage), Recompute: x.Recompute}
	if o.NeedsReference() {
		if p.Reference, err = x.reference(stage); err != nil {
			return nil, err
		}
	}
	loop, err := rl.NewLoop(*stage.RL, p)
	if err != nil {
		if p.Reference != nil {
			err = errors.Join(err, p.Reference.Close())
		}
		return nil, err
	}
	return &reinforced{loop, p.Reference}, nil
}

// reference is the network as it was at the beginning of the stage. It does not learn.
func (x *runner) reference(stage *Stage) (*model.Learner, error) {
	plain := *stage
	plain.LoRA = nil
	return x.start(&plain, func(string) bool { return true })
}
