package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites text before it is split.
type normalizer func(string) string

// sequence applies normalizers one after the other.
func sequence(steps []normalizer) normalizer {
	switch len(steps) {
	case 0:
		return nil
	case 1:
		return steps[0]
	}
	return func(s string) string {
		for _, f := range steps {
			s = f(s)
		}
		return s
	}
}

// unicodeForm is Unicode normalisation. x/text breaks up runs of more than 30 combining marks (its stream-safe text format), which no
// tokenizer does, so the rare text with such a run goes another way.
func unicodeForm(form norm.Form) normalizer {
	return func(s string) string {
		if form.IsNormalString(s) && !longRun(form, s) {
			return s
		}
		if longRun(form, s) {
			return normalizeLong(form, s)
		}
		return form.String(s)
	}
}

// longRun reports whether s has a run of nearly 30 or more combining marks.
func longRun(form norm.Form, s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := form.PropertiesString(s[i:])
		if p.CCC() == 0 && p.TrailCCC() == 0 {
			run = 0
		} else if run += max(1, len(p.Decomposition())/2); run >= 28 {
			return true
		}
		i += max(1, p.Size())
	}
	return false
}

// normalizeLong normalises without a limit on combining marks: full decomposition, canonical order, composition.
func normalizeLong(form norm.Form, s string) string {
	decompose := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decompose = norm.NFKD
	}
	var runes []rune
	var cccs []uint8
	for _, r := range s {
		for _, r := range decompose.String(string(r)) {
			runes = append(runes, r)
			cccs = append(cccs, norm.NFD.PropertiesString(string(r)).CCC())
		}
	}
	for lo := 0; lo < len(runes); {
		hi := lo
		for hi < len(runes) && cccs[hi] != 0 {
			hi++
		}
		orderMarks(runes[lo:hi], cccs[lo:hi])
		lo = hi + 1
	}
	if form == norm.NFC || form == norm.NFKC {
		runes = compose(runes, cccs)
	}
	return string(runes)
}

// orderMarks sorts by combining class, stably, in linear time.
func orderMarks(runes []rune, cccs []uint8) {
	if len(runes) < 2 {
		return
	}
	var start [257]int
	for _, c := range cccs {
		start[int(c)+1]++
	}
	for c := 1; c < len(start); c++ {
		start[c] += start[c-1]
	}
	r, cc := make([]rune, len(runes)), make([]uint8, len(cccs))
	for i, c := range cccs {
		r[start[c]], cc[start[c]] = runes[i], c
		start[c]++
	}
	copy(runes, r)
	copy(cccs, cc)
}

// compose is canonical composition of decomposed, ordered text.
func compose(runes []rune, cccs []uint8) []rune {
	out := runes[:0]
	starter, last := -1, -1 // index in out of the last starter; class of the character before, -1 right after the starter
	for i, r := range runes {
		c := int(cccs[i])
		if starter >= 0 && (last < c || last == -1) {
			if p, ok := composePair(out[starter], r); ok {
				out[starter] = p
				continue
			}
		}
		out = append(out, r)
		if last = c; c == 0 {
			starter, last = len(out)-1, -1
		}
	}
	return out
}

func composePair(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false
	}
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}

// nmt is the "Nmt" normalizer: control characters go, unusual spaces become plain ones.
func nmt(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 1 <= r && r <= 8, r == 0x0B, 0x0E <= r && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
			return -1
		case r == 9, r == 10, r == 12, r == 13, r == 0x1680, 0x200B <= r && r <= 0x200F, r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF,
			r == 0xFFFD:
			return ' '
		}
		return r
	}, s)
}

// stripAccents removes combining marks.
func stripAccents(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, s)
}

// prepend puts p before a text that is not empty.
func prepend(p string) normalizer {
	return func(s string) string {
		if s == "" {
			return s
		}
		return p + s
	}
}

func replaceAll(from, to string) normalizer {
	return func(s string) string { return strings.ReplaceAll(s, from, to) }
}

// replacePattern replaces every match of a pattern.
func replacePattern(p pattern, to string) normalizer {
	return func(s string) string {
		t := text{s, classes()}
		find, end := p.on(s)
		defer end()
		var b strings.Builder
		done, from := 0, 0
		for from < len(s) {
			lo, hi := find(t, from)
			if lo == len(s) {
				break
			}
			b.WriteString(s[done:lo])
			b.WriteString(to)
			done, from = hi, hi
			if hi == lo {
				_, width, _ := t.at(lo)
				from += width
			}
		}
		if done == 0 && b.Len() == 0 {
			return s
		}
		b.WriteString(s[done:])
		return b.String()
	}
}

func strip(left, right bool) normalizer {
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
}
