package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/eval"
	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task"
)

type evalCmd struct {
	Model string `arg:"" optional:"" help:"GGUF file, Hugging Face folder, or name in the cache; with --endpoint the name that the server knows."`

	Task       string   `help:"A task of penny task list, with options, or a file task.star or problems.jsonl:grader=math."`
	K          int      `short:"k" default:"1" help:"Answers to each problem."`
	N          int      `short:"n" help:"How many problems; 0 for all of a data set."`
	Seed       uint64   `default:"0" help:"Which problems of a generated task, and the samples; data sets: 0 for the order of the files."`
	Split      string   `default:"heldout" help:"train, heldout or all."`
	Min        float64  `help:"The least difficulty."`
	Max        float64  `help:"The greatest difficulty; 0 for no bound."`
	Likelihood bool     `help:"Multiple choice by the likelihood of each option, without generating."`
	Candour    bool     `help:"Ask the candour suite instead of a task: does the model answer, evade or refuse sensitive factual questions?"`
	Temp       float64  `default:"1" help:"Temperature; 0 takes the most likely token each time."`
	TopP       float64  `name:"top-p" default:"1" help:"Keep the most likely tokens up to this probability."`
	TopK       int      `name:"top-k" help:"Keep the K most likely tokens (0: all)."`
	MaxTokens  int      `name:"max-tokens" default:"1024" help:"Most tokens of an answer, thoughts included."`
	System     string   `help:"System message."`
	Raw        bool     `help:"No chat template: the model goes on with the prompt as it is. The rule where a model has no template."`
	Endpoint   string   `help:"Ask a server that speaks OpenAI's chat completions instead, as in http://localhost:8080/v1. The key is read from OPENAI_API_KEY." placeholder:"URL"`
	Parallel   int      `default:"8" help:"With --endpoint: requests at a time."`
	Against    string   `type:"path" help:"Compare with an earlier run's --out file on the problems that both have, by a paired test." placeholder:"OUT.jsonl"`
	Overlap    []string `name:"overlap" type:"path" help:"Training texts to search for the problems (runs of 13 words)." placeholder:"FILE"`
	Data       string   `env:"PENNY_DATA" type:"path" help:"The folder with the data sets."`
	Out        string   `type:"path" help:"Write a JSON line for each problem to this file."`
	JSON       bool     `help:"Print one JSON object."`
	computeFlags
}

func (evalCmd) Help() string {
	return `Runs a task and says how far the figures can be trusted: 95 % intervals over problems, however many answers each got. pass@k is the unbiased
estimate; maj@k lets the most frequent answer win. The same seed gives the same answers on every machine, whatever the batch.

  penny eval model.gguf --task gsm8k -n 100 --temp 0
  penny eval run/model --task countdown -k 16 -n 500 --out after.jsonl --against before.jsonl
  penny eval model.gguf --task arc --likelihood -n 200
  penny eval model.gguf --candour
  penny eval deepseek-r1 --endpoint http://localhost:8080/v1 --task aime24 -k 4`
}

// evalReport is what --json prints.
type evalReport struct {
	eval.Report
	Difference *eval.Difference `json:"difference,omitempty"` // from the run --against
	Overlap    *overlapReport   `json:"overlap,omitempty"`
}

type overlapReport struct {
	Problems int     `json:"problems"` // of which some run of words was found
	Mean     float64 `json:"mean_share"`
	Files    int     `json:"files"`
}

func (c *evalCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := c.check(); err != nil {
		return err
	}
	if c.Candour {
		return c.candour(ctx)
	}
	t, err := openTask(c.Task, c.Data)
	if err != nil {
		return err
	}
	defer t.close()
	problems, err := c.problems(t.Task)
	if err != nil {
		return err
	}
	if c.Likelihood {
		return c.likelihood(ctx, t.Task, problems)
	}
	s, done, err := c.sampler()
	if err != nil {
		return err
	}
	defer done()
	rep, rs, err := c.sampled(ctx, t.Task, problems, s)
	if err != nil {
		return err
	}
	if err := c.output(func(w io.Writer) error { return eval.WriteResults(w, rs) }); err != nil {
		return err
	}
	return c.report(rep, rep.print)
}

func (c *evalCmd) check() error {
	switch {
	case c.Candour && (c.Task != "" || c.Likelihood):
		return usageError("--candour is a suite of its own: give no --task beside it")
	case !c.Candour && c.Task == "":
		return usageError("--task or --candour is needed")
	case c.Model == "":
		return usageError("MODEL is needed")
	case c.Likelihood && c.Endpoint != "":
		return usageError("--likelihood needs the model's log-probabilities, which --endpoint does not give")
	case c.K < 1:
		return usageError(fmt.Sprintf("-k %d: want 1 or more", c.K))
	}
	return nil
}

func usageError(text string) error { return hinted{errors.New(text), "penny eval --help"} }

// report prints the figures as asked for.
func (c *evalCmd) report(v any, print func(w io.Writer)) error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(v)
	}
	print(os.Stdout)
	return nil
}

