package rl

import (
	"fmt"
	"reflect"

	"github.com/pennyml/penny/sample"
)

// Config is a stage of reinforcement learning as a recipe describes it.
type Config struct {
	Task          string  `yaml:"task"`           // as penny task takes it: countdown:operands=3
	MinDifficulty float64 `yaml:"min_difficulty"` // on the task's own scale
	MaxDifficulty float64 `yaml:"max_difficulty"` // 0: no bound
	Chat          bool    `yaml:"chat"`           // prompts go through the chat template, with System before them; else they are as the task has them
	System        string  `yaml:"system"`

	Stop []string `yaml:"stop"` // tokens that end an answer besides the vocabulary's own ends

	Prompts     int      `yaml:"prompts"` // a step
	Group       int      `yaml:"group"`   // G: answers to each
	MaxTokens   int      `yaml:"max_tokens"`
	Temperature float64  `yaml:"temperature"`
	TopK        int      `yaml:"top_k"`
	TopP        float64  `yaml:"top_p"`
	MinP        float64  `yaml:"min_p"`
	Banned      []string `yaml:"banned"`    // tokens that are never drawn
	Sequences   int      `yaml:"sequences"` // answers under way at a time; no bit depends on it

	Algorithm   string `yaml:"algorithm"`
	Knobs       `yaml:",inline"`
	Mu          int     `yaml:"mu"`          // how often each batch is learnt from
	Minibatches int     `yaml:"minibatches"` // updates that each such time is cut into
	Entropy     float64 `yaml:"entropy"`     // bonus for each nat of a token's entropy
	ValueToken  string  `yaml:"value_token"` // with a critic: the token, which nothing else uses, whose logit is the value

	KL         KL            `yaml:"kl"`
	Importance Importance    `yaml:"importance"`
	OffPolicy  OffPolicyMask `yaml:"off_policy"`
	Overlong   Overlong      `yaml:"overlong"`

	Dynamic       Dynamic    `yaml:"dynamic"`
	Curriculum    Curriculum `yaml:"curriculum"`
	MaskTruncated bool       `yaml:"mask_truncated"` // nothing is learnt of answers that were cut at max_tokens
	Reward        string     `yaml:"reward"`         // task, or as a control: random
	Degenerate    float64    `yaml:"degenerate"`     // a first batch with a larger share of groups without variance stops the run

	HeldOut   HeldOut   `yaml:"heldout"`
	Rejection Rejection `yaml:"rejection"` // of a stage of the kind reject
}

// HeldOut is what an evaluation asks: always the same problems, from the part of the task that is never learnt from, with the same seeds.
type HeldOut struct {
	Problems int `yaml:"problems"`
	Samples  int `yaml:"samples"` // answers to each
}

// Dynamic is DAPO's dynamic sampling: groups without variance are put aside and others sampled in their place.
type Dynamic struct {
	Rounds int `yaml:"rounds"` // how often at most; 0: off
}

// Curriculum leaves out problems that are known to be too easy or too hard.
type Curriculum struct {
	Low     float64 `yaml:"low"`     // success of the last group that a problem had
	High    float64 `yaml:"high"`    // 0: off
	Revisit float64 `yaml:"revisit"` // share of those left out that are tried again all the same
}

// DefaultConfig is what a recipe need not say.
func DefaultConfig() Config {
	return Config{Prompts: 32, Group: 16, MaxTokens: 256, Temperature: 1, Algorithm: "grpo", Mu: 1, Minibatches: 1, KL: KL{Estimator: K3},
		Importance: Importance{Cap: defaultImportance, Low: 1 / defaultImportance}, Reward: RewardTask, Degenerate: 0.9, Curriculum: Curriculum{Revisit: 0.1}, HeldOut: HeldOut{Problems: 100, Samples: 4}}
}

// UnmarshalYAML begins with the defaults, unless there is something to begin with.
func (c *Config) UnmarshalYAML(decode func(any) error) error {
	type plain Config
	p := plain(*c)
	if reflect.ValueOf(*c).IsZero() {
		p = plain(DefaultConfig())
	}
	err := decode(&p)
	*c = Config(p)
	return err
}

// Where rewards come from.
const (
	RewardTask   = "task"
	RewardRandom = "random" // 0 or 1 by a coin: a control, under which nothing should be learnt
)

// Params are those that answers are sampled with, but for seeds and bans.
func (c *Config) Params() sample.Params {
	return sample.Params{Temp: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP}
}

// Objective is the algorithm with what it takes on. What depends on the longest answer is filled in.
func (c *Config) Objective() (*Objective, error) {
	a, err := NewAlgorithm(c.Algorithm)
	if err == nil {
		err = c.Knobs.turn(c.Algorithm, a)
	}
	if err != nil {
		return nil, err
	}
	if d, ok := a.(*DrGRPO); ok && d.MaxLength == 0 {
		d.MaxLength = c.MaxTokens
	}
	o := &Objective{Algorithm: a, KL: c.KL, Importance: c.Importance, OffPolicy: c.OffPolicy, Overlong: c.Overlong}
	if o.Overlong.Limit == 0 {
		o.Overlong.Limit = c.MaxTokens
	}
	return o, o.Validate()
}

// Validate reports the first setting that makes no sense, by name.
func (c *Config) Validate() error {
	for _, e := range []error{
		atLeast("prompts", c.Prompts, 1), atLeast("group", c.Group, 1), atLeast("max_tokens", c.MaxTokens, 1), atLeast("mu", c.Mu, 1),
		atLeast("minibatches", c.Minibatches, 1), atLeast("dynamic.rounds", c.Dynamic.Rounds, 0), atLeast("sequences", c.Sequences, 0),
		within("entropy", c.Entropy, -1e3, 1e3), within("degenerate", c.Degenerate, 0, 1), within("curriculum.low", c.Curriculum.Low, 0, 1),
		within("curriculum.high", c.Curriculum.High, 0, 1), within("curriculum.revisit", c.Curriculum.Revisit, 0, 1), within("min_difficulty", c.MinDifficulty, 0, 1e9),
		within("max_difficulty", c.MaxDifficulty, 0, 1e9), atLeast("heldout.problems", c.HeldOut.Problems, 0),
		atLeast("heldout.samples", c.HeldOut.Samples, 1),
	} {
		if e != nil {
			return e
		}
	}
	switch {
	case c.Task == "":
		return fmt.Errorf("task: none")
	case c.Temperature == 0:
		return fmt.Errorf("temperature: 0 draws the same answer each time")
	case c.Reward != RewardTask && c.Reward != RewardRandom:
		return fmt.Errorf("reward: %q: want task or random", c.Reward)
	case c.Minibatches > c.Prompts:
		return fmt.Errorf("minibatches: %d of %d prompts", c.Minibatches, c.Prompts)
	case c.Curriculum.High != 0 && c.Curriculum.High <= c.Curriculum.Low:
		return fmt.Errorf("curriculum: high %v is not above low %v", c.Curriculum.High, c.Curriculum.Low)
	case c.System != "" && !c.Chat:
		return fmt.Errorf("system: only with chat")
	}
	p := c.Params()
	if err := p.Validate(); err != nil {
		return err
	}
	o, err := c.Objective()
	if err == nil && o.NeedsValues() != (c.ValueToken != "") {
		return fmt.Errorf("value_token: %q: an algorithm with a critic needs one, the others have none", c.ValueToken)
	}
	return err
}

func atLeast(name string, v, least int) error {
	if v < least {
		return fmt.Errorf("%s: %d: want at least %d", name, v, least)
	}
	return nil
}
