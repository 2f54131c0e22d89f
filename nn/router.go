package nn

import (
	"fmt"
	"math"
	"slices"
)

// Scoring turns a router's logits into affinities.
type Scoring uint8

const (
	Softmax Scoring = iota
	Sigmoid
)

func (s Scoring) String() string { return [...]string{"softmax", "sigmoid"}[s] }

// GroupScore is how a group of experts is judged when only some groups may be used.
type GroupScore uint8

const (
	GroupMax  GroupScore = iota // by its best expert: DeepSeek-V2's group_limited_greedy
	GroupTop2                   // by the sum of its two best: DeepSeek-V3's noaux_tc
)

// Routing says how a token chooses its experts and weighs them.
type Routing struct {
	Experts    int // n_routed_experts
	Used       int // num_experts_per_tok
	Groups     int // n_group; 1 for none
	GroupsUsed int // topk_group
	Scoring    Scoring
	GroupScore GroupScore
	Biased     bool    // a bias per expert (e_score_correction_bias) takes part in the choice, not in the weights
	Normalize  bool    // norm_topk_prob: the chosen weights are divided by their sum
	Scale      float32 // routed_scaling_factor
}

// Validate reports the first field that makes no sense, by its Hugging Face name.
func (r *Routing) Validate() error {
	switch {
	case r.Experts < 1:
		return fmt.Errorf("number of experts is %d, want at least 1", r.Experts)
	case r.Used < 1 || r.Used > r.Experts:
		return fmt.Errorf("num_experts_per_tok is %d, want 1 to %d", r.Used, r.Experts)
	case r.Groups < 1 || r.Experts%r.Groups != 0:
		return fmt.Errorf("n_group is %d, want a divisor of %d experts", r.Groups, r.Experts)
	case r.GroupsUsed < 1 || r.GroupsUsed > r.Groups:
		return fmt.Errorf("topk_group is %d, want 1 to %d", r.GroupsUsed, r.Groups)
	case r.GroupsUsed*(r.Experts/r.Groups) < r.Used:
		return fmt.Errorf("topk_group %d of %d groups holds fewer than num_experts_per_tok %d experts", r.GroupsUsed, r.Groups, r.Used)
	case r.Scale == 0 || math.IsNaN(float64(r.Scale)) || math.IsInf(float64(r.Scale), 0):
		return fmt.Errorf("routed_scaling_factor is %v, want a number other than 0", r.Scale)
	}
	return nil
}

// choose writes the Used best experts of one token to ids, ascending, and their weights to weights. affinity holds the Experts scores,
// bias the correction or nil; choice and groups are scratch of Experts and Groups. Equal scores go to the lower id.
func (r *Routing) choose(ids []int32, weights, affinity, bias, choice, groups []float32) {
	copy(choice, affinity)
	for i, b := range bias {
		choice[i] += b
	}
	if r.GroupsUsed < r.Groups {
		r.maskGroups(choice, groups)
	}
	topK(ids, choice)
	slices.Sort(ids)
	var sum float32
	for i, e := range ids {
		weights[i] = affinity[e]
		sum += affinity[e]
	}
	for i, w := range weights {
		if r.Normalize {
			w /= sum + 1e-20
		}
		weights[i] = w * r.Scale
	}
}

// maskGroups sets the choice of every expert outside the best groups to -Inf.
func (r *Routing) maskGroups(choice, groups []float32) {
	size := r.Experts / r.Groups
	for g := range groups {
		first, second := negInf, negInf
		for _, c := range choice[g*size:][:size] {
			if c > first {
				first, second = c, first
			} else if c > second {
				second = c
			}
		}
		groups[g] = first
		if r.GroupScore == GroupTop2 && size > 1 {
			groups[g] = first + second
		}
	}
	for g, score := range groups {
		better := 0
		for h, other := range groups {
			if other > score || other == score && h < g {
				better++
			}
		}
		if better >= r.GroupsUsed {
			for e := g * size; e < (g+1)*size; e++ {
				choice[e] = negInf
			}
		}
	}
}

var negInf = float32(math.Inf(-1))

// topK writes the positions of the len(ids) greatest scores, best first; equal scores go to the lower position.
func topK(ids []int32, scores []float32) {
	n := 0
	for e, s := range scores {
		if n == len(ids) && !(s > scores[ids[n-1]]) {
			continue
		}
		if n < len(ids) {
			n++
		}
		at := n - 1
		for ; at > 0 && s > scores[ids[at-1]]; at-- {
			ids[at] = ids[at-1]
		}
		ids[at] = int32(e)
	}
}
