package rl

// PPO is proximal policy optimisation (1707.06347) with a critic: advantages are generalised estimates from its values (1506.02438), whitened over the
// batch, and the critic learns beside the policy.
type PPO struct {
	Clip      `yaml:",inline"`
	Gamma     float64 `yaml:"gamma"`      // γ, discount a token
	Lambda    float64 `yaml:"lambda"`     // λ of the advantage estimate
	Beta      float64 `yaml:"beta"`       // factor on old - ref of a token, taken off its reward
	ValueClip float64 `yaml:"value_clip"` // how far a value may move from what it was before moving on is of no use
	ValueCoef float64 `yaml:"value_coef"` // factor on the critic's loss
}

// DefaultPPO has γ = 1, λ = 0.95, ε = 0.2 for policy and critic, and half the critic's loss.
func DefaultPPO() *PPO {
	return &PPO{Clip: Clip{EpsilonLow: 0.2, EpsilonHigh: 0.2}, Gamma: 1, Lambda: 0.95, ValueClip: 0.2, ValueCoef: 0.5}
}

// Validate reports a parameter that makes no sense.
func (p *PPO) Validate() error {
	return firstError("ppo", p.Clip.validate(), within("gamma", p.Gamma, 0, 1), within("lambda", p.Lambda, 0, 1), within("beta", p.Beta, 0, 1e6),
		within("value_clip", p.ValueClip, 0, 1e9), within("value_coef", p.ValueCoef, 0, 1e6))
}

func (p *PPO) needsReference() bool { return p.Beta != 0 }

// Credit is the estimates, and the returns that they come from.
func (p *PPO) Credit(b *Batch) ([]Credit, error) {
	credits := make([]Credit, len(b.Responses))
	for i := range credits {
		credits[i] = p.estimate(&b.Responses[i])
	}
	whiten(b, credits)
	return credits, nil
}

// estimate walks a response from its end: δ = r + γV' - V, A = δ + γλA'. The reward stands at the last token.
func (p *PPO) estimate(r *Response) Credit {
	n := r.Len()
	c := Credit{Advantages: make([]float64, n), Returns: make([]float64, n)}
	next, advantage, reward := 0.0, 0.0, r.Reward
	for t := n - 1; t >= 0; t-- {
		if p.Beta != 0 {
			reward -= float64(p.Beta * (float64(r.Old[t]) - float64(r.Ref[t])))
		}
		v := float64(r.Values[t])
		delta := reward + float64(p.Gamma*next) - v
		advantage = delta + float64(p.Gamma*p.Lambda*advantage)
		c.Advantages[t], c.Returns[t] = advantage, advantage+v
		next, reward = v, 0
	}
	return c
}

// Aggregate is the mean over all tokens, for policy and critic.
func (p *PPO) Aggregate() Aggregate { return TokenMean }

// Terms is the clipped surrogate.
func (p *PPO) Terms(r *Response, c *Credit, now []float32, out Terms) { p.Clip.terms(r, c, now, out) }

// valueTerms is the squared error, or that of the value moved no further than the clip from what it was, whichever is larger.
func (p *PPO) valueTerms(r *Response, c *Credit, now []float32, out Terms) {
	for t, m := range r.Mask {
		if !m {
			continue
		}
		was, v, ret := float64(r.Values[t]), float64(now[t]), c.Returns[t]
		moved := was + min(max(v-was, -p.ValueClip), p.ValueClip)
		e, bounded := v-ret, moved-ret
		free, held := float64(e*e), float64(bounded*bounded)
		if free >= held {
			out.Loss[t], out.Slope[t] = p.ValueCoef*free/2, p.ValueCoef*e
		} else {
			out.Loss[t], out.Clipped[t] = p.ValueCoef*held/2, true // the bound holds it: no slope
		}
	}
}
