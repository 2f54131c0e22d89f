package tokenizer

import "unicode/utf8"

// numbers is \p{N}{1,n}; n = 0 is \p{N}+.
func numbers(n int) finder {
	return func(t text, i int) (int, int) {
		lo := t.runNot(i, number)
		return lo, t.digits(lo, n)
	}
}

// cjk is [一-龥぀-ゟ゠-ヿ]+: the unified ideographs of Unicode 1.1, hiragana, katakana.
func cjk(t text, i int) (int, int) {
	in := func(i int) int { // width of a matching character at i, or 0
		if b := t.s[i]; b < 0xE3 || b > 0xE9 {
			return 0
		}
		r, width := utf8.DecodeRuneInString(t.s[i:])
		if '一' <= r && r <= '龥' || 0x3040 <= r && r <= 0x30FF {
			return width
		}
		return 0
	}
	lo := i
	for lo < len(t.s) && in(lo) == 0 {
		lo++ // continuation bytes are below E3
	}
	hi := lo
	for hi < len(t.s) {
		width := in(hi)
		if width == 0 {
			break
		}
		hi += width
	}
	return lo, hi
}

// deepseek3 is the third expression of DeepSeek-V3:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// It leaves numbers and control characters unmatched.
func deepseek3(t text, i int) (int, int) {
	for i < len(t.s) {
		if e := deepseek3At(t, i); e > i {
			return i, e
		}
		_, width, _ := t.at(i)
		i += width
	}
	return i, i
}

func deepseek3At(t text, i int) int {
	const word, sign = anyLetter | mark, punct | symbol
	r, width, c := t.at(i)
	next, nextWidth, nextClass := t.at(i + width)
	switch {
	case c&word != 0:
		return t.run(i+width, word)
	case c&sign != 0:
		if r < utf8.RuneSelf && isASCIILetter(next) {
			i += width
			for i < len(t.s) && isASCIILetter(rune(t.s[i])) {
				i++
			}
			return i
		}
		return t.runBytes(t.run(i+width, sign), "\r\n")
	case r != '\r' && r != '\n' && nextClass&word != 0:
		return t.run(i+width+nextWidth, word)
	case r == ' ' && nextClass&sign != 0:
		return t.runBytes(t.run(i+1+nextWidth, sign), "\r\n")
	case c&space != 0:
		if e := t.newlines(i); e > i {
			return e
		}
		return t.whitespace(i)
	}
	return i
}

func isASCIILetter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
