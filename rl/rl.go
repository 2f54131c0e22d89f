// Package rl is reinforcement learning with rewards that can be checked: rollouts are graded, an algorithm gives each of their tokens its credit,
// and the learner moves. Algorithms are pure functions, one file each; what several can take on (a KL penalty, importance weights, shaping of
// long answers) stands beside them and is switched on in an Objective.
//
// Everything between log-probabilities and their gradient is computed in float64 without fusing, over responses and tokens in order, so that
// it is the same on every machine.
package rl

import (
	"fmt"
	"math"
)

// Response is one answer of a group, with a value for each of its tokens in every slice that is not nil.
type Response struct {
	Reward float64
	Mask   []bool // the tokens that are learnt: those that the model chose, an end token included

	Old     []float32 // log-probabilities under the policy that the update starts from
	Sampler []float32 // under what sampled it, where that is not the same; nil: Old
	Ref     []float32 // under the reference, for a KL penalty; nil without
	Values  []float32 // what the critic expected in front of each token, for PPO; nil without
}

// Len is the number of tokens.
func (r *Response) Len() int { return len(r.Mask) }

// Batch is the responses of one step: groups of answers to one prompt, one after the other.
type Batch struct {
	Responses []Response
	Groups    []int // how many responses each has
}

// Credit is what an algorithm assigns to the tokens of one response before the policy moves.
type Credit struct {
	Advantages []float64
	Returns    []float64 // what the critic should have expected; nil without one
	Importance []float64 // factors on the policy's terms; nil: all 1
}

// check reports what is missing or not a number.
func (b *Batch) check(need need) error {
	n := 0
	for g, size := range b.Groups {
		if size < 1 {
			return fmt.Errorf("rl: group %d has %d responses", g, size)
		}
		n += size
	}
	if n != len(b.Responses) || n == 0 {
		return fmt.Errorf("rl: %d responses in groups of %v", len(b.Responses), b.Groups)
	}
	for i := range b.Responses {
		if err := b.Responses[i].check(need); err != nil {
			return fmt.Errorf("rl: response %d: %w", i, err)
		}
	}
	return nil
}

// need is which values of a response are asked for.
type need struct{ ref, values bool }

func (r *Response) check(need need) error {
	if math.IsNaN(r.Reward) || math.IsInf(r.Reward, 0) {
		return fmt.Errorf("the reward is %v", r.Reward)
	}
	for _, s := range []struct {
		name   string
		x      []float32
		needed bool
	}{{"old", r.Old, true}, {"sampler", r.Sampler, false}, {"ref", r.Ref, need.ref}, {"values", r.Values, need.values}} {
		if s.x == nil && !s.needed {
			continue
		}
		if len(s.x) != r.Len() {
			return fmt.Errorf("%d tokens, but %d of %q", r.Len(), len(s.x), s.name)
		}
		for t, v := range s.x {
			if v != v || math.IsInf(float64(v), 0) {
				return fmt.Errorf("token %d: %q is %v", t, s.name, v)
			}
		}
	}
	return nil
}

// learnt is how many tokens are.
func (r *Response) learnt() int {
	n := 0
	for _, m := range r.Mask {
		if m {
			n++
		}
	}
	return n
}

// rewards are those of all responses.
func (b *Batch) rewards() []float64 {
	x := make([]float64, len(b.Responses))
	for i := range x {
		x[i] = b.Responses[i].Reward
	}
	return x
}

// perGroup calls f with the part of x that belongs to each group.
func (b *Batch) perGroup(x []float64, f func(x []float64)) {
	for _, n := range b.Groups {
		f(x[:n])
		x = x[n:]
	}
}

// spread makes credits of one advantage a response.
func (b *Batch) spread(advantages []float64) []Credit {
	c := make([]Credit, len(advantages))
	for i, a := range advantages {
		c[i].Advantages = make([]float64, b.Responses[i].Len())
		for t := range c[i].Advantages {
			c[i].Advantages[t] = a
		}
	}
	return c
}
