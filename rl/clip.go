package rl

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/kernel/fp"
)

// Clip is PPO's clipped surrogate (1707.06347), -min(ρA, clamp(ρ, 1-ε_low, 1+ε_high)·A): beyond the range a step that is paid for already earns no
// more. Different bounds are DAPO's clip-higher (2503.14476).
type Clip struct {
	EpsilonLow  float64 `yaml:"epsilon_low"`
	EpsilonHigh float64 `yaml:"epsilon_high"`

	// DualClip bounds the loss of a token with A < 0 at c·|A| however much more likely it has become (1912.09729). 0: no bound.
	DualClip float64 `yaml:"dual_clip"`
}

func (c Clip) validate() error {
	if c.DualClip != 0 && !(c.DualClip > 1) {
		return fmt.Errorf("dual_clip is %v: want 0 (off) or more than 1", c.DualClip)
	}
	if err := within("epsilon_low", c.EpsilonLow, 0, 1); err != nil {
		return err
	}
	return within("epsilon_high", c.EpsilonHigh, 0, math.MaxFloat64)
}

// term is the surrogate of one token at the ratio ρ, and its derivative by ln ρ. clipped says that the bound took effect.
func (c Clip) term(ratio, a float64) (loss, slope float64, clipped bool) {
	switch {
	case a > 0 && ratio > 1+c.EpsilonHigh:
		return -(1 + c.EpsilonHigh) * a, 0, true
	case a < 0 && ratio < 1-c.EpsilonLow:
		return -(1 - c.EpsilonLow) * a, 0, true
	case a < 0 && c.DualClip != 0 && ratio > c.DualClip:
		return -c.DualClip * a, 0, true
	}
	return -ratio * a, -ratio * a, false
}

// ratio is e^(now - then).
func ratio(now, then float32) float64 { return fp.Exp64(float64(now) - float64(then)) }

// terms is the surrogate of every learnt token, each with its own ratio.
func (c Clip) terms(r *Response, credit *Credit, now []float32, out Terms) {
	for t, m := range r.Mask {
		if m {
			out.Loss[t], out.Slope[t], out.Clipped[t] = c.term(ratio(now[t], r.Old[t]), credit.Advantages[t])
		}
	}
}

func within(name string, v, lo, hi float64) error {
	if !(v >= lo && v <= hi) {
		return fmt.Errorf("%s is %v: want %v to %v", name, v, lo, hi)
	}
	return nil
}
