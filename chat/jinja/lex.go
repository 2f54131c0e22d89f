package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	tokEOF kind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokNumber
	tokOp
)

// token is one lexical element. text holds the data, name, operator or decoded string, num the value of a number.
type token struct {
	kind kind
	text string
	num  Value
	line int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokVarEnd, tokBlockEnd:
		return "end of tag"
	case tokData:
		return "text"
	case tokNumber:
		return fmt.Sprint(t.num)
	default:
		return "'" + t.text + "'"
	}
}

type lexer struct {
	src      string
	pos      int
	line     int // of counted
	counted  int // newlines before this offset are in line
	tokens   []token
	brackets []byte
}

// lex splits a template into tokens and settles the whitespace around tags: trim_blocks drops one newline after a block or comment,
// lstrip_blocks the blanks before one that stands first on its line, and the signs - and + override both.
func lex(text string) ([]token, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(text, "\n"), line: 1}
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, &Error{l.lineAt(l.pos), err}
		}
	}
	l.emit(token{kind: tokEOF})
	return l.tokens, nil
}

func (l *lexer) lineAt(pos int) int {
	if pos > l.counted {
		l.line += strings.Count(l.src[l.counted:pos], "\n")
		l.counted = pos
	}
	return l.line
}

func (l *lexer) emit(t token) {
	t.line = l.lineAt(l.pos)
	l.tokens = append(l.tokens, t)
}

// root reads plain text up to the next tag and then the tag.
func (l *lexer) root() error {
	begin := nextTag(l.src, l.pos)
	if begin < 0 {
		l.emit(token{kind: tokData, text: l.src[l.pos:]})
		l.pos = len(l.src)
		return nil
	}
	text, opener, after := l.src[l.pos:begin], l.src[begin+1], begin+2
	var sign byte
	if after < len(l.src) && (l.src[after] == '-' || l.src[after] == '+') {
		sign = l.src[after]
		after++
	}
	if text = l.stripBefore(text, sign, opener != '{'); text != "" {
		l.emit(token{kind: tokData, text: text})
	}
	l.pos = after
	switch opener {
	case '#':
		return l.comment()
	case '{':
		l.emit(token{kind: tokVarBegin})
		return l.code("}}", tokVarEnd)
	}
	if end := rawBegin(l.src, after); end >= 0 {
		l.pos = end
		return l.raw()
	}
	l.emit(token{kind: tokBlockBegin})
	return l.code("%}", tokBlockEnd)
}

func nextTag(s string, from int) int {
	for {
		i := strings.IndexByte(s[from:], '{')
		if i < 0 || from+i+1 >= len(s) {
			return -1
		}
		from += i
		if c := s[from+1]; c == '{' || c == '%' || c == '#' {
			return from
		}
		from++
	}
}

// stripBefore removes the blanks between a text and the tag that follows it.
func (l *lexer) stripBefore(text string, sign byte, lstrip bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, isSpace)
	}
	if sign == '+' || !lstrip {
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	lineStarts := l.pos == 0 || l.src[l.pos-1] == '\n'
	if (start > 0 || lineStarts) && strings.TrimLeftFunc(text[start:], isSpace) == "" {
		return text[:start]
	}
	return text
}

// endTag consumes a closing mark at l.pos, with its sign and the whitespace it takes along. It reports false when there is none.
func (l *lexer) endTag(mark string, trimNewline bool) bool {
	rest := l.src[l.pos:]
	switch {
	case strings.HasPrefix(rest, "-"+mark):
		l.pos += 1 + len(mark)
		l.pos += len(l.src[l.pos:]) - len(strings.TrimLeftFunc(l.src[l.pos:], isSpace))
	case trimNewline && strings.HasPrefix(rest, "+"+mark):
		l.pos += 1 + len(mark)
	case strings.HasPrefix(rest, mark):
		l.pos += len(mark)
		if trimNewline && strings.HasPrefix(l.src[l.pos:], "\n") {
			l.pos++
		}
	default:
		return false
	}
	return true
}

func (l *lexer) comment() error {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		return errors.New("comment is not closed")
	}
	if i > 0 && strings.IndexByte("-+", l.src[l.pos+i-1]) >= 0 {
		i--
	}
	l.pos += i
	l.endTag("#}", true)
	return nil
}

// rawBegin returns the offset behind "raw %}" at pos, or -1.
func rawBegin(s string, pos int) int {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(s[pos:], isSpace), "raw")
	if !ok {
		return -1
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	if after, ok := strings.CutPrefix(rest, "-%}"); ok {
		rest = strings.TrimLeftFunc(after, isSpace)
	} else if rest, ok = strings.CutPrefix(rest, "%}"); !ok {
		return -1
	}
	return len(s) - len(rest)
}

func (l *lexer) raw() error {
	for from := l.pos; ; {
		i := strings.Index(l.src[from:], "{%")
		if i < 0 {
			return errors.New("raw block is not closed")
		}
		begin := from + i
		from = begin + 2
		rest, sign := l.src[from:], byte(0)
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			sign, rest = rest[0], rest[1:]
		}
		rest, ok := strings.CutPrefix(strings.TrimLeftFunc(rest, isSpace), "endraw")
		if !ok {
			continue
		}
		text := l.stripBefore(l.src[l.pos:begin], sign, true)
		data := token{kind: tokData, text: text, line: l.lineAt(l.pos)}
		l.pos = len(l.src) - len(strings.TrimLeftFunc(rest, isSpace))
		if !l.endTag("%}", true) {
			return errors.New("endraw tag is not closed")
		}
		if text != "" {
			l.tokens = append(l.tokens, data)
		}
		return nil
	}
}

