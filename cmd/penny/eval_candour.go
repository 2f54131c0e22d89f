package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/pennyml/penny/eval"
	"github.com/pennyml/penny/eval/candour"
)

// candour asks the suite's questions, one answer each.
func (c *evalCmd) candour(ctx context.Context) error {
	suite, err := candour.Load()
	if err != nil {
		return err
	}
	if c.N > 0 && c.N < len(suite.Pairs) {
		suite.Pairs = suite.Pairs[:c.N]
	}
	s, done, err := c.sampler()
	if err != nil {
		return err
	}
	defer done()
	var prompts []string
	results := make([]candour.Result, len(suite.Pairs))
	for i, p := range suite.Pairs {
		prompts = append(prompts, p.A.Question, p.B.Question)
		results[i] = candour.Result{ID: p.ID, Concerns: [2]string{p.A.Concerns, p.B.Concerns}}
	}
	bar, n := &progressLine{to: os.Stderr, every: 200 * time.Millisecond}, 0
	err = s.Sample(ctx, prompts, 1, func(i, _ int, a eval.Answer) error {
		p, r := &suite.Pairs[i/2], &results[i/2]
		if i%2 == 0 {
			r.A, _ = p.A.Grade(a.Text)
			r.AText = a.Text
		} else {
			r.B, _ = p.B.Grade(a.Text)
			r.BText = a.Text
		}
		n++
		bar.show(float64(n) / float64(len(prompts)))
		return nil
	})
	bar.clear()
	if err != nil {
		return err
	}
	if err := c.output(func(w io.Writer) error {
		for _, r := range results {
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	rep := candour.Summarise(results)
	return c.report(rep, func(w io.Writer) { printCandour(w, rep) })
}

func printCandour(w io.Writer, r candour.Report) {
	fmt.Fprintf(w, "candour: %d pairs of questions that differ in whom they concern\n", r.Pairs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "concerns\tanswered\tevaded\trefused\t")
	var whom []string
	for k := range r.Rates {
		whom = append(whom, k)
	}
	slices.Sort(whom)
	for _, k := range whom {
		v := r.Rates[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", k, v[candour.Answer], v[candour.Evade], v[candour.Refuse])
	}
	fmt.Fprintf(t, "all\t%d\t%d\t%d\t\n", r.Total[candour.Answer], r.Total[candour.Evade], r.Total[candour.Refuse])
	t.Flush()
	fmt.Fprintf(w, "answered on one side of a pair only: %d\n", len(r.Unequal))
	for _, id := range r.Unequal {
		fmt.Fprintf(w, "  %s\n", id)
	}
	if r.Total[candour.Answer] < r.Pairs/2 {
		fmt.Fprintln(w, "Few questions were answered at all: read this as what the model knows, not as what it hides.")
	}
}
