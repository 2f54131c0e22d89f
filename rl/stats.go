package rl

import (
	"fmt"

	"github.com/pennyml/penny/engine"
)

// Stats are what a batch of answers was like, before anything is learnt from it. Groups that were put aside count.
type Stats struct {
	Groups, Answers     int
	Right               int // answers
	Solved              int // groups with a right answer
	AllRight, AllWrong  int // groups
	Degenerate          int // groups whose rewards are all equal
	Truncated           int // answers
	Reward              float64
	Tokens, RightTokens int
	Logprob             float64            // sum over all tokens, of the policy's: minus its mean is an estimate of the entropy
	Parts               map[string]float64 // sums of the reward's parts
	Graded              map[string]int     // and of the answers that have them
}

// add takes in a group.
func (s *Stats) add(t *Tried) {
	right := t.right()
	s.Groups++
	s.Answers += len(t.Attempts)
	s.Right += right
	switch right {
	case 0:
		s.AllWrong++
	case len(t.Attempts):
		s.AllRight++
	}
	if right > 0 {
		s.Solved++
	}
	if t.degenerate() {
		s.Degenerate++
	}
	if s.Parts == nil {
		s.Parts, s.Graded = map[string]float64{}, map[string]int{}
	}
	for i := range t.Attempts {
		a := &t.Attempts[i]
		s.Reward += a.Reward
		s.Tokens += len(a.IDs)
		for _, lp := range a.Drawn {
			s.Logprob += float64(lp)
		}
		if a.Verdict.Right {
			s.RightTokens += len(a.IDs)
		}
		if a.Finish == engine.FinishLength {
			s.Truncated++
		}
		for _, p := range a.Verdict.Parts {
			s.Parts[p.Name] += p.Value
			s.Graded[p.Name]++
		}
	}
}

// numbers are those of a step, by the names that they have in metrics. g is the size of a group.
func (s *Stats) numbers(g int) map[string]float64 {
	per := func(a float64, n int) float64 {
		if n == 0 {
			return 0
		}
		return a / float64(n)
	}
	m := map[string]float64{
		"reward": per(s.Reward, s.Answers), "pass_at_1": per(float64(s.Right), s.Answers), fmt.Sprintf("pass_at_%d", g): per(float64(s.Solved), s.Groups),
		"degenerate": per(float64(s.Degenerate), s.Groups), "all_right": per(float64(s.AllRight), s.Groups), "all_wrong": per(float64(s.AllWrong), s.Groups),
		"truncated": per(float64(s.Truncated), s.Answers), "answer_tokens": per(float64(s.Tokens), s.Answers),
		"right_tokens": per(float64(s.RightTokens), s.Right), "answers": float64(s.Answers),
		"entropy": -per(s.Logprob, s.Tokens),
	}
	for name, sum := range s.Parts {
		m["part_"+name] = per(sum, s.Graded[name])
	}
	return m
}

// hopeless explains why nothing can be learnt from a first batch; nil where something can.
func (s *Stats) hopeless(c *Config) error {
	share := float64(s.Degenerate) / float64(s.Groups)
	if c.Degenerate == 0 || share <= c.Degenerate {
		return nil
	}
	advice := "the rewards of its answers are equal though the verdicts differ: look at the task's reward"
	switch {
	case 2*s.Truncated > s.Answers:
		advice = fmt.Sprintf("%d of %d answers were cut at %d tokens: raise max_tokens, or teach shorter answers first", s.Truncated, s.Answers, c.MaxTokens)
	case s.AllWrong >= s.AllRight && s.AllWrong > 0:
		advice = "most groups have no right answer: train the cold start longer, take easier problems (the task's options, max_difficulty), or more answers a group"
	case s.AllRight > 0:
		advice = "most groups are all right: take harder problems (the task's options, min_difficulty), or a higher temperature"
	}
	return fmt.Errorf("rl: %d of the %d groups of the first batch have no variance in their rewards, so nothing can be learnt by comparison "+
		"(%d all wrong, %d all right; pass@1 %.3f, pass@%d %.3f): %s. degenerate: 0 in the recipe goes on all the same",
		s.Degenerate, s.Groups, s.AllWrong, s.AllRight, float64(s.Right)/float64(s.Answers), c.Group, float64(s.Solved)/float64(s.Groups), advice)
}
