package optim

import (
	"fmt"
	"math"
)

// Shape is how a learning rate goes from its peak to its end.
type Shape string

const (
	Constant Shape = "constant"
	Linear   Shape = "linear"
	Cosine   Shape = "cosine"
	WSD      Shape = "wsd" // warm-up, stable, decay: constant, then down over the last steps (2404.06395)
)

// Decay is the way down of a WSD schedule.
type Decay string

const (
	DecayLinear Decay = "linear"
	DecayCosine Decay = "cosine"
	DecaySqrt   Decay = "1-sqrt" // 1 - √x, the best of 2405.18392
)

// Schedule gives the learning rate as a share of its peak.
type Schedule struct {
	Shape      Shape   `yaml:"shape"`
	Warmup     int     `yaml:"warmup"`      // steps from zero up to the peak, in a line
	FromOne    bool    `yaml:"from_one"`    // the first step has 1/warmup of the peak, and not 0
	Steps      int     `yaml:"steps"`       // the last step of the way down; 0: the budget's
	DecaySteps int     `yaml:"decay_steps"` // WSD: how many of them lead down
	Decay      Decay   `yaml:"decay"`       // WSD: how
	MinRatio   float64 `yaml:"min_ratio"`   // what is left at the end, as a share of the peak
}

// Validate reports the first field that makes no sense. Steps must have been filled in.
func (s *Schedule) Validate() error {
	switch s.Shape {
	case Constant, Linear, Cosine, WSD:
	default:
		return fmt.Errorf("shape is %q, want %s, %s, %s or %s", s.Shape, Constant, Linear, Cosine, WSD)
	}
	switch {
	case s.Warmup < 0:
		return fmt.Errorf("warmup is %d steps", s.Warmup)
	case !(s.MinRatio >= 0 && s.MinRatio <= 1):
		return fmt.Errorf("min_ratio is %v, want 0 to 1", s.MinRatio)
	case s.Shape != Constant && s.Steps < 1:
		return fmt.Errorf("steps is %d: a %s schedule must know where it ends", s.Steps, s.Shape)
	case s.Shape != WSD:
		return nil
	case s.Decay != DecayLinear && s.Decay != DecayCosine && s.Decay != DecaySqrt:
		return fmt.Errorf("decay is %q, want %s, %s or %s", s.Decay, DecayLinear, DecayCosine, DecaySqrt)
	case s.DecaySteps < 0 || s.DecaySteps > s.Steps:
		return fmt.Errorf("decay_steps is %d, want 0 to steps = %d", s.DecaySteps, s.Steps)
	}
	return nil
}

// At is the share of the peak for the step after so many have been done.
func (s *Schedule) At(done int) float64 {
	if done < s.Warmup {
		if s.FromOne {
			done++
		}
		return float64(done) / float64(s.Warmup)
	}
	x := 0.0
	switch s.Shape {
	case Linear:
		x = progress(done-s.Warmup, s.Steps-s.Warmup)
	case Cosine:
		x = (1 - math.Cos(math.Pi*progress(done-s.Warmup, s.Steps-s.Warmup))) / 2
	case WSD:
		x = progress(done-(s.Steps-s.DecaySteps), s.DecaySteps)
		if s.Decay == DecayCosine {
			x = (1 - math.Cos(math.Pi*x)) / 2
		} else if s.Decay == DecaySqrt {
			x = math.Sqrt(x)
		}
	}
	return s.MinRatio + (1-s.MinRatio)*(1-x)
}

// progress is done/of, no less than 0 and no more than 1.
func progress(done, of int) float64 {
	if done >= of {
		return 1
	}
	return max(0, float64(done)/float64(of))
}
