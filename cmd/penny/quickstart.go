package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pennyml/penny/eval"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/recipe"
	"github.com/pennyml/penny/recipes"
	"github.com/pennyml/penny/rl"
	rundir "github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/view"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

type quickstartCmd struct {
	Out     string   `short:"o" type:"path" help:"Directory of the run (default: runs/quickstart)."`
	Seed    uint64   `default:"1" help:"Of the first weights, the data and the answers; the same seed gives the same network, to the bit."`
	Set     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe (recipes/quickstart.yaml); may be repeated."`
	Task    string   `placeholder:"TASK" help:"Another task than the puzzles: a Starlark file with trace(p, seed), or a name of penny task list that has demonstrations."`
	Data    string   `env:"PENNY_DATA" type:"path" help:"The folder with the data sets of tasks."`
	N       int      `short:"n" default:"500" help:"Held-out puzzles to measure on, before and after reinforcement learning."`
	Threads int      `short:"t" default:"0" help:"Worker threads (0: one for each core). Any number gives the same bits."`
	JSON    bool     `help:"Print one JSON object at the end."`
}

func (quickstartCmd) Help() string {
	return `Makes a reasoning model from nothing: a small DeepSeek-V3-style network (latent attention, experts, multi-token prediction) learns arithmetic, copies
a weak solver of puzzles, and is then rewarded for right answers only. Nothing is downloaded.

  penny quickstart --task examples/tasks/walk.star

does the same with a task of your own: its trace(p, seed) is the weak solver, its grade(p, text) the reward. Rows and answers are as long as the traces need.`
}

// quickstartReport is what --json prints. The account is that of the run; measuring afterwards is beside it.
type quickstartReport struct {
	Run           string       `json:"run"`
	Before        float64      `json:"pass_at_1_before"`
	After         float64      `json:"pass_at_1_after"`
	Before16      float64      `json:"pass_at_16_before"`
	After16       float64      `json:"pass_at_16_after"`
	CIBefore      [2]float64   `json:"ci95_before"`
	CIAfter       [2]float64   `json:"ci95_after"`
	N             int          `json:"n"`
	Seconds       float64      `json:"seconds"`
	FLOPs         ledger.FLOPs `json:"flops"`
	Joules        *float64     `json:"joules"`
	Label         ledger.Label `json:"joules_label"`
	Dollars       float64      `json:"dollars"`
	State         ledger.Hash  `json:"state_sha256"`
	EvalFLOPs     float64      `json:"evaluation_flops"`
	EvalSeconds   float64      `json:"evaluation_seconds"`
	Model         string       `json:"model"`
	TokensBefore  float64      `json:"mean_tokens_before"`
	TokensAfter   float64      `json:"mean_tokens_after"`
	prompt        string       // of the first of the problems
	before, after *eval.Result // one puzzle, missed before and hit after
}

// measured is how many answers each puzzle gets, and which puzzles: a seed that no stage uses.
const (
	quickstartAnswers = 16
	quickstartSeed    = 0x9e37
)

