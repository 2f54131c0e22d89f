// Package textgrade grades the form of a model's text: format, language, length and repetition. Each grader gives a value in [0, 1] with
// its parts and the reason in words, and looks at nothing but the text.
package textgrade

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/mathgrade"
)

// verdict is right when value reaches threshold; strict only when nothing at all is amiss.
func verdict(stage string, value, threshold float64, reason string, parts ...task.Part) task.Verdict {
	return task.Verdict{Right: value >= threshold, Lenient: value >= threshold, Strict: value == 1, Stage: stage, Reason: reason, Reward: value, Parts: parts}
}

// FormatOptions say what form a text must have.
type FormatOptions struct {
	Think bool // one <think>...</think> before the answer; an opening tag that the prompt already gave may be missing
	Tag   bool // one <answer>...</answer>
	Box   bool // a \boxed answer outside the thinking
}

// Format checks the form of a text. The parts weigh the same; the verdict needs them all.
func Format(text string, o FormatOptions) task.Verdict {
	var parts []task.Part
	add := func(name string, problem string) {
		p := task.Part{Name: name, Weight: 1, Reason: problem}
		if problem == "" {
			p.Value, p.Reason = 1, "as asked"
		}
		parts = append(parts, p)
	}
	rest := text
	if o.Think {
		var problem string
		rest, problem = splitThink(text)
		add("think", problem)
	}
	if o.Tag {
		add("answer tag", oneTag(rest))
	}
	if o.Box {
		problem := ""
		if _, ok := mathgrade.LastBox(rest); !ok {
			problem = "no closed \\boxed answer after the thinking"
		}
		add("box", problem)
	}
	if strings.TrimSpace(rest) == "" {
		add("answer", "nothing after the thinking")
	} else {
		add("answer", "")
	}
	value, err := task.Combine("", parts...)
	if err != nil {
		panic(err) // weights and values are ours
	}
	reason := "the text has the form asked for"
	for _, p := range parts {
		if p.Value == 0 {
			reason = p.Reason
			break
		}
	}
	return verdict("format", value, 1, reason, parts...)
}

// splitThink parts the thinking from what follows and says what is wrong with the tags.
func splitThink(text string) (rest, problem string) {
	opens, closes := strings.Count(text, "<think>"), strings.Count(text, "</think>")
	end := strings.LastIndex(text, "</think>")
	switch {
	case closes == 0:
		return "", "the thinking does not close"
	case closes > 1 || opens > 1:
		problem = "more than one thinking tag"
	case opens == 1 && strings.Index(text, "<think>") > end:
		problem = "the thinking closes before it opens"
	case opens == 1 && strings.TrimSpace(text[:strings.Index(text, "<think>")]) != "":
		problem = "text before the thinking"
	case strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text[:end]), "<think>")) == "":
		problem = "the thinking is empty"
	}
	return text[end+len("</think>"):], problem
}

func oneTag(text string) string {
	opens, closes := strings.Count(text, "<answer>"), strings.Count(text, "</answer>")
	switch {
	case opens != 1 || closes != 1:
		return fmt.Sprintf("%d opening and %d closing answer tags, want one of each", opens, closes)
	case strings.Index(text, "<answer>") > strings.Index(text, "</answer>"):
		return "the answer tag closes before it opens"
	}
	return ""
}

// LengthOptions bound a length in Unit: "chars", "words", or "tokens" where the caller counts them. Zero means no bound.
type LengthOptions struct {
	Unit     string
	Min, Max int
	Buffer   int // the reward falls from 1 to 0 over the last Buffer units before Max
	Tokens   int
}

// Length grades how long a text is: 1 up to Max-Buffer, then falling to 0 at Max; below Min it is length/Min.
func Length(text string, o LengthOptions) (task.Verdict, error) {
	var n int
	switch o.Unit {
	case "", "chars":
		n = utf8.RuneCountInString(text)
	case "words":
		n = len(strings.Fields(text))
	case "tokens":
		n = o.Tokens
	default:
		return task.Verdict{}, fmt.Errorf("length unit %q: want chars, words or tokens", o.Unit)
	}
	if o.Min < 0 || o.Max < 0 || o.Buffer < 0 || o.Max > 0 && (o.Min > o.Max || o.Buffer > o.Max) {
		return task.Verdict{}, fmt.Errorf("length bounds min %d, max %d, buffer %d do not fit together", o.Min, o.Max, o.Buffer)
	}
	value, reason := 1.0, fmt.Sprintf("%d is within the bounds", n)
	switch {
	case n < o.Min:
		value, reason = float64(n)/float64(o.Min), fmt.Sprintf("%d is less than %d", n, o.Min)
	case o.Max > 0 && n >= o.Max && o.Buffer > 0 || o.Max > 0 && n > o.Max:
		value, reason = 0, fmt.Sprintf("%d reaches the limit of %d", n, o.Max)
	case o.Max > 0 && n > o.Max-o.Buffer:
		value, reason = float64(o.Max-n)/float64(o.Buffer), fmt.Sprintf("%d is in the last %d before the limit", n, o.Buffer)
	}
	v := verdict("length", value, 1, reason, task.Part{Name: "length", Weight: 1, Value: value})
	v.Extracted = fmt.Sprint(n)
	return v, nil
}
