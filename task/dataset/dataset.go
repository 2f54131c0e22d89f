// Package dataset makes tasks of files: the published collections of problems, read as they are published, and any JSONL file with a named
// grader. Nothing is downloaded. What a collection holds out (its test file) never appears in its training problems: those with the same
// words are left out.
package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/codegrade"
)

// Env is what tasks of files need from outside.
type Env struct {
	Data string                                         // the folder with the data, or with datasets/ in it
	Code func(codegrade.Job) (codegrade.Verdict, error) // runs programs; nil where they cannot be run
}

// Task is a collection of problems read from files when first asked for.
type Task struct {
	name string
	env  Env
	load func() ([]task.Problem, error)

	index sync.Once
	ids   map[string]int
}

// details is Problem.Data: which grader judges the problem, and what it needs.
type details struct {
	Grader    string         `json:"grader"`              // math, choice, exact or code
	Tolerance string         `json:"tolerance,omitempty"` // math: how far a number may be off, "" for the usual rules
	Options   string         `json:"options,omitempty"`   // choice: the last letter
	Stem      string         `json:"stem,omitempty"`      // choice: the question without its options
	Choices   []string       `json:"choices,omitempty"`
	Code      *codegrade.Job `json:"code,omitempty"` // code: the job without its program
	Head      string         `json:"head,omitempty"` // code: what the prompt gives, for answers that only go on
	Subject   string         `json:"subject,omitempty"`
}

// record is one problem as a reader finds it.
type record struct {
	id         string // unique within its file; numbered when empty
	question   string // what the problem asks, which makes it the same as another
	prompt     string
	answer     string
	difficulty float64
	split      task.Split // where one file holds both
	details    details
}

// source says which files a collection is made of and how they are read.
type source struct {
	train, held []string
	read        func(path string) ([]record, error)
	byHash      bool // one file, split by the hash of each problem
}

// missing explains where a file was looked for.
func missing(name, file, dir string) error {
	if dir == "" {
		return fmt.Errorf("task %s: no data folder: it needs %s (give --data or set PENNY_DATA)", name, file)
	}
	return fmt.Errorf("task %s: %s is neither in %s nor in %s", name, file, dir, filepath.Join(dir, "datasets"))
}

// find is the path of a data file.
func find(name, file, dir string) (string, error) {
	if dir == "" {
		return "", missing(name, file, dir)
	}
	for _, base := range []string{dir, filepath.Join(dir, "datasets")} {
		p := filepath.Join(base, file)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", missing(name, file, dir)
}

func newTask(name string, env Env, s source) *Task {
	t := &Task{name: name, env: env}
	t.load = sync.OnceValues(func() ([]task.Problem, error) { return t.all(s) })
	return t
}

// all reads the files; what is held out comes first into the set of keys that training must not have.
func (t *Task) all(s source) ([]task.Problem, error) {
	held, err := t.files(s, s.held, task.HeldOut)
	if err != nil {
		return nil, err
	}
	train, err := t.files(s, s.train, task.Train)
	if err != nil {
		return nil, err
	}
	both := append(train, held...)
	keys := map[string]bool{}
	for _, p := range both {
		if p.Split == task.HeldOut {
			keys[p.Key] = true
		}
	}
	out := both[:0]
	for _, p := range both {
		if p.Split == task.HeldOut || !keys[p.Key] {
			out = append(out, p)
		}
	}
	return out, nil
}

func (t *Task) files(s source, files []string, split task.Split) ([]task.Problem, error) {
	var out []task.Problem
	for _, file := range files {
		path, err := find(t.name, file, t.env.Data)
		if err != nil {
			return nil, err
		}
		records, err := s.read(path)
		if err != nil {
			return nil, fmt.Errorf("task %s: %s: %w", t.name, path, err)
		}
		base, _, _ := strings.Cut(filepath.Base(file), ".")
		for i, r := range records {
			p, err := problem(r)
			if err != nil {
				return nil, fmt.Errorf("task %s: %s: problem %d: %w", t.name, path, i+1, err)
			}
			if p.ID = r.id; r.id == "" {
				p.ID = fmt.Sprintf("%s/%d", base, i)
			}
			p.ID = t.name + "/" + p.ID
			switch p.Split = split; {
			case r.split != "":
				p.Split = r.split
			case s.byHash:
				p.Split = task.SplitOf(p.Key)
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func problem(r record) (task.Problem, error) {
	switch {
	case strings.TrimSpace(r.question) == "":
		return task.Problem{}, errors.New("it has no question")
	case strings.TrimSpace(r.answer) == "" && r.details.Grader != "code":
		return task.Problem{}, errors.New("it has no answer")
	}
	data, err := json.Marshal(r.details)
	return task.Problem{Prompt: r.prompt, Answer: r.answer, Difficulty: r.difficulty, Key: task.TextKey(r.question), Data: data}, err
}

// Problems yields the problems that fit, once each: in the order of the files for seed 0, else in an order that the seed decides.
func (t *Task) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		all, err := t.load()
		if err != nil {
			yield(task.Problem{}, err)
			return
		}
		order := make([]int, len(all))
		for i := range order {
			order[i] = i
		}
		if q.Seed != 0 {
			order = task.NewRand(q.Seed, 0).Perm(len(all))
		}
		seen := map[string]bool{}
		for _, i := range order {
			p := all[i]
			if !q.Fits(p) || q.Distinct && seen[p.Key] {
				continue
			}
			seen[p.Key] = q.Distinct
			if !yield(p, nil) {
				return
			}
		}
	}
}

// ByID finds a problem by its identifier.
func (t *Task) ByID(id string) (task.Problem, error) {
	all, err := t.load()
	if err != nil {
		return task.Problem{}, err
	}
	t.index.Do(func() {
		t.ids = make(map[string]int, len(all))
		for i, p := range all {
			t.ids[p.ID] = i
		}
	})
	if i, ok := t.ids[id]; ok {
		return all[i], nil
	}
	return task.Problem{}, fmt.Errorf("task %s: no problem %q among %d", t.name, id, len(all))
}
