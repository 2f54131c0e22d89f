package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/builtin"
	"github.com/pennyml/penny/task/codegrade"
	"github.com/pennyml/penny/task/dataset"
)

// taskVerb is penny task.
type taskVerb struct {
	List   taskListCmd   `cmd:"" help:"The built-in tasks and their options."`
	Show   taskShowCmd   `cmd:"" help:"Problems to read."`
	Sample taskSampleCmd `cmd:"" help:"Some problems, drawn by the seed, as JSON lines."`
	Export taskExportCmd `cmd:"" help:"All problems of a data set, or --n of a generated task, as JSON lines."`
}

type taskListCmd struct{}

// taskQuery are the flags that choose problems.
type taskQuery struct {
	Task     string  `arg:"" help:"A name of penny task list, with options (countdown:operands=4,ops=+-*), a file task.star, or problems.jsonl:grader=math."`
	Data     string  `env:"PENNY_DATA" type:"path" help:"The folder with the data sets."`
	Seed     uint64  `default:"1" help:"Which problems; for data sets which order, 0 for that of the files."`
	Split    string  `default:"all" help:"train, heldout or all."`
	Min      float64 `help:"The least difficulty."`
	Max      float64 `help:"The greatest difficulty; 0 for no bound."`
	Distinct bool    `help:"No problem twice."`
	Demo     bool    `help:"With a demonstration for each."`
}

type taskShowCmd struct {
	taskQuery
	N int `default:"1" help:"How many."`
}

type taskSampleCmd struct {
	taskQuery
	N int `default:"10" help:"How many."`
}

type taskExportCmd struct {
	taskQuery
	N   int    `help:"How many; 0 for all of a data set."`
	Out string `type:"path" help:"The file to write; standard output without it."`
}

func (taskVerb) Help() string {
	return `A task is problems with a prompt and a grader. Training and held-out problems are told apart by a hash of the problem, so they never meet,
whatever the seed and the options; data sets keep their own test files as held-out, and training problems with the same words are left out. Collections overlap, too:
math:without=aime+math500 leaves out what those hold out.

  penny task show countdown --n 3 --seed 1 --demo
  penny task export countdown:operands=3 --n 10000 --split train --demo --out traces.jsonl
  penny task export gsm8k --split heldout --data ~/data | your-model-adds-text | penny grade --task gsm8k`
}

func (taskListCmd) Run() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, i := range builtin.List() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Name, i.Kind, i.About)
		if i.Options != "" {
			fmt.Fprintf(w, "\t\toptions: %s\n", i.Options)
		}
		if i.Scale != "none" {
			fmt.Fprintf(w, "\t\tdifficulty: %s\n", i.Scale)
		}
	}
	fmt.Fprintln(w, "FILE.star\tStarlark\tyour own: problems(seed), prompt(p), grade(p, text)")
	fmt.Fprintln(w, "FILE.jsonl\tfiles\tyour own, as task jsonl")
	fmt.Fprintln(w, "all\t\toptions: format=0 language=0 (lang=en) repetition=0: weights of form beside the answer's 1;")
	fmt.Fprintln(w, "\t\twithout=TASK+TASK: no training problem that those hold out")
	return w.Flush()
}

// each calls f with the first n problems asked for (all when n is 0).
func (q taskQuery) each(n int, f func(task.Problem, string) error) error {
	split, err := task.ParseSplit(q.Split)
	if err != nil || n < 0 {
		return errors.Join(err, map[bool]error{true: fmt.Errorf("--n %d: want 0 or more", n)}[n < 0])
	}
	t, err := openTask(q.Task, q.Data)
	if err != nil {
		return err
	}
	defer t.close()
	d, ok := t.Task.(task.Demonstrator)
	if q.Demo && !ok {
		return fmt.Errorf("--demo: task %s has no demonstrations", q.Task)
	}
	i := 0
	for p, err := range t.Problems(task.Query{Seed: q.Seed, Split: split, Min: q.Min, Max: q.Max, Distinct: q.Distinct}) {
		if err != nil {
			return err
		}
		demo := ""
		if q.Demo {
			if demo, err = d.Demonstrate(p, task.NewRand(q.Seed, uint64(i)).Uint64()); err != nil {
				return err
			}
		}
		if err := f(p, demo); err != nil {
			return err
		}
		if i++; i == n {
			return nil
		}
	}
	if i == 0 {
		return fmt.Errorf("task %s: no problem in split %s with difficulty from %g to %g", q.Task, q.Split, q.Min, q.Max)
	}
	return nil
}

