package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"slices"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/answer"
	"github.com/pennyml/penny/task/codegrade"
	"github.com/pennyml/penny/task/mathgrade"
)

// graders are the names that a JSONL task may choose from; code is for collections with tests.
var graders = []string{"math", "choice", "exact", "code"}

// Grade judges a text with the grader that the problem names.
func (t *Task) Grade(p task.Problem, text string) (task.Verdict, error) {
	var d details
	if err := json.Unmarshal(p.Data, &d); err != nil {
		return task.Verdict{}, fmt.Errorf("task %s: problem %s: data: %w", t.name, p.ID, err)
	}
	switch d.Grader {
	case "math":
		v := mathgrade.Grade(text, p.Answer, mathgrade.Options{})
		if d.Tolerance == "" || v.Right {
			return v, nil
		}
		return mathgrade.Within(v, p.Answer, d.Tolerance)
	case "choice":
		if len(d.Options) != 1 || d.Options[0] < 'A' || d.Options[0] > 'Z' {
			return task.Verdict{}, fmt.Errorf("task %s: problem %s: options %q: want the last letter", t.name, p.ID, d.Options)
		}
		return mathgrade.Choice(text, p.Answer, d.Options[0], mathgrade.Options{}), nil
	case "exact":
		return exact(text, p.Answer)
	case "code":
		return t.code(p, d, text)
	}
	return task.Verdict{}, fmt.Errorf("task %s: problem %s: grader %q: want one of %s", t.name, p.ID, d.Grader, strings.Join(graders, ", "))
}

// Choices gives a multiple-choice problem's question without its options, the options, and the place of the right one.
func (t *Task) Choices(p task.Problem) (stem string, options []string, right int, err error) {
	var d details
	if err := json.Unmarshal(p.Data, &d); err != nil {
		return "", nil, 0, fmt.Errorf("task %s: problem %s: data: %w", t.name, p.ID, err)
	}
	if len(d.Choices) < 2 || len(p.Answer) != 1 || int(p.Answer[0])-'A' < 0 || int(p.Answer[0])-'A' >= len(d.Choices) {
		return "", nil, 0, fmt.Errorf("task %s: problem %s is no multiple choice: %d options, answer %q", t.name, p.ID, len(d.Choices), p.Answer)
	}
	return d.Stem, d.Choices, int(p.Answer[0]) - 'A', nil
}

// exact compares words: case, commas between words and quotes around them do not matter; everything else does.
func exact(text, gold string) (task.Verdict, error) {
	got := answer.Final(text)
	v := task.Verdict{Extracted: got, Stage: "words", Reason: "other words"}
	value := 0.0
	if a, b := words(got), words(gold); len(a) > 0 && slices.Equal(a, b) {
		v.Right, v.Lenient, v.Strict, v.Reason, value = true, true, got == gold, "the same words", 1
	} else if len(a) == 0 {
		v.Stage, v.Reason = "no answer", "the text ends without an answer"
	}
	return task.Graded(v, "answer", task.Part{Name: "answer", Weight: 1, Value: value, Reason: v.Reason})
}

func words(s string) []string {
	var out []string
	for w := range strings.FieldsFuncSeq(strings.ToLower(s), func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' || r == '\r' }) {
		if w = strings.Trim(w, "\"'`*$."); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// code runs the program in a text against the problem's tests.
func (t *Task) code(p task.Problem, d details, text string) (task.Verdict, error) {
	if d.Code == nil {
		return task.Verdict{}, fmt.Errorf("task %s: problem %s: no tests", t.name, p.ID)
	}
	if t.env.Code == nil {
		return task.Verdict{}, fmt.Errorf("task %s: %w", t.name, errNoCode)
	}
	job := *d.Code
	job.Program = program(job, d.Head, text)
	r, err := t.env.Code(job)
	if err != nil {
		return task.Verdict{}, fmt.Errorf("task %s: problem %s: %w", t.name, p.ID, err)
	}
	v := task.Verdict{Right: r.Verdict, Strict: r.Verdict, Lenient: r.Verdict, Extracted: job.Program, Stage: string(r.Kind), Reason: r.Reason}
	if v.Reason == "" {
		v.Reason = string(r.Kind)
	}
	value := 0.0
	if r.Verdict {
		value = 1
	}
	return task.Graded(v, "tests", task.Part{Name: "tests", Weight: 1, Value: value, Reason: v.Reason})
}

var errNoCode = errors.New("programs cannot be run here")

// program is what an answer makes: a block that defines the function stands behind what the prompt has before it; anything else goes on where
// the prompt ends.
func program(job codegrade.Job, head, text string) string {
	language := job.Language
	code, fenced := answer.Program(text, language, job.Entry)
	if head == "" {
		return code
	}
	if answer.Defines(code, language, job.Entry) == nil {
		if fenced && language == "python" {
			code = indented(code)
		}
		return head + code
	}
	if at := answer.Defines(head, language, job.Entry); at != nil {
		head = head[:at[0]]
	}
	if language == "go" {
		return mergeGo(head, code)
	}
	return head + code
}

// mergeGo puts a whole Go file behind the head that the tests need: the package of the head, the imports of both. What does not parse stays as
// it is, for the compiler to say why.
func mergeGo(head, code string) string {
	if !strings.Contains(code, "package ") {
		code = "package p\n" + code
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "", code, parser.ImportsOnly)
	h, errHead := parser.ParseFile(set, "", head, parser.ImportsOnly)
	if err != nil || errHead != nil {
		return head + code
	}
	have := map[string]bool{}
	for _, i := range h.Imports {
		have[i.Path.Value] = true
	}
	var extra strings.Builder
	for _, i := range f.Imports {
		if have[i.Path.Value] && i.Name == nil {
			continue
		}
		extra.WriteString("import ")
		if i.Name != nil {
			extra.WriteString(i.Name.Name + " ")
		}
		extra.WriteString(i.Path.Value + "\n")
	}
	end := f.Name.End()
	for _, d := range f.Decls {
		end = d.End()
	}
	at := set.Position(h.Name.End()).Offset
	return head[:at] + "\n" + extra.String() + head[at:] + strings.TrimLeft(code[set.Position(end).Offset:], "; \t\n")
}

// indented moves the body of a function to where it belongs, when it stands at the left edge.
func indented(code string) string {
	if strings.HasPrefix(code, " ") || strings.HasPrefix(code, "\t") {
		return code
	}
	return "    " + strings.ReplaceAll(strings.TrimRight(code, "\n"), "\n", "\n    ") + "\n"
}
