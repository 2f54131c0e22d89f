package recipe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/tensorboard"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

// Options say where and with what a recipe is run.
type Options struct {
	Dir     string  // of the run
	Resume  bool    // go on with the run in Dir, if there is one
	Version string  // of the program, for the manifest
	Threads int     // 0: one for each CPU
	Cache   string  // for token files
	Roof    float64 // the machine's measured FLOP/s; 0: utilisation is not shown
	View    run.View
	Notes   func(string) // is told what is worth knowing

	OpenTask func(spec string) (task.Task, error) // by its spec; nil: recipes with tasks cannot be run
}

// Result is what a run came to.
type Result struct {
	Run     string         `json:"run"`
	Steps   int            `json:"steps"`
	Tokens  int64          `json:"tokens"`
	Loss    *float64       `json:"loss"`
	ValLoss *float64       `json:"val_loss"`
	Seconds float64        `json:"seconds"`
	FLOPs   ledger.FLOPs   `json:"flops"`
	Joules  *float64       `json:"joules"`
	Label   ledger.Label   `json:"joules_label"`
	Dollars float64        `json:"dollars"`
	State   ledger.Hash    `json:"state_sha256"`
	Speed   float64        `json:"tokens_per_s"`
	Outcome ledger.Outcome `json:"outcome"`
	Reason  string         `json:"reason"`
	Dir     string         `json:"dir"`
	Model   string         `json:"model,omitempty"` // folder of the trained network
}

// runner is a recipe being run.
type runner struct {
	*Recipe
	o       Options
	dir     *run.Dir
	session train.Session
	from    string // the checkpoint that the run goes on from; empty: it begins

	ends []*model.Config // of a dry run: what each stage so far ends with
}

// Run runs a recipe to its end, to the end of its budget, or until ctx is done, which leaves a checkpoint to go on from.
func (r *Recipe) Run(ctx context.Context, o Options) (*Result, error) {
	x := &runner{Recipe: r, o: o}
	pool := par.New(o.Threads)
	defer pool.Close()
	x.o.Threads = pool.Threads()
	x.session.Pool = pool
	defer debug.SetGCPercent(debug.SetGCPercent(train.CollectorPercent))
	if err := x.open(); err != nil {
		return nil, err
	}
	defer x.dir.Close()
	if err := x.record(); err != nil {
		return nil, err
	}
	end, err := x.stages(ctx)
	if err != nil {
		_, closing := x.session.Recorder.Close(ledger.Failed, err.Error())
		return nil, errors.Join(err, closing)
	}
	totals := x.session.Recorder.Totals()
	if _, err := x.session.Recorder.Close(end.Outcome, end.Reason); err != nil {
		return nil, err
	}
	return x.result(end, totals), nil
}

// open makes the run's directory with what is fixed from the beginning, or opens it.
func (x *runner) open() error {
	if exists := fileExists(filepath.Join(x.o.Dir, run.ManifestFile)); exists && x.o.Resume {
		return x.reopen()
	} else if exists {
		return fmt.Errorf("%s already holds a run: resume it, or choose another directory", x.o.Dir)
	}
	m, err := run.NewManifest(x.Name, "train", x.o.Version, x.o.Threads)
	if err != nil {
		return err
	}
	if err := x.traces(); err != nil {
		return err
	}
	if err := os.MkdirAll(x.o.Dir, 0o777); err != nil {
		return err
	}
	vocab := filepath.Join(x.o.Dir, vocabDir)
	if err := errors.Join(os.RemoveAll(vocab), os.Mkdir(vocab, 0o777)); err != nil {
		return err
	}
	notes, err := train.WriteVocabulary(vocab, &x.Tokenizer, &x.Model, x.Stages[0].Data, nil)
	if err != nil {
		return err
	}
	x.note(notes...)
	text, err := x.YAML()
	if err != nil {
		return err
	}
	if err := x.inputs(&m, text, vocab); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.o.Dir, run.RecipeFile), text, 0o666); err != nil {
		return err
	}
	x.dir, err = run.Create(x.o.Dir, m)
	return err
}

