package safetensors

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth limits how deep values that we do not look into may nest.
const maxDepth = 64

// scanner reads JSON strictly and in one pass. encoding/json is not used because it lets the last of two equal keys win without a
// word, and because a checkpoint of hundreds of shards would spend a noticeable time in it. The input must be valid UTF-8.
type scanner struct {
	data []byte
	off  int
}

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d of the JSON: "+format, append([]any{s.off}, args...)...)
}

// next skips white space and returns the byte that follows without consuming it; 0 at the end.
func (s *scanner) next() byte {
	for ; s.off < len(s.data); s.off++ {
		switch c := s.data[s.off]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// accept consumes c if it is the next byte.
func (s *scanner) accept(c byte) bool {
	if s.next() != c || s.off == len(s.data) {
		return false
	}
	s.off++
	return true
}

func (s *scanner) expect(c byte) error {
	if s.accept(c) {
		return nil
	}
	if s.off == len(s.data) {
		return s.errorf("ends where %q should stand", c)
	}
	return s.errorf("%q where %q should stand", s.data[s.off], c)
}

// end requires that nothing but white space is left.
func (s *scanner) end() error {
	if s.next() != 0 || s.off != len(s.data) {
		return s.errorf("%q after the end of the value", s.data[s.off])
	}
	return nil
}

// object calls member for each key with the scanner standing at the key's value, which member must consume.
func (s *scanner) object(member func(key string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if !s.accept(',') {
			return s.expect('}')
		}
	}
}

// array calls element with the scanner standing at each element, which element must consume.
func (s *scanner) array(element func() error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	if s.accept(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if !s.accept(',') {
			return s.expect(']')
		}
	}
}

// sizes reads an array of whole numbers that fit in an int.
func (s *scanner) sizes() ([]int, error) {
	out := []int{}
	err := s.array(func() error {
		n, err := s.size()
		out = append(out, n)
		return err
	})
	return out, err
}

// size reads a whole number from 0 on. Signs, fractions and exponents are refused, as the official reader does.
func (s *scanner) size() (int, error) {
	s.next()
	start := s.off
	for s.off < len(s.data) && isDigit(s.data[s.off]) {
		s.off++
	}
	digits := s.data[start:s.off]
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' {
		return 0, s.errorf("want a whole number")
	}
	if s.off < len(s.data) && (s.data[s.off] == '.' || s.data[s.off]|0x20 == 'e') {
		return 0, s.errorf("want a whole number, without fraction or exponent")
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil || n > math.MaxInt {
		return 0, s.errorf("number %s is too large", digits)
	}
	return int(n), nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// string reads a string.
func (s *scanner) string() (string, error) {
	if err := s.expect('"'); err != nil {
		return "", err
	}
	start := s.off
	for s.off < len(s.data) {
		switch c := s.data[s.off]; {
		case c == '"':
			s.off++
			return string(s.data[start : s.off-1]), nil
		case c == '\\':
			return s.escaped(start)
		case c < 0x20:
			return "", s.errorf("control character %q in a string", c)
		}
		s.off++
	}
	return "", s.errorf("ends inside a string")
}

// escaped reads the rest of a string that began at start, from its first escape on.
func (s *scanner) escaped(start int) (string, error) {
	out := append([]byte(nil), s.data[start:s.off]...)
	for s.off < len(s.data) {
		c := s.data[s.off]
		s.off++
		switch {
		case c == '"':
			return string(out), nil
		case c < 0x20:
			return "", s.errorf("control character %q in a string", c)
		case c != '\\':
			out = append(out, c)
			continue
		}
		r, err := s.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", s.errorf("ends inside a string")
}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, error) {
	if s.off == len(s.data) {
		return 0, s.errorf("ends inside an escape")
	}
	c := s.data[s.off]
	s.off++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := s.hex4()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if s.off+2 <= len(s.data) && s.data[s.off] == '\\' && s.data[s.off+1] == 'u' {
			s.off += 2
			low, err := s.hex4()
			if pair := utf16.DecodeRune(r, low); err == nil && pair != utf8.RuneError {
				return pair, nil
			}
		}
		return 0, s.errorf("half of a surrogate pair")
	}
	return 0, s.errorf("unknown escape %q", c)
}

func (s *scanner) hex4() (rune, error) {
	if len(s.data)-s.off < 4 {
		return 0, s.errorf("ends inside an escape")
	}
	var r rune
	for _, c := range s.data[s.off : s.off+4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.errorf("%q in a \\u escape", c)
		}
	}
	s.off += 4
	return r, nil
}

// skip passes one value of any kind.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.errorf("nested deeper than %d", maxDepth)
	}
	switch c := s.next(); {
	case c == '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || isDigit(c):
		return s.skipNumber()
	}
	for _, word := range []string{"true", "false", "null"} {
		if len(s.data)-s.off >= len(word) && string(s.data[s.off:s.off+len(word)]) == word {
			s.off += len(word)
			return nil
		}
	}
	return s.errorf("want a value")
}

func (s *scanner) skipNumber() error {
	start := s.off
	for s.off < len(s.data) {
		if c := s.data[s.off]; !isDigit(c) && c != '-' && c != '+' && c != '.' && c|0x20 != 'e' {
			break
		}
		s.off++
	}
	if _, err := strconv.ParseFloat(string(s.data[start:s.off]), 64); err != nil {
		return s.errorf("bad number")
	}
	return nil
}
