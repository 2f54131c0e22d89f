package rl

import (
	"fmt"
	"math"
)

// Algorithm gives tokens their credit: how much better a choice was than expected, and what that asks of its log-probability.
type Algorithm interface {
	// Credit is the advantage of each token of each response, and whatever else does not depend on the policy that is being learnt. It is
	// asked for once a batch.
	Credit(b *Batch) ([]Credit, error)

	// Aggregate says how the terms of tokens become one number.
	Aggregate() Aggregate

	// Terms writes what each learnt token of a response adds to the loss when its log-probability is now[t].
	Terms(r *Response, c *Credit, now []float32, out Terms)

	// Validate reports a parameter that makes no sense.
	Validate() error
}

// Terms are the summands of a loss, one for each token of a response. They come set to 0.
type Terms struct {
	Loss    []float64 // before the aggregate's weight
	Slope   []float64 // its derivative by the token's log-probability; for whole-response ratios times the number of tokens that share it
	Clipped []bool
}

// critic is an Algorithm that learns values beside the policy.
type critic interface {
	// valueTerms is what the critic's answer now adds to the loss, coefficient included.
	valueTerms(r *Response, c *Credit, now []float32, out Terms)
}

// reference is an Algorithm that may need the reference's log-probabilities for its credit.
type reference interface{ needsReference() bool }

// Objective is an algorithm and what it takes on.
type Objective struct {
	Algorithm  Algorithm
	KL         KL
	Importance Importance
	OffPolicy  OffPolicyMask
	Overlong   Overlong
}

// NewObjective is the algorithm alone.
func NewObjective(a Algorithm) *Objective {
	return &Objective{Algorithm: a, KL: KL{Estimator: K3}, Importance: Importance{Cap: defaultImportance, Low: 1 / defaultImportance}}
}

// Validate reports the first setting that makes no sense, by name.
func (o *Objective) Validate() error {
	for _, err := range []error{o.Algorithm.Validate(), o.KL.validate(), o.Importance.validate(), o.OffPolicy.validate(), o.Overlong.validate()} {
		if err != nil {
			return fmt.Errorf("rl: %w", err)
		}
	}
	return nil
}

// NeedsReference says whether responses must come with the reference's log-probabilities.
func (o *Objective) NeedsReference() bool {
	r, ok := o.Algorithm.(reference)
	return o.KL.Beta != 0 || ok && r.needsReference()
}

// NeedsValues says whether they must come with a critic's.
func (o *Objective) NeedsValues() bool { _, ok := o.Algorithm.(critic); return ok }

// Update is a batch with its credit: all that the losses of its parts need but the policy as it then is.
type Update struct {
	Batch   *Batch
	Credits []Credit

	objective *Objective
	terms     Terms
}

// Assign gives every token its credit.
func (o *Objective) Assign(b *Batch) (*Update, error) {
	if err := b.check(need{o.NeedsReference(), o.NeedsValues()}); err != nil {
		return nil, err
	}
	if o.Overlong.Cache > 0 {
		shaped := *b
		shaped.Responses = append([]Response(nil), b.Responses...)
		for i := range shaped.Responses {
			shaped.Responses[i].Reward += o.Overlong.Penalty(shaped.Responses[i].Len())
		}
		b = &shaped
	}
	credits, err := o.Algorithm.Credit(b)
	if err != nil {
		return nil, err
	}
	for i := range credits {
		credits[i].Importance = o.Importance.of(&b.Responses[i])
	}
	return &Update{Batch: b, Credits: credits, objective: o}, nil
}

// Weights are the factors on the tokens of the responses numbered in part (nil: all), which are one update of the optimiser.
func (u *Update) Weights(part []int) [][]float64 {
	return u.objective.Algorithm.Aggregate().Weights(u.Batch, part)
}

// Policy is what the network says now of the tokens of a response, or the gradient by it.
type Policy struct {
	Logprobs []float32
	Values   []float32 // nil without a critic
}

// Loss is the share of one response in a loss, by parts: their sum is what is differentiated.
type Loss struct {
	Policy, KL, Value float64

	Tokens  int     // learnt ones
	Clipped int     // those whose bound took effect
	Drift   float64 // Σ old - now: how far the policy has gone from where the update began
}

