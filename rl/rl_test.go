package rl

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// randomBatch is groups of random responses, and a policy some way off the one that made them.
func randomBatch(r *rand.Rand, groups, size int) (*Batch, []Policy) {
	b, now := &Batch{}, []Policy(nil)
	for range groups {
		b.Groups = append(b.Groups, size)
		for range size {
			n := 1 + r.IntN(12)
			row := func(f func(t int) float64) []float32 {
				x := make([]float32, n)
				for t := range x {
					x[t] = float32(f(t))
				}
				return x
			}
			mask := make([]bool, n)
			for t := range mask {
				mask[t] = r.IntN(5) > 0
			}
			mask[n-1] = true
			old := row(func(int) float64 { return -3 * r.Float64() })
			near := func(k float64) []float32 {
				return row(func(t int) float64 { return float64(old[t]) + k*r.NormFloat64() })
			}
			values := row(func(int) float64 { return r.NormFloat64() })
			b.Responses = append(b.Responses, Response{Reward: float64(r.IntN(3)) / 2, Mask: mask, Old: old, Sampler: near(0.3), Ref: near(0.3), Values: values})
			now = append(now, Policy{near(0.2), row(func(t int) float64 { return float64(values[t]) + 0.3*r.NormFloat64() })})
		}
	}
	return b, now
}

func sorted(objectives map[string]*Objective) []string { return slices.Sorted(maps.Keys(objectives)) }

// TestGradientIsTheDerivative holds the gradient of every objective to finite differences of its loss. CISPO's and that of a mask or truncated
// weight are of a loss with constants in it, which the quotient of differences does not know, so they are not here.
func TestGradientIsTheDerivative(t *testing.T) {
	objectives := goldenObjectives()
	delete(objectives, "cispo")
	delete(objectives, "off_policy_mask")
	for _, name := range sorted(objectives) {
		o := objectives[name]
		b, now := randomBatch(rand.New(rand.NewPCG(3, 3)), 3, 4)
		u, err := o.Assign(b)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range u.Weights(nil) {
			n := b.Responses[i].Len()
			grad, spare := Policy{make([]float32, n), make([]float32, n)}, Policy{make([]float32, n), make([]float32, n)}
			u.Loss(i, w, now[i], grad)
			check := func(x []float32, d []float32) {
				for j := range x {
					const h = 1.0 / 1024
					was, here := x[j], u.Loss(i, w, now[i], spare).Total()
					side := func(h float32) float64 {
						x[j] = was + h
						defer func() { x[j] = was }()
						return (u.Loss(i, w, now[i], spare).Total() - here) / (float64(x[j]) - float64(was))
					}
					left, right := side(-h), side(h) // which differ where a bound lies between
					slack := 2e-3*math.Abs(left+right) + 1e-5
					if g := float64(d[j]); g < min(left, right)-slack || g > max(left, right)+slack {
						t.Errorf("%s: response %d token %d: gradient %v, the loss changes by %v and %v", name, i, j, g, left, right)
					}
				}
			}
			check(now[i].Logprobs, grad.Logprobs)
			if o.NeedsValues() {
				check(now[i].Values, grad.Values)
			}
		}
	}
}

// TestOnPolicy: where nothing has moved the ratio is exactly 1, and the gradient that of REINFORCE: minus the advantage times the weight.
func TestOnPolicy(t *testing.T) {
	for _, a := range []Algorithm{DefaultGRPO(), DefaultDAPO(), &DrGRPO{clip(0.2, 0.2), 12}, DefaultRLOO(), DefaultREINFORCEpp(), DefaultGSPO(),
		DefaultCISPO(), DefaultPPO()} {
		b, now := randomBatch(rand.New(rand.NewPCG(5, 5)), 4, 3)
		u, err := NewObjective(a).Assign(b)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range u.Weights(nil) {
			n := b.Responses[i].Len()
			d := Policy{make([]float32, n), make([]float32, n)}
			l := u.Loss(i, w, Policy{b.Responses[i].Old, now[i].Values}, d)
			for j := range n {
				want := float32(-w[j] * u.Credits[i].Advantages[j])
				if math.Abs(float64(d.Logprobs[j]-want)) > 1e-7*math.Abs(float64(want)) || l.Drift != 0 {
					t.Errorf("%T response %d token %d: %v, want %v", a, i, j, d.Logprobs[j], want)
				}
			}
		}
	}
}

