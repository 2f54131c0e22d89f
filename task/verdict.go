// Package task defines tasks whose answers can be checked, and what a grader says about an answer.
package task

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is what a grader says about one answer. Right is the decision: Lenient unless the caller asked for strict grading.
type Verdict struct {
	Right     bool    `json:"verdict"`
	Strict    bool    `json:"strict"`    // equal in value and in form
	Lenient   bool    `json:"lenient"`   // equal under the stated conventions
	Extracted string  `json:"extracted"` // the final answer that was compared
	Stage     string  `json:"stage"`     // which step decided
	Reason    string  `json:"reason"`    // why, in words
	Reward    float64 `json:"reward"`    // the combined reward; 1 or 0 for a plain verdict
	Parts     []Part  `json:"parts,omitempty"`
}

// Part is one summand of a reward.
type Part struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
	Value  float64 `json:"value"` // in [0, 1]
	Reason string  `json:"reason,omitempty"`
}

// Combine is the reward sum(weight·value) / sum(weight) over parts, with gate: when gate is the name of a part whose value is zero the
// reward is zero, so that format alone never pays for a wrong answer. Weights must be finite and not negative, not all zero.
func Combine(gate string, parts ...Part) (float64, error) {
	var sum, weight float64
	closed := false
	found := gate == ""
	for _, p := range parts {
		if p.Weight < 0 || math.IsNaN(p.Weight) || math.IsInf(p.Weight, 0) || p.Value < 0 || p.Value > 1 || math.IsNaN(p.Value) {
			return 0, fmt.Errorf("reward part %q: weight %v, value %v: want a finite weight >= 0 and a value in [0, 1]", p.Name, p.Weight, p.Value)
		}
		sum += p.Weight * p.Value
		weight += p.Weight
		if p.Name == gate {
			found, closed = true, p.Value == 0
		}
	}
	switch {
	case !found:
		return 0, fmt.Errorf("reward gate %q names no part", gate)
	case weight == 0:
		return 0, fmt.Errorf("reward of %d parts has no weight", len(parts))
	case closed:
		return 0, nil
	}
	return sum / weight, nil
}

// Formula writes out what Combine computes.
func Formula(gate string, parts ...Part) string {
	var terms, weights []string
	for _, p := range parts {
		terms = append(terms, fmt.Sprintf("%g·%s(%g)", p.Weight, p.Name, p.Value))
		weights = append(weights, fmt.Sprintf("%g", p.Weight))
	}
	s := "(" + strings.Join(terms, " + ") + ") / (" + strings.Join(weights, " + ") + ")"
	if gate != "" {
		s = "[" + gate + " > 0] · " + s
	}
	return s
}
