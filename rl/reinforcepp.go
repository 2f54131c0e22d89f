package rl

// REINFORCEpp is REINFORCE++ (2501.03262): PPO's surrogate without a critic, with advantages that are made comparable over the whole batch and not
// over each group. The variant with a baseline takes the group's mean off first; its penalty belongs in the loss (Objective.KL with k2).
type REINFORCEpp struct {
	Clip     `yaml:",inline"`
	Baseline bool    `yaml:"baseline"`
	Beta     float64 `yaml:"beta"` // without baseline: factor on the Σ old - ref still to come, taken off the reward
}

// DefaultREINFORCEpp has ε = 0.2 and no baseline.
func DefaultREINFORCEpp() *REINFORCEpp {
	return &REINFORCEpp{Clip: Clip{EpsilonLow: 0.2, EpsilonHigh: 0.2}}
}

// Validate reports a parameter that makes no sense.
func (a *REINFORCEpp) Validate() error {
	most := 1e6
	if a.Baseline {
		most = 0
	}
	return firstError("reinforce++", a.Clip.validate(), within("beta (with a baseline the penalty is kl's)", a.Beta, 0, most))
}

func (a *REINFORCEpp) needsReference() bool { return a.Beta != 0 }

// Credit is whitened over the tokens of the batch.
func (a *REINFORCEpp) Credit(b *Batch) ([]Credit, error) {
	x := b.rewards()
	if a.Baseline {
		x = GroupAdvantage{Scale: ScaleNone}.of(b)
	}
	credits := b.spread(x)
	if a.Beta != 0 {
		for i := range credits {
			for t, kl := range b.Responses[i].klToCome() {
				credits[i].Advantages[t] -= float64(a.Beta * kl)
			}
		}
	}
	whiten(b, credits)
	return credits, nil
}

// Aggregate is the mean over all tokens.
func (a *REINFORCEpp) Aggregate() Aggregate { return TokenMean }

// Terms is the clipped surrogate.
func (a *REINFORCEpp) Terms(r *Response, c *Credit, now []float32, out Terms) {
	a.Clip.terms(r, c, now, out)
}
