// Package builtin knows the built-in tasks by name and opens any task by its spec: "countdown", "countdown:operands=4,ops=+-*",
// "mmlu:subject=anatomy", "my/task.star", "problems.jsonl:grader=math,question=problem".
package builtin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/dataset"
	"github.com/pennyml/penny/task/puzzle"
	"github.com/pennyml/penny/task/script"
)

// Info describes a built-in task.
type Info struct {
	Name    string
	Kind    string // "generated" or "files"
	About   string
	Options string // with their defaults
	Scale   string // what the difficulty means
}

// entry is how a task is opened.
type entry struct {
	Info
	open func(dataset.Env, *task.Options) (task.Task, error)
}

func generated(about, options, scale string, open func(*task.Options) (task.Task, error)) entry {
	return entry{Info{Kind: "generated", About: about, Options: options, Scale: scale}, func(_ dataset.Env, o *task.Options) (task.Task, error) { return open(o) }}
}

func files(about, options, scale string, open func(dataset.Env, *task.Options) (task.Task, error)) entry {
	return entry{Info{Kind: "files", About: about, Options: options, Scale: scale}, open}
}

func mathFiles(name, about, scale string) entry {
	return files(about, "", scale, func(e dataset.Env, o *task.Options) (task.Task, error) { return dataset.Math(name, e, o) })
}

const ways = "log2 of the ways to try for each that hits"

var tasks = map[string]entry{
	"countdown": generated("an expression over given numbers with a given value",
		"operands=3-4 numbers=1-99 target=1-99 ops=+-*/ form=tree|chain order=any|fixed style=words|compact notes=none|compare limit=1000000 tries=0 silence=0 working=free|checked", ways, puzzle.NewCountdown),
	"signs": generated("plus and minus between numbers in their order, few characters", "operands=4 numbers=1-12 target=1-99 style=compact|words notes=none|compare limit=99 tries=2 silence=0 working=free|checked", ways, puzzle.NewSigns),
	"arithmetic": generated("one operation on numbers of several digits", "digits=2-4 ops=+-* (or /) style=words|compact",
		"steps of the written method", puzzle.NewArithmetic),
	"sorting":  generated("a list in order", "count=4-8 numbers=0-999 kind=numbers|words order=up|down|any", "pairs in the wrong order", puzzle.NewSorting),
	"knights":  generated("knights and knaves, one solution", "people=2-5", "steps of the demonstrated search", puzzle.NewKnights),
	"ordering": generated("things in a row by clues, one solution, no clue too many", "count=3-5", "steps of the demonstrated search", puzzle.NewOrdering),
	"sudoku":   generated("sudoku, one solution", "size=4|6|9 empty=5-10 (6: 10-20, 9: 30-48)", "digits that the demonstrated search writes", puzzle.NewSudoku),

	"gsm8k":         mathFiles("gsm8k", "word problems of grade school", "steps of the given solution"),
	"math":          mathFiles("math", "MATH: 7,474 training and 5,000 test problems", "level 1 to 5"),
	"math500":       mathFiles("math500", "500 of MATH's test problems", "level 1 to 5"),
	"aime":          mathFiles("aime", "AIME 1983 to 2023; evaluation only", "1 to 10"),
	"aime24":        mathFiles("aime24", "AIME 2024; evaluation only", "1 to 10"),
	"amc":           mathFiles("amc", "83 problems of AMC 12, 2022 and 2023; evaluation only", "1 to 10"),
	"amc23":         mathFiles("amc23", "40 problems of AMC 12, 2023; evaluation only", "none"),
	"olympiadbench": mathFiles("olympiadbench", "olympiad problems in English, text only", "none"),
	"deepmath":      mathFiles("deepmath", "DeepMath: 4,994 hard problems", "1 to 10"),
	"mmlu":          files("multiple choice over 57 subjects", "subject=", "none", dataset.MMLU),
	"arc":           files("ARC challenge: science questions, multiple choice", "", "none", dataset.ARC),
	"bbh":           files("BIG-Bench Hard", "part=all|boolean_expressions|...", "none", dataset.BBH),
	"humaneval":     files("programs in Python, run against tests", "", "none", dataset.HumanEval),
	"humanevalplus": files("HumanEval with the many more inputs of EvalPlus", "inputs=all|mini", "none", dataset.HumanEvalPlus),
	"deepscaler":    files("1,208 problems of DeepScaleR", "", "none", dataset.DeepScaleR),
	"humaneval-go":  files("HumanEval in Go, run against tests", "", "none", dataset.HumanEvalGo),
	"mbpp":          files("short programs in Python, run against tests", "", "none", dataset.MBPP),
	"jsonl": files("any file of problems with a named grader",
		"file= grader=math|choice|exact question=question answer=answer choices=choices difficulty=difficulty suffix=", "the field named", dataset.JSONL),
}

// List describes the built-in tasks, generated ones first.
func List() []Info {
	var out []Info
	for name, e := range tasks {
		i := e.Info
		i.Name = name
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Info) int {
		if a.Kind != b.Kind {
			return -strings.Compare(a.Kind, b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// Open opens a task by its spec. Every task takes the options format, language and repetition too: weights of parts that grade the form of
// a text, beside the answer with weight 1; a wrong answer earns nothing all the same. And the option without, as in "math:without=aime+math500",
// leaves out training problems that other tasks hold out.
func Open(spec string, env dataset.Env) (task.Task, error) {
	if i := strings.Index(spec, ".jsonl"); i >= 0 && !strings.HasPrefix(spec, "jsonl:") {
		file, rest := spec[:i+len(".jsonl")], strings.TrimPrefix(spec[i+len(".jsonl"):], ":")
		spec = "jsonl:file=" + strings.ReplaceAll(file, ",", `\,`)
		if rest != "" {
			spec += "," + rest
		}
	}
	name, o, err := task.ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	form, err := formOf(o)
	if err != nil {
		return nil, err
	}
	without := o.String("without", "")
	t, err := open(name, o, env)
	if err != nil {
		return nil, err
	}
	if without != "" {
		if t, err = newClean(t, without, env); err != nil {
			return nil, fmt.Errorf("task %s: option without: %w", name, err)
		}
	}
	if form != (weights{}) {
		t = shaped{t, form}
	}
	return t, nil
}

func open(name string, o *task.Options, env dataset.Env) (task.Task, error) {
	if strings.HasSuffix(name, ".star") {
		if err := o.Done(); err != nil {
			return nil, err
		}
		return script.Open(name)
	}
	e, ok := tasks[name]
	if !ok {
		return nil, fmt.Errorf("no task %q: there are %s, and files *.star and *.jsonl", name, strings.Join(names(), ", "))
	}
	return e.open(env, o)
}

func names() []string {
	var out []string
	for _, i := range List() {
		out = append(out, i.Name)
	}
	return out
}
