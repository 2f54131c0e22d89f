package rl

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/format/safetensors"
)

// golden is the recorded batch and its cases.
type golden struct {
	file   *safetensors.File
	Groups []int               `json:"groups"`
	Width  int                 `json:"max_length"`
	Cases  map[string]recorded `json:"cases"`
}

type recorded struct {
	Loss              float64 `json:"loss"`
	LossTolerance     float64 `json:"loss_tolerance"`
	GradientTolerance float64 `json:"gradient_tolerance"`
	PolicyLoss        float64 `json:"policy_loss"`
	ValueLoss         float64 `json:"value_loss"`
}

func openGolden(t *testing.T) *golden {
	t.Helper()
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no recorded batch to compare with")
	}
	dir = filepath.Join(dir, "goldens/rl")
	data, err := os.ReadFile(filepath.Join(dir, "rl.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatal(err)
	}
	if g.file, err = safetensors.Open(filepath.Join(dir, "rl.safetensors")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.file.Close() })
	return g
}

func (g *golden) f32(t *testing.T, name string) []float32 {
	t.Helper()
	tensor, ok := g.file.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	x := make([]float32, len(tensor.Data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(tensor.Data[4*i:]))
	}
	return x
}

// batch is the recorded one with all tokens of the responses, or only those that are learnt, and the policies of its update.
func (g *golden) batch(t *testing.T, mask string) (*Batch, []Policy) {
	b := &Batch{Groups: g.Groups}
	get := func(name string) []float32 { return g.f32(t, "batch."+name) }
	length, learnt, rewards := get("length_mask"), get(mask), get("rewards")
	old, ref, sampler, values, now, nowValues := get("old"), get("ref"), get("sampler"), get("values"), get("new"), get("new_values")
	var policies []Policy
	for i, r := range rewards {
		n := 0
		for n < g.Width && length[i*g.Width+n] == 1 {
			n++
		}
		at := func(x []float32) []float32 { return x[i*g.Width:][:n] }
		m := make([]bool, n)
		for j := range m {
			m[j] = learnt[i*g.Width+j] == 1
		}
		b.Responses = append(b.Responses, Response{Reward: float64(r), Mask: m, Old: at(old), Ref: at(ref), Sampler: at(sampler), Values: at(values)})
		policies = append(policies, Policy{at(now), at(nowValues)})
	}
	return b, policies
}

// klOnly is the penalty without an algorithm.
type klOnly struct{ RLOO }

func (klOnly) Credit(b *Batch) ([]Credit, error) {
	return b.spread(make([]float64, len(b.Responses))), nil
}
func (klOnly) Aggregate() Aggregate                                   { return TokenMean }
func (klOnly) Terms(r *Response, c *Credit, now []float32, out Terms) {}
func with(a Algorithm, change func(o *Objective)) *Objective {
	o := NewObjective(a)
	change(o)
	return o
}
func clip(low, high float64) Clip { return Clip{EpsilonLow: low, EpsilonHigh: high} }
func beta(e Estimator, beta float64, ratio bool) func(o *Objective) {
	return func(o *Objective) { o.KL = KL{beta, e, ratio} }
}
func importance(kind ImportanceKind) func(o *Objective) {
	return func(o *Objective) { o.Importance.Kind = kind }
}
func ppo(gamma, lambda float64) *PPO {
	p := DefaultPPO()
	p.Gamma, p.Lambda, p.Beta = gamma, lambda, 0.02
	return p
}

