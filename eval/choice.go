package eval

import (
	"context"
	"fmt"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/task"
)

// ChoiceTask is a task whose problems are questions with options.
type ChoiceTask interface {
	Choices(p task.Problem) (stem string, options []string, right int, err error)
}

// Encoder turns text into ids, without special tokens around it.
type Encoder func(text string) []int32

// ChoiceResult is one question answered by likelihood.
type ChoiceResult struct {
	ID      string   `json:"id"`
	Right   int      `json:"answer"`
	Options []Option `json:"options"`
	Chosen  struct {
		Sum      int `json:"sum"`
		PerToken int `json:"token"`
		PerByte  int `json:"byte"`
	} `json:"chosen"`
	ContextTokens int `json:"context_tokens"`
}

// ByLikelihood answers a multiple-choice problem by the option that the network finds likeliest. The context is "Question: STEM\nAnswer:", the
// continuations " OPTION", encoded apart: the format of the evaluation harnesses' cloze tasks. It reads what the network knows, not whether it
// can follow instructions.
func ByLikelihood(ctx context.Context, t ChoiceTask, p task.Problem, net engine.Network, encode Encoder) (ChoiceResult, error) {
	r := ChoiceResult{ID: p.ID}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	stem, options, right, err := t.Choices(p)
	if err != nil {
		return r, err
	}
	question, ids := encode("Question: "+stem+"\nAnswer:"), make([][]int32, len(options))
	most := 0
	for i, o := range options {
		ids[i] = encode(" " + o)
		most = max(most, len(ids[i]))
	}
	if need := len(question) + most - 1; need > net.Capacity() {
		return r, fmt.Errorf("problem %s: %d tokens, the context holds %d", p.ID, need, net.Capacity())
	}
	r.Right, r.ContextTokens = right, len(question)
	if r.Options, err = OptionLogprobs(net, question, ids); err != nil {
		return r, fmt.Errorf("problem %s: %w", p.ID, err)
	}
	for i, o := range options {
		r.Options[i].Bytes = len(o) + 1 // with the blank before it
	}
	r.Chosen.Sum, r.Chosen.PerToken, r.Chosen.PerByte = Choose(r.Options, Sum), Choose(r.Options, PerToken), Choose(r.Options, PerByte)
	return r, nil
}
