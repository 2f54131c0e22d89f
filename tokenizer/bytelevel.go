package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// GPT-2's byte-level vocabularies write each byte as one printable character: the printable ones of Latin-1 as themselves, the other 68 in
// order as U+0100 and up.
var byteRunes, runeBytes = func() (runes [256]rune, bytes [0x144]int16) {
	for r := range bytes {
		bytes[r] = -1
	}
	next := rune(0x100)
	for b := range runes {
		r := rune(b)
		if !('!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r && r <= 'ÿ') {
			r = next
			next++
		}
		runes[b] = r
		bytes[r] = int16(b)
	}
	return
}()

// mapBytes writes s in the byte-level alphabet.
func mapBytes(s string) string {
	var b strings.Builder
	b.Grow(2 * len(s))
	for i := 0; i < len(s); i++ {
		b.WriteRune(byteRunes[s[i]])
	}
	return b.String()
}

// appendUnmapped appends the bytes that s, written in the byte-level alphabet, stands for; ok is false if a character of s is not in it.
func appendUnmapped(dst []byte, s string) (_ []byte, ok bool) {
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if runeBytes[b] < 0 {
				return dst, false
			}
			dst = append(dst, b)
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		if int(r) >= len(runeBytes) || runeBytes[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(runeBytes[r]))
		i += width
	}
	return dst, true
}
