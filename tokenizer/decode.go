package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// leadRule says what decoding leaves out at the beginning of a text, undoing what encoding put there.
type leadRule struct {
	text  string // the string to leave out; "" for nothing
	times int    // at most so often; negative: as often as it stands there
	first bool   // only inside the first token, and there wherever it stands (Metaspace)
}

// Decoder turns ids into text one at a time. What it gives out is always whole UTF-8: the bytes of an unfinished character wait for the
// next id. An invalid part becomes U+FFFD at once, one for each maximal invalid part. Given out one after the other, the results and that
// of Flush are Decode of all the ids. The zero Decoder is not ready; use NewDecoder.
type Decoder struct {
	t           *Tokenizer
	skipSpecial bool
	held        []byte // beginning of a character, at most three bytes
	lead        leadRule
}

// NewDecoder returns a Decoder. With skipSpecial it leaves out the tokens for which IsSpecial holds.
func (t *Tokenizer) NewDecoder(skipSpecial bool) *Decoder {
	return &Decoder{t: t, skipSpecial: skipSpecial, lead: t.lead}
}

// Append appends to dst the text that id completes. An id outside the vocabulary stands for nothing.
func (d *Decoder) Append(dst []byte, id int32) []byte {
	if d.skipSpecial && d.t.IsSpecial(id) {
		return dst
	}
	s := d.t.piece(id)
	if d.lead.text != "" {
		s = d.trim(s)
	}
	if len(d.held) == 0 && utf8.ValidString(s) {
		return append(dst, s...)
	}
	d.held = append(d.held, s...)
	rest := d.held
	for len(rest) > 0 {
		if rest[0] < utf8.RuneSelf {
			dst = append(dst, rest[0])
			rest = rest[1:]
			continue
		}
		r, width := utf8.DecodeRune(rest)
		if r == utf8.RuneError && width == 1 {
			if !utf8.FullRune(rest) {
				break
			}
			width = len(incomplete(rest))
		}
		dst = utf8.AppendRune(dst, r)
		rest = rest[width:]
	}
	d.held = append(d.held[:0], rest...)
	return dst
}

// Flush appends what is left at the end: one U+FFFD if a character was left unfinished.
func (d *Decoder) Flush(dst []byte) []byte {
	if len(d.held) > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
		d.held = d.held[:0]
	}
	return dst
}

// trim applies the lead rule to the next piece.
func (d *Decoder) trim(s string) string {
	l := &d.lead
	if l.first {
		s = strings.ReplaceAll(s, l.text, "")
		l.text = ""
		return s
	}
	for l.times != 0 && strings.HasPrefix(s, l.text) {
		s = s[len(l.text):]
		l.times--
	}
	if s != "" || l.times == 0 {
		l.text = ""
	}
	return s
}

// Decode returns the text of ids, special tokens by name, each maximal invalid part of UTF-8 as U+FFFD.
func (t *Tokenizer) Decode(ids []int32) string {
	d := t.NewDecoder(false)
	dst := make([]byte, 0, 4*len(ids)+8)
	for _, id := range ids {
		dst = d.Append(dst, id)
	}
	return string(d.Flush(dst))
}

// AppendDecode appends the bytes of ids to dst, as they are: what byte-level vocabularies split or never joined may be invalid UTF-8.
func (t *Tokenizer) AppendDecode(dst []byte, ids []int32) []byte {
	d := t.NewDecoder(false)
	for _, id := range ids {
		s := t.piece(id)
		if d.lead.text != "" {
			s = d.trim(s)
		}
		dst = append(dst, s...)
	}
	return dst
}
