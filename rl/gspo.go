package rl

import "github.com/pennyml/penny/kernel/fp"

// GSPO is group sequence policy optimisation (Qwen, 2507.18071): the ratio and its bounds are those of the whole response, the geometric mean over
// its tokens, as the reward is.
type GSPO struct {
	GroupAdvantage `yaml:",inline"`
	Clip           `yaml:",inline"` // on the response's ratio: far narrower than a token's
}

// DefaultGSPO has the paper's ε of 3e-4 and 4e-4.
func DefaultGSPO() *GSPO { return &GSPO{defaultAdvantage, Clip{EpsilonLow: 3e-4, EpsilonHigh: 4e-4}} }

// Validate reports a parameter that makes no sense.
func (g *GSPO) Validate() error {
	return firstError("gspo", g.GroupAdvantage.validate(), g.Clip.validate())
}

// Credit is the group's advantage.
func (g *GSPO) Credit(b *Batch) ([]Credit, error) { return b.spread(g.GroupAdvantage.of(b)), nil }

// Aggregate is the mean over responses; their tokens share their term.
func (g *GSPO) Aggregate() Aggregate { return ResponseMean }

// Terms is the surrogate of the response, the same for each of its tokens. The derivative of the mean of n equal terms by one log-probability
// is that of the term by the mean log-ratio over n: what the weight makes of it.
func (g *GSPO) Terms(r *Response, c *Credit, now []float32, out Terms) {
	n, sum := 0, 0.0
	for t, m := range r.Mask {
		if m {
			n++
			sum += float64(now[t]) - float64(r.Old[t])
		}
	}
	if n == 0 {
		return
	}
	s := fp.Exp64(sum / float64(n))
	for t, m := range r.Mask {
		if m {
			out.Loss[t], out.Slope[t], out.Clipped[t] = g.Clip.term(s, c.Advantages[t])
		}
	}
}
