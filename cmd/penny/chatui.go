package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/pennyml/penny/chat"
)

// answerer answers conversations: the engine behind penny chat.
type answerer interface {
	// Answer answers the last message, piece by piece through emit, and returns when it is done. A cancelled ctx ends the answer early; what was emitted
	// counts, and the error is then ctx.Err() or nil. The call may come from another goroutine each time, but never from two at once.
	Answer(ctx context.Context, messages []chat.Message, s chatSettings, emit func(kind chat.Kind, text string)) (answerStats, error)
}

// chatSettings is what the user can change between answers.
type chatSettings struct {
	Temp float64
	Seed uint64
}

// answerStats is what one answer took.
type answerStats struct {
	PromptTokens    int           // of the whole conversation
	PrefilledTokens int           // of those, not known from the turns before
	AnswerTokens    int           // reasoning included
	Prefill, Decode time.Duration // wall time
	Used, Context   int           // tokens in the context now, and room
	Finish          string        // "stop", "length", ...
}

// conversation is a chat apart from how it is shown.
type conversation struct {
	answers  answerer
	name     string // of the model
	system   string
	turns    []chat.Message // without the system message
	settings chatSettings
	folded   bool // thoughts are not shown
	last     answerStats
	answered int // answers so far
}

// chatOptions is what penny chat is started with.
type chatOptions struct {
	Name     string // of the model, for the status line
	System   string
	Settings chatSettings
	Folded   bool
	Home     string // cache folder, for the history; empty: none is kept
}

// runChat talks to the user on the terminal, or line by line where input or output is none, until the user leaves.
func runChat(answers answerer, o chatOptions) error {
	c := &conversation{answers: answers, name: o.Name, system: o.System, settings: o.Settings, folded: o.Folded}
	if !isTerminal(os.Stdin) || !isTerminal(os.Stdout) || os.Getenv("TERM") == "dumb" {
		return plainChat(c, os.Stdin, os.Stdout, os.Stderr, interrupts)
	}
	h, err := openHistory(o.Home)
	if err != nil {
		fmt.Fprintln(os.Stderr, "penny: warning: no history:", err)
	}
	return terminalChat(c, h)
}

// messages is the conversation with a question at its end.
func (c *conversation) messages(question string) []chat.Message {
	var list []chat.Message
	if c.system != "" {
		list = append(list, chat.Message{Role: "system", Content: c.system})
	}
	list = append(list, c.turns...)
	return append(list, chat.Message{Role: "user", Content: question})
}

// reply is how a question ended.
type reply struct {
	question          string
	reasoning, answer strings.Builder
	stats             answerStats
	err               error
}

// ask puts a question and waits for the answer. It does not change the conversation, so it can run beside it.
func ask(ctx context.Context, answers answerer, messages []chat.Message, s chatSettings, emit func(kind chat.Kind, text string)) *reply {
	o := &reply{question: messages[len(messages)-1].Content}
	o.stats, o.err = answers.Answer(ctx, messages, s, func(kind chat.Kind, text string) {
		switch kind {
		case chat.Reasoning:
			o.reasoning.WriteString(text)
		case chat.Answer:
			o.answer.WriteString(text)
		}
		emit(kind, text)
	})
	return o
}

// conclude takes question and answer into the conversation. A failed question leaves it as it was; a stopped one keeps what came.
func (c *conversation) conclude(o *reply) error {
	stopped := errors.Is(o.err, context.Canceled)
	if o.err != nil && !stopped || o.reasoning.Len()+o.answer.Len() == 0 {
		if stopped {
			return nil
		}
		return o.err
	}
	c.turns = append(c.turns, chat.Message{Role: "user", Content: o.question},
		chat.Message{Role: "assistant", Content: o.answer.String(), Reasoning: o.reasoning.String()})
	c.last = o.stats
	c.answered++
	return nil
}

// line is the one-line account of an answer.
func (s answerStats) line() string {
	line := fmt.Sprintf("prompt %d tokens", s.PrefilledTokens)
	if s.Prefill > 0 {
		line += fmt.Sprintf(" at %.1f/s", rate(s.PrefilledTokens, s.Prefill.Seconds()))
	}
	line += fmt.Sprintf("; answer %d tokens at %.1f/s", s.AnswerTokens, rate(s.AnswerTokens, s.Decode.Seconds()))
	if s.Context > 0 {
		line += fmt.Sprintf("; context %d of %d", s.Used, s.Context)
	}
	if s.Finish != "" && s.Finish != "stop" {
		line += "; ended by " + s.Finish
	}
	return line
}

// printable removes what could steer the terminal from a model's output: control characters but line breaks, and tabs become blanks.
func printable(text string) string {
	clean := func(r rune) rune {
		if r == '\n' || !unicode.IsControl(r) && r != '\u2028' && r != '\u2029' && !isBidi(r) {
			return r
		}
		return -1
	}
	return strings.Map(clean, strings.ReplaceAll(text, "\t", "    "))
}

// isBidi tells the characters that reverse the order of what follows.
func isBidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// continued joins a line that ends in a backslash with what follows: it reports whether more lines are to come.
func continued(line string) (text string, more bool) {
	if text, ok := strings.CutSuffix(line, `\`); ok {
		return text + "\n", true
	}
	return line, false
}

// transcript writes the conversation as text.
func (c *conversation) transcript(w io.Writer) error {
	var b strings.Builder
	if c.system != "" {
		fmt.Fprintf(&b, "## System\n\n%s\n\n", c.system)
	}
	for _, m := range c.turns {
		fmt.Fprintf(&b, "## %s\n\n", strings.ToUpper(m.Role[:1])+m.Role[1:])
		if m.Reasoning != "" {
			fmt.Fprintf(&b, "> %s\n\n", strings.ReplaceAll(m.Reasoning, "\n", "\n> "))
		}
		fmt.Fprintf(&b, "%s\n\n", m.Content)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
