package rl

// DrGRPO is GRPO done right (2503.20783): without the deviation, which favours prompts that are very easy or very hard, and without the response's own
// length, which favours long wrong answers.
type DrGRPO struct {
	Clip      `yaml:",inline"`
	MaxLength int `yaml:"max_length"` // what the sum over a response is divided by; 0: the most tokens that a rollout may have
}

// DefaultDrGRPO has ε = 0.2.
func DefaultDrGRPO() *DrGRPO { return &DrGRPO{Clip: Clip{EpsilonLow: 0.2, EpsilonHigh: 0.2}} }

// Validate reports a parameter that makes no sense.
func (g *DrGRPO) Validate() error {
	return firstError("dr_grpo", g.Clip.validate(), within("max_length", float64(g.MaxLength), 1, 1<<31))
}

// Credit is the reward less the group's mean.
func (g *DrGRPO) Credit(b *Batch) ([]Credit, error) {
	return b.spread(GroupAdvantage{Scale: ScaleNone}.of(b)), nil
}

// Aggregate divides by a constant.
func (g *DrGRPO) Aggregate() Aggregate { return ConstantMean(g.MaxLength) }

// Terms is the clipped surrogate.
func (g *DrGRPO) Terms(r *Response, c *Credit, now []float32, out Terms) {
	g.Clip.terms(r, c, now, out)
}
