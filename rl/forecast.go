package rl

import (
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

// foretold is how many problems tell how long prompts are.
const foretold = 64

// Forecast is what a stage of a kind does at most with the network net: where every answer has max_tokens. cost is what learning takes, teacher what its
// teacher's passes do; nil: it has none.
func (c *Config) Forecast(kind train.Kind, t task.Task, text Text, net *model.Config, cost train.Cost, teacher *train.Cost) (w train.Work, err error) {
	prompt, err := c.promptLength(t, text)
	if err != nil {
		return w, err
	}
	most := func(n int) []int {
		lengths := make([]int, n)
		for i := range lengths {
			lengths[i] = c.MaxTokens
		}
		return lengths
	}
	ids, answers := prompt+c.MaxTokens, float64(c.Prompts*c.Group)
	group, _ := sampling(net, prompt, most(c.Group))
	w.FLOPs = float64(c.Prompts) * float64(group)
	forward, learn := float64(cost.Forward(ids, c.MaxTokens)), float64(cost.Learn(ids, c.MaxTokens))
	heldOut, _ := sampling(net, prompt, most(c.HeldOut.Samples))
	w.Evaluation = float64(c.HeldOut.Problems) * float64(heldOut)
	switch kind {
	case train.Reject:
		w.Batches, w.Evaluation = c.rejections(), 0
	case train.Distill:
		w.FLOPs += answers * (learn + float64(teacher.Forward(ids, c.MaxTokens)))
		w.Tokens = int64(answers) * int64(ids-1)
	default:
		o, err := c.Objective()
		if err != nil {
			return w, err
		}
		w.FLOPs *= float64(max(1, c.Dynamic.Rounds))
		w.FLOPs += answers * float64(c.Mu) * learn
		w.FLOPs += answers * (float64(c.Mu) - 1/float64(c.Minibatches)) * forward // the first update needs none, as the sampler has said it all
		if o.NeedsValues() {
			w.FLOPs += answers * forward
		}
		if o.NeedsReference() {
			w.FLOPs += answers * forward
		}
		w.Tokens = int64(answers) * int64(c.Mu) * int64(ids-1)
	}
	return w, nil
}

// rejections is how many steps a stage of rejection sampling has.
func (c *Config) rejections() int { return (c.Rejection.Problems + c.Prompts - 1) / c.Prompts }

// promptLength is how many tokens prompts have on the average.
func (c *Config) promptLength(t task.Task, text Text) (int, error) {
	p, err := newProblems(t, task.Query{Seed: 1, Split: task.Train, Min: c.MinDifficulty, Max: c.MaxDifficulty}, Curriculum{}, &Mark{})
	if err != nil {
		return 0, err
	}
	defer p.close()
	list, err := p.several(foretold)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, problem := range list {
		ids, err := text.Prompt(problem)
		if err != nil {
			return 0, err
		}
		all += len(ids)
	}
	return (all + foretold - 1) / foretold, nil
}
