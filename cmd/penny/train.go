package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
	"github.com/pennyml/penny/recipe"
	rundir "github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/view"
)

type trainCmd struct {
	Recipe  string   `arg:"" help:"Recipe file; with --resume also a run's directory."`
	Out     string   `short:"o" type:"path" help:"Directory of the run (default: runs/NAME)."`
	Set     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe, such as budget.steps=100; may be repeated."`
	Resume  bool     `help:"Go on with the run in the directory, from its last checkpoint."`
	Threads int      `short:"t" default:"0" help:"Worker threads (0: one for each core). Any number gives the same bits."`
	DryRun  bool     `name:"dry-run" help:"Show the resolved recipe, memory, operations, expected time and cost, and do nothing."`
	Data    string   `env:"PENNY_DATA" type:"path" help:"The folder with the data sets of tasks."`
	JSON    bool     `help:"Print one JSON object at the end."`
}

func (trainCmd) Help() string {
	return "Trains the network that a recipe describes (recipes/README.md). A run that was stopped or killed goes on with --resume, and comes to the same bits\nas one that never was."
}

func (c *trainCmd) Run() error {
	if c.Threads < 0 {
		return fmt.Errorf("--threads %d: want 0 or more", c.Threads)
	}
	r, err := c.load()
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
	options := recipe.Options{OpenTask: tasks.open, Dir: c.Out, Resume: c.Resume, Version: version, Threads: c.Threads, Cache: filepath.Join(h, "tokens"), Roof: arithmeticRoof(c.Threads, r.Precision),
		View:  view.New(os.Stderr, view.Options{Title: r.About}),
		Notes: func(s string) { fmt.Fprintln(os.Stderr, "note:", s) }}
	if c.DryRun {
		return c.plan(r, options)
	}
	result, err := r.Run(ctx, options)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err == nil {
		_, err = fmt.Printf("%s\n", text)
	}
	return err
}

// arithmeticRoof is the measured FLOP/s of the level in use, for products in f32 or bf16.
func arithmeticRoof(threads int, precision string) float64 {
	pool := par.New(threads)
	defer pool.Close()
	a := roof.Arithmetic(pool, cpu.Current())
	if precision == "bf16" {
		return a.BF16.All * 1e9
	}
	return a.F32.All * 1e9
}

// load reads the recipe, of a run's directory the one that it keeps.
func (c *trainCmd) load() (*recipe.Recipe, error) {
	path := c.Recipe
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if !c.Resume {
			return nil, hinted{fmt.Errorf("%s is a directory", path), "give a recipe file, or add --resume to go on with a run"}
		}
		if c.Out == "" {
			c.Out = path
		}
		path = filepath.Join(path, rundir.RecipeFile)
	}
	r, err := recipe.Load(path, c.Set)
	if errors.Is(err, os.ErrNotExist) {
		return nil, hinted{err, "recipes that come with the source are in recipes/"}
	}
	if err == nil && c.Out == "" {
		if c.Out = filepath.Join("runs", r.Name); !c.Resume {
			c.Out = rundir.NewPath("runs", r.Name)
		}
	}
	return r, err
}

// plan shows what a run would take.
func (c *trainCmd) plan(r *recipe.Recipe, o recipe.Options) error {
	p, err := r.DryRun(o)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(p)
	}
	fmt.Printf("%s\n%d parameters, %d active for a token\n\n", p.Recipe, p.Params, p.Active)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "stage\tsteps\tends by\ttokens\tFLOP\tof them evaluation\tmemory\ttokens/s\ttime\t")
	least := ""
	for _, s := range p.Stages {
		speed, took := fmt.Sprintf("%.0f", s.Speed), time.Duration(s.Seconds*float64(time.Second)).Round(time.Second).String()
		if s.Seconds == 0 {
			speed, took, least = "?", "?", "at least "
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%.3g\t%.3g\t%.0f MB\t%s\t%s\t\n", s.Name, s.Steps, s.EndsBy, s.Tokens, s.FLOPs, s.Evaluation, float64(s.Memory)/1e6, speed, took)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\npeak memory %.0f MB, %.3g FLOP, %s%v by the speed measured now (%v if the machine did nothing but multiply and add: %.0f GFLOP/s), %[3]s$%.4[7]f\n", float64(p.PeakMemory)/1e6, p.FLOPs, least,
		time.Duration(p.Seconds*float64(time.Second)).Round(time.Second), time.Duration(p.AtRoof*float64(time.Second)).Round(time.Second), o.Roof/1e9, p.Dollars)
	fmt.Printf("priced at %s\n", p.Rates.MachineSource)
	for _, n := range p.Notes {
		fmt.Println("note:", n)
	}
	return nil
}
