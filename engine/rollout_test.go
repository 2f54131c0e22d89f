package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/deepseek"
	"github.com/pennyml/penny/model/llama"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/sample"
)

// denseConfig is a network of characters with grouped-query attention.
func denseConfig(width, layers int) *model.Config {
	return &model.Config{Arch: "llama", Vocab: 32, Hidden: width, Layers: layers, Heads: width / 32, KVHeads: width / 32, HeadDim: 32, Intermediate: 3 * width,
		Context: 256, NormEps: 1e-6, Tied: true, Rope: nn.Rope{Dim: 32, Theta: 10000}, BOS: -1}
}

// latentConfig is one with latent attention and experts.
func latentConfig(width, layers int) *model.Config {
	sparse := make([]bool, layers)
	for i := range sparse {
		sparse[i] = i > 0
	}
	return &model.Config{Arch: "deepseek_v3", Vocab: 32, Hidden: width, Layers: layers, Heads: width / 32, KVHeads: width / 32, HeadDim: 32,
		Intermediate: 3 * width, Context: 256, NormEps: 1e-6, Tied: true, Rope: nn.Rope{Dim: 16, Theta: 10000, Layout: nn.Adjacent}, BOS: -1,
		MLA: &model.MLA{KVLoRA: width / 4, Nope: 16, Rope: 16, V: 32},
		MoE: &model.MoE{Routing: nn.Routing{Experts: 8, Used: 2, Groups: 1, GroupsUsed: 1, Scoring: nn.Sigmoid, Normalize: true, Scale: 1}, Intermediate: width, Shared: 1, Sparse: sparse}}
}

func openModel(t testing.TB, c *model.Config, threads int) model.Model {
	t.Helper()
	open := llama.New
	if c.MLA != nil {
		open = deepseek.New
	}
	m, err := open(c, model.SyntheticWeights(func(string, []int) dtype.Type { return dtype.F32 }), model.Options{Threads: threads, CacheType: dtype.F32})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// someGroups are prompts of different lengths with different wishes. Token 0 ends.
func someGroups(n int) []Group {
	var gs []Group
	for g := range n {
		prompt := make([]int32, 1+g*29%80)
		for i := range prompt {
			prompt[i] = int32(1 + (g*7+i*i)%31)
		}
		p := sample.Params{Temp: 1}
		if g%3 == 1 {
			p = sample.Params{Temp: 0.7, TopK: 9, TopP: 0.95}
		} else if g%7 == 2 {
			p = sample.Params{Temp: 1, Repeat: 1.2, Banned: []int32{4}}
		}
		gs = append(gs, Group{Prompt: prompt, Samples: 1 + g*5%7, MaxTokens: 5 + g*11%60, Params: p, IsEnd: func(id int32) bool { return id == 0 },
			Seed: func(i int) uint64 { return sample.Seed(1, uint64(g), uint64(i)) }})
	}
	return gs
}

// roll runs groups and sorts the answers by group and sample.
func roll(t testing.TB, r *Rollouts, gs []Group) ([]Rollout, RolloutStats) {
	t.Helper()
	var all []Rollout
	stats, err := r.Run(context.Background(), gs, func(o Rollout) error { all = append(all, o); return nil })
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b Rollout) int { return (a.Group-b.Group)*1000 + a.Sample - b.Sample })
	return all, stats
}

func show(o Rollout) string {
	s := fmt.Sprintf("%d/%d %s %v", o.Group, o.Sample, o.Finish, o.IDs)
	for i, lp := range o.Logprobs {
		s += fmt.Sprintf(" %08x:%08x", math.Float32bits(lp), math.Float32bits(o.Drawn[i]))
	}
	return s
}

