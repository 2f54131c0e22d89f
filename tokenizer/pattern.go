package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// finder finds the first match of a regular expression at or after byte i of t. Without one both are len(t.s).
type finder func(t text, i int) (lo, hi int)

// pattern is a regular expression: written out by hand, or interpreted.
type pattern struct {
	hand finder
	re   *regex
}

// on returns the finder for one text, and what to call after use.
func (p pattern) on(s string) (find finder, done func()) {
	if p.re == nil {
		return p.hand, func() {}
	}
	m := p.re.on(s)
	return m.find, m.done
}

// The functions below are the well-known pre-tokenizer expressions written out by hand; each is held equal to its expression by the tests.

// cover turns a function that always matches at i (its expression covers every text) into a finder.
func cover(end func(t text, i int) int) finder {
	return func(t text, i int) (int, int) {
		if i >= len(t.s) {
			return len(t.s), len(t.s)
		}
		return i, end(t, i)
	}
}

// whitespace ends a match of \s+(?!\S)|\s+ at i: a run up to the end of the text whole, any other without its last character, a single
// character as it is.
func (t text) whitespace(i int) int {
	e := t.run(i, space)
	if e == len(t.s) {
		return e
	}
	_, last := utf8.DecodeLastRuneInString(t.s[i:e])
	if e-last > i {
		return e - last
	}
	return e
}

// newlines ends a match of \s*[\r\n]+ at i, or returns i: greedy \s* gives back no more than it must, so the match runs to the last
// newline of the run of white space.
func (t text) newlines(i int) int {
	for e := t.run(i, space); e > i; e-- {
		if b := t.s[e-1]; b == '\n' || b == '\r' {
			return e
		}
	}
	return i
}

// runBytes returns the end of the run from i of the ASCII characters in set.
func (t text) runBytes(i int, set string) int {
	for i < len(t.s) {
		b := t.s[i]
		in := false
		for k := 0; k < len(set); k++ {
			in = in || b == set[k]
		}
		if !in {
			break
		}
		i++
	}
	return i
}

// contraction returns the end of 's 't 're 've 'm 'll 'd at i, or i. With fold it follows (?i): any case, and ſ for s.
func (t text) contraction(i int, fold bool) int {
	if i+1 >= len(t.s) || t.s[i] != '\'' {
		return i
	}
	at := func(k int) byte {
		if k >= len(t.s) {
			return 0
		}
		if b := t.s[k]; fold && 'A' <= b && b <= 'Z' {
			return b + 'a' - 'A'
		} else {
			return b
		}
	}
	switch at(i + 1) {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		if at(i+2) == 'e' {
			return i + 3
		}
	case 'l':
		if at(i+2) == 'l' {
			return i + 3
		}
	case "ſ"[0]:
		if fold && at(i+2) == "ſ"[1] {
			return i + 3
		}
	}
	return i
}

// digits returns the end of a run of at most n numbers from i; n = 0 is no limit.
func (t text) digits(i, n int) int {
	if n == 0 {
		return t.run(i, number)
	}
	for ; n > 0; n-- {
		_, width, c := t.at(i)
		if c&number == 0 {
			break
		}
		i += width
	}
	return i
}

// gpt2 is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func gpt2(t text, i int) int {
	r, width, c := t.at(i)
	if r == '\'' {
		if e := t.contraction(i, false); e > i {
			return e
		}
	}
	j := i
	if r == ' ' {
		j++
		_, width, c = t.at(j)
	}
	switch {
	case c&anyLetter != 0:
		return t.run(j+width, anyLetter)
	case c&number != 0:
		return t.run(j+width, number)
	case width > 0 && c&space == 0:
		return t.runNot(j+width, anyLetter|number|space)
	}
	return t.whitespace(i)
}

// gpt4 are the expressions of the form
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
type gpt4 struct {
	letters  class // \p{L}, or [\p{L}\p{M}] in both places
	digits   int   // n; 0 is no limit
	endFirst bool  // \s++$ stands before \s*[\r\n]: white space at the end is one piece
}