// goldenObjectives is every recorded case.
func goldenObjectives() map[string]*Objective {
	dual := DefaultGRPO()
	dual.DualClip = 1.3
	cases := map[string]*Objective{
		"grpo":                  NewObjective(DefaultGRPO()),
		"grpo_kl":               with(DefaultGRPO(), beta(K3, 0.04, false)),
		"grpo_population_std":   NewObjective(&GRPO{GroupAdvantage{ScaleGroup, true, 1e-6}, clip(0.2, 0.2)}),
		"grpo_on_policy":        NewObjective(DefaultGRPO()),
		"grpo_dual_clip":        NewObjective(dual),
		"dr_grpo":               NewObjective(&DrGRPO{clip(0.2, 0.2), 24}),
		"dapo_plain":            NewObjective(DefaultDAPO()),
		"dapo":                  with(DefaultDAPO(), func(o *Objective) { o.Overlong = Overlong{20, 6} }),
		"dapo_dynamic":          NewObjective(DefaultDAPO()),
		"rloo":                  NewObjective(DefaultRLOO()),
		"rloo_kl":               NewObjective(&RLOO{0.05}),
		"reinforcepp":           NewObjective(&REINFORCEpp{clip(0.2, 0.2), false, 0.01}),
		"reinforcepp_baseline":  with(&REINFORCEpp{clip(0.2, 0.2), true, 0}, beta(K2, 0.01, false)),
		"gspo":                  NewObjective(&GSPO{defaultAdvantage, clip(0.03, 0.04)}),
		"cispo":                 NewObjective(DefaultCISPO()),
		"off_policy_mask":       with(DefaultGRPO(), func(o *Objective) { o.OffPolicy.Delta = 0.03 }),
		"tis_token_truncate":    with(DefaultDAPO(), importance(TokenTruncate)),
		"tis_token_mask":        with(DefaultDAPO(), importance(TokenMask)),
		"tis_sequence_truncate": with(DefaultDAPO(), importance(SequenceTruncate)),
		"ppo":                   NewObjective(ppo(1, 0.95)),
		"ppo_discounted":        NewObjective(ppo(0.99, 0.9)),
	}
	for _, e := range []Estimator{K1, K2, K3} {
		cases["kl_"+string(e)] = with(&klOnly{}, beta(e, 1, false))
		cases["kl_"+string(e)+"_ratio"] = with(&klOnly{}, beta(e, 1, true))
	}
	return cases
}

// evaluate is loss and gradients of a batch in one update.
func evaluate(t *testing.T, o *Objective, b *Batch, now []Policy) (Loss, []Policy) {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	u, err := o.Assign(b)
	if err != nil {
		t.Fatal(err)
	}
	var loss Loss
	grads := make([]Policy, len(b.Responses))
	for i, w := range u.Weights(nil) {
		n := b.Responses[i].Len()
		grads[i] = Policy{make([]float32, n), make([]float32, n)}
		loss.Add(u.Loss(i, w, now[i], grads[i]))
	}
	return loss, grads
}

func TestGoldens(t *testing.T) {
	g := openGolden(t)
	objectives := goldenObjectives()
	for name, want := range g.Cases {
		t.Run(name, func(t *testing.T) {
			o := objectives[name]
			if o == nil {
				t.Fatal("no objective for this case")
			}
			mask := "mask"
			if o.NeedsValues() {
				mask = "length_mask"
			}
			b, now := g.batch(t, mask)
			all := b
			switch name {
			case "grpo_on_policy":
				for i := range b.Responses {
					b.Responses[i].Old = now[i].Logprobs
				}
			case "dapo_dynamic":
				var groups []int
				b, groups = b.Informative()
				if fmt.Sprint(groups) != "[0 2]" {
					t.Fatalf("kept groups %v", groups)
				}
				now = append(now[:g.Groups[0]:g.Groups[0]], now[g.Groups[0]+g.Groups[1]:]...)
			}
			loss, grads := evaluate(t, o, b, now)
			if d := math.Abs(loss.Total() - want.Loss); !(d <= want.LossTolerance) {
				t.Errorf("loss %v, want %v: off by %.2g, tolerance %.2g", loss.Total(), want.Loss, d, want.LossTolerance)
			}
			if name == "dapo_dynamic" { // as the file has it: the group left out has no gradient
				padded := make([]Policy, len(all.Responses))
				copy(padded, grads[:g.Groups[0]])
				copy(padded[g.Groups[0]+g.Groups[1]:], grads[g.Groups[0]:])
				for i := g.Groups[0]; i < g.Groups[0]+g.Groups[1]; i++ {
					padded[i].Logprobs = make([]float32, all.Responses[i].Len())
				}
				b, grads = all, padded
			}
			g.compare(t, b, name+".dnew", want.GradientTolerance, func(i int) []float32 { return grads[i].Logprobs })
			if o.NeedsValues() {
				g.compare(t, b, name+".dnew_values", want.GradientTolerance, func(i int) []float32 { return grads[i].Values })
				if math.Abs(loss.Policy-want.PolicyLoss) > want.LossTolerance || math.Abs(loss.Value-want.ValueLoss/2) > want.LossTolerance {
					t.Errorf("policy %v and value %v, want %v and half of %v", loss.Policy, loss.Value, want.PolicyLoss, want.ValueLoss)
				}
			}
		})
	}
	for name := range objectives {
		if _, ok := g.Cases[name]; !ok {
			t.Errorf("case %s is not recorded", name)
		}
	}
}

