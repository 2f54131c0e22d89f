package builtin

import (
	"fmt"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/textgrade"
)

// weights are those of the parts that grade form.
type weights struct {
	format, language, repetition float64
	lang                         string
}

// formOf reads the options that every task has.
func formOf(o *task.Options) (weights, error) {
	w := weights{format: o.Float("format", 0, 0, 10), language: o.Float("language", 0, 0, 10), repetition: o.Float("repetition", 0, 0, 10)}
	lang := o.String("lang", "en")
	if w.language > 0 {
		w.lang = lang
		_, err := textgrade.Language("", lang, languageShare)
		return w, err
	}
	return w, nil
}

// languageShare is the share of letters in the wanted script that a text needs.
const languageShare = 0.9

// shaped adds parts for the form of a text to a task's reward. The answer stays the gate, so form alone never pays.
type shaped struct {
	task.Task
	w weights
}

// Grade judges the answer and the form.
func (s shaped) Grade(p task.Problem, text string) (task.Verdict, error) {
	v, err := s.Task.Grade(p, text)
	if err != nil {
		return v, err
	}
	parts := []task.Part{{Name: "answer", Weight: 1, Value: v.Reward, Reason: v.Reason}}
	add := func(name string, weight float64, f func() (task.Verdict, error)) {
		if weight == 0 || err != nil {
			return
		}
		var form task.Verdict
		form, err = f()
		parts = append(parts, task.Part{Name: name, Weight: weight, Value: form.Reward, Reason: form.Reason})
	}
	add("format", s.w.format, func() (task.Verdict, error) { return textgrade.Format(text, textgrade.FormatOptions{Think: true}), nil })
	add("language", s.w.language, func() (task.Verdict, error) { return textgrade.Language(text, s.w.lang, languageShare) })
	add("repetition", s.w.repetition, func() (task.Verdict, error) {
		return textgrade.Repetition(text, textgrade.RepetitionOptions{N: 8, Floor: 0.7, MinRuns: 4})
	})
	if err != nil {
		return v, err
	}
	return task.Graded(v, "answer", parts...)
}

// Demonstrate passes on the task's demonstrations.
func (s shaped) Demonstrate(p task.Problem, seed uint64) (string, error) {
	return demonstrate(s.Task, p, seed)
}

func demonstrate(t task.Task, p task.Problem, seed uint64) (string, error) {
	d, ok := t.(task.Demonstrator)
	if !ok {
		return "", task.ErrNoDemonstrations
	}
	return d.Demonstrate(p, seed)
}

// ByID passes on the look-up of tasks of files.
func (s shaped) ByID(id string) (task.Problem, error) { return Lookup(s.Task, id) }

// Lookup finds a problem of a task of files by its identifier.
func Lookup(t task.Task, id string) (task.Problem, error) {
	if f, ok := t.(interface {
		ByID(string) (task.Problem, error)
	}); ok {
		return f.ByID(id)
	}
	return task.Problem{}, fmt.Errorf("problem %q: only tasks of files find problems by id; give the line that penny task wrote, with \"data\"", id)
}
