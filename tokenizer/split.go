package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stage is one step of a pre-tokenizer: it cuts a piece and passes the parts on in order. start says that the piece is the beginning of the
// text. Parts may be empty; the model is never asked for those.
type stage interface {
	split(piece string, start bool, next func(part string, start bool))
}

// behavior says what becomes of the parts of a split, in the terms of tokenizer.json.
type behavior uint8

const (
	isolated behavior = iota
	removed
	mergedWithPrevious
	mergedWithNext
	contiguous
)

func parseBehavior(s string) (behavior, error) {
	switch strings.ToLower(s) {
	case "isolated":
		return isolated, nil
	case "removed":
		return removed, nil
	case "mergedwithprevious":
		return mergedWithPrevious, nil
	case "mergedwithnext":
		return mergedWithNext, nil
	case "contiguous":
		return contiguous, nil
	}
	return 0, fmt.Errorf("unknown split behavior %q", s)
}

// splitter cuts at the matches of a pattern.
type splitter struct {
	find     pattern
	behavior behavior
	invert   bool // what the pattern does not match counts as the match
}

func (sp *splitter) split(piece string, start bool, next func(string, bool)) {
	t := text{piece, classes()}
	if sp.behavior != isolated {
		for _, p := range sp.parts(t) {
			next(piece[p.lo:p.hi], start && p.lo == 0)
		}
		return
	}
	find, done := sp.find.on(piece)
	for i, from := 0, 0; i < len(piece); {
		lo, hi := find(t, from)
		if lo > i {
			next(piece[i:lo], start && i == 0)
		}
		i, from = lo, hi
		if hi > lo {
			next(piece[lo:hi], start && lo == 0)
			i = hi
		} else { // an empty match only cuts
			_, width, _ := t.at(lo)
			from += width
		}
	}
	done()
}

type span struct {
	lo, hi int
	match  bool
}

// parts lists what is left of t after the behaviour is applied.
func (sp *splitter) parts(t text) []span {
	var all []span
	find, done := sp.find.on(t.s)
	for i, from := 0, 0; i < len(t.s); {
		lo, hi := find(t, from)
		if lo > i {
			all = append(all, span{i, lo, sp.invert})
		}
		i, from = lo, hi
		if hi > lo {
			all = append(all, span{lo, hi, !sp.invert})
			i = hi
		} else {
			_, width, _ := t.at(lo)
			from += width
		}
	}
	done()
	out := all[:0]
	previous := false
	switch sp.behavior {
	case removed:
		for _, p := range all {
			if !p.match {
				out = append(out, p)
			}
		}
	case contiguous, mergedWithPrevious:
		for _, p := range all {
			joins := p.match && !previous
			if sp.behavior == contiguous {
				joins = p.match == previous
			}
			previous = p.match
			if joins && len(out) > 0 {
				out[len(out)-1].hi = p.hi
			} else {
				out = append(out, p)
			}
		}
	case mergedWithNext:
		for i := len(all) - 1; i >= 0; i-- {
			p := all[i]
			if joins := p.match && !previous; joins && i+1 < len(all) {
				all[i+1].lo, all[i].hi = p.lo, p.lo // the part after takes it over
				all[i].lo = p.lo
			}
			previous = p.match
		}
		for _, p := range all {
			if p.hi > p.lo {
				out = append(out, p)
			}
		}
	}
	return out
}

// single finds one character with a property.
func single(in func(r rune) bool) finder {
	return func(t text, i int) (int, int) {
		for i < len(t.s) {
			r, width, _ := t.at(i)
			if in(r) {
				return i, i + width
			}
			i += width
		}
		return i, i
	}
}

// runs finds a run of characters with a property.
func runs(in func(r rune) bool) finder {
	one := single(in)
	return func(t text, i int) (int, int) {
		lo, hi := one(t, i)
		for hi < len(t.s) {
			r, width, _ := t.at(hi)
			if !in(r) {
				break
			}
			hi += width
		}
		return lo, hi
	}
}

// literal finds a fixed string.
func literal(s string) finder {
	return func(t text, i int) (int, int) {
		if k := strings.Index(t.s[i:], s); k >= 0 {
			return i + k, i + k + len(s)
		}
		return len(t.s), len(t.s)
	}
}

// words is \w+|[^\w\s]+
func words(t text, i int) (int, int) {
	const w, other = 1, 2
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return w
		case unicode.IsSpace(r):
			return 0
		}
		return other
	}
	for i < len(t.s) {
		r, width, _ := t.at(i)
		k := kind(r)
		if k == 0 {
			i += width
			continue
		}
		return runs(func(r rune) bool { return kind(r) == k })(t, i)
	}
	return i, i
}

// isPunctuation is \p{P} and all ASCII that is neither a letter, a digit, a space nor a control character.
func isPunctuation(r rune) bool {
	c := classes()[r]
	return c&punct != 0 || r < utf8.RuneSelf && c&symbol != 0
}

// byteLevel is GPT-2's pre-tokenizer. The model works on bytes, so they are mapped to the byte-level alphabet only where something that
// follows looks at characters.
type byteLevel struct {
	prefixSpace bool
	regex       bool
	mapped      bool
}

func (b *byteLevel) split(piece string, start bool, next func(string, bool)) {
	if b.prefixSpace && !strings.HasPrefix(piece, " ") {
		piece = " " + piece
	}
	if !b.regex {
		b.pass(piece, start, next)
		return
	}
	t := text{piece, classes()}
	for i := 0; i < len(piece); {
		e := gpt2(t, i)
		b.pass(piece[i:e], start && i == 0, next)
		i = e
	}
}

func (b *byteLevel) pass(piece string, start bool, next func(string, bool)) {
	if b.mapped {
		piece = mapBytes(piece)
	}
	next(piece, start)
}

// metaspace writes spaces as another character, puts one before the text and cuts before each.
type metaspace struct {
	replacement string
	scheme      prependScheme
	cut         bool
}

type prependScheme uint8

const (
	prependAlways prependScheme = iota
	prependFirst
	prependNever
)

func (m *metaspace) split(piece string, start bool, next func(string, bool)) {
	piece = strings.ReplaceAll(piece, " ", m.replacement)
	if (m.scheme == prependAlways || m.scheme == prependFirst && start) && !strings.HasPrefix(piece, m.replacement) {
		piece = m.replacement + piece
	}
	if !m.cut {
		next(piece, start)
		return
	}
	for piece != "" {
		skip := 0
		if strings.HasPrefix(piece, m.replacement) {
			skip = len(m.replacement)
		}
		i := strings.Index(piece[skip:], m.replacement)
		if i < 0 {
			next(piece, start)
			return
		}
		next(piece[:skip+i], start)
		piece, start = piece[skip+i:], false
	}
}

// fixedLength cuts into parts of n characters.
type fixedLength struct{ n int }

func (f fixedLength) split(piece string, start bool, next func(string, bool)) {
	for piece != "" {
		i := 0
		for k := 0; k < f.n && i < len(piece); k++ {
			_, width := utf8.DecodeRuneInString(piece[i:])
			i += width
		}
		next(piece[:i], start)
		piece, start = piece[i:], false
	}
}
