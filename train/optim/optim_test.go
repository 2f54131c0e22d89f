package optim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/par"
)

// goldens are recorded optimiser runs: goldens/optim of the shared data.
type goldens struct {
	t     *testing.T
	file  *safetensors.File
	index map[string]golden
}

type golden struct {
	LR          float64    `json:"lr"`
	LRs         []float64  `json:"lrs"`
	Betas       [2]float64 `json:"betas"`
	Eps         float64    `json:"eps"`
	WeightDecay float64    `json:"weight_decay"`
	Momentum    float64    `json:"momentum"`
	Nesterov    bool       `json:"nesterov"`
	Adjust      Adjust     `json:"adjust"`
	Steps       int        `json:"steps"`
	Tolerance   float64    `json:"tolerance"`
	Exact       float64    `json:"tolerance_exact"`
	MaxNorm     float64    `json:"max_norm"`
	TotalNorm   float64    `json:"total_norm"`
	Decay       float64    `json:"decay"`
}

func optimDir(t *testing.T) string {
	data := os.Getenv("PENNY_DATA")
	if data == "" {
		t.Skip("PENNY_DATA is unset: it is where goldens/optim lies")
	}
	return filepath.Join(data, "goldens", "optim")
}

func open(t *testing.T) *goldens {
	dir := optimDir(t)
	f, err := safetensors.Open(filepath.Join(dir, "optim.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	g := &goldens{t: t, file: f}
	text, err := os.ReadFile(filepath.Join(dir, "optim.json"))
	if err == nil {
		err = json.Unmarshal(text, &g.index)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// tensor reads a golden; of some rows, one.
func (g *goldens) tensor(name string) ([]float32, []int) {
	g.t.Helper()
	x, ok := g.file.Tensor(name)
	if !ok {
		g.t.Fatalf("no golden %s", name)
	}
	v := make([]float32, len(x.Data)/4)
	copy(bytesOf(v), x.Data)
	return v, x.Shape
}

func (g *goldens) row(name string, i int) []float32 {
	g.t.Helper()
	v, shape := g.tensor(name)
	n := len(v) / shape[0]
	return v[i*n:][:n]
}

func (g *goldens) param(name string) *grad.Param {
	g.t.Helper()
	v, shape := g.tensor(name)
	return &grad.Param{Name: name + ".weight", Shape: shape, Value: v, Grad: make([]float32, len(v)), Half: make([]uint16, len(v))}
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-float64(want[i])) <= tolerance) {
			t.Errorf("%s: value %d is %v, want %v within %.2g", what, i, got[i], want[i], tolerance)
			return
		}
	}
}

// follow runs one optimiser along recorded gradients and compares the parameters after each step. want and grads name goldens, one for each parameter.
func (g *goldens) follow(name string, c Config, params []*grad.Param, grads, want []string, tolerance float64) *Optimizer {
	g.t.Helper()
	pool := par.New(2)
	defer pool.Close()
	h := g.index[name]
	o, err := New(c, params, pool)
	if err != nil {
		g.t.Fatal(err)
	}
	for step := range h.Steps {
		for i, p := range params {
			copy(p.Grad, g.row(grads[i], step))
		}
		lr := h.LR
		if h.LRs != nil {
			lr = h.LRs[step]
		}
		o.Step(lr, 1)
		for i, p := range params {
			near(g.t, fmt.Sprintf("%s, %s after step %d", name, p.Name, step+1), p.Value, g.row(want[i], step), tolerance)
		}
	}
	return o
}

func (g *goldens) config(name string, k Kind) Config {
	c, h := Default(), g.index[name]
	c.Kind, c.LR, c.WeightDecay, c.Momentum, c.Nesterov, c.Adjust = k, h.LR, h.WeightDecay, h.Momentum, h.Nesterov, MatchRMS
	if k == AdamW {
		c.Betas, c.Eps = h.Betas, h.Eps
	}
	if h.Adjust != "" {
		c.Adjust = h.Adjust
	}
	c.Groups = []Group{{WeightDecay: &h.WeightDecay}} // of vectors too
	return c
}

func (o *Optimizer) states() map[string][]float32 {
	m := map[string][]float32{}
	o.State(func(name string, v []float32) { m[name] = v })
	return m
}

func TestAdamW(t *testing.T) {
	g := open(t)
	for _, set := range []string{"default", "pretrain", "nodecay", "bigeps", "scheduled"} {
		name := "adamw." + set
		params := []*grad.Param{g.param("adamw.start.0"), g.param("adamw.start.1")}
		o := g.follow(name, g.config(name, AdamW), params, []string{"adamw.grads.0", "adamw.grads.1"}, []string{name + ".params.0", name + ".params.1"},
			g.index[name].Tolerance)
		for i := range 2 {
			for moment, state := range map[string]string{"m": "first_moment", "v": "second_moment"} {
				want, _ := g.tensor(fmt.Sprintf("%s.%s.%d", name, moment, i))
				near(t, fmt.Sprint(name, " ", state, i), o.states()[fmt.Sprintf("%s.adamw.start.%d.weight", state, i)], want, 1e-6)
			}
		}
	}
}

func TestMuon(t *testing.T) {
	g := open(t)
	for _, shape := range []string{"tall", "wide", "square"} {
		for _, set := range []string{"default", "rms", "plain"} {
			name := "muon." + shape + "." + set
			p := g.param("muon." + shape + ".start")
			o := g.follow(name, g.config(name, Muon), []*grad.Param{p}, []string{"muon." + shape + ".grads"}, []string{name + ".exact"}, g.index[name].Exact)
			want, _ := g.tensor(name + ".momentum")
			near(t, name+" momentum", o.states()["momentum."+p.Name], want, 1e-6)
		}
	}
}

func TestNewtonSchulz(t *testing.T) {
	g := open(t)
	pool := par.New(2)
	defer pool.Close()
	for _, shape := range []string{"tall", "wide", "square"} {
		name := "muon." + shape + ".newton_schulz"
		want, dims := g.tensor(name)
		work := make([]orthogonalizer, pool.Threads())
		z := &work[0]
		z.sized(dims[0], dims[1])
		copy(z.u, g.row("muon."+shape+".grads", 0))
		z.orthogonalize(work, pool.Spans)
		near(t, name, z.u, want, g.index[name].Exact)
	}
}

func TestSGD(t *testing.T) {
	g := open(t)
	for _, set := range []string{"nesterov", "momentum", "decay"} {
		name := "sgd." + set
		p := g.param("sgd.start")
		o := g.follow(name, g.config(name, SGD), []*grad.Param{p}, []string{"sgd.grads"}, []string{name + ".params"}, g.index[name].Tolerance)
		want, _ := g.tensor(name + ".momentum")
		near(t, name+" momentum", o.states()["momentum."+p.Name], want, 1e-5)
	}
}

// TestDiLoCo: the outer step of DiLoCo is SGD along the difference between the weights and the workers' mean.
func TestDiLoCo(t *testing.T) {
	g := open(t)
	h := g.index["diloco"]
	h.Steps = 4
	g.index["diloco"] = h
	g.follow("diloco", g.config("diloco", SGD), []*grad.Param{g.param("diloco.start")}, []string{"diloco.pseudo_gradient"}, []string{"diloco.after"}, h.Tolerance)
}

func TestClip(t *testing.T) {
	g := open(t)
	pool := par.New(2)
	defer pool.Close()
	var params []*grad.Param
	for i := range 3 {
		p := g.param(fmt.Sprintf("clip.grads.%d", i))
		p.Grad, p.Value = p.Value, p.Grad
		params = append(params, p)
	}
	o, err := New(Default(), params, pool)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clip.clipped", "clip.untouched"} {
		h := g.index[name]
		norm := o.Norm()
		if math.Abs(norm-h.TotalNorm) > 1e-5 {
			t.Errorf("norm %v, want %v", norm, h.TotalNorm)
		}
		factor := ClipFactor(norm, h.MaxNorm)
		for i, p := range params {
			got := slices.Clone(p.Grad)
			for j := range got {
				got[j] *= factor
			}
			want, _ := g.tensor(fmt.Sprintf("%s.%d", name, i))
			near(t, name, got, want, h.Tolerance)
		}
	}
}

