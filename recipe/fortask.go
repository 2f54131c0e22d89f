package recipe

import (
	"fmt"
	"unicode/utf8"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train/data"
)

const (
	examined    = 1000 // demonstrations that tell how long a task's texts are
	longestText = 2048 // characters that a network of a recipe for puzzles is made to read
)

// ForTask makes a recipe for short puzzles, with a vocabulary of characters, one for another task: that task's demonstrations are its data, that task's
// problems its rewards, and rows, context and answers are as long as the demonstrations need. An answer ends where a demonstration does, with the vocabulary's
// own end.
func (r *Recipe) ForTask(spec string, t task.Task) error {
	if r.Tokenizer.Kind != "char" {
		return fmt.Errorf("the recipe's vocabulary is of the kind %q: only one of characters can be fitted to a task", r.Tokenizer.Kind)
	}
	whole, completion, err := lengths(spec, t)
	if err != nil {
		return err
	}
	if whole > longestText {
		return fmt.Errorf("task %s: a problem with its demonstration has up to %d characters: at most %d fit here", spec, whole, longestText)
	}
	upTo := func(n, of int) int { return (n + of - 1) / of * of }
	rows := upTo(whole+whole/8+2, 16) // others may be somewhat longer, and there are ends
	r.Model.Context = max(r.Model.Context, 2*rows)
	for i := range r.Stages {
		s := &r.Stages[i]
		s.Data.Sources = append([]data.Source(nil), s.Data.Sources...)
		for j := range s.Data.Sources {
			if s.Data.Sources[j].Task != "" {
				s.Data.Sources[j].Task, s.Data.Length = spec, rows
			}
		}
		if s.RL != nil {
			own := *s.RL
			own.Task, own.Stop, own.MaxTokens = spec, nil, upTo(completion+completion/4+1, 16)
			s.RL = &own
		}
	}
	return r.resolve()
}

// lengths are those, in characters, of a task's longest problem with its demonstration, and of its longest demonstration.
func lengths(spec string, t task.Task) (whole, completion int, err error) {
	d, ok := t.(task.Demonstrator)
	if !ok {
		return 0, 0, fmt.Errorf("task %s: %w", spec, task.ErrNoDemonstrations)
	}
	n := 0
	for p, err := range t.Problems(task.Query{Seed: 1, Split: task.Train}) {
		if err != nil {
			return 0, 0, err
		}
		text, err := d.Demonstrate(p, uint64(n))
		if err != nil {
			return 0, 0, err
		}
		length := utf8.RuneCountInString(text)
		whole, completion = max(whole, utf8.RuneCountInString(p.Prompt)+length), max(completion, length)
		if n++; n == examined {
			break
		}
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("task %s has no training problems", spec)
	}
	return whole, completion, nil
}
