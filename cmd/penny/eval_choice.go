package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pennyml/penny/eval"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/tokenizer"
)

// choiceReport is what --likelihood prints.
type choiceReport struct {
	Task          string    `json:"task"`
	N             int       `json:"n"`
	Accuracy      eval.Mean `json:"accuracy"`
	AccuracyToken eval.Mean `json:"accuracy_per_token"`
	AccuracyByte  eval.Mean `json:"accuracy_per_byte"`
	Seconds       float64   `json:"seconds"`
	FLOPs         float64   `json:"flops"`
}

// byLikelihood answers every problem by its likeliest option. detail gets a line a problem.
func byLikelihood(ctx context.Context, name string, t task.Task, problems []task.Problem, l *loaded, detail io.Writer) (choiceReport, error) {
	rep := choiceReport{Task: name, N: len(problems)}
	choices, ok := t.(eval.ChoiceTask)
	if !ok {
		return rep, hinted{fmt.Errorf("task %s has no options to choose from", name), "--likelihood is for arc, mmlu, and jsonl with grader=choice"}
	}
	tok, err := l.tokenizer()
	if err != nil {
		return rep, err
	}
	net, err := l.sequence(0, l.Config().Context)
	if err != nil {
		return rep, err
	}
	start, bar := time.Now(), &progressLine{to: os.Stderr, every: 200 * time.Millisecond}
	defer bar.clear()
	scores := [3][]float64{}
	for i, p := range problems {
		r, err := eval.ByLikelihood(ctx, choices, p, net, func(s string) []int32 { return tok.Encode(s, tokenizer.Options{}) })
		if err != nil {
			return rep, err
		}
		for k, c := range []int{r.Chosen.Sum, r.Chosen.PerToken, r.Chosen.PerByte} {
			s := 0.0
			if c == r.Right {
				s = 1
			}
			scores[k] = append(scores[k], s)
		}
		rep.FLOPs += choiceFLOPs(l.Config(), r)
		if err := json.NewEncoder(detail).Encode(r); err != nil {
			return rep, err
		}
		bar.show(float64(i+1) / float64(len(problems)))
	}
	rep.Accuracy, rep.AccuracyToken, rep.AccuracyByte = eval.MeanOf(scores[0]), eval.MeanOf(scores[1]), eval.MeanOf(scores[2])
	rep.Seconds = time.Since(start).Seconds()
	return rep, nil
}

// likelihood answers multiple choice and reports.
func (c *evalCmd) likelihood(ctx context.Context, t task.Task, problems []task.Problem) error {
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	var rep choiceReport
	measure := func(detail io.Writer) (err error) {
		rep, err = byLikelihood(ctx, c.Task, t, problems, l, detail)
		return err
	}
	if c.Out == "" {
		err = measure(io.Discard)
	} else {
		err = c.output(measure)
	}
	if err != nil {
		return err
	}
	return c.report(rep, rep.print)
}

// choiceFLOPs is the arithmetic of one question: its context once, then each option.
func choiceFLOPs(c *model.Config, r eval.ChoiceResult) float64 {
	sum := int64(0)
	for pos := range r.ContextTokens - 1 {
		sum += c.FLOPs(pos)
	}
	for _, o := range r.Options {
		for t := range o.Tokens {
			sum += c.FLOPs(r.ContextTokens - 1 + t)
		}
	}
	return float64(sum)
}

func (r choiceReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d questions by likelihood\n", r.Task, r.N)
	for _, m := range []struct {
		what string
		eval.Mean
	}{{"by sum", r.Accuracy}, {"per token", r.AccuracyToken}, {"per byte", r.AccuracyByte}} {
		fmt.Fprintf(w, "  right, options compared %-10s %5.1f %%  (95 %%: %.1f to %.1f)\n", m.what, 100*m.Value, 100*m.Low, 100*m.High)
	}
	fmt.Fprintf(w, "  %.1f s, %.3g FLOP\n", r.Seconds, r.FLOPs)
}
