// Package answer finds what a model's text gives as its answer, where that is any text and not mathematics.
package answer

import (
	"strings"

	"github.com/pennyml/penny/task/mathgrade"
)

// MaxText bounds how much of a model's text is searched for its answer.
const MaxText = 64 << 10

// Final is the answer in a model's text, after the thinking: the last <answer>, else the last box, else what follows the last "answer:" or
// "answer is" on its line, else the last line.
func Final(text string) string {
	text = Spoken(text)
	if i := strings.LastIndex(text, "<answer>"); i >= 0 {
		s, _, closed := strings.Cut(text[i+len("<answer>"):], "</answer>")
		if closed {
			return strings.TrimSpace(s)
		}
	}
	if s, ok := mathgrade.LastBox(text); ok {
		return strings.TrimSpace(s)
	}
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	if len(lower) == len(text) {
		for _, phrase := range []string{"answer:", "answer is"} {
			if i := strings.LastIndex(lower, phrase); i >= 0 {
				s, _, _ := strings.Cut(strings.TrimSpace(strings.TrimLeft(text[i+len(phrase):], " :*")), "\n\n")
				return strings.TrimSpace(s)
			}
		}
	}
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// Spoken is what follows the thinking: everything after the last </think>, at most the last MaxText bytes.
func Spoken(text string) string {
	if i := strings.LastIndex(text, "</think>"); i >= 0 {
		text = text[i+len("</think>"):]
	}
	return strings.ToValidUTF8(text[max(0, len(text)-MaxText):], "")
}