// code reads the inside of a tag up to its end mark, which does not count inside brackets.
func (l *lexer) code(mark string, end kind) error {
	for {
		rest := strings.TrimLeftFunc(l.src[l.pos:], isSpace)
		l.pos = len(l.src) - len(rest)
		if rest == "" {
			return errors.New("tag is not closed")
		}
		if len(l.brackets) == 0 {
			at, line := l.pos, l.lineAt(l.pos)
			if l.endTag(mark, end == tokBlockEnd) {
				l.tokens = append(l.tokens, token{kind: end, text: l.src[at:l.pos], line: line})
				return nil
			}
		}
		if err := l.element(rest); err != nil {
			return err
		}
	}
}

// element reads one name, number, string or operator at the start of rest.
func (l *lexer) element(rest string) error {
	switch c := rest[0]; {
	case c >= '0' && c <= '9':
		n, v, err := scanNumber(rest, l.src[l.pos-1] == '.')
		if err != nil {
			return err
		}
		l.emit(token{kind: tokNumber, num: v})
		l.pos += n
	case c == '\'' || c == '"':
		n := stringEnd(rest)
		if n < 0 {
			return errors.New("string is not closed")
		}
		s, err := unescape(rest[1 : n-1])
		if err != nil {
			return err
		}
		l.emit(token{kind: tokString, text: s})
		l.pos += n
	default:
		if n := nameEnd(rest); n > 0 {
			l.emit(token{kind: tokName, text: rest[:n]})
			l.pos += n
			return nil
		}
		return l.operator(rest)
	}
	return nil
}

func (l *lexer) operator(rest string) error {
	n := 1
	if len(rest) > 1 {
		switch rest[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	op := rest[:n]
	if n == 1 && strings.IndexByte("+-/*%~[](){}><=.:|,;", op[0]) < 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		return fmt.Errorf("unexpected character %q", r)
	}
	switch op {
	case "(", "[", "{":
		if len(l.brackets) >= maxNesting {
			return fmt.Errorf("more than %d brackets inside each other", maxNesting)
		}
		l.brackets = append(l.brackets, ")]}"[strings.Index("([{", op)])
	case ")", "]", "}":
		last := len(l.brackets) - 1
		if last < 0 || l.brackets[last] != op[0] {
			return fmt.Errorf("unexpected %q", op)
		}
		l.brackets = l.brackets[:last]
	}
	l.emit(token{kind: tokOp, text: op})
	l.pos += n
	return nil
}

func nameEnd(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)) {
			return i
		}
	}
	return len(s)
}

// stringEnd returns the offset behind the closing quote of the string that s starts with, or -1.
func stringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return -1
}

// scanNumber reads an integer or float literal: Python's, underscores and base prefixes included. After a dot only whole numbers are meant.
func scanNumber(s string, afterDot bool) (n int, v Value, err error) {
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		n = 2
		for n < len(s) && (s[n] == '_' || isHexDigit(s[n])) {
			n++
		}
		v, err = parseInt(s[:n], 0)
		return n, v, err
	}
	digits := func(i int) int {
		for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i+1 < len(s) && isDigit(s[i+1])) {
			i++
		}
		return i
	}
	n = digits(0)
	isFloat := false
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) && !afterDot {
		n, isFloat = digits(n+1), true
	}
	if n+1 < len(s) && s[n]|0x20 == 'e' && !afterDot {
		i := n + 1
		if s[i] == '+' || s[i] == '-' {
			i++
		}
		if i < len(s) && isDigit(s[i]) {
			n, isFloat = digits(i), true
		}
	}
	text := strings.ReplaceAll(s[:n], "_", "")
	if !isFloat {
		v, err = parseInt(text, 10)
		return n, v, err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return n, nil, err
	}
	return n, f, nil
}

func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isHexDigit(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// unescape decodes the escapes of a Python string literal; unknown ones stay as they are.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		n, err := escapeSequence(&b, s[i+1:])
		if err != nil {
			return "", err
		}
		i += 1 + n
	}
	return b.String(), nil
}

// escapeSequence writes what the escape at s (behind its backslash) stands for and returns its length.
func escapeSequence(b *strings.Builder, s string) (int, error) {
	const names, codes = "abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\""
	c := s[0]
	if i := strings.IndexByte(names, c); i >= 0 {
		b.WriteByte(codes[i])
		return 1, nil
	}
	switch {
	case c == '\n':
		return 1, nil
	case c >= '0' && c <= '7':
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(s[:n], 8, 32)
		b.WriteRune(rune(v))
		return n, nil
	case c == 'x' || c == 'u' || c == 'U':
		n := 1 + map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if len(s) < n {
			return 0, fmt.Errorf("truncated \\%c escape", c)
		}
		v, err := strconv.ParseUint(s[1:n], 16, 32)
		if err != nil || v > unicode.MaxRune {
			return 0, fmt.Errorf("malformed \\%c escape", c)
		}
		b.WriteRune(rune(v))
		return n, nil
	}
	b.WriteByte('\\')
	return 0, nil
}