func (c *quickstartCmd) Run() error {
	if c.N < 1 {
		return fmt.Errorf("-n %d: want 1 or more", c.N)
	}
	if c.Out == "" {
		c.Out = rundir.NewPath("runs", "quickstart")
	}
	r, err := recipe.Parse("recipes/quickstart.yaml", "quickstart", recipes.Quickstart, append([]string{fmt.Sprintf("seed=%d", c.Seed)}, c.Set...))
	if err != nil {
		return err
	}
	h, err := home()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tasks := taskOpener{data: c.Data}
	defer tasks.close()
	if r.Stages[len(r.Stages)-1].Kind != train.RL || len(r.Stages) < 2 {
		return fmt.Errorf("the recipe does not end with reinforcement learning")
	}
	if c.Task != "" {
		if err := c.fit(r, &tasks); err != nil {
			return err
		}
	}
	last := r.Stages[len(r.Stages)-1]
	result, err := r.Run(ctx, recipe.Options{OpenTask: tasks.open, Dir: c.Out, Version: version, Threads: c.Threads, Cache: filepath.Join(h, "tokens"),
		Roof: arithmeticRoof(c.Threads, r.Precision), Notes: func(s string) { fmt.Fprintln(os.Stderr, "note:", s) },
		View: view.New(os.Stderr, view.Options{Title: r.About, Charts: [][]string{{"pass_at_1", "heldout_pass_at_1"}, {"loss"}}})})
	if err != nil {
		return err
	}
	if result.Outcome != ledger.Done {
		return hinted{fmt.Errorf("the run was stopped: %s", result.Reason), "penny train --resume " + c.Out}
	}
	t, err := tasks.open(last.RL.Task)
	if err != nil {
		return err
	}
	rep := &quickstartReport{Run: result.Run, Seconds: result.Seconds, FLOPs: result.FLOPs, Joules: result.Joules, Label: result.Label,
		Dollars: result.Dollars, State: result.State, Model: result.Model}
	if err := c.measure(ctx, rep, t, filepath.Join(c.Out, train.StagesDir, r.Stages[len(r.Stages)-2].Name), last.RL); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(rep)
	}
	rep.print(os.Stdout, c.Task == "")
	return nil
}

// fit makes the recipe one for the task that is asked for.
func (c *quickstartCmd) fit(r *recipe.Recipe, tasks *taskOpener) error {
	t, err := tasks.open(c.Task)
	if err != nil {
		return err
	}
	err = r.ForTask(c.Task, t)
	if errors.Is(err, task.ErrNoDemonstrations) {
		return hinted{err, "the network first copies demonstrations, weak ones will do: examples/tasks/walk.star shows how trace(p, seed) writes them"}
	}
	r.About = "R1's recipe with " + c.Task
	return err
}

// measure asks the network before and after reinforcement learning the same held-out puzzles.
func (c *quickstartCmd) measure(ctx context.Context, rep *quickstartReport, t task.Task, before string, rewarded *rl.Config) error {
	start := time.Now()
	var problems []task.Problem
	for p, err := range t.Problems(task.Query{Seed: quickstartSeed, Split: task.HeldOut, Distinct: true}) {
		if err != nil {
			return err
		}
		if problems = append(problems, p); len(problems) == c.N {
			break
		}
	}
	if len(problems) == 0 {
		return errors.New("the task holds no problem out: there is nothing to measure on")
	}
	tally := &ledger.Tally{}
	var results [2][]*eval.Result
	var reports [2]eval.Report
	for i, path := range []string{before, rep.Model} {
		s, done, err := c.sampler(path, rewarded)
		if err != nil {
			return err
		}
		s.Recorder = tally
		results[i], err = eval.Run(ctx, t, problems, s, quickstartAnswers, nil)
		done()
		if err != nil {
			return err
		}
		reports[i] = eval.Summarise("quickstart", results[i], quickstartAnswers)
	}
	rep.N, rep.prompt = len(problems), problems[0].Prompt
	rep.TokensBefore, rep.TokensAfter = reports[0].MeanTokens, reports[1].MeanTokens
	rep.Before, rep.After, rep.CIBefore, rep.CIAfter = reports[0].PassAt["1"], reports[1].PassAt["1"], reports[0].CI95, reports[1].CI95
	rep.Before16, rep.After16 = reports[0].PassAt["16"], reports[1].PassAt["16"]
	flops, _ := tally.For(ledger.Evaluation)
	rep.EvalFLOPs, rep.EvalSeconds = flops.Float(), time.Since(start).Seconds()
	for i := range problems {
		if !results[0][i].Right[0] && results[1][i].Right[0] {
			rep.before, rep.after = results[0][i], results[1][i]
			break
		}
	}
	return nil
}

