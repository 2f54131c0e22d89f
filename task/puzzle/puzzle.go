// Package puzzle holds the generated tasks: countdown, arithmetic, sorting, knights and knaves, orderings and sudoku. A problem depends on
// the seed and its number alone, so it is the same on every machine; each is solvable, and where it says so has exactly one solution,
// found by trying everything. Each can write demonstrations: a search that tries, rejects and goes on.
package puzzle

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/pennyml/penny/task"
)

// family is one kind of puzzle with content P.
type family[P any] interface {
	draw(r *task.Rand) (P, bool) // a random puzzle; false to draw again
	valid(p P) error             // whether a puzzle from outside can be graded
	key(p P) string              // canonical content
	prompt(p P) string
	answer(p P) string
	difficulty(p P) float64
	grade(p P, text string) task.Verdict
	trace(p P, r *task.Rand) string
}

// generated makes a task of a family. name comes into the identifiers; options that do not change a puzzle (its wording) keep its key.
type generated[P any] struct {
	name string
	f    family[P]
}

// maxDraws bounds the search for one problem that fits a query.
const maxDraws = 20000

// Problems yields problem 0, 1, 2, ... of the query's seed; number i depends on the seed, on i and on the query's filters only.
func (g generated[P]) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		seen := map[string]bool{}
		for i := uint64(0); ; i++ {
			p, err := g.at(q, i, seen)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func (g generated[P]) at(q task.Query, i uint64, seen map[string]bool) (task.Problem, error) {
	r := task.NewRand(q.Seed, i)
	for range maxDraws {
		c, ok := g.f.draw(r)
		if !ok {
			continue
		}
		key := g.f.key(c)
		split := task.SplitOf(key)
		if q.Split != task.All && split != q.Split || q.Distinct && seen[key] {
			continue
		}
		p := task.Problem{ID: g.name + "/" + task.KeyID(key), Split: split, Key: key, Difficulty: g.f.difficulty(c)}
		if !q.Fits(p) {
			continue
		}
		if q.Distinct {
			seen[key] = true
		}
		p.Prompt, p.Answer = g.f.prompt(c), g.f.answer(c)
		data, err := json.Marshal(c)
		p.Data = data
		return p, err
	}
	what := "fits"
	if q.Distinct {
		what = "fits and is new"
	}
	return task.Problem{}, fmt.Errorf("task %s: problem %d of seed %d: none of %d drawn %s (split %q, difficulty %g to %g)",
		g.name, i, q.Seed, maxDraws, what, q.Split, q.Min, q.Max)
}

func (g generated[P]) content(p task.Problem) (c P, err error) {
	if err = json.Unmarshal(p.Data, &c); err == nil {
		err = g.f.valid(c)
	}
	if err != nil {
		err = fmt.Errorf("task %s: problem %s: data: %w", g.name, p.ID, err)
	}
	return c, err
}

// Grade judges a text by the problem's data alone; any right answer counts, not only the one in Problem.Answer.
func (g generated[P]) Grade(p task.Problem, text string) (task.Verdict, error) {
	c, err := g.content(p)
	if err != nil {
		return task.Verdict{}, err
	}
	v := g.f.grade(c, text)
	v.Strict, v.Lenient = v.Right, v.Right
	value := v.Reward // what a puzzle gives for less than a right answer
	if v.Right {
		value = 1
	}
	return task.Graded(v, "answer", task.Part{Name: "answer", Weight: 1, Value: value, Reason: v.Reason})
}

// Demonstrate writes a solving text.
func (g generated[P]) Demonstrate(p task.Problem, seed uint64) (string, error) {
	c, err := g.content(p)
	if err != nil {
		return "", err
	}
	return g.f.trace(c, task.NewRand(seed, 1<<63)), nil
}

// wrong is a verdict against an answer.
func wrong(extracted, stage, format string, args ...any) task.Verdict {
	return task.Verdict{Extracted: clip(extracted), Stage: stage, Reason: fmt.Sprintf(format, args...)}
}

// right is a verdict for an answer.
func right(extracted, reason string) task.Verdict {
	return task.Verdict{Right: true, Extracted: clip(extracted), Stage: "value", Reason: reason}
}

// clip keeps quoted answers short.
func clip(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