// vocabDir is the folder, in a run's directory, of its vocabulary.
const vocabDir = "tokenizer"

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// inputs puts on the manifest what goes into the run.
func (x *runner) inputs(m *run.Manifest, recipe []byte, vocab string) error {
	m.Seeds["seed"] = x.Seed
	m.AddContent("recipe", run.RecipeFile, recipe)
	if err := m.AddInput("tokenizer", vocab); err != nil {
		return err
	}
	if x.Model.From != "" {
		if err := m.AddInput("weights", x.Model.From); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, s := range x.Stages {
		files, err := s.files()
		if err != nil {
			return err
		}
		for _, f := range files {
			if seen[f] {
				continue
			}
			seen[f] = true
			if err := m.AddInput("data", f); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopen goes on with a run: its own recipe holds, but for budgets, checkpoints and micro-batches, which no bit depends on until the end.
func (x *runner) reopen() error {
	kept, err := Load(filepath.Join(x.o.Dir, run.RecipeFile), nil)
	if err != nil {
		return err
	}
	if err := kept.continues(x.Recipe); err != nil {
		return fmt.Errorf("%s: %w", x.o.Dir, err)
	}
	x.Recipe = kept
	if err := x.traces(); err != nil {
		return err
	}
	if x.dir, err = run.Open(x.o.Dir); err != nil {
		return err
	}
	c := train.Checkpoints{Dir: x.dir.Join(run.CheckpointsDir)}
	if x.from, err = c.Latest(); err == nil && x.from != "" {
		x.session.Progress, err = train.ReadProgress(x.from)
	}
	if err != nil {
		return errors.Join(err, x.dir.Close())
	}
	return nil
}

// record starts the account and what the stages share.
func (x *runner) record() error {
	s, p := &x.session, &x.session.Progress
	p.Seed = x.Seed
	s.Dir, s.Budget, s.Cache, s.Recompute = x.dir.Path, x.Budget, x.o.Cache, x.Recompute
	s.Checkpoints = train.Checkpoints{Dir: x.dir.Join(run.CheckpointsDir), Policy: x.Checkpoint}
	var err error
	s.VocabDir = x.dir.Join(vocabDir)
	if s.Vocab, err = train.OpenVocabulary(s.VocabDir); err != nil {
		return errors.Join(err, x.dir.Close())
	}
	events, err := tensorboard.Open(x.dir.Join(run.TensorBoardDir), int64(p.Step))
	if err != nil {
		return errors.Join(err, x.dir.Close())
	}
	b := x.Budget
	s.Recorder, err = run.Record(x.dir, run.Options{Threads: x.o.Threads, Roof: x.o.Roof, Formula: train.Formula, View: x.o.View, Events: events,
		Budget: run.Budget{Steps: int64(b.Steps), Tokens: b.Tokens, FLOPs: b.FLOPs, Dollars: b.Dollars, Minutes: b.Minutes},
		Resume: x.o.Resume && ledger.Exists(x.dir.Join(run.LedgerFile)), Step: int64(p.Step), Tokens: p.Tokens})
	if err != nil {
		return errors.Join(err, x.dir.Close())
	}
	return nil
}

// stages runs the stages that are left.
func (x *runner) stages(ctx context.Context) (end train.End, err error) {
	for p := &x.session.Progress; ; p.Stage++ {
		last := p.Stage == len(x.Stages)-1
		out, export := x.dir.Join(train.ModelDir), x.Export
		if !last {
			out, export = x.stageDir(p.Stage), train.Export{}
		}
		if end, err = x.stage(ctx, p.Stage, out, export); err != nil || end.Outcome != ledger.Done || end.Budget || last {
			return end, err
		}
		if by, out := x.session.Recorder.Exhausted(); out {
			end.Reason, end.Budget = by, true
			return end, nil
		}
		x.from = ""
	}
}

// stageDir is where the network that a stage before the last ended with is left: the next begins with it.
func (x *runner) stageDir(i int) string { return x.dir.Join(train.StagesDir, x.Stages[i].Name) }

// stage runs a stage, or goes on with it.
func (x *runner) stage(ctx context.Context, i int, out string, export train.Export) (end train.End, err error) {
	stage, s := &x.Stages[i], &x.session
	if s.Base = x.Model.From; i > 0 {
		s.Base = x.stageDir(i - 1)
	}
	if stage.Model != nil {
		s.Base = x.path(i, stage.Model.From)
	}
	s.Restore = x.from
	l, err := x.learner(stage)
	if err != nil {
		return end, err
	}
	if s.Teacher, err = x.teacher(i); err != nil {
		return end, errors.Join(fmt.Errorf("stage %s: teacher: %w", stage.Name, err), l.Close())
	}
	end, err = s.Learn(ctx, l, &stage.Stage, x.settings(stage), out, export, x.lessons(l, stage))
	if s.Teacher != nil {
		err = errors.Join(err, s.Teacher.Close())
	}
	return end, errors.Join(err, l.Close())
}

// learner is the network at the beginning of a stage, or where it stands in the middle of one.
func (x *runner) learner(stage *Stage) (*model.Learner, error) {
	o, err := x.options(stage)
	if err != nil {
		return nil, err
	}
	if x.from != "" && o.LoRA == nil {
		return zoo.Learn(x.from, o)
	}
	return x.start(stage, nil)
}

// start is the network at the beginning of a stage.
func (x *runner) start(stage *Stage, frozen func(name string) bool) (*model.Learner, error) {
	o, err := x.options(stage)
	if err != nil {
		return nil, err
	}
	o.Frozen = frozen
	if x.session.Base != "" {
		return zoo.LearnAs(x.session.Base, stage.stretch, o)
	}
	m := &x.Model
	if stage.Model != nil {
		m = stage.Model
	}
	c, err := x.fresh(m)
	if err == nil {
		err = stage.stretch(c)
	}
	if err != nil {
		return nil, err
	}
	return zoo.LearnNew(c, model.FreshWeights(m.InitStd, x.Seed), o)
}

// options are how the learner of a stage learns.
func (x *runner) options(stage *Stage) (model.LearnOptions, error) {
	compute, err := x.Compute()
	o := model.LearnOptions{Threads: x.o.Threads, Compute: compute, Recompute: x.Recompute}
	if l := stage.LoRA; l != nil {
		o.LoRA = &model.LoRA{Rank: l.Rank, Alpha: float32(l.Alpha), Targets: l.Target, Seed: x.Seed}
	}
	return o, err
}

// stretch makes a network's context as long as the stage wants it.
func (s *Stage) stretch(c *model.Config) error {
	e := s.Extend
	if e == nil {
		return nil
	}
	original := e.Original
	if original == 0 {
		original = c.Context
	}
	return c.Stretch(e.Factor, original)
}

// fresh is the configuration of a fresh network: the recipe's, with the vocabulary's size and special tokens.
func (x *runner) fresh(m *train.Model) (*model.Config, error) {
	f, t := m.Fresh, x.session.Vocab.Tokenizer
	if n := t.VocabSize(); f.Vocab == 0 {
		f.Vocab = n
	} else if f.Vocab < n {
		return nil, fmt.Errorf("model.vocab is %d, the tokenizer has %d tokens", f.Vocab, n)
	}
	roles := t.Roles()
	if bos := int(roles.BOS); f.BOS == nil && bos >= 0 {
		f.BOS = &bos
	}
	if len(f.EOS) == 0 {
		for _, id := range roles.EOG {
			f.EOS = append(f.EOS, int(id))
		}
	}
	return f.Config()
}

func (x *runner) note(notes ...string) {
	if x.o.Notes != nil {
		for _, n := range notes {
			x.o.Notes(n)
		}
	}
}

func (x *runner) result(end train.End, t ledger.Totals) *Result {
	p, all := &x.session.Progress, t.All
	r := &Result{Run: x.dir.Manifest.Run, Steps: p.Step, Tokens: p.Tokens, Loss: p.Loss, ValLoss: p.ValLoss, Seconds: all.Seconds, FLOPs: all.FLOPs,
		Joules: all.Energy.Known(), Label: all.Energy.Label, Dollars: all.Dollars, State: end.State, Outcome: end.Outcome, Reason: end.Reason, Dir: x.dir.Path}
	if seconds := t.For[ledger.Pretrain].Seconds + t.For[ledger.SFT].Seconds; seconds > 0 {
		r.Speed = float64(p.Tokens) / seconds
	}
	if m := filepath.Join(x.dir.Path, train.ModelDir); fileExists(m) {
		r.Model = m
	}
	return r
}
