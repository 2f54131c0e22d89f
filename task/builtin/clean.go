package builtin

import (
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/dataset"
)

// clean is a task without the training problems that other tasks hold out: collections share many problems (MATH's training file has a
// third of the AIME's).
type clean struct {
	task.Task
	keys func() (map[string]bool, error)
}

// newClean opens the others, named "a+b"; their files are read when the first problem is asked for.
func newClean(t task.Task, names string, env dataset.Env) (task.Task, error) {
	var others []task.Task
	for name := range strings.SplitSeq(names, "+") {
		e, ok := tasks[name]
		if !ok || e.Kind != "files" {
			return nil, fmt.Errorf("%q is no task of files", name)
		}
		_, o, err := task.ParseSpec(name)
		if err != nil {
			return nil, err
		}
		other, err := e.open(env, o)
		if err != nil {
			return nil, err
		}
		others = append(others, other)
	}
	return clean{t, sync.OnceValues(func() (map[string]bool, error) { return heldOut(others) })}, nil
}

func heldOut(others []task.Task) (map[string]bool, error) {
	keys := map[string]bool{}
	for _, o := range others {
		for p, err := range o.Problems(task.Query{Split: task.HeldOut}) {
			if err != nil {
				return nil, err
			}
			keys[p.Key] = true
		}
	}
	return keys, nil
}

// Problems yields what is left.
func (c clean) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		keys, err := c.keys()
		if err != nil {
			yield(task.Problem{}, err)
			return
		}
		for p, err := range c.Task.Problems(q) {
			if err == nil && p.Split == task.Train && keys[p.Key] {
				continue
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// ByID passes on the look-up of tasks of files.
func (c clean) ByID(id string) (task.Problem, error) { return Lookup(c.Task, id) }

// Demonstrate passes on the task's demonstrations.
func (c clean) Demonstrate(p task.Problem, seed uint64) (string, error) {
	return demonstrate(c.Task, p, seed)
}
