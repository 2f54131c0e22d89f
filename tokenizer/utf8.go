package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// replaceInvalid makes s valid UTF-8: one U+FFFD for each maximal part that is not, as Rust, Python and the WHATWG do.
func replaceInvalid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && width == 1 {
			width = len(incomplete(s[i:]))
			b.WriteRune(utf8.RuneError)
		} else {
			b.WriteString(s[i : i+width])
		}
		i += width
	}
	return b.String()
}

// incomplete returns the longest beginning of s (one to three bytes) that some character begins with. s must not begin with a whole character.
func incomplete[T string | []byte](s T) T {
	lo, hi, n := byte(0x80), byte(0xBF), 0
	switch b := s[0]; {
	case 0xC2 <= b && b <= 0xDF:
		n = 1
	case b == 0xE0:
		n, lo = 2, 0xA0
	case b == 0xED:
		n, hi = 2, 0x9F
	case 0xE1 <= b && b <= 0xEF:
		n = 2
	case b == 0xF0:
		n, lo = 3, 0x90
	case b == 0xF4:
		n, hi = 3, 0x8F
	case 0xF1 <= b && b <= 0xF3:
		n = 3
	}
	i := 1
	for ; i <= n && i < len(s) && lo <= s[i] && s[i] <= hi; i++ {
		lo, hi = 0x80, 0xBF
	}
	return s[:i]
}

// replaceBytes makes s valid UTF-8 with one U+FFFD for each invalid byte, as SentencePiece does.
func replaceBytes(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// replaceLenient does as llama.cpp: continuation bytes are looked at, code points are not, so overlong forms become the character they
// spell and surrogates stay; each byte of anything else becomes U+FFFD.
func replaceLenient(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, width := rune(utf8.RuneError), 1
		switch c := s[i]; {
		case c < 0x80:
			r = rune(c)
		case c>>5 == 0b110:
			r, width = joinBits(s[i:], rune(c&0x1F), 2)
		case c>>4 == 0b1110:
			r, width = joinBits(s[i:], rune(c&0x0F), 3)
		case c>>3 == 0b11110:
			r, width = joinBits(s[i:], rune(c&0x07), 4)
		}
		if 0xD800 <= r && r < 0xE000 {
			b.WriteString(s[i : i+width])
		} else {
			b.WriteRune(r)
		}
		i += width
	}
	return b.String()
}

// joinBits reads the n-1 continuation bytes of a character of n bytes. What is not one is U+FFFD of one byte; so is a code point past the
// last, which stops llama.cpp.
func joinBits(s string, r rune, n int) (rune, int) {
	if len(s) < n {
		return utf8.RuneError, 1
	}
	for i := 1; i < n; i++ {
		if s[i]&0xC0 != 0x80 {
			return utf8.RuneError, 1
		}
		r = r<<6 | rune(s[i]&0x3F)
	}
	if r > utf8.MaxRune {
		return utf8.RuneError, 1
	}
	return r, n
}