// output writes the per-problem file, if one was asked for.
func (c *evalCmd) output(write func(w io.Writer) error) error {
	if c.Out == "" {
		return nil
	}
	return atomicfile.Write(c.Out, write)
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

// sampler answers prompts, and done frees it.
func (c *evalCmd) sampler() (s *countedSampler, done func(), err error) {
	if c.Endpoint != "" {
		return &countedSampler{Sampler: &eval.Endpoint{URL: c.Endpoint, Model: c.Model, Key: os.Getenv("OPENAI_API_KEY"), System: c.System, Temperature: c.Temp,
			TopP: c.TopP, MaxTokens: c.MaxTokens, Seed: c.Seed, Parallel: c.Parallel}}, func() {}, nil
	}
	l, err := c.open(c.Model)
	if err != nil {
		return nil, nil, err
	}
	local, err := c.local(l)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	tally := &ledger.Tally{}
	local.Recorder = tally
	return &countedSampler{Sampler: local, tally: tally}, func() { l.Close() }, nil
}

// countedSampler knows what its answers cost, where that can be known.
type countedSampler struct {
	eval.Sampler
	tally *ledger.Tally
}

func (s *countedSampler) flops() float64 {
	if s.tally == nil {
		return 0
	}
	f, _ := s.tally.For(ledger.Evaluation)
	return f.Float()
}

// local samples from an open checkpoint.
func (c *evalCmd) local(l *loaded) (*eval.Local, error) {
	tok, err := l.tokenizer()
	if err != nil {
		return nil, err
	}
	end := ends(l, tok)
	s := &eval.Local{Model: l.Model, IsEnd: end, MaxTokens: c.MaxTokens, Params: sample.Params{Temp: c.Temp, TopP: c.TopP, TopK: c.TopK, Seed: c.Seed},
		Decode: func(ids []int32) string {
			for len(ids) > 0 && end(ids[len(ids)-1]) {
				ids = ids[:len(ids)-1]
			}
			return tok.Decode(ids)
		}}
	source, err := l.chatSource()
	if err != nil {
		return nil, err
	}
	if c.Raw || len(source.Templates) == 0 {
		s.Prompt = func(text string) (eval.Prompt, error) {
			return eval.Prompt{IDs: rawPrompt(tok, text).ids, Split: func(text string) (string, string) { return "", text }}, nil
		}
		return s, nil
	}
	t, err := l.template()
	if err != nil {
		return nil, err
	}
	s.Prompt = func(text string) (eval.Prompt, error) {
		p, err := chatPrompt(t, tok, conversationOf(c.System, text))
		if err != nil {
			return eval.Prompt{}, err
		}
		return eval.Prompt{IDs: p.ids, Split: func(text string) (string, string) { return chat.Split(text, p.format, p.start) }}, nil
	}
	return s, nil
}

// sampled has the problems answered and graded, and computes the figures.
func (c *evalCmd) sampled(ctx context.Context, t task.Task, problems []task.Problem, s *countedSampler) (*evalReport, []*eval.Result, error) {
	start, bar := time.Now(), &progressLine{to: os.Stderr, every: 200 * time.Millisecond}
	total := len(problems) * c.K
	rs, err := eval.Run(ctx, t, problems, s, c.K, func(graded, _ int) { bar.show(float64(graded) / float64(total)) })
	bar.clear()
	if err != nil {
		return nil, nil, err
	}
	rep := &evalReport{Report: eval.Summarise(c.Task, rs, c.K)}
	rep.Seconds, rep.FLOPs = time.Since(start).Seconds(), s.flops()
	if c.Against != "" {
		before, err := readResults(c.Against)
		if err != nil {
			return nil, nil, err
		}
		d, err := eval.CompareResults(before, rs)
		if err != nil {
			return nil, nil, fmt.Errorf("--against %s: %w", c.Against, err)
		}
		rep.Difference = &d
	}
	if len(c.Overlap) > 0 {
		if rep.Overlap, err = trainingOverlap(problems, c.Overlap); err != nil {
			return nil, nil, err
		}
	}
	return rep, rs, nil
}

func readResults(path string) ([]*eval.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return eval.ReadResults(path, f)
}

// trainingOverlap searches training texts for the problems.
func trainingOverlap(problems []task.Problem, files []string) (*overlapReport, error) {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Prompt
	}
	o := eval.NewOverlap(13, texts)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = o.Read(path, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	r := &overlapReport{Files: len(files)}
	for _, h := range o.Hits() {
		if h.Share > 0 {
			r.Problems++
			r.Mean += h.Share / float64(len(problems))
		}
	}
	return r, nil
}

func (r *evalReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d problems, %d answers each\n", r.Task, r.N, r.K)
	fmt.Fprintf(w, "  pass@1  %5.1f %%  (95 %%: %.1f to %.1f)\n", 100*r.PassAt["1"], 100*r.CI95[0], 100*r.CI95[1])
	for _, k := range sortedCounts(r.PassAt) {
		if k != "1" {
			fmt.Fprintf(w, "  pass@%-3s%5.1f %%   maj@%-3s %.1f %%\n", k, 100*r.PassAt[k], k, 100*r.MajAt[k])
		}
	}
	fmt.Fprintf(w, "  strict  %5.1f %%   with an answer %.1f %%   cut at the limit %.1f %%   mean length %.1f tokens\n", 100*r.Strict, 100*r.FormatRate, 100*r.Truncated, r.MeanTokens)
	if d := r.Difference; d != nil {
		fmt.Fprintf(w, "  against the other run, on %d problems: %+.1f points (95 %%: %+.1f to %+.1f), p = %.2g; better on %d, worse on %d\n",
			d.N, 100*d.Mean.Value, 100*d.Mean.Low, 100*d.Mean.High, d.P, d.Better, d.Worse)
	}
	if o := r.Overlap; o != nil {
		fmt.Fprintf(w, "  %d of %d problems share 13 words in a row with the training texts, %.2f %% of all runs of words\n", o.Problems, r.N, 100*o.Mean)
	}
	fmt.Fprintf(w, "  %.1f s", r.Seconds)
	if r.FLOPs > 0 {
		fmt.Fprintf(w, ", %.3g FLOP", r.FLOPs)
	}
	fmt.Fprintln(w)
}

// sortedCounts are the keys, which are numbers, in rising order.
func sortedCounts(m map[string]float64) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return keys
}
