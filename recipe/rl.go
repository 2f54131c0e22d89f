package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/rl"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
	"github.com/pennyml/penny/train/data"
)

// samples says whether a stage samples answers to a task.
func (s *Stage) samples() bool {
	return s.Kind == train.RL || s.Kind == train.Reject || s.Kind == train.Distill && !s.Learns(s.Kind)
}

// ofStage is how a network is named that an earlier stage has made.
const ofStage = "stage:"

// made checks that a network that is named as an earlier stage's is one before stage i.
func (r *Recipe) made(i int, from string) error {
	if name, ok := strings.CutPrefix(from, ofStage); ok && r.earlier(i, name) < 0 {
		return fmt.Errorf("no stage before this one is called %q", name)
	}
	return nil
}

// path is where a network lies that stage i names.
func (x *runner) path(i int, from string) string {
	if name, ok := strings.CutPrefix(from, ofStage); ok {
		return x.stageDir(x.earlier(i, name))
	}
	return from
}

// related reports keys of stage i that do not fit what else the recipe says.
func (r *Recipe) related(i int) (bad []train.Invalid) {
	s := &r.Stages[i]
	note := func(key string, err error) {
		if err != nil {
			bad = append(bad, train.Invalid{Key: key, Err: err})
		}
	}
	if s.samples() {
		if s.RL == nil {
			note("rl", fmt.Errorf("a stage of the kind %s that has no data needs the section rl, with a task at least", s.Kind))
		} else {
			note("rl", s.RL.Validate())
		}
		if s.Kind == train.Reject && s.RL != nil {
			note("rl", s.RL.Rejection.Validate())
		}
	}
	if s.Model != nil {
		note("model", s.Model.Validate())
		note("model.from", r.made(i, s.Model.From))
	}
	if s.Teacher != nil {
		note("teacher.from", r.made(i, s.Teacher.From))
	}
	for _, d := range s.Data.Sources {
		if d.Stage == "" {
			continue
		}
		if of := r.earlier(i, d.Stage); of < 0 || r.Stages[of].Kind != train.Reject {
			note("data.sources", fmt.Errorf("stage: no stage before this one is called %q and of the kind %s", d.Stage, train.Reject))
		}
	}
	return bad
}

// earlier is the number of the stage of a name before stage i, or -1.
func (r *Recipe) earlier(i int, name string) int {
	return slices.IndexFunc(r.Stages[:i], func(s Stage) bool { return s.Name == name })
}

// files are those that a stage reads: its data, or the file that its task is written in.
func (s *Stage) files() ([]string, error) {
	if !s.samples() {
		return train.DataFiles(s.Data, nil)
	}
	if path := train.TaskFile(s.RL.Task); path != "" {
		return []string{path}, nil
	}
	return nil, nil
}

// dataset is the file that a stage of rejection sampling leaves.
func (x *runner) dataset(name string) string { return x.dir.Join("data", name+".jsonl") }

// settings are those of a stage, with the datasets that earlier stages have left.
func (x *runner) settings(stage *Stage) *train.Settings {
	set := stage.Settings
	set.Data.Sources = append([]data.Source(nil), set.Data.Sources...)
	for i := range set.Data.Sources {
		if s := &set.Data.Sources[i]; s.Stage != "" {
			s.Made = x.dataset(s.Stage)
		}
	}
	return &set
}

// teacher is the network that stage i learns from; nil: none.
func (x *runner) teacher(i int) (*model.Learner, error) {
	t := x.Stages[i].Teacher
	if t == nil || x.Stages[i].Kind != train.Distill {
		return nil, nil
	}
	compute, err := x.Compute()
	if err != nil {
		return nil, err
	}
	return zoo.Learn(x.path(i, t.From), model.LearnOptions{Threads: x.o.Threads, Compute: compute, Frozen: all})
}

func all(string) bool { return true }

// lessons opens what a stage learns from; nil: its data.
func (x *runner) lessons(l *model.Learner, stage *Stage) func() (train.Lessons, error) {
	if !stage.samples() {
		return nil
	}
	return func() (train.Lessons, error) { return x.sampling(l, stage) }
}

// task opens the task of a stage that samples answers.
func (x *runner) task(stage *Stage) (task.Task, error) {
	if x.o.OpenTask == nil {
		return nil, errors.New("recipe: nothing opens tasks")
	}
	return x.o.OpenTask(stage.RL.Task)
}

// sampling opens a stage that samples answers.
func (x *runner) sampling(l *model.Learner, stage *Stage) (train.Lessons, error) {
	t, err := x.task(stage)
	if err != nil {
		return nil, err
	}
	text, err := rl.NewText(x.session.Vocab, l.Config().EOS, stage.RL)
	if err != nil {
		return nil, err
	}
	p := rl.Parts{Learner: l, Task: t, Text: text, Recorder: x.session.Recorder, Seed: x.Seed + uint64(x.session.Progress.Stage), Recompute: x.Recompute, LoRA: stage.LoRA != nil}
	switch stage.Kind {
	case train.Reject:
		return rl.NewRejecter(*stage.RL, p, x.dataset(stage.Name))
	case train.Distill:
		return rl.NewDistiller(*stage.RL, p, x.session.Teacher, stage.Teacher)
	}
	return x.reinforce(stage, p)
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

// reinforce opens a stage of reinforcement learning. Its reference is the network as it was at the beginning of the stage.
func (x *runner) reinforce(stage *Stage, p rl.Parts) (train.Lessons, error) {
	o, err := stage.RL.Objective()
	if err != nil {
		return nil, err
	}
	if o.NeedsReference() {
		plain := *stage
		plain.LoRA = nil
		if p.Reference, err = x.start(&plain, all); err != nil {
			return nil, err
		}
	}
	loop, err := rl.NewLoop(*stage.RL, p)
	if err == nil {
		return &reinforced{loop, p.Reference}, nil
	}
	if p.Reference != nil {
		err = errors.Join(err, p.Reference.Close())
	}
	return nil, err
}
