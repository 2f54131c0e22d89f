package main

import "strings"

// answerSink takes sampled ids and splits their text into thoughts and answer as it comes.
type answerSink struct {
	p                 *prompt
	text              *textStream
	show              func(reasoning bool, text string)
	answer, reasoning strings.Builder
}

func newAnswerSink(p *prompt, stop []string, show func(bool, string)) *answerSink {
	s := &answerSink{p: p, show: show}
	if p.tok != nil {
		s.text = newTextStream(p.tok, stop)
	}
	return s
}

// add takes the next id and reports whether to go on.
func (s *answerSink) add(id int32) bool {
	if s.text == nil {
		return true
	}
	if s.p.isEnd != nil && s.p.isEnd(id) { // an end token is not part of the text, whatever its type
		return true
	}
	text, stopped := s.text.add(id)
	s.write(text)
	return !stopped
}

func (s *answerSink) close() {
	if s.text != nil {
		s.write(s.text.flush())
	}
}

func (s *answerSink) write(text string) {
	if text == "" {
		return
	}
	s.answer.WriteString(text)
	s.show(false, text)
}
