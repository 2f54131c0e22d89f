package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pennyml/penny/internal/sandbox"
	"github.com/pennyml/penny/task/answer"
	"github.com/pennyml/penny/task/codegrade"
)

// gradeVerb is penny grade: a grader of texts by name, or programs.
type gradeVerb struct {
	Text gradeCmd     `cmd:"" default:"withargs" name:"text" help:"Grade answers: mathematics, choices, format, language, length, repetition (penny grade math)."`
	Code gradeCodeCmd `cmd:"" help:"Run programs against tests in a sandbox (penny grade code)."`
}

type gradeCodeCmd struct {
	CPU    float64 `name:"cpu" help:"Seconds of processor time for each program, where its line has no limits.cpu_s."`
	Memory int64   `help:"MiB of memory for each program, where its line has no limits.memory_mb."`
	Runs   int     `help:"How often each program must pass, where its line has no runs: random answers are unstable. 0 for once."`
	Jobs   int     `help:"Programs at once; 0 for all cores."`
}

func (gradeCodeCmd) Help() string {
	return `Reads JSON lines from standard input and writes one verdict for each, in order:

  echo '{"program": "def f(x): return 2*x", "tests": "assert f(2) == 4"}' | penny grade code
  {"verdict":true,"kind":"pass","reason":"every test passed","stdout":"","stderr":"","cpu_s":0.02,"max_rss":...}

In place of "program" a line may have "text", from which the program is taken: after the thinking, of the fenced blocks of the language the last that
defines "entry_point", else the last; without a fence, all of it. "language" is python (the host's python3, standard library only) or go. "tests" is test code (Go: functions TestXxx), or a list of
{"input", "output"} for programs that read and print, or, for Python, a list of {"args", "expected"} with "entry_point". "setup" is trusted code
the tests need beside them; "limits" may hold cpu_s, wall_s, memory_mb, processes, output_bytes, disk_mb, files and open_files. An "id" comes back.
Tests and program run in sandboxes apart; penny doctor says whether this host has what they need. A line that is no job has kind "error".`
}

// codeLine is one line of input, codeResult one of output.
type codeLine struct {
	ID      json.RawMessage `json:"id"`
	Program *string         `json:"program"`
	Text    *string         `json:"text"` // the program is taken out of it
	codegrade.Job
}

type codeResult struct {
	ID json.RawMessage `json:"id,omitempty"`
	codegrade.Verdict
}

func (c *gradeCodeCmd) Run() error {
	if c.Jobs < 0 || c.CPU < 0 || c.Memory < 0 || c.Runs < 0 {
		return errors.New("--jobs, --cpu, --memory, --runs: want 0 or more")
	}
	g, err := codegrade.New()
	if err != nil {
		return hinted{err, "penny doctor says what this host can isolate"}
	}
	defer g.Close()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	return errors.Join(gradeLines(os.Stdin, out, c.Jobs, newProgress(os.Stderr), func(line []byte) (codeResult, error) { return c.one(g, line) }, func(codeResult) {}), out.Flush())
}

// kindError marks a line without a verdict.
const kindError codegrade.Kind = "error"

func (r codeResult) right() bool { return r.Verdict.Verdict }

func (r codeResult) without(err error) codeResult {
	return codeResult{r.ID, codegrade.Verdict{Kind: kindError, Reason: err.Error()}}
}

func (c *gradeCodeCmd) one(g *codegrade.Grader, line []byte) (codeResult, error) {
	var l codeLine
	if err := json.Unmarshal(line, &l); err != nil {
		return codeResult{ID: l.ID}, err
	}
	if l.Limits == nil {
		l.Limits = &codegrade.Limits{}
	}
	if l.Limits.CPUSeconds == 0 {
		l.Limits.CPUSeconds = c.CPU
	}
	if l.Limits.MemoryMB == 0 {
		l.Limits.MemoryMB = c.Memory
	}
	if l.Runs == 0 {
		l.Runs = c.Runs
	}
	switch {
	case l.Text != nil && l.Program != nil:
		return codeResult{ID: l.ID}, errors.New(`both "program" and "text"`)
	case l.Text == nil && l.Program == nil:
		return codeResult{ID: l.ID}, errors.New(`neither "program" nor "text"`)
	case l.Program != nil:
		l.Job.Program = *l.Program
	default:
		l.Job.Program, _ = answer.Program(*l.Text, cmp.Or(codegrade.Language(l.Language), l.Language), l.Entry)
		if strings.TrimSpace(l.Job.Program) == "" {
			return codeResult{l.ID, codegrade.Verdict{Kind: codegrade.NoProgram, Reason: "the text has no program after its thinking"}}, nil
		}
	}
	v, err := g.Grade(l.Job)
	return codeResult{l.ID, v}, err
}

// isolation is what penny doctor says about sandboxes.
type isolation struct {
	OK     bool            `json:"ok"`
	Why    string          `json:"why,omitempty"` // why not
	Layers []sandbox.Layer `json:"layers"`
	Python string          `json:"python"`
	GoTool string          `json:"go"`
}

func isolationHere() isolation {
	i := isolation{Layers: sandbox.Layers()}
	i.Python, i.GoTool = codegrade.Languages()
	if err := sandbox.Available(); err != nil {
		i.Why = err.Error()
	}
	i.OK = i.Why == ""
	return i
}

func (i isolation) print(w io.Writer) {
	if i.OK {
		fmt.Fprintln(w, "sandbox    programs can be isolated (penny grade code)")
	} else {
		fmt.Fprintln(w, "sandbox    no:", i.Why)
	}
	for _, l := range i.Layers {
		state := "yes"
		if !l.OK {
			state = "NO"
		}
		fmt.Fprintf(w, "           %-13s %-4s %s\n", l.Name, state, l.Detail)
	}
	fmt.Fprintf(w, "           %-13s %s\n           %-13s %s\n", "python", i.Python, "go", i.GoTool)
}
