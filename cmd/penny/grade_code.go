package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/pennyml/penny/internal/sandbox"
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
	Jobs   int     `help:"Programs at once; 0 for all cores."`
}

func (gradeCodeCmd) Help() string {
	return `Reads JSON lines from standard input and writes one verdict for each, in order:

  echo '{"program": "def f(x): return 2*x", "tests": "assert f(2) == 4"}' | penny grade code
  {"verdict":true,"kind":"pass","reason":"every test passed","stdout":"","stderr":"","cpu_s":0.02,"max_rss":...}

"language" is python (the host's python3, standard library only) or go. "tests" is test code (Go: functions TestXxx), or a list of
{"input", "output"} for programs that read and print, or, for Python, a list of {"args", "expected"} with "entry_point". "setup" is trusted code
the tests need beside them; "limits" may hold cpu_s, wall_s, memory_mb, processes, output_bytes, disk_mb, files and open_files. An "id" comes back.
Tests and program run in sandboxes apart; penny doctor says whether this host has what they need. A line that is no job has kind "error".`
}

// codeLine is one line of input, codeResult one of output.
type codeLine struct {
	ID json.RawMessage `json:"id"`
	codegrade.Job
}

type codeResult struct {
	ID json.RawMessage `json:"id,omitempty"`
	codegrade.Verdict
}

func (c *gradeCodeCmd) Run() error {
	if c.Jobs < 0 || c.CPU < 0 || c.Memory < 0 {
		return errors.New("--jobs, --cpu, --memory: want 0 or more")
	}
	g, err := codegrade.New()
	if err != nil {
		return hinted{err, "penny doctor says what this host can isolate"}
	}
	defer g.Close()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	return errors.Join(c.stream(g, os.Stdin, out, newProgress(os.Stderr)), out.Flush())
}

// stream grades lines, several at once, and writes results in the order of the input.
func (c *gradeCodeCmd) stream(g *codegrade.Grader, in io.Reader, out io.Writer, bar *progress) error {
	jobs := c.Jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	order, slots := make(chan chan codeResult, 4*jobs), make(chan struct{}, jobs)
	read := make(chan error, 1)
	go func() {
		defer close(order)
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, 1<<16), maxLine)
		for s.Scan() {
			line := bytes.Clone(bytes.TrimSpace(s.Bytes()))
			if len(line) == 0 {
				continue
			}
			done := make(chan codeResult, 1)
			order <- done
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				done <- c.one(g, line)
			}()
		}
		read <- s.Err()
	}()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	var right, total, bad int
	var failed error
	for done := range order {
		r := <-done
		if failed == nil {
			failed = enc.Encode(r)
		}
		total++
		if r.Verdict.Verdict {
			right++
		}
		if r.Kind == kindError {
			bad++
		}
		bar.show(total, right)
	}
	bar.end(total, right)
	if bad > 0 {
		failed = errors.Join(failed, fmt.Errorf("%d of %d lines have no verdict", bad, total))
	}
	return errors.Join(failed, <-read)
}

// kindError marks a line without a verdict.
const kindError codegrade.Kind = "error"

func (c *gradeCodeCmd) one(g *codegrade.Grader, line []byte) codeResult {
	var l codeLine
	err := json.Unmarshal(line, &l)
	if err == nil {
		if l.Limits == nil {
			l.Limits = &codegrade.Limits{}
		}
		if l.Limits.CPUSeconds == 0 {
			l.Limits.CPUSeconds = c.CPU
		}
		if l.Limits.MemoryMB == 0 {
			l.Limits.MemoryMB = c.Memory
		}
		var v codegrade.Verdict
		if v, err = g.Grade(l.Job); err == nil {
			return codeResult{l.ID, v}
		}
	}
	return codeResult{l.ID, codegrade.Verdict{Kind: kindError, Reason: err.Error()}}
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