// sampler draws answers as they were drawn in training: no template, temperature 1, the same ends.
func (c *quickstartCmd) sampler(path string, rewarded *rl.Config) (*eval.Local, func(), error) {
	l, err := computeFlags{Compute: "f32", CacheType: "auto", Threads: c.Threads}.open(path)
	if err != nil {
		return nil, nil, err
	}
	tok, err := l.tokenizer()
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	own := ends(l, tok)
	var stops []int32
	for _, s := range rewarded.Stop {
		if id, ok := tok.ID(s); ok {
			stops = append(stops, id)
		}
	}
	end := func(id int32) bool { return own(id) || slices.Contains(stops, id) }
	return &eval.Local{Model: l.Model, MaxTokens: rewarded.MaxTokens, Params: sample.Params{Temp: rewarded.Temperature, Seed: quickstartSeed},
		IsEnd: end,
		Prompt: func(text string) (eval.Prompt, error) {
			return eval.Prompt{IDs: rawPrompt(tok, text).ids, Split: func(text string) (string, string) { return "", text }}, nil
		},
		Decode: func(ids []int32) string {
			return tok.Decode(slices.DeleteFunc(slices.Clone(ids), end))
		}}, func() { l.Close() }, nil
}

// print shows the report; puzzle: it is of the recipe's own puzzles, about whose answers something can be said.
func (r *quickstartReport) print(w io.Writer, puzzle bool) {
	what, try := "puzzles", "8,3,6=11:"
	if !puzzle {
		what, try = "problems", r.prompt
	}
	fmt.Fprintf(w, "\nright in one try, on %d %s that were never learnt from (95 %% intervals):\n", r.N, what)
	fmt.Fprintf(w, "  before GRPO %5.1f %%  (%.1f to %.1f)   at least once in 16: %.1f %%\n", 100*r.Before, 100*r.CIBefore[0], 100*r.CIBefore[1], 100*r.Before16)
	fmt.Fprintf(w, "  after       %5.1f %%  (%.1f to %.1f)   at least once in 16: %.1f %%\n", 100*r.After, 100*r.CIAfter[0], 100*r.CIAfter[1], 100*r.After16)
	if puzzle {
		fmt.Fprintln(w, "Each answer is one try, before and after: all of the difference is better choice of signs, none of it persistence.")
	} else {
		fmt.Fprintf(w, "Answers have %.1f tokens on the average before, %.1f after.\n", r.TokensBefore, r.TokensAfter)
	}
	switch {
	case r.before == nil:
	case !puzzle:
		fmt.Fprintf(w, "\n%s\n  before  %s\n  after   %s\n", r.before.Prompt, r.before.Texts[0], r.after.Texts[0])
	default:
		fmt.Fprintf(w, "\nput + or - between the numbers: %s\n", strings.TrimSuffix(strings.Replace(r.before.Prompt, "=", " to make ", 1), ":"))
		fmt.Fprintf(w, "  before  %s\n  after   %s\n", told(r.before.Texts[0]), told(r.after.Texts[0]))
	}
	joules := ""
	if r.Joules != nil {
		joules = fmt.Sprintf(", %.0f J %s", *r.Joules, r.Label)
	}
	fmt.Fprintf(w, "\nit cost %.3g FLOP, %.0f s%s, $%.4f; measuring it took another %.2g FLOP, %.0f s\n", r.FLOPs.Float(), r.Seconds, joules, r.Dollars, r.EvalFLOPs, r.EvalSeconds)
	fmt.Fprintf(w, "state %v: the same seed gives the same bits on every machine\n", r.State)
	fmt.Fprintf(w, "\ntry it:  penny run %s --raw --temp 1 %q\nthe receipt:  penny receipt verify %s\n", r.Model, try, filepath.Dir(r.Model))
}

// told separates a line's thoughts from its answer.
func told(line string) string {
	thoughts, answer, found := strings.Cut(line, ":")
	if !found {
		return "thinks " + thoughts + ", and says that it has not found it"
	}
	return "thinks " + thoughts + ", answers " + answer
}
