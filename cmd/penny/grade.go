package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/mathgrade"
	"github.com/pennyml/penny/task/mathgrade/check"
	"github.com/pennyml/penny/task/textgrade"
)

type gradeCmd struct {
	Grader    string  `arg:"" optional:"" default:"task" enum:"task,math,choice,gsm8k,format,language,length,repetition" help:"One of ${enum}; task goes with --task."`
	Task      string  `help:"Grade with this task instead: lines of penny task with the model's \"text\" added (task files also by \"id\" alone)."`
	Data      string  `env:"PENNY_DATA" type:"path" help:"--task: the folder with the data sets."`
	Strict    bool    `help:"The strict verdict decides, not the lenient one."`
	Check     bool    `help:"math, gsm8k: ask the second checker too; adds \"check\" to each line and the rate of disagreement on standard error."`
	Options   string  `default:"D" help:"choice: the last option letter."`
	Think     bool    `default:"true" negatable:"" help:"format: ask for one thinking part."`
	Tag       bool    `help:"format: ask for one answer tag."`
	Box       bool    `help:"format: ask for a boxed answer after the thinking."`
	Lang      string  `default:"en" help:"language: the code of the language wanted, for lines without \"lang\"."`
	Share     float64 `default:"0.9" help:"language: the share of letters wanted in its script."`
	Unit      string  `enum:"chars,words,tokens" default:"chars" help:"length: what is counted (${enum}); tokens come with each line as \"tokens\"."`
	Min       int     `help:"length: the least wanted."`
	Max       int     `help:"length: the most allowed; 0 for no limit."`
	Buffer    int     `help:"length: the reward falls to 0 over so many before the limit."`
	NGram     int     `name:"ngram" default:"8" help:"repetition: words in an n-gram."`
	Floor     float64 `default:"0.7" help:"repetition: the least share of new n-grams."`
	Runs      int     `default:"4" help:"repetition: so many runs of one period at the end are a loop."`
	Jobs      int     `help:"Lines graded at once; 0 for all cores."`
	whole     *taskGrader
	disagreed [2]int // second checker: lines it decided, lines it decided otherwise
}

func (gradeCmd) Help() string {
	return `Reads JSON lines from standard input and writes one verdict for each, in order:

  echo '{"text": "So it is \\boxed{\\frac12}.", "gold": "0.5"}' | penny grade math
  {"verdict":true,"strict":true,"lenient":true,"extracted":"\\frac12","reason":"equal rational numbers","seconds":...}

A line holds "text" (the answer is taken out of it) or "pred" (it is the answer), and "gold", a text or a list of texts any of which will do.
An "id" comes back; a line that cannot be graded has "stage" error and says why. With --task NAME a line is a problem of that task, as penny task export writes it, with "text" added:

  penny task export gsm8k --split heldout | your-model-adds-text | penny grade --task gsm8k

docs/GRADING.md states what counts as equal.`
}

// gradeLine is one line of input.
type gradeLine struct {
	ID     json.RawMessage `json:"id"`
	Text   json.RawMessage `json:"text"`
	Pred   json.RawMessage `json:"pred"`
	Gold   json.RawMessage `json:"gold"`
	Lang   string          `json:"lang"`
	Tokens int             `json:"tokens"`
}

// gradeResult is one line of output.
type gradeResult struct {
	ID        json.RawMessage `json:"id,omitempty"`
	Verdict   bool            `json:"verdict"`
	Strict    bool            `json:"strict"`
	Lenient   bool            `json:"lenient"`
	Extracted string          `json:"extracted"`
	Reason    string          `json:"reason"`
	Seconds   float64         `json:"seconds"`
	Stage     string          `json:"stage,omitempty"`
	Reward    float64         `json:"reward"`
	Parts     []task.Part     `json:"parts,omitempty"`
	Check     string          `json:"check,omitempty"`
}

