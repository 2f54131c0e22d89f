// Command penny makes, runs, checks and costs DeepSeek-R1-style reasoning models.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/sandbox"
	"github.com/pennyml/penny/tokenizer"
)

// version is the release; the build may set it with -ldflags "-X main.version=...".
var version = "0.1.0-dev"

type cli struct {
	Quickstart quickstartCmd `cmd:"" help:"Make a small reasoning model in five minutes, and see what it cost."`
	Run        runCmd        `cmd:"" help:"Answer one question."`
	Chat       chatCmd       `cmd:"" help:"A conversation in the terminal."`
	Inspect    inspectCmd    `cmd:"" help:"Show what a checkpoint is and what running it takes."`
	Score      scoreCmd      `cmd:"" help:"Log-probability of ids or text."`
	Train      trainCmd      `cmd:"" help:"Train a network by a recipe: pretraining, supervised fine-tuning."`
	Perplexity perplexityCmd `cmd:"" help:"Perplexity of a text file, by llama.cpp's measure."`
	Bench      benchCmd      `cmd:"" help:"Tokens a second, and the share of the machine's roofs."`
	Convert    convertCmd    `cmd:"" help:"Rewrite a model: Hugging Face folder or GGUF file, in another format or storage type."`
	Tokenize   tokenizeCmd   `cmd:"" help:"Turn text into token ids and back, one JSON line each."`
	Render     renderCmd     `cmd:"" help:"Render conversations with a model's chat template (JSONL in, JSONL out)."`
	Grade      gradeVerb     `cmd:"" help:"Grade answers: mathematics, choices, format, language, length, repetition, code (JSONL in, JSONL out)."`
	Task       taskVerb      `cmd:"" help:"Tasks whose answers can be checked: list, show, sample, export."`
	Eval       evalCmd       `cmd:"" help:"Measure a model on a task, with intervals."`
	Runs       runsCmd       `cmd:"" help:"List runs with their figures."`
	Plot       plotCmd       `cmd:"" help:"Draw the curves of runs: SVG, PNG, or in the terminal."`
	Receipt    receiptCmd    `cmd:"" help:"Check what a run says it took."`
	Audit      auditCmd      `cmd:"" help:"Hold a claim of what a model cost against the arithmetic."`
	Plan       planCmd       `cmd:"" help:"What money, days, hardware or energy can train."`
	Doctor     doctorCmd     `cmd:"" help:"Show what this machine can do."`

	Version kong.VersionFlag `help:"Print version, Go and instruction-set level."`
}

// hinted is an error with advice on what to do about it, printed on a line of its own.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func main() {
	sandbox.Main() // where this process is the first of a sandbox
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string) int {
	if s := os.Getenv("PENNY_ISA"); s != "" {
		if err := useISA(s); err != nil {
			fmt.Fprintln(os.Stderr, "penny: PENNY_ISA:", err)
			return 1
		}
	}
	var c cli
	parser, err := kong.New(&c, kong.Name("penny"),
		kong.Description("Make, run, check and cost DeepSeek-R1-style reasoning models. The same bits on every machine."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"kinds": strings.Join(tokenizer.RankKinds(), ","), "temp": "0", "topp": "1", "version": fmt.Sprintf("penny %s %s %s/%s %v", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu.Current())})
	if err != nil {
		panic(err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "penny: %v\nhint: penny --help\n", err)
		return 2
	}
	if err := ctx.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "penny: %v\n", err)
		var h hinted
		if errors.As(err, &h) {
			fmt.Fprintf(os.Stderr, "hint: %s\n", h.hint)
		}
		return 1
	}
	return 0
}

func useISA(name string) error {
	l, err := cpu.ParseLevel(name)
	if err != nil {
		return err
	}
	return cpu.Use(l)
}