// TestMicroBatches: how an update is cut changes no bit of any token's gradient; degenerate groups have none.
func TestMicroBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objectives := goldenObjectives()
		name := rapid.SampledFrom(sorted(objectives)).Draw(t, "objective")
		o := objectives[name]
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		groups := rapid.IntRange(1, 4).Draw(t, "groups")
		b, now := randomBatch(r, groups, rapid.IntRange(2, 5).Draw(t, "size"))
		u, err := o.Assign(b)
		if err != nil {
			t.Fatal(err)
		}
		run := func(order []int) [][]float32 {
			w := u.Weights(nil)
			out := make([][]float32, len(b.Responses))
			for _, i := range order {
				n := b.Responses[i].Len()
				d := Policy{make([]float32, n), make([]float32, n)}
				u.Loss(i, w[i], now[i], d)
				out[i] = append(d.Logprobs, d.Values...)
			}
			return out
		}
		forward, back := make([]int, len(b.Responses)), r.Perm(len(b.Responses))
		for i := range forward {
			forward[i] = i
		}
		x, y := run(forward), run(back)
		for i := range x {
			if !slices.Equal(x[i], y[i]) {
				t.Fatalf("%s: response %d: %v and %v", name, i, x[i], y[i])
			}
			for j, m := range b.Responses[i].Mask {
				if !m && x[i][j] != 0 {
					t.Fatalf("%s: response %d token %d is not learnt but has gradient %v", name, i, j, x[i][j])
				}
			}
		}
	})
	b, now := randomBatch(rand.New(rand.NewPCG(2, 2)), 3, 4)
	for i := range b.Responses {
		b.Responses[i].Reward = 0.1 // whose mean over 4 is not 0.1 when added up
	}
	for _, a := range []Algorithm{DefaultGRPO(), DefaultDAPO(), &DrGRPO{clip(0.2, 0.2), 12}, DefaultRLOO(), DefaultGSPO(), DefaultCISPO()} {
		_, grads := evaluate(t, NewObjective(a), b, now)
		for i, d := range grads {
			for j, v := range d.Logprobs {
				if v != 0 {
					t.Errorf("%T: equal rewards, but response %d token %d has gradient %v", a, i, j, v)
				}
			}
		}
	}
}