// compare holds the gradient of every token, those of padding included, to a recorded tensor.
func (g *golden) compare(t *testing.T, b *Batch, tensor string, tolerance float64, of func(i int) []float32) {
	t.Helper()
	want, worst, at := g.f32(t, tensor), 0.0, ""
	for i := range b.Responses {
		got := of(i)
		for j := range g.Width {
			have := float32(0)
			if j < len(got) {
				have = got[j]
			}
			if d := math.Abs(float64(have) - float64(want[i*g.Width+j])); !(d <= worst) {
				worst, at = d, fmt.Sprintf("response %d token %d: %v, want %v", i, j, have, want[i*g.Width+j])
			}
		}
	}
	if !(worst <= tolerance) {
		t.Errorf("%s: %s: off by %.2g, tolerance %.2g", tensor, at, worst, tolerance)
	}
}

// TestGoldenAdvantages compares what lies inside: advantages, returns and importance weights.
func TestGoldenAdvantages(t *testing.T) {
	g := openGolden(t)
	objectives := goldenObjectives()
	for _, c := range []struct{ objective, tensor string }{
		{"grpo", "advantages.group_sample_std"}, {"grpo_population_std", "advantages.group_population_std"}, {"dr_grpo", "advantages.centred"},
		{"rloo", "advantages.leave_one_out"}, {"rloo_kl", "advantages.leave_one_out_kl"}, {"dapo", "advantages.overlong_group_sample_std"},
		{"reinforcepp", "advantages.reinforcepp"}, {"reinforcepp_baseline", "advantages.reinforcepp_baseline"},
		{"ppo", "advantages.ppo_whitened"}, {"ppo_discounted", "advantages.ppo_discounted_whitened"},
		{"ppo", "advantages.ppo_returns"}, {"ppo_discounted", "advantages.ppo_discounted_returns"},
		{"tis_token_truncate", "tis.token_truncate"}, {"tis_token_mask", "tis.token_mask"}, {"tis_sequence_truncate", "tis.sequence_truncate"},
	} {
		o := objectives[c.objective]
		mask := "mask"
		if o.NeedsValues() {
			mask = "length_mask"
		}
		b, _ := g.batch(t, mask)
		u, err := o.Assign(b)
		if err != nil {
			t.Fatal(err)
		}
		want := g.f32(t, c.tensor)
		per := len(want) / len(b.Responses) // 1 or the width
		for i := range b.Responses {
			have := u.Credits[i].Advantages
			switch {
			case c.tensor[:3] == "tis":
				have = u.Credits[i].Importance
			case len(c.tensor) > 7 && c.tensor[len(c.tensor)-7:] == "returns":
				have = u.Credits[i].Returns
			}
			for j, m := range b.Responses[i].Mask {
				if w := want[i*per+min(j, per-1)]; m && math.Abs(have[j]-float64(w)) > 4e-7*max(1, math.Abs(float64(w))) {
					t.Fatalf("%s: response %d token %d: %v, want %v", c.tensor, i, j, have[j], w)
				}
			}
		}
	}
}
