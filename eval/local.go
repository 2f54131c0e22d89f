package eval

import (
	"context"
	"fmt"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
)

// Prompt is what the network reads for a problem, and how its answer is split into thoughts and text.
type Prompt struct {
	IDs   []int32
	Split func(text string) (thoughts, answer string)
}

// Local samples from a network in this process, many answers at a time.
type Local struct {
	Model     model.Model
	Prompt    func(text string) (Prompt, error)
	Decode    func(ids []int32) string // end tokens left out
	IsEnd     func(id int32) bool
	MaxTokens int // of an answer; 0 or less: as many as the context holds
	Params    sample.Params
	Recorder  ledger.Recorder
}

// Sample draws the answers; each has a seed made of Params.Seed, the number of its prompt and its own.
func (l *Local) Sample(ctx context.Context, prompts []string, k int, each func(prompt, sample int, a Answer) error) error {
	if err := ledger.Require(l.Recorder); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	groups, split := make([]engine.Group, len(prompts)), make([]func(string) (string, string), len(prompts))
	longest := 0
	for i, text := range prompts {
		p, err := l.Prompt(text)
		if err != nil {
			return fmt.Errorf("eval: prompt %d: %w", i+1, err)
		}
		split[i], longest = p.Split, max(longest, len(p.IDs))
		groups[i] = engine.Group{Prompt: p.IDs, Samples: k, MaxTokens: l.MaxTokens, Params: l.Params, IsEnd: l.IsEnd,
			Seed: func(j int) uint64 { return SeedOf(l.Params.Seed, uint64(i), uint64(j)) }}
	}
	o := engine.RolloutOptions{}
	if l.MaxTokens > 0 {
		o.Context = min(l.Model.Config().Context, longest+l.MaxTokens)
	}
	stats, err := engine.NewRollouts(l.Model, o).Run(ctx, groups, func(r engine.Rollout) error {
		a := Answer{Tokens: len(r.IDs), Truncated: r.Finish == engine.FinishLength}
		a.Thoughts, a.Text = split[r.Group](l.Decode(r.IDs))
		return each(r.Group, r.Sample, a)
	})
	l.Recorder.Spend(ledger.Evaluation, RolloutFLOPs(l.Model.Config(), stats), int64(stats.PrefillTokens+stats.DecodeTokens))
	return err
}

// RolloutFLOPs is the arithmetic of a run of rollouts: what the tokens cost without context, and attention by the positions they saw.
func RolloutFLOPs(c *model.Config, s engine.RolloutStats) int64 {
	perKey := c.FLOPs(1) - c.FLOPs(0)
	return (c.FLOPs(0)-perKey)*int64(s.PrefillTokens+s.DecodeTokens) + perKey*s.Attended
}

// SeedOf mixes numbers into a seed (splitmix64's finaliser, Steele et al. 2014): neighbours give streams that have nothing to do with each other.
func SeedOf(numbers ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, n := range numbers {
		h += n + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
