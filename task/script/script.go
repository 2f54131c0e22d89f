// Package script runs tasks that users write in Starlark. A script is bounded by counted steps and bytes, never by the clock, and sees no
// files, no network and no time, so its verdicts are the same everywhere.
//
// A task file defines
//
//	problems(seed)     a list of problems: any values that JSON can hold
//	prompt(p)          the text for the model
//	grade(p, text)     True or False, a number from 0 to 1, (number, "reason"), or a dict with "reward" (or "parts" as
//	                   {name: (weight, value)} and perhaps "gate"), "reason", "extracted"
//
// and may define answer(p), difficulty(p), key(p) (what makes two problems the same; by default all of p) and trace(p, seed).
package script

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/pennyml/penny/task"
)

// Limits bound one call of a script.
type Limits struct {
	Steps uint64 // of the interpreter; one line of code is some five to twenty
	Bytes int64  // of all values made, those already dropped included
}

// The limits of loading a file or grading one text, and of making all problems of a seed.
var (
	CallLimits     = Limits{Steps: 20_000_000, Bytes: 64 << 20}
	ProblemsLimits = Limits{Steps: 200_000_000, Bytes: 512 << 20}
)

// maxSource bounds a task file, so that no nesting of its code can exhaust the stack.
const maxSource = 64 << 10

// Task is a task written in Starlark.
type Task struct {
	name string
	file string
	fn   map[string]*starlark.Function
}

// required and optional functions with their number of parameters.
var (
	required = map[string]int{"problems": 1, "prompt": 1, "grade": 2}
	optional = map[string]int{"answer": 1, "difficulty": 1, "key": 1, "trace": 2}
)

// Open reads a task file.
func Open(path string) (*Task, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSource {
		return nil, fmt.Errorf("%s: %d bytes: a task file has at most %d", path, info.Size(), maxSource)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, src)
}

// Parse loads a task from source; path names it in errors.
func Parse(path string, src []byte) (*Task, error) {
	if len(src) > maxSource {
		return nil, fmt.Errorf("%s: %d bytes: a task file has at most %d", path, len(src), maxSource)
	}
	o := &syntax.FileOptions{Set: true, While: true, TopLevelControl: true}
	f, err := o.Parse(path, src, 0)
	if err != nil {
		return nil, err
	}
	if err := rewrite(f); err != nil {
		return nil, err
	}
	lib := library()
	prog, err := starlark.FileProgram(f, lib.Has)
	if err != nil {
		return nil, err
	}
	t := &Task{name: strings.TrimSuffix(filepath.Base(path), ".star"), file: path, fn: map[string]*starlark.Function{}}
	var globals starlark.StringDict
	if _, err := t.run("loading", CallLimits, func(th *starlark.Thread) (starlark.Value, error) {
		globals, err = prog.Init(th, lib)
		return starlark.None, err
	}); err != nil {
		return nil, err
	}
	for name, v := range globals {
		if _, err := weigh(v); err != nil {
			return nil, fmt.Errorf("%s: global %s: %w", path, name, err)
		}
	}
	globals.Freeze()
	return t, t.bind(globals)
}

func (t *Task) bind(globals starlark.StringDict) error {
	for _, list := range []map[string]int{required, optional} {
		for name, params := range list {
			v, ok := globals[name]
			if !ok {
				if required[name] > 0 {
					return fmt.Errorf("%s: it does not define %s", t.file, name)
				}
				continue
			}
			f, ok := v.(*starlark.Function)
			if !ok {
				return fmt.Errorf("%s: %s is a %s, not a function", t.file, name, v.Type())
			}
			if f.NumParams() != params || f.HasVarargs() || f.HasKwargs() {
				return fmt.Errorf("%v: %s has %d parameters: want %d", f.Position(), name, f.NumParams(), params)
			}
			t.fn[name] = f
		}
	}
	return nil
}

// run works f on a fresh thread within limits; errors name the file and the line.
func (t *Task) run(what string, l Limits, f func(*starlark.Thread) (starlark.Value, error)) (starlark.Value, error) {
	th := &starlark.Thread{Name: t.name, Print: func(*starlark.Thread, string) {}}
	th.SetLocal(meterKey, &meter{limit: l.Bytes})
	th.SetMaxExecutionSteps(l.Steps)
	th.OnMaxSteps = func(th *starlark.Thread) {
		th.Cancel(fmt.Sprintf("more than %d steps: is there an endless loop?", l.Steps))
	}
	v, err := f(th)
	if err == nil {
		return v, nil
	}
	var e *starlark.EvalError
	if !errors.As(err, &e) {
		return nil, fmt.Errorf("%s: in %s: %w", t.file, what, err)
	}
	msg := strings.TrimPrefix(e.Msg, "Starlark computation cancelled: ")
	for i := range e.CallStack {
		if fr := e.CallStack.At(i); fr.Pos.IsValid() && fr.Pos.Filename() == t.file {
			return nil, fmt.Errorf("%v: in %s: %s", fr.Pos, what, msg)
		}
	}
	return nil, fmt.Errorf("%s: in %s: %s", t.file, what, msg)
}