func (g gpt4) end(t text, i int) int {
	r, width, c := t.at(i)
	if r == '\'' {
		if e := t.contraction(i, true); e > i {
			return e
		}
	}
	if c&g.letters != 0 {
		return t.run(i+width, g.letters)
	}
	if c&number != 0 {
		return t.digits(i, g.digits)
	}
	if r != '\r' && r != '\n' {
		if _, w, c := t.at(i + width); c&g.letters != 0 {
			return t.run(i+width+w, g.letters)
		}
	}
	j := i
	if r == ' ' {
		j++
		_, width, c = t.at(j)
	}
	if other := g.letters | number | space; width > 0 && c&other == 0 {
		return t.runBytes(t.runNot(j+width, other), "\r\n")
	}
	if g.endFirst && t.run(i, space) == len(t.s) {
		return len(t.s)
	}
	if e := t.newlines(i); e > i {
		return e
	}
	return t.whitespace(i)
}

// gpt4o are the expressions of the form
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
//	\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// With han, as in Kimi-K2, [\p{Han}]+ stands before all that, and the letter classes are without \p{Han}.
type gpt4o struct {
	han          bool
	contractions bool
	digits       int
	tail         string // what may follow punctuation: "\r\n/"
}

const (
	notLower = upper | letter | mark
	notUpper = lower | letter | mark
)

func (g gpt4o) end(t text, i int) int {
	r, width, c := t.at(i)
	letters := t
	if g.han {
		if han := hanSet(); r > 0x2E00 && han.has(r) {
			return i + han.end(t.s[i:])
		}
		letters.classes = lettersWithoutHan()
	}
	if e := cased(letters, i, r, width, c); e > i {
		if g.contractions {
			e = t.contraction(e, true)
		}
		return e
	}
	if c&number != 0 {
		return t.digits(i, g.digits)
	}
	j := i
	if r == ' ' {
		j++
		_, width, c = t.at(j)
	}
	if other := anyLetter | number | space; width > 0 && c&other == 0 {
		return t.runBytes(t.runNot(j+width, other), g.tail)
	}
	if e := t.newlines(i); e > i {
		return e
	}
	return t.whitespace(i)
}

// cased ends a match of the first two alternatives of gpt4o at i, where the character r of class c stands, or returns i.
func cased(t text, i int, r rune, width int, c class) int {
	if c&(upper|lower|letter) != 0 { // no prefix
		e, _ := word(t, i)
		return e
	}
	if c&number != 0 || r == '\r' || r == '\n' {
		return i
	}
	// r may be the prefix; a mark may also be part of the word. The first alternative is tried both ways before the second.
	e, first := word(t, i+width)
	if !first && c&mark != 0 {
		return i + width // [\p{Lu}...]* takes all, gives back up to this mark, the only one of [\p{Ll}...]+
	}
	if e > i+width {
		return e
	}
	return i
}

// word matches [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ at i (first is true), or else
// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*, or else returns i.
func word(t text, i int) (end int, first bool) {
	u := t.run(i, notLower)
	if e := t.run(u, notUpper); e > u {
		return e, true
	}
	for e := u; e > i; { // give back characters until one is in the second set
		r, width := utf8.DecodeLastRuneInString(t.s[i:e])
		if t.classes[r]&notUpper != 0 {
			return e, true
		}
		e -= width
	}
	return u, false
}

// signs is [\p{P}\$\+<=>\^~\|]+ with more ASCII symbols.
func signs(more string) finder {
	return func(t text, i int) (int, int) {
		in := func(i int) int {
			r, width, c := t.at(i)
			if c&punct != 0 || c&symbol != 0 && (strings.ContainsRune("$+<=>^~|", r) || strings.ContainsRune(more, r)) {
				return width
			}
			return 0
		}
		for i < len(t.s) && in(i) == 0 {
			_, width, _ := t.at(i)
			i += width
		}
		lo := i
		for i < len(t.s) && in(i) > 0 {
			i += in(i)
		}
		return lo, i
	}
}

// threeDigits is [0-9][0-9][0-9]
func threeDigits(t text, i int) (int, int) {
	run := 0
	for ; i < len(t.s); i++ {
		if b := t.s[i]; b < '0' || b > '9' {
			run = 0
		} else if run++; run == 3 {
			return i - 2, i + 1
		}
	}
	return i, i
}

// spaceEnd is \s+$, the end of a line or of the text.
func spaceEnd(t text, i int) (int, int) {
	for {
		lo := t.runNot(i, space)
		hi := t.run(lo, space)
		if hi == len(t.s) {
			return lo, hi
		}
		for p := hi - 1; p > lo; p-- { // give back up to a newline
			if t.s[p] == '\n' {
				return lo, p
			}
		}
		i = hi
	}
}
