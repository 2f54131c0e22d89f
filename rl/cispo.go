package rl

// CISPO clips the importance weight and not the surrogate (MiniMax-M1, 2506.13585): -sg(clamp(ρ, 1-ε_low, 1+ε_high))·A·log p. So a token beyond the
// bound still learns.
type CISPO struct {
	GroupAdvantage `yaml:",inline"`
	EpsilonLow     float64 `yaml:"epsilon_low"`  // 1 or more: no lower bound
	EpsilonHigh    float64 `yaml:"epsilon_high"` // the cap is 1 + ε_high (TRL's epsilon_high is the cap itself)
}

// DefaultCISPO has no lower bound and ε_high = 0.28.
func DefaultCISPO() *CISPO { return &CISPO{defaultAdvantage, 1, 0.28} }

// Validate reports a parameter that makes no sense.
func (a *CISPO) Validate() error {
	return firstError("cispo", a.GroupAdvantage.validate(), within("epsilon_low", a.EpsilonLow, 0, 1e9), within("epsilon_high", a.EpsilonHigh, 0, 1e9))
}

// Credit is the group's advantage.
func (a *CISPO) Credit(b *Batch) ([]Credit, error) { return b.spread(a.GroupAdvantage.of(b)), nil }

// Aggregate is the mean over all tokens.
func (a *CISPO) Aggregate() Aggregate { return TokenMean }

// Terms is the weighted log-probability.
func (a *CISPO) Terms(r *Response, c *Credit, now []float32, out Terms) {
	for t, m := range r.Mask {
		if !m {
			continue
		}
		rho := ratio(now[t], r.Old[t])
		w := min(max(rho, 1-a.EpsilonLow), 1+a.EpsilonHigh)
		out.Slope[t] = -w * c.Advantages[t]
		out.Loss[t] = out.Slope[t] * float64(now[t])
		out.Clipped[t] = w != rho
	}
}
