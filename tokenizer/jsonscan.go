package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON in one pass without building values nobody asked for: a tokenizer.json holds up to a million strings, most of which can
// stay slices of the file. It assumes valid UTF-8.
type scanner struct {
	s   string
	pos int
}

// fail reports an error with the byte it stands at.
func (p *scanner) fail(format string, args ...any) error {
	return fmt.Errorf("at byte %d: "+format, append([]any{p.pos}, args...)...)
}

// peek returns the next byte that is not white space, 0 at the end.
func (p *scanner) peek() byte {
	for p.pos < len(p.s) {
		switch b := p.s[p.pos]; b {
		case ' ', '\n', '\r', '\t':
			p.pos++
		default:
			return b
		}
	}
	return 0
}

func (p *scanner) expect(b byte) error {
	if got := p.peek(); got != b {
		if p.pos >= len(p.s) {
			return p.fail("the text ends where %q should stand", b)
		}
		return p.fail("%q where %q should stand", p.s[p.pos], b)
	}
	p.pos++
	return nil
}

// object calls field for every member; field must read the value.
func (p *scanner) object(field func(key string) error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	if p.peek() == '}' {
		p.pos++
		return nil
	}
	for {
		p.peek()
		key, err := p.str()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		if p.peek() == ',' {
			p.pos++
			continue
		}
		return p.expect('}')
	}
}

// array calls item before every element; item must read it.
func (p *scanner) array(item func() error) error {
	if err := p.expect('['); err != nil {
		return err
	}
	if p.peek() == ']' {
		p.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.peek() == ',' {
			p.pos++
			continue
		}
		return p.expect(']')
	}
}

// str reads a string: a slice of the input unless it has escapes.
func (p *scanner) str() (string, error) {
	if err := p.expect('"'); err != nil {
		return "", err
	}
	start := p.pos
	for p.pos < len(p.s) {
		switch b := p.s[p.pos]; {
		case b == '"':
			p.pos++
			return p.s[start : p.pos-1], nil
		case b == '\\':
			return p.escaped(start)
		case b < 0x20:
			return "", p.fail("control character in a string")
		}
		p.pos++
	}
	return "", p.fail("unfinished string")
}

// escaped reads on in a string that began at start, from its first backslash.
func (p *scanner) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.s[start:p.pos])
	for p.pos < len(p.s) {
		c := p.s[p.pos]
		p.pos++
		switch {
		case c == '"':
			return b.String(), nil
		case c < 0x20:
			return "", p.fail("control character in a string")
		case c != '\\':
			b.WriteByte(c)
			continue
		case p.pos == len(p.s):
			return "", p.fail("unfinished string")
		}
		c = p.s[p.pos]
		p.pos++
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			b.WriteByte("\"\\/\b\f\n\r\t"[i])
			continue
		}
		if c != 'u' {
			return "", p.fail("unknown escape \\%c", c)
		}
		r, err := p.hex4()
		if err != nil {
			return "", err
		}
		if utf16.IsSurrogate(r) {
			second := rune(0)
			if strings.HasPrefix(p.s[p.pos:], `\u`) {
				p.pos += 2
				if second, err = p.hex4(); err != nil {
					return "", err
				}
			}
			if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
				return "", p.fail("half a surrogate pair")
			}
		}
		b.WriteRune(r)
	}
	return "", p.fail("unfinished string")
}

func (p *scanner) hex4() (rune, error) {
	if len(p.s)-p.pos < 4 {
		return 0, p.fail("unfinished \\u escape")
	}
	v, err := strconv.ParseUint(p.s[p.pos:p.pos+4], 16, 16)
	if err != nil {
		return 0, p.fail("\\u%s is no escape", p.s[p.pos:p.pos+4])
	}
	p.pos += 4
	return rune(v), nil
}

// number reads a JSON number as its text.
func (p *scanner) number() (string, error) {
	p.peek()
	start := p.pos
	for p.pos < len(p.s) && strings.IndexByte("+-.0123456789Ee", p.s[p.pos]) >= 0 {
		p.pos++
	}
	if p.pos == start {
		return "", p.fail("no number")
	}
	return p.s[start:p.pos], nil
}

// id reads a token id.
func (p *scanner) id() (int32, error) {
	s, err := p.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxID {
		return 0, p.fail("%s is no token id", s)
	}
	return int32(n), nil
}

// maxID bounds the ids of any file; the table of tokens is never larger than a multiple of the file anyway.
const maxID = 1<<28 - 1

// value skips the next value and returns its text. Its inside is checked only as far as needed to find its end.
func (p *scanner) value() (string, error) {
	p.peek()
	start, depth := p.pos, 0
	for {
		switch b := p.peek(); b {
		case 0:
			return "", p.fail("unfinished value")
		case '"':
			if _, err := p.str(); err != nil {
				return "", err
			}
		case '{', '[':
			depth++
			p.pos++
		case '}', ']':
			if depth--; depth < 0 {
				return "", p.fail("%q out of place", b)
			}
			p.pos++
		case ',', ':':
			if depth == 0 {
				return "", p.fail("%q out of place", b)
			}
			p.pos++
		default:
			p.scalar()
			if depth == 0 && p.pos == start {
				return "", p.fail("%q out of place", b)
			}
		}
		if depth == 0 {
			return p.s[start:p.pos], nil
		}
	}
}

// scalar moves past a number or a word.
func (p *scanner) scalar() {
	start := p.pos
	for p.pos < len(p.s) && strings.IndexByte(" \n\r\t,:{}[]\"", p.s[p.pos]) < 0 {
		p.pos++
	}
	if p.pos == start {
		p.pos++
	}
}

// end checks that nothing follows.
func (p *scanner) end() error {
	if p.peek() != 0 || p.pos < len(p.s) {
		return p.fail("text after the end")
	}
	return nil
}

var errUTF8 = errors.New("not valid UTF-8")
