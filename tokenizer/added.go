package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token recognised in running text before the model sees it.
type addedToken struct {
	text                              string // what is looked for
	name                              string // what the file calls it: text before it was normalised
	id                                int32
	special                           bool // a control token
	singleWord, leftStrip, rightStrip bool
}

// added holds the tokens looked for in the text as it is and in its normalised form.
type added struct {
	raw, normalized matcher
}

// find returns the added token of this name, or nil.
func (a *added) find(name string) *addedToken {
	for _, m := range []*matcher{&a.raw, &a.normalized} {
		for i := range m.tokens {
			if m.tokens[i].name == name {
				return &m.tokens[i]
			}
		}
	}
	return nil
}

// matcher finds added tokens, leftmost first and the longest of those that start at one place.
type matcher struct {
	tokens []addedToken  // by text
	first  [256][2]int32 // range of tokens by first byte
	bytes  string        // the distinct first bytes
}

func newMatcher(tokens []addedToken) (m matcher, err error) {
	m.tokens = tokens
	slices.SortFunc(m.tokens, func(a, b addedToken) int { return cmp.Compare(a.text, b.text) })
	for i, tok := range m.tokens {
		if tok.name == "" {
			m.tokens[i].name = tok.text
		}
		if tok.text == "" {
			return m, fmt.Errorf("added token %d is empty", tok.id)
		}
		if i > 0 && tok.text == m.tokens[i-1].text {
			return m, fmt.Errorf("added tokens %d and %d are both %q", m.tokens[i-1].id, tok.id, tok.text)
		}
		b := tok.text[0]
		if m.first[b][1] == 0 {
			m.first[b][0] = int32(i)
			m.bytes += tok.text[:1]
		}
		m.first[b][1] = int32(i + 1)
	}
	return m, nil
}

// find returns the first added token at or after byte i, or nil.
func (m *matcher) find(s string, i int) (tok *addedToken, lo int) {
	if len(m.bytes) == 0 {
		return nil, len(s)
	}
	for ; i < len(s); i++ {
		if len(m.bytes) == 1 {
			k := strings.IndexByte(s[i:], m.bytes[0])
			if k < 0 {
				break
			}
			i += k
		}
		if m.first[s[i]][1] != 0 {
			if tok := m.longest(s[i:]); tok != nil {
				return tok, i
			}
		}
	}
	return nil, len(s)
}

// at returns the longest token that s starts with, or nil.
func (m *matcher) at(s string) *addedToken {
	if s == "" || m.first[s[0]][1] == 0 {
		return nil
	}
	return m.longest(s)
}

// longest returns the longest token that s starts with, or nil.
func (m *matcher) longest(s string) (best *addedToken) {
	lo, hi := int(m.first[s[0]][0]), int(m.first[s[0]][1])
	for n := 1; lo < hi; n++ { // tokens[lo:hi] start with s[:n]
		if len(m.tokens[lo].text) == n {
			best = &m.tokens[lo]
			lo++
		}
		if n == len(s) || lo == hi {
			break
		}
		b, rest := s[n], m.tokens[lo:hi]
		if rest[0].text[n] != b || rest[len(rest)-1].text[n] != b {
			base := lo
			lo = base + sort.Search(len(rest), func(i int) bool { return rest[i].text[n] >= b })
			hi = base + sort.Search(len(rest), func(i int) bool { return rest[i].text[n] > b })
		}
	}
	return best
}

// each cuts s at the added tokens in it and calls yield for every part in order: text with id none, or a token.
func (m *matcher) each(s string, special Special, yield func(part string, id int32)) {
	done := 0
	if special != SpecialText {
		for i := 0; ; {
			tok, lo := m.find(s, i)
			if tok == nil {
				break
			}
			hi := lo + len(tok.text)
			i = hi
			if tok.special && special == SpecialUser || tok.singleWord && !standsAlone(s, lo, hi) {
				continue
			}
			if tok.leftStrip {
				lo = max(done, len(strings.TrimRightFunc(s[:lo], unicode.IsSpace)))
			}
			if tok.rightStrip {
				hi = len(s) - len(strings.TrimLeftFunc(s[hi:], unicode.IsSpace))
			}
			lo = max(lo, done)
			if done < lo {
				yield(s[done:lo], none)
			}
			yield("", tok.id)
			done = max(hi, done)
		}
	}
	if done < len(s) {
		yield(s[done:], none)
	}
}

// standsAlone reports whether no word character touches s[lo:hi].
func standsAlone(s string, lo, hi int) bool {
	before, n := utf8.DecodeLastRuneInString(s[:lo])
	after, k := utf8.DecodeRuneInString(s[hi:])
	return !(n > 0 && isWord(before)) && !(k > 0 && isWord(after))
}

// isWord is \w as Unicode's regular-expression annex has it: alphabetic, mark, decimal digit, connector, join control.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Other_Alphabetic, unicode.Pc, unicode.Join_Control)
}