// Total is the loss.
func (l Loss) Total() float64 { return l.Policy + l.KL + l.Value }

// Add takes in the share of another response.
func (l *Loss) Add(m Loss) {
	l.Policy += m.Policy
	l.KL += m.KL
	l.Value += m.Value
	l.Tokens += m.Tokens
	l.Clipped += m.Clipped
	l.Drift += m.Drift
}

// Loss computes the share of response i and writes its gradient by what the network says now to d. weights are its tokens', from Weights.
func (u *Update) Loss(i int, weights []float64, now Policy, d Policy) Loss {
	r, c, o := &u.Batch.Responses[i], &u.Credits[i], u.objective
	if n := r.Len(); len(now.Logprobs) != n || len(d.Logprobs) != n || len(weights) != n {
		panic(fmt.Sprintf("rl: response of %d tokens with %d log-probabilities, %d of the gradient and %d weights", n, len(now.Logprobs),
			len(d.Logprobs), len(weights)))
	}
	var l Loss
	o.Algorithm.Terms(r, c, now.Logprobs, u.clear(r.Len()))
	dropped := o.OffPolicy.drops(r, c, now.Logprobs)
	for t, m := range r.Mask {
		d.Logprobs[t] = 0
		if !m {
			continue
		}
		factor := weights[t]
		if c.Importance != nil {
			factor *= c.Importance[t]
		}
		if dropped {
			factor = 0
		}
		slope := float64(factor * u.terms.Slope[t])
		l.Policy += float64(factor * u.terms.Loss[t])
		if o.KL.Beta != 0 {
			kl, by := o.KL.term(now.Logprobs[t], r.Old[t], r.Ref[t])
			l.KL += float64(weights[t] * o.KL.Beta * kl)
			slope += float64(weights[t] * o.KL.Beta * by)
		}
		d.Logprobs[t] = float32(slope)
		l.Tokens++
		l.Drift += float64(r.Old[t]) - float64(now.Logprobs[t])
		if u.terms.Clipped[t] {
			l.Clipped++
		}
	}
	if v, ok := o.Algorithm.(critic); ok {
		l.Value = u.valueLoss(v, r, c, weights, now.Values, d.Values)
	}
	return l
}

func (u *Update) valueLoss(v critic, r *Response, c *Credit, weights []float64, now, d []float32) float64 {
	if len(now) != r.Len() || len(d) != r.Len() {
		panic(fmt.Sprintf("rl: response of %d tokens with %d values and %d of their gradient", r.Len(), len(now), len(d)))
	}
	v.valueTerms(r, c, now, u.clear(r.Len()))
	sum := 0.0
	for t, w := range weights {
		d[t] = float32(w * u.terms.Slope[t])
		sum += float64(w * u.terms.Loss[t])
	}
	return sum
}

// clear is the terms for n tokens, all 0. They are kept from one response to the next.
func (u *Update) clear(n int) Terms {
	if cap(u.terms.Loss) < n {
		u.terms = Terms{make([]float64, n), make([]float64, n), make([]bool, n)}
	}
	u.terms.Loss, u.terms.Slope, u.terms.Clipped = u.terms.Loss[:n], u.terms.Slope[:n], u.terms.Clipped[:n]
	clear(u.terms.Loss)
	clear(u.terms.Slope)
	clear(u.terms.Clipped)
	return u.terms
}

// OffPolicyMask leaves answers that were worse than expected out of the policy's loss once the policy has gone too far from them: A < 0 and
// mean(old - now) > Delta (DeepSeek-V3.2, 2512.02556). They still count in denominators. Off where Delta is 0.
type OffPolicyMask struct {
	Delta float64 `yaml:"delta"`
}

func (m OffPolicyMask) validate() error {
	return within("off_policy: delta", m.Delta, 0, math.MaxFloat64)
}

func (m OffPolicyMask) drops(r *Response, c *Credit, now []float32) bool {
	if m.Delta == 0 {
		return false
	}
	n, drift, advantage := 0, 0.0, 0.0
	for t, learnt := range r.Mask {
		if learnt {
			n++
			drift += float64(r.Old[t]) - float64(now[t])
			advantage += c.Advantages[t]
		}
	}
	return n > 0 && advantage < 0 && drift/float64(n) > m.Delta
}
