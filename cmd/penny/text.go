package main

import (
	"strings"

	"github.com/pennyml/penny/tokenizer"
)

// textStream turns sampled ids into text as they come: whole UTF-8 only, and nothing that may yet become a stop string.
type textStream struct {
	tok  *tokenizer.Tokenizer
	dec  *tokenizer.Decoder
	mark func(id int32) bool // special tokens that are shown all the same, because they mark thoughts
	stop []string
	held string // the end of the text that is still kept back
	buf  []byte
	hit  bool // a stop string came
}

func newTextStream(t *tokenizer.Tokenizer, stop []string, mark func(int32) bool) *textStream {
	return &textStream{tok: t, dec: t.NewDecoder(false), stop: stop, mark: mark}
}

// add returns the text that id lets out, and whether a stop string has ended it.
func (s *textStream) add(id int32) (text string, stopped bool) {
	if s.tok.IsSpecial(id) && !s.mark(id) {
		return "", false
	}
	s.buf = s.dec.Append(s.buf[:0], id)
	return s.push(string(s.buf), false)
}

// flush returns what was kept back.
func (s *textStream) flush() string {
	if s.hit {
		return ""
	}
	text, _ := s.push(string(s.dec.Flush(nil)), true)
	return text
}

func (s *textStream) push(piece string, last bool) (text string, stopped bool) {
	all := s.held + piece
	first := -1
	for _, stop := range s.stop {
		if i := strings.Index(all, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		s.held, s.hit = "", true
		return all[:first], true
	}
	keep := 0
	if !last {
		for _, stop := range s.stop {
			keep = max(keep, overlap(all, stop))
		}
	}
	s.held = all[len(all)-keep:]
	return all[:len(all)-keep], false
}

// overlap is the length of the longest end of text that begins stop.
func overlap(text, stop string) int {
	for n := min(len(text), len(stop)-1); n > 0; n-- {
		if strings.HasSuffix(text, stop[:n]) {
			return n
		}
	}
	return 0
}
