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
	roofs, _ := measureRoofs(c.Threads)
	roof := roofs.F32
	if r.Precision == "bf16" {
		roof = roofs.BF16
	}
	result, err := r.Run(ctx, recipe.Options{Dir: c.Out, Resume: c.Resume, Version: version, Threads: c.Threads, Cache: filepath.Join(h, "tokens"), Roof: roof * 1e9,
		View:  view.New(os.Stderr, view.Options{Title: r.About}),
		Notes: func(s string) { fmt.Fprintln(os.Stderr, "note:", s) }})
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
