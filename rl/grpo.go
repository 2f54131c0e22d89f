package rl

// GRPO is group relative policy optimisation (DeepSeekMath, 2402.03300; DeepSeek-R1): a response's advantage is its reward against the others of
// its group, its tokens share it, and each response counts alike however long it is. The paper's KL penalty is Objective.KL with k3.
type GRPO struct {
	GroupAdvantage `yaml:",inline"`
	Clip           `yaml:",inline"`
}

// DefaultGRPO has ε = 0.2.
func DefaultGRPO() *GRPO { return &GRPO{defaultAdvantage, Clip{EpsilonLow: 0.2, EpsilonHigh: 0.2}} }

// Validate reports a parameter that makes no sense.
func (g *GRPO) Validate() error {
	return firstError("grpo", g.GroupAdvantage.validate(), g.Clip.validate())
}

// Credit is the group's advantage, the same for every token of a response.
func (g *GRPO) Credit(b *Batch) ([]Credit, error) { return b.spread(g.GroupAdvantage.of(b)), nil }

// Aggregate is the mean over responses of their means.
func (g *GRPO) Aggregate() Aggregate { return ResponseMean }

// Terms is the clipped surrogate.
func (g *GRPO) Terms(r *Response, c *Credit, now []float32, out Terms) { g.Clip.terms(r, c, now, out) }
