package rl

// DAPO is GRPO with decoupled clip bounds and a token-level loss (2503.14476). Its other two parts are switched on beside it: dynamic sampling in
// the loop (Batch.Informative), the penalty on overlong answers as Objective.Overlong.
type DAPO struct {
	GroupAdvantage `yaml:",inline"`
	Clip           `yaml:",inline"`
}

// DefaultDAPO has ε = 0.2 and 0.28.
func DefaultDAPO() *DAPO { return &DAPO{defaultAdvantage, Clip{EpsilonLow: 0.2, EpsilonHigh: 0.28}} }

// Validate reports a parameter that makes no sense.
func (d *DAPO) Validate() error {
	return firstError("dapo", d.GroupAdvantage.validate(), d.Clip.validate())
}

// Credit is the group's advantage, the same for every token of a response.
func (d *DAPO) Credit(b *Batch) ([]Credit, error) { return b.spread(d.GroupAdvantage.of(b)), nil }

// Aggregate is the mean over all tokens.
func (d *DAPO) Aggregate() Aggregate { return TokenMean }

// Terms is the clipped surrogate.
func (d *DAPO) Terms(r *Response, c *Credit, now []float32, out Terms) { d.Clip.terms(r, c, now, out) }
