package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is a set of Unicode properties of one code point, as the pre-tokenizer patterns ask for them.
type class uint8

const (
	upper  class = 1 << iota // \p{Lu} \p{Lt}
	lower                    // \p{Ll}
	letter                   // \p{Lm} \p{Lo}
	mark                     // \p{M}
	number                   // \p{N}
	punct                    // \p{P}
	symbol                   // \p{S}
	space                    // \s: White_Space

	anyLetter = upper | lower | letter // \p{L}
)

// classes holds the class of every code point: 1.1 MB of address space of which a text touches a few pages.
// It is filled on first use (under a millisecond).
var classes = sync.OnceValue(func() *classTable {
	t := new(classTable)
	for _, g := range []struct {
		class class
		names []string
	}{
		{upper, []string{"Lu", "Lt"}}, {lower, []string{"Ll"}}, {letter, []string{"Lm", "Lo"}}, {mark, []string{"M"}}, {number, []string{"N"}},
		{punct, []string{"P"}}, {symbol, []string{"S"}},
	} {
		for _, name := range g.names {
			t.mark(propertySet(name), g.class)
		}
	}
	t.mark(spaceSet(), space)
	return t
})

// lettersWithoutHan is classes in which Han characters are neither letters nor marks.
var lettersWithoutHan = sync.OnceValue(func() *classTable {
	t := *classes()
	for _, r := range hanSet() {
		for i := r.lo; i <= r.hi; i++ {
			t[i] &^= anyLetter | mark
		}
	}
	return &t
})

type classTable [unicode.MaxRune + 1]class

func (t *classTable) mark(s runeSet, c class) {
	for _, r := range s {
		for i := r.lo; i <= r.hi; i++ {
			t[i] |= c
		}
	}
}

// text is a string with fast access to the classes of its characters.
type text struct {
	s       string
	classes *classTable
}

// at returns the character at byte i with its width and class; past the end it returns width 0 and no class.
func (t text) at(i int) (r rune, width int, c class) {
	if i >= len(t.s) {
		return -1, 0, 0
	}
	if b := t.s[i]; b < utf8.RuneSelf {
		return rune(b), 1, t.classes[b]
	}
	r, width = utf8.DecodeRuneInString(t.s[i:])
	return r, width, t.classes[r]
}

// char returns the character at byte i with its width, 0 at the end.
func (t text) char(i int) (r rune, width int) {
	if i >= len(t.s) {
		return -1, 0
	}
	if b := t.s[i]; b < utf8.RuneSelf {
		return rune(b), 1
	}
	return utf8.DecodeRuneInString(t.s[i:])
}

// run returns the end of the longest run from i of characters that have a class in set.
func (t text) run(i int, set class) int {
	for i < len(t.s) {
		if b := t.s[i]; b < utf8.RuneSelf {
			if t.classes[b]&set == 0 {
				return i
			}
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(t.s[i:])
		if t.classes[r]&set == 0 {
			return i
		}
		i += width
	}
	return i
}

// runNot returns the end of the longest run from i of characters that have no class in set.
func (t text) runNot(i int, set class) int {
	for i < len(t.s) {
		if b := t.s[i]; b < utf8.RuneSelf {
			if t.classes[b]&set != 0 {
				return i
			}
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(t.s[i:])
		if t.classes[r]&set != 0 {
			return i
		}
		i += width
	}
	return i
}