func (c *gradeCmd) Run() error {
	if c.Jobs < 0 {
		return fmt.Errorf("--jobs %d: want 0 or more", c.Jobs)
	}
	if len(c.Options) != 1 || c.Options[0] < 'A' || c.Options[0] > 'J' {
		return fmt.Errorf("--options %q: want a letter from A to J", c.Options)
	}
	if (c.Grader == "task") != (c.Task != "") {
		return hinted{errors.New("want a grader or --task"), "penny grade math, or penny grade --task gsm8k"}
	}
	if c.Task != "" {
		w, err := openTask(c.Task, c.Data)
		if err != nil {
			return err
		}
		defer w.close()
		c.whole = w
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	err := errors.Join(c.stream(os.Stdin, out, newProgress(os.Stderr)), out.Flush())
	if c.Check && c.disagreed[0] > 0 {
		fmt.Fprintf(os.Stderr, "second checker: %d lines decided, %d otherwise than the grader (%.2f %%)\n",
			c.disagreed[0], c.disagreed[1], 100*float64(c.disagreed[1])/float64(c.disagreed[0]))
	}
	return err
}

// stream grades lines on all cores and writes the results in the order of the input.
func (c *gradeCmd) stream(in io.Reader, out io.Writer, bar *progress) error {
	err := gradeLines(in, out, c.Jobs, bar, c.gradeOne, c.count)
	var bad *json.SyntaxError
	if errors.As(err, &bad) || errors.Is(err, errLine) {
		hint := `a line is {"text": "...", "gold": "..."} or {"pred": "...", "gold": "..."}`
		if c.whole != nil {
			hint = `a line is one of penny task export with "text" added`
		}
		return hinted{err, hint}
	}
	return err
}

// errLine is wrapped by errors about what a line lacks.
var errLine = errors.New("no line to grade")

func (r gradeResult) right() bool { return r.Verdict }

func (r gradeResult) without(err error) gradeResult {
	return gradeResult{ID: r.ID, Stage: "error", Reason: err.Error()}
}

func (c *gradeCmd) count(r gradeResult) {
	if r.Check == check.Equal.String() || r.Check == check.Different.String() {
		c.disagreed[0]++
		if (r.Check == check.Equal.String()) != r.Lenient {
			c.disagreed[1]++
		}
	}
}

func (c *gradeCmd) gradeOne(line []byte) (gradeResult, error) {
	if c.whole != nil {
		return c.whole.one(line)
	}
	var l gradeLine
	if err := json.Unmarshal(line, &l); err != nil {
		return gradeResult{ID: l.ID}, err
	}
	start := time.Now()
	v, gold, err := c.verdict(l)
	if err != nil {
		return gradeResult{ID: l.ID}, err
	}
	r := resultOf(l.ID, v, start)
	if c.Check && (c.Grader == "math" || c.Grader == "gsm8k") && v.Extracted != "" {
		r.Check = check.Compare(v.Extracted, mathgrade.GoldAnswer(gold)).String()
	}
	return r, nil
}

func resultOf(id json.RawMessage, v task.Verdict, start time.Time) gradeResult {
	return gradeResult{ID: id, Verdict: v.Right, Strict: v.Strict, Lenient: v.Lenient, Extracted: v.Extracted, Reason: v.Reason, Stage: v.Stage,
		Reward: v.Reward, Parts: v.Parts, Seconds: time.Since(start).Seconds()}
}

// verdict runs the grader; of several golds the first that accepts counts, else the last.
func (c *gradeCmd) verdict(l gradeLine) (task.Verdict, string, error) {
	text, given, err := answerOf(l)
	if err != nil {
		return task.Verdict{}, "", err
	}
	switch c.Grader {
	case "format":
		return textgrade.Format(text, textgrade.FormatOptions{Think: c.Think, Tag: c.Tag, Box: c.Box}), "", nil
	case "language":
		lang := l.Lang
		if lang == "" {
			lang = c.Lang
		}
		v, err := textgrade.Language(text, lang, c.Share)
		return v, "", err
	case "length":
		v, err := textgrade.Length(text, textgrade.LengthOptions{Unit: c.Unit, Min: c.Min, Max: c.Max, Buffer: c.Buffer, Tokens: l.Tokens})
		return v, "", err
	case "repetition":
		v, err := textgrade.Repetition(text, textgrade.RepetitionOptions{N: c.NGram, Floor: c.Floor, MinRuns: c.Runs})
		return v, "", err
	}
	golds, err := jsonTexts(l.Gold)
	if err != nil || len(golds) == 0 {
		return task.Verdict{}, "", fmt.Errorf(`%w: "gold": want a text or a list of texts (%v)`, errLine, err)
	}
	var v task.Verdict
	for _, gold := range golds {
		if v = c.against(text, gold, given); v.Right {
			return v, gold, nil
		}
	}
	return v, golds[len(golds)-1], nil
}

func (c *gradeCmd) against(text, gold string, given bool) task.Verdict {
	o := mathgrade.Options{Strict: c.Strict}
	switch {
	case c.Grader == "choice":
		return mathgrade.Choice(text, gold, c.Options[0], o)
	case c.Grader == "gsm8k":
		return mathgrade.GSM8K(text, gold, given, o)
	case given:
		return mathgrade.Answer(text, gold, o)
	}
	return mathgrade.Grade(text, gold, o)
}

// answerOf is the text of a line, and whether it is an answer already taken out.
func answerOf(l gradeLine) (text string, given bool, err error) {
	raw := l.Text
	if raw == nil {
		raw, given = l.Pred, true
	}
	if raw == nil {
		return "", false, fmt.Errorf(`%w: neither "text" nor "pred"`, errLine)
	}
	all, err := jsonTexts(raw)
	return strings.Join(all, ", "), given, err
}

// jsonTexts reads a string, a number, null, or a list of them.
func jsonTexts(raw json.RawMessage) ([]string, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, x := range list {
		switch x := x.(type) {
		case nil:
			out = append(out, "")
		case string:
			out = append(out, x)
		case json.Number:
			out = append(out, x.String())
		case bool:
			out = append(out, fmt.Sprint(x))
		default:
			return nil, fmt.Errorf("%T where a text belongs", x)
		}
	}
	return out, nil
}

// progress shows a count on a terminal, a few times a second.
type progress struct {
	w     *os.File
	start time.Time
	last  time.Time
}

func newProgress(w *os.File) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, start: time.Now()}
}

func (p *progress) show(total, right int) {
	if p.w == nil || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	p.print(total, right)
}

func (p *progress) print(total, right int) {
	const width = 30
	full := width * right / max(total, 1)
	fmt.Fprintf(p.w, "\r[%s%s] %d graded, %d right (%.1f %%), %.0f a second ", strings.Repeat("#", full), strings.Repeat(".", width-full),
		total, right, 100*float64(right)/float64(max(total, 1)), float64(total)/time.Since(p.start).Seconds())
}

func (p *progress) end(total, right int) {
	if p.w != nil && total > 0 {
		p.print(total, right)
		fmt.Fprintln(p.w)
	}
}
