package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textMethod makes a method of a function that needs no argument.
func textMethod(f func(s string) Value) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		if err := a.end(); err != nil {
			return nil, err
		}
		return f(s), m.alloc(len(s))
	}
}

func stringMethods() map[string]method {
	return map[string]method{
		"capitalize": textMethod(func(s string) Value { return capitalize(s) }),
		"casefold":   textMethod(func(s string) Value { return lower(s) }),
		"lower":      textMethod(func(s string) Value { return lower(s) }),
		"upper":      textMethod(func(s string) Value { return upper(s) }),
		"swapcase":   textMethod(func(s string) Value { return strings.Map(swapCase, s) }),
		"title":      textMethod(func(s string) Value { return titleCase(s) }),
		"isalnum":    allRunes(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
		"isalpha":    allRunes(unicode.IsLetter),
		"isascii":    textMethod(func(s string) Value { return isASCII(s) }),
		"isdecimal":  allRunes(unicode.IsDigit),
		"isdigit":    allRunes(func(r rune) bool { return unicode.IsDigit(r) || unicode.Is(unicode.No, r) && r < 0x2500 && r > 0xaf }),
		"isnumeric":  allRunes(unicode.IsNumber),
		"isspace":    allRunes(isSpace),
		"isidentifier": textMethod(func(s string) Value {
			return s != "" && nameEnd(s) == len(s)
		}),
		"isprintable": textMethod(func(s string) Value {
			return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
		}),
		"islower":      textMethod(func(s string) Value { return casedAs(s, unicode.IsLower) }),
		"isupper":      textMethod(func(s string) Value { return casedAs(s, unicode.IsUpper) }),
		"istitle":      textMethod(func(s string) Value { return casedAs(s, isCased) && titleCase(s) == s }),
		"strip":        stripMethod(strings.TrimLeftFunc, strings.TrimRightFunc),
		"lstrip":       stripMethod(strings.TrimLeftFunc),
		"rstrip":       stripMethod(strings.TrimRightFunc),
		"removeprefix": affix("prefix", strings.TrimPrefix),
		"removesuffix": affix("suffix", strings.TrimSuffix),
		"startswith":   hasAffix(strings.HasPrefix),
		"endswith":     hasAffix(strings.HasSuffix),
		"find":         findMethod(strings.Index, false),
		"rfind":        findMethod(strings.LastIndex, false),
		"index":        findMethod(strings.Index, true),
		"rindex":       findMethod(strings.LastIndex, true),
		"count":        stringCount,
		"replace":      stringReplace,
		"split":        splitMethod(false),
		"rsplit":       splitMethod(true),
		"splitlines":   stringSplitlines,
		"partition":    partition(strings.Index, 0),
		"rpartition":   partition(strings.LastIndex, 2),
		"join":         func(m *machine, v Value, a *args) (Value, error) { return m.joinStrict(v, a) },
		"center":       justify(func(pad, width int) int { return pad/2 + pad&width&1 }),
		"ljust":        justify(func(pad, _ int) int { return 0 }),
		"rjust":        justify(func(pad, _ int) int { return pad }),
		"zfill":        stringZfill,
		"expandtabs":   stringExpandtabs,
		"format":       stringFormat,
	}
}

func lower(s string) string { return strings.ToLower(s) }

// upper is str.upper: like strings.ToUpper, with the one common letter that grows.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return upper(s[:n]) + lower(s[n:])
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// titleCase is str.title: the first letter of each run of cased letters is upper case, the others lower.
func titleCase(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = isCased(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

func isCased(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }

func allRunes(is func(r rune) bool) method {
	return textMethod(func(s string) Value {
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
	})
}

// casedAs tells whether s has cased letters, all of which satisfy is.
func casedAs(s string, is func(r rune) bool) bool {
	found := false
	for _, r := range s {
		if isCased(r) {
			if !is(r) {
				return false
			}
			found = true
		}
	}
	return found
}

func stripMethod(trims ...func(s string, f func(rune) bool) string) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		chars := a.value("chars", nil)
		cut := isSpace
		if chars != nil {
			set := a.toText("chars", chars)
			cut = func(r rune) bool { return strings.ContainsRune(set, r) }
		}
		if err := a.end(); err != nil {
			return nil, err
		}
		for _, trim := range trims {
			s = trim(s, cut)
		}
		return s, m.alloc(len(s))
	}
}

func affix(name string, trim func(s, affix string) string) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		cut := a.text(name)
		return trim(s, cut), a.end()
	}
}

