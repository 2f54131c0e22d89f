package recipe

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/meter"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/rl"
	"github.com/pennyml/penny/train"
	"github.com/pennyml/penny/train/data"
)

// Plan is what a run is going to take.
type Plan struct {
	Recipe     string       `json:"recipe"` // resolved
	Params     int64        `json:"params"`
	Active     int64        `json:"params_active"`
	Stages     []StagePlan  `json:"stages"`
	PeakMemory int64        `json:"peak_memory_bytes"`
	FLOPs      float64      `json:"flops"`
	Seconds    float64      `json:"seconds"`         // by the measured speed
	AtRoof     float64      `json:"seconds_at_roof"` // if the machine did nothing but multiply and add
	Dollars    float64      `json:"dollars"`
	Rates      ledger.Rates `json:"rates"`
	Notes      []string     `json:"notes,omitempty"`
}

// StagePlan is what a stage is going to take.
type StagePlan struct {
	Name       string  `json:"name"`
	Steps      int     `json:"steps"`
	Tokens     int64   `json:"tokens"`
	FLOPs      float64 `json:"flops"`
	Evaluation float64 `json:"flops_of_evaluation"`
	Seconds    float64 `json:"seconds"`
	Memory     int64   `json:"memory_bytes"`
	Speed      float64 `json:"tokens_per_s"`
	EndsBy     string  `json:"ends_by"` // the bound of its budget, or the run's, that is reached first
}

// DryRun says what running the recipe would take, and changes nothing but the cache of tokens.
func (r *Recipe) DryRun(o Options) (*Plan, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(train.CollectorPercent)) // as when it is run
	pool := par.New(o.Threads)
	defer pool.Close()
	o.Threads = pool.Threads()
	vocab, err := os.MkdirTemp("", "penny-vocabulary-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(vocab)
	x := &runner{Recipe: r, o: o}
	if err := x.traces(); err != nil {
		return nil, err
	}
	x.session.Pool, x.session.VocabDir, x.session.Cache = pool, vocab, o.Cache
	notes, err := train.WriteVocabulary(vocab, &r.Tokenizer, &r.Model, r.Stages[0].Data, nil)
	if err != nil {
		return nil, err
	}
	if x.session.Vocab, err = train.OpenVocabulary(vocab); err != nil {
		return nil, err
	}
	text, err := r.YAML()
	if err != nil {
		return nil, err
	}
	p := &Plan{Recipe: string(text), Rates: ledger.DefaultRates(o.Threads), Notes: notes}
	c, err := x.config(0, &x.Model)
	if err != nil {
		return nil, err
	}
	count := c.Count()
	p.Params, p.Active = count.Params+count.MTP, count.Active
	for i := range r.Stages {
		if err := x.plan(p, c, i); err != nil {
			return nil, fmt.Errorf("stage %s: %w", r.Stages[i].Name, err)
		}
	}
	p.finish(o)
	return p, nil
}

// config is the configuration of a network that stage i names.
func (x *runner) config(i int, m *train.Model) (*model.Config, error) {
	if m.From == "" {
		return x.fresh(m)
	}
	return x.read(i, m.From)
}

// read is the configuration of a network that has been made, or that an earlier stage will have.
func (x *runner) read(i int, from string) (*model.Config, error) {
	if name, ok := strings.CutPrefix(from, ofStage); ok {
		return x.ends[x.earlier(i, name)], nil
	}
	return zoo.ReadConfig(from)
}

// plan adds a stage.
func (x *runner) plan(p *Plan, c *model.Config, i int) error {
	stage := &x.Stages[i]
	if stage.Model != nil {
		other, err := x.config(i, stage.Model)
		if err != nil {
			return err
		}
		*c = *other
	}
	if err := stage.stretch(c); err != nil {
		return err
	}
	after := *c
	x.ends = append(x.ends, &after)
	if later := slices.ContainsFunc(stage.Data.Sources, func(s data.Source) bool { return s.Stage != "" }); later && !stage.samples() {
		p.note(stage, "what an earlier stage will leave to learn from is not known, so neither is what it takes; its budget bounds it")
		p.Stages = append(p.Stages, StagePlan{Name: stage.Name, Steps: stage.Budget.Steps, Memory: p.PeakMemory, EndsBy: "budget"})
		return nil
	}
	work, err := x.work(p, c, i)
	if err != nil {
		return err
	}
	s := StagePlan{Name: stage.Name, Memory: p.PeakMemory} // of an earlier stage at least
	if len(p.Stages) == 0 {
		s.Memory = meter.PeakMemory() // what opening vocabulary and data took
	}
	needs, err := x.needs(p, c, i)
	if err != nil {
		return err
	}
	step := time.Duration((stage.Batch.Global+stage.MicroRows()-1)/stage.MicroRows())*needs.Micro + needs.Update
	if stage.samples() {
		step = 0 // answers end when they will
	}
	work.FLOPs += float64(needs.FLOPs)
	if s.Steps, s.EndsBy = work.Steps(stage.Budget, x.Budget.After(p.counts())); s.Steps == 0 && step > 0 {
		s.Steps, s.EndsBy = x.byClock(p, stage, step)
	} else if s.EndsBy == train.Epochs && stage.Kind == train.Reject {
		s.EndsBy = "problems"
	}
	evaluations := 1
	if stage.Eval.Every > 0 {
		evaluations = (s.Steps + stage.Eval.Every - 1) / stage.Eval.Every
	}
	if stage.Eval.First {
		evaluations++
	}
	s.Tokens = int64(s.Steps) * work.Tokens
	s.Evaluation = float64(evaluations) * work.Evaluation
	s.FLOPs = float64(s.Steps)*work.FLOPs + s.Evaluation
	if step > 0 {
		s.Seconds = float64(s.Steps)*step.Seconds() + float64(evaluations)*float64(work.EvaluationRows)/float64(stage.MicroRows())*needs.Forward.Seconds()
		s.Speed = float64(work.Tokens) / step.Seconds()
	}
	s.Memory = max(s.Memory, peak(needs.Heap, c.MoE != nil))
	p.PeakMemory = s.Memory
	p.Stages = append(p.Stages, s)
	return nil
}

