package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/task"
)

type evalCmd struct {
	Model string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`

	Task       string  `required:"" help:"A task of penny task list, with options, or a file task.star or problems.jsonl:grader=math."`
	Likelihood bool    `help:"Multiple choice by the likelihood of each option, without generating."`
	N          int     `short:"n" help:"How many problems; 0 for all of a data set."`
	Seed       uint64  `default:"0" help:"Which problems of a generated task, and the samples; data sets: 0 for the order of the files."`
	Split      string  `default:"heldout" help:"train, heldout or all."`
	Min        float64 `help:"The least difficulty."`
	Max        float64 `help:"The greatest difficulty; 0 for no bound."`
	Data       string  `env:"PENNY_DATA" type:"path" help:"The folder with the data sets."`
	Out        string  `type:"path" help:"Write a JSON line for each problem to this file."`
	JSON       bool    `help:"Print one JSON object."`
	computeFlags
}

func (evalCmd) Help() string {
	return `Runs a task and says how far the figures can be trusted: 95 % intervals over problems, however many answers each got.

  penny eval model.gguf --task arc --likelihood -n 200`
}

// problems are the ones to evaluate on.
func (c *evalCmd) problems(t task.Task) ([]task.Problem, error) {
	split, err := task.ParseSplit(c.Split)
	if err != nil || c.N < 0 {
		return nil, errors.Join(err, map[bool]error{true: fmt.Errorf("-n %d: want 0 or more", c.N)}[c.N < 0])
	}
	const most = 1_000_000 // generated tasks go on for ever
	var out []task.Problem
	for p, err := range t.Problems(task.Query{Seed: c.Seed, Split: split, Min: c.Min, Max: c.Max, Distinct: true}) {
		if err != nil {
			return nil, err
		}
		if out = append(out, p); len(out) == c.N {
			return out, nil
		}
		if len(out) == most {
			return nil, fmt.Errorf("task %s has no end: say how many problems with -n", c.Task)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("task %s: no problem in split %s with difficulty from %g to %g", c.Task, c.Split, c.Min, c.Max)
	}
	return out, nil
}

func (c *evalCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t, err := openTask(c.Task, c.Data)
	if err != nil {
		return err
	}
	defer t.close()
	problems, err := c.problems(t.Task)
	if err != nil {
		return err
	}
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	var rep choiceReport
	measure := func(detail io.Writer) (err error) {
		rep, err = byLikelihood(ctx, c.Task, t.Task, problems, l, detail)
		return err
	}
	if c.Out == "" {
		err = measure(io.Discard)
	} else {
		err = atomicfile.Write(c.Out, measure)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(rep)
	}
	rep.print(os.Stdout)
	return nil
}