// TestRolloutsDoNotDependOnTheBatch: how many answers are under way, how prompts are cut, the threads and what the Rollouts did before change no bit;
// an answer is what a session alone would give.
func TestRolloutsDoNotDependOnTheBatch(t *testing.T) {
	for _, c := range []*model.Config{denseConfig(64, 2), latentConfig(64, 2)} {
		gs := someGroups(9)
		m := openModel(t, c, 1)
		var want []string
		for g, group := range gs {
			for i := range group.Samples {
				net, err := NewSequence(m, c.Context)
				if err != nil {
					t.Fatal(err)
				}
				req := Request{Prompt: group.Prompt, MaxTokens: group.MaxTokens, Params: group.Params, IsEnd: group.IsEnd}
				req.Params.Seed = group.Seed(i)
				o := Rollout{Group: g, Sample: i}
				res, err := NewSession(net, 64).Generate(context.Background(), req, func(tok Token) bool {
					o.IDs, o.Logprobs = append(o.IDs, tok.ID), append(o.Logprobs, tok.Logprob)
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				o.Finish, o.Drawn = res.Finish, o.Logprobs
				want = append(want, show(o))
			}
		}
		for _, o := range []RolloutOptions{{}, {Sequences: 1}, {Sequences: 3, Chunk: 7}, {Sequences: 5, Chunk: 1}, {Sequences: 500, Chunk: 1000}} {
			for threads := 1; threads <= 2; threads++ {
				r := NewRollouts(openModel(t, c, threads), o)
				for run := range 2 {
					got, _ := roll(t, r, gs)
					if len(got) != len(want) {
						t.Fatalf("%s %+v: %d answers, want %d", c.Arch, o, len(got), len(want))
					}
					for i := range got {
						a := got[i]
						if gs[a.Group].Params.Plain() == (&a.Drawn[0] != &a.Logprobs[0]) {
							t.Errorf("group %d: plain %v, but drawn separately kept", a.Group, gs[a.Group].Params.Plain())
						}
						a.Drawn = a.Logprobs
						if s := show(a); s != want[i] {
							t.Fatalf("%s %+v, %d threads, run %d:\n%s, alone\n%s", c.Arch, o, threads, run, s, want[i])
						}
					}
				}
			}
		}
	}
}

// TestRolloutLogprobs: the model's own are those of scoring the ids, those drawn with are of the truncated distribution.
func TestRolloutLogprobs(t *testing.T) {
	c := denseConfig(64, 2)
	m := openModel(t, c, 1)
	gs := someGroups(6)
	got, _ := roll(t, NewRollouts(m, RolloutOptions{}), gs)
	for _, o := range got {
		g := gs[o.Group]
		ids := append(slices.Clone(g.Prompt), o.IDs...)
		net, err := NewSequence(m, c.Context)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := net.Forward(ids, len(ids))
		if err != nil {
			t.Fatal(err)
		}
		smp, err := sample.New(g.Params, c.Vocab)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range g.Prompt {
			smp.Observe(id)
		}
		for i, id := range o.IDs {
			row := slices.Clone(logits[(len(g.Prompt)-1+i)*c.Vocab:][:c.Vocab])
			own, drawn := logprob(row, id), float32(0)
			smp.Distribution(row)
			smp.Observe(id)
			if drawn = logprob(row, id); g.Params.Plain() {
				drawn = own
			}
			if o.Logprobs[i] != own || o.Drawn[i] != drawn {
				t.Fatalf("group %d sample %d token %d: %v and %v, want %v and %v", o.Group, o.Sample, i, o.Logprobs[i], o.Drawn[i], own, drawn)
			}
		}
	}
}

func logprob(row []float32, id int32) float32 { return row[id] - vec.LogSumExp(row) }

func TestRolloutEnds(t *testing.T) {
	c := denseConfig(64, 2)
	r := NewRollouts(openModel(t, c, 1), RolloutOptions{Context: 40})
	seed := func(i int) uint64 { return uint64(i) }
	got, stats := roll(t, r, []Group{
		{Prompt: []int32{1, 2, 3}, Samples: 4, MaxTokens: 6, Params: sample.Params{Temp: 1}, Seed: seed},
		{Prompt: []int32{1, 2, 3}, Samples: 2, Params: sample.Params{Temp: 1}, Seed: seed},
		{Prompt: make([]int32, 40), Samples: 2, Params: sample.Params{Temp: 1}, Seed: seed},
		{Prompt: []int32{1, 2, 3}, Samples: 3, Params: sample.Params{Temp: 1}, Seed: seed, IsEnd: func(int32) bool { return true }},
	})
	drawn, shared := 0, 3*3+3+40+2*3
	for i, o := range got {
		n, finish := []int{6, 38, 1, 1}[o.Group], FinishLength
		if o.Group == 3 {
			finish = FinishStop
		}
		if len(o.IDs) != n || o.Finish != finish || len(o.Logprobs) != n {
			t.Errorf("answer %d of group %d: %d tokens, %s; want %d, %s", i, o.Group, len(o.IDs), o.Finish, n, finish)
		}
		drawn += len(o.IDs)
	}
	if len(got) != 11 || stats.DrawnTokens != drawn || stats.PrefillTokens != 3+3+40+3 || stats.SharedTokens != shared || stats.DecodeTokens != 4*5+2*37 {
		t.Errorf("%d answers, %+v", len(got), stats)
	}
	want := int64(0) // of each prompt from its first position, of each answer from where the prompt ends
	for _, o := range [][3]int{{3, 4, 6}, {3, 2, 38}, {40, 2, 1}, {3, 3, 1}} {
		for i := 1; i <= o[0]; i++ {
			want += int64(i)
		}
		for i := o[0] + 1; i < o[0]+o[2]; i++ {
			want += int64(o[1] * i)
		}
	}
	if stats.Attended != want {
		t.Errorf("%d positions attended, want %d", stats.Attended, want)
	}
}

func TestRolloutErrors(t *testing.T) {
	c := denseConfig(64, 1)
	r := NewRollouts(openModel(t, c, 1), RolloutOptions{Sequences: 3})
	good := someGroups(4)
	want, _ := roll(t, r, good)
	seed := func(int) uint64 { return 1 }
	for name, c := range map[string]struct {
		g    Group
		want string
	}{
		"no prompt": {Group{Samples: 1, Seed: seed}, "0 tokens"},
		"too long":  {Group{Prompt: make([]int32, 257), Samples: 1, Seed: seed}, "257 tokens"},
		"id":        {Group{Prompt: []int32{32}, Samples: 1, Seed: seed}, "id 32 at position 0"},
		"samples":   {Group{Prompt: []int32{3}, Seed: seed}, "0 samples"},
		"seed":      {Group{Prompt: []int32{3}, Samples: 1}, "seed"},
		"params":    {Group{Prompt: []int32{3}, Samples: 1, Seed: seed, Params: sample.Params{TopP: 2}}, "top-p"},
		"banned":    {Group{Prompt: []int32{3}, Samples: 1, Seed: seed, Params: sample.Params{Banned: []int32{77}}}, "banned token 77"},
	} {
		_, err := r.Run(context.Background(), []Group{good[0], c.g}, func(Rollout) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "group 1") {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	full, n := errors.New("disk full"), 0
	if _, err := r.Run(context.Background(), good, func(Rollout) error {
		if n++; n == 2 {
			return full
		}
		return nil
	}); !errors.Is(err, full) || n != 2 {
		t.Errorf("a failing receiver: %v after %d answers", err, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := r.Run(ctx, good, func(Rollout) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	got, _ := roll(t, r, good)
	for i := range want {
		if show(got[i]) != show(want[i]) {
			t.Fatalf("after failures: %s, before %s", show(got[i]), show(want[i]))
		}
	}
}
