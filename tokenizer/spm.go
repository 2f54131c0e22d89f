package tokenizer

import (
	"fmt"
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

// spmNormalizer is what SentencePiece does to text: the character map, white space, the dummy prefix. User-defined symbols go through as they
// are.
type spmNormalizer struct {
	model *spmModel
	chars *charsmap // nil: none
	user  matcher
	mark  string // what a space becomes
}

func (m *spmModel) normalizer(user []addedToken) (normalizer, error) {
	n := &spmNormalizer{model: m, mark: " "}
	if m.escape {
		n.mark = spmSpace
	}
	var err error
	if n.user, err = newMatcher(user); err != nil {
		return nil, err
	}
	if len(m.charsmap) > 0 {
		if n.chars, err = parseCharsmap(m.charsmap); err != nil {
			return nil, fmt.Errorf("precompiled_charsmap: %w", err)
		}
	}
	return n.normalize, nil
}

// prefix returns what the beginning of s becomes, and its length.
func (n *spmNormalizer) prefix(s string) (to string, size int) {
	if tok := n.user.at(s); tok != nil {
		return tok.text, len(tok.text)
	}
	if n.chars != nil {
		if to, size, ok := n.chars.prefix(s); ok {
			return to, size
		}
	}
	_, size = utf8.DecodeRuneInString(s)
	return s[:size], size
}

func (n *spmNormalizer) normalize(s string) string {
	m := n.model
	for m.removeSpaces && s != "" {
		to, size := n.prefix(s)
		if to != " " {
			break
		}
		s = s[size:]
	}
	if s == "" {
		return ""
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	if m.dummyPrefix && !m.spaceSuffix {
		b.WriteString(n.mark)
	}
	spaced := m.removeSpaces // a space just before: leave out more
	for s != "" {
		to, size := n.prefix(s)
		s = s[size:]
		for spaced && strings.HasPrefix(to, " ") {
			to = to[1:]
		}
		if to == "" {
			continue
		}
		spaced = m.removeSpaces && strings.HasSuffix(to, " ")
		if m.escape && strings.Contains(to, " ") {
			to = strings.ReplaceAll(to, " ", spmSpace)
		}
		b.WriteString(to)
	}
	out := b.String()
	if m.removeSpaces { // also a ▁ that stood in the text
		for strings.HasSuffix(out, n.mark) {
			out = out[:len(out)-len(n.mark)]
		}
	}
	if m.dummyPrefix && m.spaceSuffix {
		out += n.mark
	}
	return out
}
