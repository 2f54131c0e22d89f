// Package recipe reads the files that describe runs: one YAML file says which network learns what, in which stages, how long and from which seed.
// Unknown keys are errors. What a file leaves out has one documented default, and the resolved recipe, with nothing left out, is kept in the run.
package recipe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/pennyml/penny/rl"
	"github.com/pennyml/penny/tensor"
	"github.com/pennyml/penny/train"
)

// Recipe is a run as its file describes it.
type Recipe struct {
	Name       string           `yaml:"name"` // of the run; by default the file's
	About      string           `yaml:"about,omitempty"`
	Seed       uint64           `yaml:"seed"`      // of the first weights and of the order of the data
	Precision  string           `yaml:"precision"` // of products: f32 or bf16
	Recompute  bool             `yaml:"recompute"` // run each layer forward a second time when going back, rather than keep what it computed
	Model      train.Model      `yaml:"model"`
	Tokenizer  train.Tokenizer  `yaml:"tokenizer"`
	Budget     train.Budget     `yaml:"budget"` // of the whole run
	Checkpoint train.Checkpoint `yaml:"checkpoint"`
	Export     train.Export     `yaml:"export"`

	train.Settings `yaml:",inline"` // of all stages, unless a stage says otherwise
	RL             *rl.Config       `yaml:"rl,omitempty"` // likewise, of the kind rl
	Stages         []Stage          `yaml:"stages"`       // none: one of the kind pretrain
}

// Stage is a part of a run.
type Stage struct {
	train.Stage    `yaml:",inline"`
	Model          *train.Model `yaml:"model,omitempty"` // the network that the stage begins with; by default that of the stage before
	train.Settings `yaml:",inline"`
	RL             *rl.Config `yaml:"rl,omitempty"`
}

func defaults() Recipe {
	return Recipe{Seed: 1, Precision: tensor.F32.String(), Checkpoint: train.Checkpoint{KeepLast: 2, KeepBest: true}, Export: train.Export{Type: "f32"}, Settings: train.DefaultSettings()}
}

// Load reads a recipe file and applies settings of the form key.key=value to it, the later ones above the earlier.
func Load(path string, settings []string) (*Recipe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(path)
	return Parse(path, strings.TrimSuffix(base, filepath.Ext(base)), text, settings)
}

// Parse is Load of a text. name is for errors, run the default name of the run.
func Parse(name, run string, text []byte, settings []string) (*Recipe, error) {
	s := source{name}
	m, err := s.parse(text)
	if err != nil {
		return nil, err
	}
	r := defaults()
	r.Name = run
	if err := r.decode(s, m); err != nil {
		return nil, err
	}
	for _, setting := range settings {
		if err := r.set(setting); err != nil {
			return nil, err
		}
	}
	return &r, r.resolve()
}

// decode reads a file into r. A stage begins with the settings of the whole recipe.
func (r *Recipe) decode(s source, m *ast.MappingNode) error {
	top := &ast.MappingNode{BaseNode: m.BaseNode, Start: m.Start}
	var stages ast.Node
	for _, e := range m.Values {
		if e.Key.GetToken().Value == "stages" {
			stages = e.Value
		} else {
			top.Values = append(top.Values, e)
		}
	}
	if err := s.decode(top, reflect.ValueOf(r).Elem(), ""); err != nil || stages == nil {
		return err
	}
	list, ok := stages.(*ast.SequenceNode)
	if !ok {
		return s.errorf(stages, "stages: want a list, found %s", text(stages))
	}
	for i, n := range list.Values {
		stage := Stage{Settings: r.Settings, RL: r.RL}
		if err := s.decode(n, reflect.ValueOf(&stage).Elem(), fmt.Sprintf("stages[%d]", i)); err != nil {
			return err
		}
		r.Stages = append(r.Stages, stage)
	}
	return nil
}

// resolve fills in what depends on other values, and reports what makes no sense.
func (r *Recipe) resolve() error {
	if len(r.Stages) == 0 {
		r.Stages = []Stage{{Stage: train.Stage{Kind: train.Pretrain}, Settings: r.Settings}}
	}
	var errs []error
	note := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	if _, err := r.Compute(); err != nil {
		errs = append(errs, err)
	}
	note("model", r.Model.Validate())
	note("tokenizer", r.Tokenizer.Validate(&r.Model))
	note("budget", r.Budget.Validate())
	note("checkpoint", r.Checkpoint.Validate())
	for i := range r.Stages {
		s := &r.Stages[i]
		if s.Name == "" {
			s.Name = fmt.Sprintf("%d-%s", i+1, s.Kind)
		}
		key := func(k string) string { return fmt.Sprintf("stages[%d].%s", i, k) }
		if len(r.Stages) == 1 {
			key = func(k string) string { return k }
		}
		for _, k := range s.Settings.Validate(&s.Stage) {
			note(key(k.Key), k.Err)
		}
		for _, k := range r.related(i) {
			note(key(k.Key), k.Err)
		}
		endless := s.Budget == (train.Budget{}) && s.Kind != train.Reject && (s.Data.Epochs == 0 || !s.Learns(s.Kind))
		if endless && i < len(r.Stages)-1 {
			note(key("budget"), errors.New("nothing ends the stage: give it a budget, or its data epochs"))
		} else if endless && r.Budget == (train.Budget{}) {
			note("budget", errors.New("nothing ends the run: give it steps, tokens, flops, dollars or minutes, or its data epochs"))
		}
	}
	if len(r.Stages) == 1 {
		r.Settings, r.RL = r.Stages[0].Settings, r.Stages[0].RL
	}
	return errors.Join(errs...)
}

// Compute is how products are computed.
func (r *Recipe) Compute() (tensor.Compute, error) {
	c, err := tensor.ParseCompute(r.Precision)
	if err != nil || c != tensor.F32 && c != tensor.BF16 {
		return 0, fmt.Errorf("precision is %q, want f32 or bf16", r.Precision)
	}
	return c, nil
}
