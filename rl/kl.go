package rl

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/kernel/fp"
)

// KL is a penalty in the loss on the distance from the reference policy, by one of the estimators of Schulman, "Approximating KL divergence", 2020,
// with d = new - ref. It is off where Beta is 0.
type KL struct {
	Beta      float64   `yaml:"beta"`
	Estimator Estimator `yaml:"estimator"`

	// Ratio multiplies the estimate by e^(new - old), gradient through both, which makes it unbiased off policy (2512.02556).
	Ratio bool `yaml:"ratio"`
}

// Estimator is a function of d whose mean over samples is the divergence, or near it.
type Estimator string

// The estimators.
const (
	K1 Estimator = "k1" // d: unbiased, of either sign
	K2 Estimator = "k2" // d²/2: biased, low variance; its gradient is that of the divergence
	K3 Estimator = "k3" // e^-d + d - 1: unbiased, never negative; GRPO's
)

func (k KL) validate() error {
	switch k.Estimator {
	case K1, K2, K3:
	default:
		return fmt.Errorf("kl: estimator %q: want k1, k2 or k3", k.Estimator)
	}
	if err := within("beta", k.Beta, 0, math.MaxFloat64); err != nil {
		return fmt.Errorf("kl: %w", err)
	}
	return nil
}

// estimate is the estimator at d, and its derivative.
func (e Estimator) estimate(d float64) (value, slope float64) {
	switch e {
	case K1:
		return d, 1
	case K2:
		return float64(d*d) / 2, d
	}
	x := fp.Exp64(-d)
	return x + d - 1, 1 - x
}

// term is the estimate of one token and its derivative by new, Beta left out.
func (k KL) term(now, old, ref float32) (loss, slope float64) {
	loss, slope = k.Estimator.estimate(float64(now) - float64(ref))
	if k.Ratio {
		r := ratio(now, old)
		loss = float64(loss * r)
		slope = float64(slope*r) + loss
	}
	return loss, slope
}

// klToCome is Σ old - ref over the learnt tokens from t on, for every t: the k1 of what is still to come, as REINFORCE puts it into the reward.
func (r *Response) klToCome() []float64 {
	x, sum := make([]float64, r.Len()), 0.0
	for t := r.Len() - 1; t >= 0; t-- {
		if r.Mask[t] {
			sum += float64(r.Old[t]) - float64(r.Ref[t])
		}
		x[t] = sum
	}
	return x
}