func TestEMA(t *testing.T) {
	g := open(t)
	pool := par.New(2)
	defer pool.Close()
	for _, decay := range []string{"0.9", "0.999"} {
		for _, kind := range []string{"from_start", "bias_corrected"} {
			h := g.index["ema."+decay]
			p := &grad.Param{Value: slices.Clone(g.row("ema.params", 0))}
			e := NewEMA(h.Decay, kind == "from_start", []*grad.Param{p}, pool)
			for step := range 7 {
				copy(p.Value, g.row("ema.params", step+1))
				if step == 4 { // as after a checkpoint
					state := slices.Clone(e.values[0])
					e = NewEMA(h.Decay, kind == "from_start", []*grad.Param{p}, pool)
					e.State(func(_ string, v []float32) { copy(v, state) })
					e.Resume(step)
				}
				e.Update()
				e.Swap()
				near(t, "ema "+kind, p.Value, g.row("ema."+decay+"."+kind, step), h.Tolerance)
				e.Swap()
				near(t, "after swapping back", p.Value, g.row("ema.params", step+1), 0)
			}
		}
	}
}

func TestSchedules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(optimDir(t), "schedules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Peak  float64              `json:"peak"`
		Steps int                  `json:"total_steps"`
		Warm  int                  `json:"warmup_steps"`
		Decay int                  `json:"decay_steps"`
		Min   float64              `json:"min_ratio"`
		LR    map[string][]float64 `json:"lr"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	s := Schedule{Warmup: want.Warm, Steps: want.Steps, DecaySteps: want.Decay, MinRatio: want.Min}
	with := func(f func(*Schedule)) Schedule { c := s; f(&c); return c }
	for name, s := range map[string]Schedule{
		"constant":          with(func(s *Schedule) { s.Shape = Constant }),
		"constant_from_one": with(func(s *Schedule) { s.Shape, s.FromOne = Constant, true }),
		"linear":            with(func(s *Schedule) { s.Shape, s.MinRatio = Linear, 0 }),
		"cosine_min":        with(func(s *Schedule) { s.Shape = Cosine }),
		"wsd_linear":        with(func(s *Schedule) { s.Shape, s.Decay = WSD, DecayLinear }),
		"wsd_cosine":        with(func(s *Schedule) { s.Shape, s.Decay = WSD, DecayCosine }),
		"wsd_1_sqrt":        with(func(s *Schedule) { s.Shape, s.Decay, s.MinRatio = WSD, DecaySqrt, 0 }),
		"hf_cosine_min":     with(func(s *Schedule) { s.Shape = Cosine }),
		"hf_linear":         with(func(s *Schedule) { s.Shape, s.MinRatio = Linear, 0 }),
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(want.LR[name]) == 0 {
			t.Fatalf("no schedule %s", name)
		}
		for i, lr := range want.LR[name] {
			if name == "hf_cosine_min" && i > want.Steps {
				break // transformers' rises again
			}
			if got := want.Peak * s.At(i); math.Abs(got-lr) > 1e-18 {
				t.Errorf("%s: rate %v at step %d, want %v", name, got, i, lr)
			}
		}
	}
}
