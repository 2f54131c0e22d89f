package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// spmWords cuts before each run of ▁. It changes nothing but speed for a vocabulary that is wordwise.
type spmWords struct{}

func (spmWords) split(piece string, start bool, next func(string, bool)) {
	if !utf8.ValidString(piece) { // an invalid byte may take part of a ▁ with it
		next(piece, start)
		return
	}
	for piece != "" {
		i := 0
		for strings.HasPrefix(piece[i:], spmSpace) {
			i += len(spmSpace)
		}
		if k := strings.Index(piece[i:], spmSpace); k >= 0 {
			i += k
		} else {
			i = len(piece)
		}
		next(piece[:i], start)
		piece, start = piece[i:], false
	}
}
