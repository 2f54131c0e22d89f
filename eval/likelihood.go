package eval

import (
	"fmt"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/kernel/vec"
)

// Option is what a network thinks of one answer to a multiple-choice question.
type Option struct {
	Logprob float64 `json:"sum_logprob"` // of its tokens after the context, in nats, added in float64
	Tokens  int     `json:"tokens"`
	Bytes   int     `json:"bytes"`
}

// Norm says what an option's log-probability is divided by before options are compared.
type Norm string

// The measures of the evaluation harnesses: acc is Sum, acc_norm is PerByte.
const (
	Sum      Norm = "sum"
	PerToken Norm = "token"
	PerByte  Norm = "byte"
)

func (o Option) score(n Norm) float64 {
	switch n {
	case PerToken:
		return o.Logprob / float64(o.Tokens)
	case PerByte:
		return o.Logprob / float64(o.Bytes)
	}
	return o.Logprob
}

// Choose is the place of the best option, the first of equals; −1 of none.
func Choose(options []Option, n Norm) int {
	best := -1
	for i, o := range options {
		if best < 0 || o.score(n) > options[best].score(n) {
			best = i
		}
	}
	return best
}

// OptionLogprobs scores continuations of one context, which is read once. Each continuation needs a token at least, and so does the context.
func OptionLogprobs(net engine.Network, context []int32, continuations [][]int32) ([]Option, error) {
	last := len(context) - 1
	if last < 0 {
		return nil, fmt.Errorf("eval: a question without tokens")
	}
	net.Truncate(0)
	if last > 0 {
		if _, err := net.Forward(context[:last], 0); err != nil {
			return nil, err
		}
	}
	out := make([]Option, len(continuations))
	vocab := net.VocabSize()
	var ids []int32
	for i, c := range continuations {
		if len(c) == 0 {
			return nil, fmt.Errorf("eval: option %d has no tokens", i)
		}
		ids = append(append(ids[:0], context[last]), c[:len(c)-1]...)
		net.Truncate(last)
		logits, err := net.Forward(ids, len(ids))
		if err != nil {
			return nil, err
		}
		out[i].Tokens = len(c)
		for t, id := range c {
			row := logits[t*vocab:][:vocab]
			out[i].Logprob += float64(row[id] - vec.LogSumExp(row))
		}
	}
	return out, nil
}
