// Package optim moves parameters along their gradients: AdamW, Muon and SGD, gradient clipping, learning-rate schedules and averages of the
// weights. Each value of a result has one definition, in float32 with fused multiply-adds where the kernels have them; work is split over values and
// matrices, so that neither the number of threads nor the instruction set changes a bit.
package optim

import (
	"fmt"
	"path"
	"strings"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/par"
)

// Kind is an update rule.
type Kind string

const (
	AdamW Kind = "adamw"
	Muon  Kind = "muon" // for matrices; what else there is goes by AdamW
	SGD   Kind = "sgd"
)

// Config is an optimiser as a recipe describes it.
type Config struct {
	Kind        Kind       `yaml:"kind"`
	LR          float64    `yaml:"lr"`             // the peak of the schedule
	Betas       [2]float64 `yaml:"betas"`          // AdamW
	Eps         float64    `yaml:"eps"`            // AdamW
	Momentum    float64    `yaml:"momentum"`       // Muon, SGD
	Nesterov    bool       `yaml:"nesterov"`       // Muon, SGD
	Adjust      Adjust     `yaml:"adjust"`         // Muon
	WeightDecay float64    `yaml:"weight_decay"`   // of tensors with two or more dimensions; vectors have none unless a group says so
	Clip        float64    `yaml:"clip"`           // largest global norm of the gradient; 0: no clipping
	EMA         float64    `yaml:"ema"`            // decay of an average of the weights, which is then what is evaluated and exported; 0: none
	FromStart   bool       `yaml:"ema_from_start"` // the average begins with the first weights, not with those after the first step
	Groups      []Group    `yaml:"groups"`         // exceptions; the first that matches decides
}

// Group is an exception for some parameters.
type Group struct {
	Match       string   `yaml:"match"` // pattern of names, * for any run of characters; empty: all
	Dims        int      `yaml:"dims"`  // only tensors of so many dimensions; 0: any
	Kind        Kind     `yaml:"kind"`  // empty: the optimiser's
	LRScale     *float64 `yaml:"lr_scale"`
	WeightDecay *float64 `yaml:"weight_decay"`
}

// Default is what a recipe need not say.
func Default() Config {
	return Config{Kind: AdamW, LR: 1e-3, Betas: [2]float64{0.9, 0.95}, Eps: 1e-8, Momentum: 0.95, Nesterov: true, Adjust: MatchRMS, WeightDecay: 0.1, Clip: 1}
}