func (c *taskShowCmd) Run() error {
	return c.each(max(c.N, 1), func(p task.Problem, demo string) error {
		fmt.Printf("== %s  difficulty %g, %s\n%s\n", p.ID, p.Difficulty, p.Split, strings.TrimSpace(p.Prompt))
		if p.Answer != "" {
			fmt.Printf("-- answer\n%s\n", p.Answer)
		}
		if demo != "" {
			fmt.Printf("-- demonstration\n%s\n", strings.TrimSpace(demo))
		}
		fmt.Println()
		return nil
	})
}

func (c *taskSampleCmd) Run() error { return c.write(os.Stdout, max(c.N, 1)) }

func (c *taskExportCmd) Run() error {
	if c.N == 0 && !c.finite() {
		return hinted{errors.New("a generated task has no end"), "penny task export " + c.Task + " --n 10000"}
	}
	if c.Out == "" {
		return c.write(os.Stdout, c.N)
	}
	return atomicfile.Write(c.Out, func(w io.Writer) error { return c.write(w, c.N) })
}

// finite says whether a task ends by itself.
func (q taskQuery) finite() bool {
	name, _, _ := strings.Cut(q.Task, ":")
	for _, i := range builtin.List() {
		if i.Name == name {
			return i.Kind == "files"
		}
	}
	return true
}

// problemLine is a problem as a JSON line; text comes from a model, or is the demonstration.
type problemLine struct {
	task.Problem
	Demonstration string `json:"demonstration,omitempty"`
}

func (q taskQuery) write(w io.Writer, n int) error {
	b := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := q.each(n, func(p task.Problem, demo string) error { return enc.Encode(problemLine{p, demo}) })
	return errors.Join(err, b.Flush())
}

// taskGrader grades whole tasks. The sandbox for programs starts when the first one comes.
type taskGrader struct {
	task.Task
	once sync.Once
	code *codegrade.Grader
	err  error
}

func openTask(spec, data string) (*taskGrader, error) {
	g := &taskGrader{}
	t, err := builtin.Open(spec, dataset.Env{Data: data, Code: g.run})
	g.Task = t
	return g, err
}

func (g *taskGrader) run(job codegrade.Job) (codegrade.Verdict, error) {
	g.once.Do(func() { g.code, g.err = codegrade.New() })
	if g.err != nil {
		return codegrade.Verdict{}, hinted{g.err, "penny doctor says what this host can isolate"}
	}
	return g.code.Grade(job)
}

func (g *taskGrader) close() {
	if g.code != nil {
		g.code.Close()
	}
}

// taskOpener opens tasks for who runs recipes, and closes what they have started.
type taskOpener struct {
	data string
	list []*taskGrader
}

func (o *taskOpener) open(spec string) (task.Task, error) {
	g, err := openTask(spec, o.data)
	if err != nil {
		return nil, err
	}
	o.list = append(o.list, g)
	return g.Task, nil
}

func (o *taskOpener) close() {
	for _, g := range o.list {
		g.close()
	}
}

// one grades a line: a problem with the model's text, or the id of a problem in a data set with it.
func (g *taskGrader) one(line []byte) (gradeResult, error) {
	var l struct {
		task.Problem
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return gradeResult{}, err
	}
	if l.Text == nil {
		return gradeResult{}, errors.New(`no "text"`)
	}
	p := l.Problem
	if p.Data == nil {
		var err error
		if p, err = builtin.Lookup(g.Task, p.ID); err != nil {
			return gradeResult{}, err
		}
	}
	id, err := json.Marshal(p.ID)
	if err != nil {
		return gradeResult{}, err
	}
	start := time.Now()
	v, err := g.Grade(p, *l.Text)
	return resultOf(id, v, start), err
}
