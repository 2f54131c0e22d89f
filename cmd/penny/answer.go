package main

import (
	"slices"
	"strings"

	"github.com/pennyml/penny/chat"
)

// answerSink takes sampled ids and splits their text into thoughts and answer as it comes.
type answerSink struct {
	p     *prompt
	text  *textStream
	split *chat.Splitter
	show  func(chat.Kind, string)
	parts map[chat.Kind]*strings.Builder
}

func newAnswerSink(p *prompt, stops []string, show func(chat.Kind, string)) *answerSink {
	s := &answerSink{p: p, show: show, split: chat.NewSplitter(p.format, p.start), parts: map[chat.Kind]*strings.Builder{}}
	for _, k := range []chat.Kind{chat.Reasoning, chat.Answer, chat.Other} {
		s.parts[k] = &strings.Builder{}
	}
	if p.tok != nil {
		s.text = newTextStream(p.tok, slices.Concat(stops, p.stops), func(id int32) bool { return p.format.Marks(string(p.tok.TokenBytes(id))) })
	}
	return s
}

// add takes the next id and reports whether to go on.
func (s *answerSink) add(id int32) bool {
	if s.text == nil || s.p.isEnd != nil && s.p.isEnd(id) { // an end token is not part of the text, whatever its type
		return true
	}
	text, stopped := s.text.add(id)
	s.split.Push(text, s.emit)
	return !stopped
}

// close lets out what was kept back.
func (s *answerSink) close() {
	if s.text != nil {
		s.split.Push(s.text.flush(), s.emit)
		s.split.Close(s.emit)
	}
}

func (s *answerSink) emit(k chat.Kind, text string) {
	if text != "" {
		s.parts[k].WriteString(text)
		s.show(k, text)
	}
}