func hasAffix(has func(s, affix string) bool) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		want := a.need("affix")
		s, _, ok := a.window(s)
		if list, isTuple := want.(Tuple); isTuple {
			found := false
			for _, w := range list {
				found = found || has(s, a.toText("affix", w))
			}
			return ok && found, a.end()
		}
		w := a.toText("affix", want)
		return ok && has(s, w), a.end()
	}
}

// window takes the optional start and end of a search and returns that part of s and the characters before it. It reports false when start lies
// behind the end of s.
func (a *args) window(s string) (part string, before int, ok bool) {
	start, end := a.value("start", nil), a.value("end", nil)
	if start == nil && end == nil || a.err != nil {
		return s, 0, true
	}
	runes := []rune(s)
	first, _, count, err := sliceValue{start: start, stop: end}.resolve(len(runes))
	if err != nil {
		a.fail("%v", err)
		return s, 0, true
	}
	if i, isInt := integer(start); isInt && clampInt(i) > len(runes) {
		return "", 0, false
	}
	return string(runes[first : first+count]), first, true
}

func findMethod(search func(s, sub string) int, must bool) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		sub := a.text("sub")
		s, before, ok := a.window(s)
		if err := a.end(); err != nil {
			return nil, err
		}
		if i := search(s, sub); ok && i >= 0 {
			return int64(before + utf8.RuneCountInString(s[:i])), m.step(len(s) / 64)
		}
		if must {
			return nil, errors.New("substring not found")
		}
		return int64(-1), m.step(len(s) / 64)
	}
}

func stringCount(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	sub := a.text("sub")
	s, _, ok := a.window(s)
	if !ok {
		return int64(0), a.end()
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	return int64(strings.Count(s, sub)), m.step(len(s) / 64)
}

func stringReplace(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	from, to, n := a.text("old"), a.text("new"), a.int("count", -1)
	if err := a.end(); err != nil {
		return nil, err
	}
	return m.replace(s, from, to, n)
}

func (m *machine) replace(s, from, to string, n int) (Value, error) {
	if err := m.step(len(s) / 64); err != nil {
		return nil, err
	}
	found := strings.Count(s, from)
	if n >= 0 {
		found = min(found, n)
	}
	if err := m.alloc(len(s)); err != nil {
		return nil, err
	}
	if err := m.allocTimes(len(to), found); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func splitMethod(fromRight bool) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		sep, limit := a.value("sep", nil), a.int("maxsplit", -1)
		if sep != nil && a.toText("sep", sep) == "" {
			a.fail("empty separator")
		}
		if err := a.end(); err != nil {
			return nil, err
		}
		cut := cutSpace
		if sep != nil {
			mark, _ := text(sep)
			cut = cutMark(mark)
		}
		var parts List
		for limit != 0 {
			part, rest, found := cut(s, fromRight)
			if !found {
				break
			}
			if err := m.alloc(2*elementSize + len(part)); err != nil {
				return nil, err
			}
			parts = append(parts, part)
			s = rest
			limit--
		}
		if sep == nil {
			if fromRight {
				s = strings.TrimRightFunc(s, isSpace)
			} else {
				s = strings.TrimLeftFunc(s, isSpace)
			}
		}
		if sep != nil || s != "" {
			parts = append(parts, s)
		}
		if fromRight {
			reverse(parts)
		}
		return parts, nil
	}
}

