package rl

import (
	"fmt"
	"math"
)

// Scale is what the rewards of a group, less their mean, are divided by.
type Scale string

// The scales. Dividing by the group's deviation weighs prompts that are nearly solved or nearly hopeless more than the others (2503.20783); by the
// batch's it does not.
const (
	ScaleGroup Scale = "group" // the deviation within the group
	ScaleBatch Scale = "batch" // the deviation of all rewards of the batch
	ScaleNone  Scale = "none"
)

// GroupAdvantage is the advantage of a whole response against the others of its group: (r - mean) / (std + Eps).
type GroupAdvantage struct {
	Scale      Scale   `yaml:"scale"`
	Population bool    `yaml:"population"` // the deviation over n in place of n-1
	Eps        float64 `yaml:"eps"`
}

// defaultAdvantage is TRL's choice.
var defaultAdvantage = GroupAdvantage{Scale: ScaleGroup, Eps: 1e-4}

func (g GroupAdvantage) validate() error {
	switch g.Scale {
	case ScaleGroup, ScaleBatch, ScaleNone:
	default:
		return fmt.Errorf("scale %q: want group, batch or none", g.Scale)
	}
	return within("eps", g.Eps, 0, 1)
}

func (g GroupAdvantage) of(b *Batch) []float64 {
	x := b.rewards()
	all := g.deviation(x)
	b.perGroup(x, func(x []float64) {
		by := 1.0
		switch g.Scale {
		case ScaleGroup:
			by = g.deviation(x) + g.Eps
		case ScaleBatch:
			by = all + g.Eps
		}
		for i, m := 0, mean(x); i < len(x); i++ {
			if x[i] -= m; x[i] != 0 {
				x[i] /= by
			}
		}
	})
	return x
}

// deviation is the standard deviation; that of a single value is 0.
func (g GroupAdvantage) deviation(x []float64) float64 {
	n := len(x)
	if !g.Population {
		n--
	}
	if n == 0 {
		return 0
	}
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += float64((v - m) * (v - m))
	}
	return math.Sqrt(sum / float64(n))
}

// mean is exact where all values are equal, so that a group without variance has advantages of 0 and not of a rounding error.
func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v - x[0]
	}
	return x[0] + sum/float64(len(x))
}

// leaveOneOut replaces each reward by its distance from the mean of the group's others.
func leaveOneOut(b *Batch, x []float64) error {
	for g, n := range b.Groups {
		if n < 2 {
			return fmt.Errorf("rl: group %d has one response: leaving one out leaves none", g)
		}
	}
	b.perGroup(x, func(x []float64) {
		m := mean(x)
		for i := range x {
			x[i] = (x[i] - m) * float64(len(x)) / float64(len(x)-1)
		}
	})
	return nil
}

// whiten brings the advantages of all learnt tokens of the batch to mean 0 and variance 1; those of others become 0.
func whiten(b *Batch, credits []Credit) {
	const eps = 1e-8
	n, sum := 0, 0.0
	learnt := func(f func(a *float64)) {
		for i := range credits {
			for t, m := range b.Responses[i].Mask {
				if m {
					f(&credits[i].Advantages[t])
				} else {
					credits[i].Advantages[t] = 0
				}
			}
		}
	}
	learnt(func(a *float64) { n++; sum += *a })
	if n == 0 {
		return
	}
	mean, variance := sum/float64(n), 0.0
	learnt(func(a *float64) { *a -= mean; variance += float64(*a * *a) })
	by := math.Sqrt(variance/float64(n) + eps)
	learnt(func(a *float64) { *a /= by })
}
