package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/chat/jinja"
)

// rendering is a conversation as text, with the stretches that are learnt.
type rendering struct {
	text  string
	learn []jinja.Span
	exact bool // the template itself marks what is learnt
}

// conversation makes the sequences of a conversation. What is learnt are the assistant's messages, from the end of the prompt that opens them to the
// token that ends the turn; where a template marks them by {% generation %}, exactly what is marked.
func (e *encoder) conversation(r *Record) ([]Sequence, error) {
	if e.Template == nil {
		return nil, errors.New("a conversation, but the model has no chat template")
	}
	var answers []int
	for i := r.From; i < len(r.Messages); i++ {
		if r.Messages[i].Role == assistant {
			answers = append(answers, i)
		}
	}
	if len(answers) == 0 {
		return []Sequence{{}}, nil
	}
	last := answers[len(answers)-1]
	switch {
	case e.turns == "last":
		answers = answers[len(answers)-1:]
	case e.turns != "each":
		whole, err := e.all(r, answers)
		if err == nil {
			return []Sequence{e.label(whole)}, nil
		}
		var changed changedError
		if e.turns == "all" || len(answers) == 1 || !errors.As(err, &changed) {
			return nil, fmt.Errorf("messages[%d]: %w", last, err)
		}
	}
	var out []Sequence
	for _, i := range answers {
		t, err := e.turn(r, i)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		out = append(out, e.label(t))
	}
	return out, nil
}

// changedError says that a template shows an earlier part of a conversation in another way once more follows.
type changedError struct{ message int }

func (c changedError) Error() string {
	return fmt.Sprintf("the chat template changes messages[%d] once others follow it (as those do that drop earlier reasoning), so the answers cannot "+
		"be learnt in one document: turns: each or last", c.message)
}

// render shows the first n messages.
func (e *encoder) render(r *Record, n int, prompt bool) (jinja.Result, error) {
	return e.Template.RenderMarked(chat.Request{Messages: r.Messages[:n], Tools: r.Tools, AddGenerationPrompt: prompt, Vars: r.Vars})
}

// all shows a conversation as one document in which all answers are learnt.
func (e *encoder) all(r *Record, answers []int) (rendering, error) {
	last := answers[len(answers)-1]
	whole, err := e.render(r, last+1, false)
	if err != nil {
		return rendering{}, err
	}
	if len(whole.Generated) > 0 {
		return e.marked(r, r.From, whole)
	}
	out := rendering{text: whole.Text}
	for _, i := range answers {
		t, err := e.turn(r, i)
		if err != nil {
			return rendering{}, err
		}
		// What follows an end of turn, such as a line break, may be written with the next message.
		if !strings.HasPrefix(whole.Text, strings.TrimRight(t.text, blanks)) {
			return rendering{}, changedError{i}
		}
		out.learn = append(out.learn, t.learn...)
	}
	for i := range out.learn {
		out.learn[i].End = min(out.learn[i].End, len(out.text))
	}
	return out, nil
}

const blanks = " \t\r\n"

// turn shows a conversation up to an answer, which is learnt.
func (e *encoder) turn(r *Record, answer int) (rendering, error) {
	full, err := e.render(r, answer+1, false)
	if err != nil {
		return rendering{}, err
	}
	if len(full.Generated) > 0 {
		return e.marked(r, answer, full)
	}
	prompt, err := e.render(r, answer, true)
	if err != nil {
		return rendering{}, fmt.Errorf("the prompt before it: %w", err)
	}
	start := len(prompt.Text)
	if !strings.HasPrefix(full.Text, prompt.Text) {
		// A prompt may open the reasoning, which the answer then shows in another way or not at all.
		start = -1
		if open := e.Template.Format().Open; open != "" {
			start = strings.LastIndex(prompt.Text, open)
		}
		if start < 0 || !strings.HasPrefix(full.Text, prompt.Text[:start]) {
			return rendering{}, errors.New("the chat template shows it in such a way that it does not begin with the prompt for it, so where the answer begins " +
				"cannot be told: mark it with {% generation %} in the template")
		}
	}
	return rendering{text: full.Text, learn: []jinja.Span{{Start: start, End: len(full.Text)}}}, nil
}

// marked takes what a template marks in the messages from one on.
func (e *encoder) marked(r *Record, from int, full jinja.Result) (rendering, error) {
	out := rendering{text: full.Text, exact: true}
	start := 0
	if from > 0 {
		before, err := e.render(r, from, false)
		if err != nil {
			return out, fmt.Errorf("what comes before it: %w", err)
		}
		start = commonPrefix(before.Text, full.Text)
	}
	for _, g := range full.Generated {
		if g.End > start {
			out.learn = append(out.learn, jinja.Span{Start: max(g.Start, start), End: g.End})
		}
	}
	return out, nil
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// label makes tokens of a rendered conversation.
func (e *encoder) label(r rendering) Sequence {
	s := e.learn(r.text, r.learn, Chat)
	if r.exact {
		return s
	}
	n := len(s.IDs)
	for t := range n {
		if s.Labels[t] != Ignore && (t+1 == n || s.Labels[t+1] == Ignore) {
			e.trim(s, t)
		}
	}
	if e.eos && !slices.ContainsFunc(s.IDs[max(0, n-2):], e.ends) { // a template that does not end turns
		s.IDs, s.Labels = append(s.IDs, e.roles.EOS), append(s.Labels, e.roles.EOS)
	}
	return s
}

// trim takes from what is learnt, up to token t, the blanks after the end of a turn: no model is to write them.
func (e *encoder) trim(s Sequence, t int) {
	from := t
	for from >= 0 && s.Labels[from] != Ignore && strings.Trim(string(e.Tokenizer.TokenBytes(s.IDs[from])), blanks) == "" {
		from--
	}
	if from < 0 || s.Labels[from] == Ignore || !e.ends(s.IDs[from]) {
		return
	}
	for i := from + 1; i <= t; i++ {
		s.Labels[i] = Ignore
	}
}

// ends says whether a token is of those that end a turn.
func (e *encoder) ends(id int32) bool {
	return e.Tokenizer.IsSpecial(id) || slices.Contains(e.roles.EOG, id)
}

// pair makes the sequence of a prompt and its completion, which is learnt.
func (e *encoder) pair(r *Record) ([]Sequence, error) {
	text := r.Prompt + r.Completion
	s := e.learn(text, []jinja.Span{{Start: len(r.Prompt), End: len(text)}}, Pair)
	if e.bos {
		s.IDs, s.Labels = slices.Insert(s.IDs, 0, e.roles.BOS), slices.Insert(s.Labels, 0, Ignore)
	}
	if e.eos {
		s.IDs, s.Labels = append(s.IDs, e.roles.EOS), append(s.Labels, e.roles.EOS)
	}
	return []Sequence{s}, nil
}