// Validate reports the first field that makes no sense.
func (c *Config) Validate() error {
	within := func(name string, v, lo, hi float64) error {
		if !(v >= lo && v <= hi) {
			return fmt.Errorf("%s is %v, want %v to %v", name, v, lo, hi)
		}
		return nil
	}
	below1 := 1 - 1e-12
	checks := []error{kindError("kind", c.Kind), within("lr", c.LR, 0, 1e6), within("betas[0]", c.Betas[0], 0, below1), within("betas[1]", c.Betas[1], 0, below1),
		within("eps", c.Eps, 0, 1), within("momentum", c.Momentum, 0, below1), within("weight_decay", c.WeightDecay, 0, 1e6), within("clip", c.Clip, 0, 1e30),
		within("ema", c.EMA, 0, below1)}
	if c.Adjust != Original && c.Adjust != MatchRMS {
		checks = append(checks, fmt.Errorf("adjust is %q, want %s or %s", c.Adjust, Original, MatchRMS))
	}
	for i, g := range c.Groups {
		name := func(field string) string { return fmt.Sprintf("groups[%d].%s", i, field) }
		if _, err := path.Match(g.Match, ""); err != nil {
			checks = append(checks, fmt.Errorf("%s is %q: %w", name("match"), g.Match, err))
		}
		if g.Kind != "" {
			checks = append(checks, kindError(name("kind"), g.Kind))
		}
		if g.LRScale != nil {
			checks = append(checks, within(name("lr_scale"), *g.LRScale, 0, 1e6))
		}
		if g.WeightDecay != nil {
			checks = append(checks, within(name("weight_decay"), *g.WeightDecay, 0, 1e6))
		}
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

func kindError(name string, k Kind) error {
	if k != AdamW && k != Muon && k != SGD {
		return fmt.Errorf("%s is %q, want %s, %s or %s", name, k, AdamW, Muon, SGD)
	}
	return nil
}

// Optimizer holds the state that belongs to some parameters and updates them.
type Optimizer struct {
	config Config
	params []parameter
	pieces []piece // of what is updated value by value
	pool   *par.Pool
	muon   []orthogonalizer // of each worker
	sums   []float64        // of the squares of each piece's gradients

	steps        int
	beta1, beta2 float64 // to the power of steps
}

type parameter struct {
	*grad.Param
	kind  Kind
	scale float64 // of the learning rate
	decay float64
	state [2][]float32 // AdamW: first and second moment. Muon, SGD: momentum
}

// piece is a run of a parameter's values: what one worker takes at a time.
type piece struct {
	*parameter
	lo, hi int
}

// pieceLen is a multiple of the lanes of a kernel. The order of a gradient's norm depends on it.
const pieceLen = 4096

// New makes an optimiser for params, whose order decides that of its state.
func New(c Config, params []*grad.Param, pool *par.Pool) (*Optimizer, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("optim: %w", err)
	}
	o := &Optimizer{config: c, pool: pool, beta1: 1, beta2: 1, muon: make([]orthogonalizer, pool.Threads())}
	for _, p := range params {
		n := parameter{Param: p, kind: c.Kind, scale: 1}
		if len(p.Shape) > 1 {
			n.decay = c.WeightDecay
		}
		if n.kind == Muon && !orthogonal(p) {
			n.kind = AdamW
		}
		n.regroup(c.Groups)
		if n.kind == Muon && len(p.Shape) != 2 {
			return nil, fmt.Errorf("optim: Muon is for matrices; %s has the shape %v", p.Name, p.Shape)
		}
		n.state[0] = make([]float32, len(p.Value))
		if n.kind == AdamW {
			n.state[1] = make([]float32, len(p.Value))
		}
		o.params = append(o.params, n)
	}
	for i := range o.params {
		p := &o.params[i]
		for lo := 0; lo < len(p.Value); lo += pieceLen {
			o.pieces = append(o.pieces, piece{p, lo, min(lo+pieceLen, len(p.Value))})
		}
	}
	o.sums = make([]float64, len(o.pieces))
	return o, nil
}

// orthogonal reports whether Muon is for a parameter: matrices but for embeddings and heads, whose rows are tokens.
func orthogonal(p *grad.Param) bool {
	return len(p.Shape) == 2 && !strings.Contains(p.Name, "embed_tokens") && !strings.HasSuffix(p.Name, "head.weight")
}

func (p *parameter) regroup(groups []Group) {
	for _, g := range groups {
		if ok, _ := path.Match(g.Match, p.Name); g.Match != "" && !ok || g.Dims != 0 && g.Dims != len(p.Shape) {
			continue
		}
		if g.Kind != "" {
			p.kind = g.Kind
		}
		if g.LRScale != nil {
			p.scale = *g.LRScale
		}
		if g.WeightDecay != nil {
			p.decay = *g.WeightDecay
		}
		return
	}
}

// Step updates all parameters, and their bf16 copies where they have any, by the learning rate lr and their gradients times clip.
func (o *Optimizer) Step(lr float64, clip float32) {
	o.steps++
	o.beta1, o.beta2 = o.beta1*o.config.Betas[0], o.beta2*o.config.Betas[1]
	o.pool.Do(len(o.pieces), func(_, i int) {
		switch p := &o.pieces[i]; p.kind {
		case AdamW:
			o.adamW(p, lr, clip)
		case SGD:
			o.sgd(p, lr, clip)
		}
	})
	o.stepMuon(lr, clip)
}

// FLOPs is the arithmetic of one update: the products of Muon. What is done value by value is left out; it is well below one per cent of what the gradient took.
func (o *Optimizer) FLOPs() (n int64) {
	for i := range o.params {
		if p := &o.params[i]; p.kind == Muon {
			n += muonFLOPs(p.Shape[0], p.Shape[1])
		}
	}
	return n
}

// Steps is how many updates have been made.
func (o *Optimizer) Steps() int { return o.steps }

// Resume sets the number of updates made, after State has been filled from a checkpoint.
func (o *Optimizer) Resume(steps int) {
	o.steps, o.beta1, o.beta2 = steps, 1, 1
	for range steps {
		o.beta1, o.beta2 = o.beta1*o.config.Betas[0], o.beta2*o.config.Betas[1]
	}
}

// State shows f each tensor of the optimiser's state, in a fixed order: to save it, or to fill it.
func (o *Optimizer) State(f func(name string, values []float32)) {
	for i := range o.params {
		p := &o.params[i]
		if p.kind == AdamW {
			f("first_moment."+p.Name, p.state[0])
			f("second_moment."+p.Name, p.state[1])
		} else {
			f("momentum."+p.Name, p.state[0])
		}
	}
}