func (p *Plan) note(s *Stage, format string, a ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf("stage %s: %s", s.Name, fmt.Sprintf(format, a...)))
}

// byClock is the number of steps until time or money ends a stage.
func (x *runner) byClock(p *Plan, stage *Stage, step time.Duration) (steps int, by string) {
	seconds := math.Inf(1)
	perSecond, _, _ := p.Rates.Dollars(1, 0)
	for _, b := range []train.Budget{stage.Budget, x.Budget} {
		if t := b.Minutes * 60; t > 0 && t < seconds {
			seconds, by = t, "minutes"
		}
		if t := b.Dollars / perSecond; t > 0 && t < seconds {
			seconds, by = t, "dollars"
		}
	}
	if math.IsInf(seconds, 1) {
		return 0, ""
	}
	return int(seconds / step.Seconds()), by
}

// work is how much stage i does with the network c; one that samples answers, at most.
func (x *runner) work(p *Plan, c *model.Config, i int) (train.Work, error) {
	stage := &x.Stages[i]
	teacher, err := x.teacherConfig(i)
	if err != nil {
		return train.Work{}, err
	}
	if !stage.samples() {
		return x.session.Forecast(c, teacher, &stage.Settings)
	}
	t, err := x.task(stage)
	if err != nil {
		return train.Work{}, err
	}
	text, err := rl.NewText(x.session.Vocab, c.EOS, stage.RL)
	if err != nil {
		return train.Work{}, err
	}
	var its *train.Cost
	if teacher != nil {
		cost := train.CostOf(teacher, false, false, nil)
		its = &cost
	}
	p.note(stage, "its operations are stated as if every answer had %d tokens; shorter ones take fewer. Its time is not stated", stage.RL.MaxTokens)
	w, err := stage.RL.Forecast(stage.Kind, t, text, c, train.CostOf(c, x.Recompute, stage.LoRA != nil, nil), its)
	w.Every = stage.Eval.Every
	return w, err
}

// teacherConfig is the configuration of the network that stage i learns from; nil: none.
func (x *runner) teacherConfig(i int) (*model.Config, error) {
	t := x.Stages[i].Teacher
	if t == nil || x.Stages[i].Kind != train.Distill {
		return nil, nil
	}
	return x.read(i, t.From)
}

// needs is what learning takes in stage i.
func (x *runner) needs(p *Plan, c *model.Config, i int) (train.Needs, error) {
	stage := &x.Stages[i]
	o, err := x.options(stage)
	if err != nil {
		return train.Needs{}, err
	}
	set := stage.Settings
	if stage.samples() {
		set.Data.Length, set.Loss.MTP = stage.RL.MaxTokens, 0
		set.Batch = train.Batch{Global: rl.MicroRows/stage.RL.MaxTokens + 1}
	}
	n, err := train.Measure(c, &set, x.session.Pool, func(c *model.Config) (*model.Learner, error) {
		return zoo.LearnNew(c, model.FreshWeights(0, 1), o)
	})
	if errors.Is(err, train.ErrTooLarge) {
		p.note(stage, "%v: neither memory nor time can be told", err)
		return n, nil
	}
	if err != nil {
		return n, err
	}
	switch stage.Kind {
	case train.Reject:
		n.FLOPs = 0
	case train.RL:
		n.FLOPs *= int64(stage.RL.Mu * stage.RL.Minibatches)
	}
	teacher, err := x.teacherConfig(i)
	if teacher != nil {
		n.Micro += time.Duration(float64(n.Forward) * float64(teacher.FLOPs(1)) / float64(c.FLOPs(1)))
		rows := int64(set.MicroRows()) * int64(set.Data.Length)
		n.Heap += 4 * (teacher.Count().Params + rows*int64(c.Vocab))
	}
	return n, err
}

// counts are what the stages so far come to.
func (p *Plan) counts() (c train.Counts) {
	for _, s := range p.Stages {
		c.Step, c.Tokens, c.FLOPs = c.Step+s.Steps, c.Tokens+s.Tokens, c.FLOPs+int64(s.FLOPs)
	}
	return c
}

// finish adds up.
func (p *Plan) finish(o Options) {
	for _, s := range p.Stages {
		p.FLOPs += s.FLOPs
		p.Seconds += s.Seconds
	}
	if o.Roof > 0 {
		p.AtRoof = p.FLOPs / o.Roof
	}
	_, _, p.Dollars = p.Rates.Dollars(p.Seconds, 0)
}

// spare is for what a run needs besides: buffers of the files it writes, stacks.
const spare = 4 << 20

// peak is the memory that the process will have taken at most, when it holds so much more on the heap than now. The heap may grow by the collector's
// share before it is swept. Experts use that up: other numbers of rows in each step make them other buffers. Else learning leaves so little behind
// that many a run ends, or is swept for its age, before that, and half the share is never far off. And there is what is not on the heap.
func peak(more int64, experts bool) int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	outside := meter.Memory() - int64(m.HeapSys-m.HeapReleased)
	share := int64(train.CollectorPercent) / 2
	if experts {
		share = train.CollectorPercent
	}
	return spare + outside + (int64(m.HeapAlloc)+more)*(100+share)/100
}