func (t *Task) call(name string, l Limits, args ...starlark.Value) (starlark.Value, error) {
	return t.run(name, l, func(th *starlark.Thread) (starlark.Value, error) {
		return starlark.Call(th, t.fn[name], args, nil)
	})
}

// returned is an error about the type of what a function returned.
func (t *Task) returned(name string, v starlark.Value, want string) error {
	return fmt.Errorf("%v: %s returned a %s: want %s", t.fn[name].Position(), name, v.Type(), want)
}

// Problems yields the problems of q.Seed in the order of the script.
func (t *Task) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		v, err := t.call("problems", ProblemsLimits, starlark.MakeUint64(q.Seed))
		if err != nil {
			yield(task.Problem{}, err)
			return
		}
		list, ok := v.(starlark.Indexable)
		if _, text := v.(starlark.String); !ok || text {
			yield(task.Problem{}, t.returned("problems", v, "a list"))
			return
		}
		seen := map[string]bool{}
		for i := range list.Len() {
			p, err := t.problem(list.Index(i))
			if err != nil {
				yield(task.Problem{}, fmt.Errorf("problem %d: %w", i, err))
				return
			}
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

func (t *Task) problem(v starlark.Value) (task.Problem, error) {
	data, err := t.encode("problems", v)
	if err != nil {
		return task.Problem{}, err
	}
	p := task.Problem{Data: []byte(data), Key: "script " + data, Difficulty: 1}
	arg, err := t.decode(p)
	if err != nil {
		return p, err
	}
	text := func(name string) (s string, err error) {
		if t.fn[name] == nil {
			return "", nil
		}
		v, err := t.call(name, CallLimits, arg)
		if err != nil {
			return "", err
		}
		s, ok := starlark.AsString(v)
		if !ok {
			err = t.returned(name, v, "a string")
		}
		return s, err
	}
	if p.Prompt, err = text("prompt"); err != nil {
		return p, err
	}
	if p.Answer, err = text("answer"); err != nil {
		return p, err
	}
	if k, err := text("key"); err != nil {
		return p, err
	} else if k != "" {
		p.Key = "script " + k
	}
	if t.fn["difficulty"] != nil {
		v, err := t.call("difficulty", CallLimits, arg)
		if err != nil {
			return p, err
		}
		d, ok := starlark.AsFloat(v)
		if !ok || d-d != 0 {
			return p, t.returned("difficulty", v, "a number")
		}
		p.Difficulty = d
	}
	p.Split, p.ID = task.SplitOf(p.Key), t.name+"/"+task.KeyID(p.Key)
	return p, nil
}

// encode is a value as JSON, with the keys of dicts sorted.
func (t *Task) encode(name string, v starlark.Value) (string, error) {
	if _, err := weigh(v); err != nil {
		return "", fmt.Errorf("%v: %s returned %w", t.fn[name].Position(), name, err)
	}
	s, err := starlark.Call(&starlark.Thread{}, json.Module.Members["encode"], starlark.Tuple{v}, nil)
	if err != nil {
		return "", fmt.Errorf("%v: %s returned what JSON cannot hold: %w", t.fn[name].Position(), name, err)
	}
	text, _ := starlark.AsString(s)
	return text, nil
}

func (t *Task) decode(p task.Problem) (starlark.Value, error) {
	if len(p.Data) > maxValue || nesting(string(p.Data)) > maxDepth {
		return nil, fmt.Errorf("task %s: problem %s: data of %d bytes, too large or nested too deeply", t.name, p.ID, len(p.Data))
	}
	v, err := starlark.Call(&starlark.Thread{}, json.Module.Members["decode"], starlark.Tuple{starlark.String(p.Data)}, nil)
	if err != nil {
		return nil, fmt.Errorf("task %s: problem %s: data: %w", t.name, p.ID, err)
	}
	v.Freeze()
	return v, nil
}

// maxText bounds how much of a model's text a script sees: its end.
const maxText = 1 << 20

// Grade runs the script's grade function.
func (t *Task) Grade(p task.Problem, text string) (task.Verdict, error) {
	arg, err := t.decode(p)
	if err != nil {
		return task.Verdict{}, err
	}
	text = strings.ToValidUTF8(text[max(0, len(text)-maxText):], "\uFFFD")
	v, err := t.call("grade", CallLimits, arg, starlark.String(text))
	if err != nil {
		return task.Verdict{}, err
	}
	return t.verdict(v)
}

// Demonstrate runs the script's trace function.
func (t *Task) Demonstrate(p task.Problem, seed uint64) (string, error) {
	if t.fn["trace"] == nil {
		return "", fmt.Errorf("%s: %w: trace(p, seed) is not defined", t.file, task.ErrNoDemonstrations)
	}
	arg, err := t.decode(p)
	if err != nil {
		return "", err
	}
	v, err := t.call("trace", CallLimits, arg, starlark.MakeUint64(seed))
	if err != nil {
		return "", err
	}
	s, ok := starlark.AsString(v)
	if !ok {
		err = t.returned("trace", v, "a string")
	}
	return s, err
}