// TestSameBits holds all gradients to a recorded hash: a compiler that fuses, or another exp, would show here.
func TestSameBits(t *testing.T) {
	objectives := goldenObjectives()
	h := sha256.New()
	for _, name := range sorted(objectives) {
		b, now := randomBatch(rand.New(rand.NewPCG(9, 9)), 5, 4)
		loss, grads := evaluate(t, objectives[name], b, now)
		binary.Write(h, binary.LittleEndian, math.Float64bits(loss.Total()))
		for _, g := range grads {
			binary.Write(h, binary.LittleEndian, g.Logprobs)
			binary.Write(h, binary.LittleEndian, g.Values)
		}
	}
	const want = "e7d0c98fb32131bde3572df3adbb3380b0a8dc4245724ad99df97d260c823093"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestBadBatches(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		spoil func(o *Objective, b *Batch)
		want  string
	}{
		"groups":       {func(o *Objective, b *Batch) { b.Groups = []int{3} }, "groups of [3]"},
		"empty group":  {func(o *Objective, b *Batch) { b.Groups = []int{0, 8} }, "group 0 has 0"},
		"reward":       {func(o *Objective, b *Batch) { b.Responses[3].Reward = math.Inf(1) }, "response 3"},
		"old missing":  {func(o *Objective, b *Batch) { b.Responses[1].Old = nil }, `"old"`},
		"nan":          {func(o *Objective, b *Batch) { b.Responses[2].Sampler[0] = nan }, `response 2: token 0: "sampler" is NaN`},
		"ref missing":  {func(o *Objective, b *Batch) { o.KL.Beta = 1; b.Responses[0].Ref = nil }, `"ref"`},
		"no values":    {func(o *Objective, b *Batch) { o.Algorithm = DefaultPPO(); b.Responses[0].Values = nil }, `"values"`},
		"group of one": {func(o *Objective, b *Batch) { o.Algorithm = DefaultRLOO(); b.Groups = []int{7, 1} }, "group 1 has one"},
	} {
		b, _ := randomBatch(rand.New(rand.NewPCG(1, 1)), 2, 4)
		o := NewObjective(DefaultGRPO())
		c.spoil(o, b)
		if _, err := o.Assign(b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestBadParameters(t *testing.T) {
	for want, o := range map[string]*Objective{
		"scale":             NewObjective(&GRPO{GroupAdvantage{Scale: "std"}, clip(0.2, 0.2)}),
		"epsilon_low":       NewObjective(&DAPO{defaultAdvantage, clip(-1, 0.2)}),
		"dual_clip":         NewObjective(&GRPO{defaultAdvantage, Clip{0.2, 0.2, 0.5}}),
		"max_length":        NewObjective(DefaultDrGRPO()),
		"lambda":            NewObjective(ppo(1, 1.5)),
		"beta":              NewObjective(&REINFORCEpp{clip(0.2, 0.2), true, 0.1}),
		"estimator":         with(DefaultGRPO(), beta("k4", 1, false)),
		"kl: beta":          with(DefaultGRPO(), beta(K1, math.NaN(), false)),
		"importance: kind":  with(DefaultGRPO(), importance("tis")),
		"off_policy: delta": with(DefaultGRPO(), func(o *Objective) { o.OffPolicy.Delta = -1 }),
		"overlong":          with(DefaultGRPO(), func(o *Objective) { o.Overlong = Overlong{4, 5} }),
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := NewAlgorithm("a2c"); err == nil || !strings.Contains(err.Error(), "cispo, dapo, dr_grpo") {
		t.Errorf("an unknown algorithm: %v", err)
	}
	for name := range algorithms {
		a, err := NewAlgorithm(name)
		if err != nil || (a.Validate() != nil && name != "dr_grpo") {
			t.Errorf("%s: %v, %v", name, err, a.Validate())
		}
	}
}

func TestOverlong(t *testing.T) {
	o := Overlong{Limit: 20, Cache: 6}
	for n, want := range map[int]float64{1: 0, 14: 0, 17: -0.5, 20: -1, 30: -1} {
		if got := o.Penalty(n); got != want {
			t.Errorf("%d tokens: %v, want %v", n, got, want)
		}
	}
	if (Overlong{}).Penalty(1000) != 0 {
		t.Error("a penalty without a cache")
	}
}

func ExampleObjective() {
	o := NewObjective(DefaultGRPO())
	b := &Batch{Groups: []int{2}, Responses: []Response{
		{Reward: 1, Mask: []bool{true, true}, Old: []float32{-0.5, -1}},
		{Reward: 0, Mask: []bool{true, true}, Old: []float32{-0.5, -2}},
	}}
	u, err := o.Assign(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := Policy{Logprobs: make([]float32, 2)}
	for i, w := range u.Weights(nil) {
		u.Loss(i, w, Policy{Logprobs: b.Responses[i].Old}, d)
		fmt.Printf("advantage %+.3f, gradient %+.3f\n", u.Credits[i].Advantages[0], d.Logprobs)
	}
	// Output:
	// advantage +0.707, gradient [-0.177 -0.177]
	// advantage -0.707, gradient [+0.177 +0.177]
}