// cutSpace splits off the first (or last) word of s. It reports false when no blank follows it.
func cutSpace(s string, fromRight bool) (part, rest string, found bool) {
	if fromRight {
		s = strings.TrimRightFunc(s, isSpace)
		i := strings.LastIndexFunc(s, isSpace)
		if i < 0 {
			return "", s, false
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		return s[i+n:], strings.TrimRightFunc(s[:i], isSpace), true
	}
	s = strings.TrimLeftFunc(s, isSpace)
	i := strings.IndexFunc(s, isSpace)
	if i < 0 {
		return "", s, false
	}
	return s[:i], strings.TrimLeftFunc(s[i:], isSpace), true
}

func cutMark(mark string) func(s string, fromRight bool) (part, rest string, found bool) {
	return func(s string, fromRight bool) (part, rest string, found bool) {
		if fromRight {
			i := strings.LastIndex(s, mark)
			if i < 0 {
				return "", s, false
			}
			return s[i+len(mark):], s[:i], true
		}
		return strings.Cut(s, mark)
	}
}

func reverse(items []Value) {
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
}

func stringSplitlines(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	keep := a.bool("keepends", false)
	if err := a.end(); err != nil {
		return nil, err
	}
	var lines List
	for _, l := range splitLines(s, keep) {
		lines = append(lines, l)
	}
	return lines, m.alloc(len(s) + 2*elementSize*len(lines))
}

// splitLines is str.splitlines.
func splitLines(s string, keepEnds bool) []string {
	var lines []string
	for s != "" {
		i := strings.IndexFunc(s, func(r rune) bool {
			return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
		})
		if i < 0 {
			return append(lines, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keepEnds {
			lines = append(lines, s[:i+n])
		} else {
			lines = append(lines, s[:i])
		}
		s = s[i+n:]
	}
	return lines
}

func partition(search func(s, sub string) int, whole int) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		sep := a.text("sep")
		if sep == "" {
			a.fail("empty separator")
		}
		if err := a.end(); err != nil {
			return nil, err
		}
		if i := search(s, sep); i >= 0 {
			return Tuple{s[:i], sep, s[i+len(sep):]}, m.alloc(len(s))
		}
		t := Tuple{"", "", ""}
		t[whole] = s
		return t, m.alloc(len(s))
	}
}

// joinStrict is str.join: every element must be a string.
func (m *machine) joinStrict(sep Value, a *args) (Value, error) {
	items, err := m.collect(a.value("iterable", nil))
	if err = errors.Join(err, a.end()); err != nil {
		return nil, err
	}
	for i, e := range items {
		if !isText(e) {
			return nil, fmt.Errorf("sequence item %d: expected str instance, %s found", i, typeName(e))
		}
	}
	s, _ := text(sep)
	return m.join(items, s)
}

// join puts the printed forms of items together.
func (m *machine) join(items []Value, sep string) (string, error) {
	var b strings.Builder
	for i, e := range items {
		s, err := m.str(e)
		if err != nil {
			return "", err
		}
		if i > 0 {
			s = sep + s
		}
		if err := m.alloc(len(s)); err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// justify pads to a width; left tells how much of the padding goes to the left.
func justify(left func(pad, width int) int) method {
	return func(m *machine, v Value, a *args) (Value, error) {
		s, _ := text(v)
		width, fill := a.int("width", 80), a.textOr("fillchar", " ")
		if utf8.RuneCountInString(fill) != 1 {
			a.fail("the fill character must be exactly one character long")
		}
		if err := a.end(); err != nil {
			return nil, err
		}
		return m.pad(s, width, fill, left)
	}
}

func (m *machine) pad(s string, width int, fill string, left func(pad, width int) int) (string, error) {
	pad := width - utf8.RuneCountInString(s)
	if pad <= 0 {
		return s, nil
	}
	if err := m.alloc(len(s) + pad*len(fill)); err != nil {
		return "", err
	}
	n := left(pad, width)
	return strings.Repeat(fill, n) + s + strings.Repeat(fill, pad-n), nil
}

func stringZfill(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	width := a.int("width", 0)
	if err := a.end(); err != nil {
		return nil, err
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	s, err := m.pad(s, width-len(sign), "0", func(pad, _ int) int { return pad })
	return sign + s, err
}

func stringExpandtabs(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	size := min(a.int("tabsize", 8), 1000)
	if err := a.end(); err != nil {
		return nil, err
	}
	if err := m.allocTimes(max(size, 1), len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	column := 0
	for _, r := range s {
		switch {
		case r == '\t' && size > 0:
			n := size - column%size
			b.WriteString(strings.Repeat(" ", n))
			column += n
		case r == '\t':
		default:
			b.WriteRune(r)
			column++
			if r == '\n' || r == '\r' {
				column = 0
			}
		}
	}
	return b.String(), nil
}
