package rl

import "fmt"

// Overlong is DAPO's soft penalty on answers that come near the limit (2503.14476, eq. 13): nothing up to Limit - Cache tokens, then falling
// linearly to -1 at Limit. It is added to the reward. Off where Cache is 0.
type Overlong struct {
	Limit int `yaml:"limit"` // L_max; 0: the most tokens that a rollout may have
	Cache int `yaml:"cache"` // L_cache
}

func (o Overlong) validate() error {
	if o.Cache < 0 || o.Limit < 0 || o.Limit > 0 && o.Cache > o.Limit {
		return fmt.Errorf("overlong: limit %d, cache %d: want 0 <= cache <= limit", o.Limit, o.Cache)
	}
	return nil
}

// Penalty is that of an answer of n tokens.
func (o Overlong) Penalty(n int) float64 {
	if o.Cache == 0 {
		return 0
	}
	return max(-1, min(0, float64(o.Limit-o.Cache-n)/float64(o.Cache)))
}

// Degenerate reports a group whose rewards are all equal: nothing can be learnt from it by comparison.
func Degenerate(rewards []float64) bool {
	for _, r := range rewards {
		if r != rewards[0] {
			return false
		}
	}
	return true
}

// Informative is the batch without its degenerate groups, which then do not count in denominators either, and for each group of the result its
// number in b: DAPO's dynamic sampling, the half of it that comes after sampling.
func (b *Batch) Informative() (kept *Batch, groups []int) {
	kept = &Batch{}
	first := 0
	for g, n := range b.Groups {
		part := b.Responses[first : first+n]
		first += n
		rewards := make([]float64, n)
		for i := range part {
			rewards[i] = part[i].Reward
		}
		if !Degenerate(rewards) {
			kept.Responses, kept.Groups, groups = append(kept.Responses, part...), append(kept.Groups, n), append(groups, g)
		}
	}
	return kept, groups
}
