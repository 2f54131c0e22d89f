// Package chat turns conversations into prompts and outputs into reasoning and answer.
//
// A Template is a model's own chat template, run by package jinja as Hugging Face runs it. Where a file has none, a plain one of the model's family stands in. A Splitter divides
// what the model writes. Token ids are none of its business: text goes in and out.
package chat

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pennyml/penny/chat/jinja"
)

// Template renders conversations for one model. It may be used from several goroutines.
type Template struct {
	// Text is the template itself.
	Text string
	// Tokens are the special tokens, which the template sees as variables.
	Tokens Tokens
	// Stops are texts that end an answer although no token of the model does; only plain fallbacks need them.
	Stops []string
	// Now is the clock of templates that print the date.
	Now func() time.Time
	// Limits bounds a rendering.
	Limits jinja.Limits

	program *jinja.Template
	probe   sync.Once
	style   style
}

// Compile parses a template. Its clock is the machine's.
func Compile(text string, tokens Tokens) (*Template, error) {
	program, err := jinja.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	return &Template{Text: text, Tokens: tokens, Now: time.Now, program: program}, nil
}

// Format is the way in which the model marks its reasoning.
func (t *Template) Format() Format { return FormatOf(t.Text) }

// Request is what a prompt is made of.
type Request struct {
	Messages            []Message
	Tools               []jinja.Value // JSON schemas in OpenAI's form; nil: none
	AddGenerationPrompt bool          // end with the opening of the assistant's turn
	Vars                *jinja.Dict   // other variables: enable_thinking, reasoning_effort, ...
}

// ThinkVars are the variables by which templates are told whether the model is to reason.
func ThinkVars(on bool) *jinja.Dict { return jinja.NewDict("enable_thinking", on, "thinking", on) }

// Render makes the prompt of a request. Messages are put into the form that the template can read: tool call arguments as object or text, content lists
// as such or as text.
func (t *Template) Render(r Request) (string, error) {
	got, err := t.RenderMarked(r)
	return got.Text, err
}

// RenderMarked is Render with the stretches that the template's {% generation %} blocks wrote.
func (t *Template) RenderMarked(r Request) (jinja.Result, error) {
	t.probe.Do(func() { t.style = t.findStyle() })
	messages := make(jinja.List, len(r.Messages))
	for i, m := range r.Messages {
		v, err := m.value(t.style)
		if err != nil {
			return jinja.Result{}, fmt.Errorf("chat: message %d: %w", i, err)
		}
		messages[i] = v
	}
	vars := jinja.NewDict("messages", messages, "add_generation_prompt", r.AddGenerationPrompt)
	if len(r.Tools) > 0 {
		vars.Set("tools", jinja.List(r.Tools))
	}
	if r.Vars != nil {
		for k, v := range r.Vars.All() {
			vars.Set(k.(string), v)
		}
	}
	return t.run(vars, t.Limits)
}

// Execute runs the template over variables as they are. Special tokens fill in for those that vars lacks.
func (t *Template) Execute(vars *jinja.Dict) (jinja.Result, error) { return t.run(vars, t.Limits) }

func (t *Template) run(vars *jinja.Dict, limits jinja.Limits) (jinja.Result, error) {
	all := &jinja.Dict{}
	for name, token := range t.Tokens {
		all.Set(name, token)
	}
	for k, v := range vars.All() {
		all.Set(k.(string), v)
	}
	got, err := t.program.Render(all, jinja.Options{Now: t.Now, Limits: limits})
	if err != nil {
		return jinja.Result{}, fmt.Errorf("chat: %w", err)
	}
	return got, nil
}

// findStyle learns by trial which forms of messages the template prints.
func (t *Template) findStyle() style {
	const needle = "penny0needle"
	prints := func(s style, want string, messages ...Message) bool {
		list := make(jinja.List, len(messages))
		for i, m := range messages {
			v, err := m.value(s)
			if err != nil {
				return false
			}
			list[i] = v
		}
		got, err := t.run(jinja.NewDict("messages", list, "add_generation_prompt", true), jinja.Limits{Steps: 500_000})
		return err == nil && strings.Contains(got.Text, want)
	}
	s := style{parts: true, reasoningKey: t.reasoningKey()}
	user := Message{Role: "user", Content: needle}
	asParts := user
	asParts.Parts = []Part{{jinja.NewDict("type", "text", "text", needle)}}
	s.parts = prints(s, needle, asParts) && !prints(s, "'"+needle+"'", asParts) && !prints(s, `"`+needle+`"`, asParts)
	s.textAsParts = s.parts && !prints(s, needle, user)
	question := Message{Role: "user", Content: "q"}
	call := Message{Role: "assistant", ToolCalls: []ToolCall{{ID: "penny0000", Name: "f", Arguments: Arguments{Object: jinja.NewDict(needle, "x")}}}}
	result := Message{Role: "tool", Content: "y", Name: "f", ToolCallID: "penny0000"}
	for _, form := range []style{{}, {argumentsAsText: true}, {nullContent: true}, {nullContent: true, argumentsAsText: true}} {
		try := s
		try.argumentsAsText, try.nullContent = form.argumentsAsText, form.nullContent
		pythonSpelling, escaped := "'"+needle+"'", `\"`+needle
		if prints(try, needle, question, call, result) && !prints(try, pythonSpelling, question, call, result) &&
			!prints(try, escaped, question, call, result) {
			return try
		}
	}
	return s
}

// reasoningKey is the field under which the template looks for past reasoning.
func (t *Template) reasoningKey() string {
	for _, key := range []string{"reasoning_content", "thinking", "reasoning"} {
		if strings.Contains(t.Text, "."+key) || strings.Contains(t.Text, "'"+key+"'") || strings.Contains(t.Text, `"`+key+`"`) {
			return key
		}
	}
	return "reasoning_content"
}
