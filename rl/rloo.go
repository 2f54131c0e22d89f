package rl

// RLOO is REINFORCE with the mean of the group's other rewards as the baseline (2402.14740). It has no ratio and no clip: it is for one update a batch.
type RLOO struct {
	Beta float64 `yaml:"beta"` // factor on Σ old - ref, taken off the reward
}

// DefaultRLOO is without the reference.
func DefaultRLOO() *RLOO { return &RLOO{} }

// Validate reports a parameter that makes no sense.
func (a *RLOO) Validate() error { return firstError("rloo", within("beta", a.Beta, 0, 1e6)) }

func (a *RLOO) needsReference() bool { return a.Beta != 0 }

// Credit is the distance from the mean of the others.
func (a *RLOO) Credit(b *Batch) ([]Credit, error) {
	x := b.rewards()
	for i := range x {
		if r := &b.Responses[i]; a.Beta != 0 && r.Len() > 0 {
			x[i] -= float64(a.Beta * r.klToCome()[0])
		}
	}
	if err := leaveOneOut(b, x); err != nil {
		return nil, err
	}
	return b.spread(x), nil
}

// Aggregate is the mean over responses of their sums.
func (a *RLOO) Aggregate() Aggregate { return ResponseSum }

// Terms is -A·log p.
func (a *RLOO) Terms(r *Response, c *Credit, now []float32, out Terms) {
	for t, m := range r.Mask {
		if m {
			out.Loss[t], out.Slope[t] = -c.Advantages[t]*float64(now[t]), -c.Advantages[t]
		}
	}
}
