package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatSpec is one conversion, of % formatting as of str.format.
type formatSpec struct {
	fill      string
	align     byte // '<', '>', '^', '=' or 0
	sign      byte // '+', ' ' or 0
	alternate bool
	width     int
	comma     string // thousands separator
	precision int    // -1: none
	verb      byte
}

// percentFormat is Python's format % operand.
func (m *machine) percentFormat(format string, operand Value) (Value, error) {
	p := &percentArgs{m: m, single: operand}
	p.list, p.isTuple = operand.(Tuple)
	p.mapping, _ = operand.(*Dict)
	_, isList := operand.(List)
	var b strings.Builder
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			break
		}
		b.WriteString(format[:i])
		s, rest, err := p.convert(format[i+1:])
		if err != nil {
			return nil, err
		}
		if err := m.alloc(i + len(s)); err != nil {
			return nil, err
		}
		b.WriteString(s)
		format = rest
	}
	if left := p.isTuple && p.taken < len(p.list) || !p.isTuple && p.taken == 0 && p.mapping == nil && !isList; left {
		return nil, errors.New("not all arguments converted during string formatting")
	}
	b.WriteString(format)
	return b.String(), m.alloc(len(format))
}

type percentArgs struct {
	m       *machine
	single  Value
	list    Tuple
	isTuple bool
	mapping *Dict
	taken   int
}

func (p *percentArgs) next() (Value, error) {
	i := p.taken
	p.taken++
	if !p.isTuple && i == 0 {
		return p.single, nil
	}
	if i >= len(p.list) {
		return nil, errors.New("not enough arguments for format string")
	}
	return p.list[i], nil
}

// convert reads one conversion behind its % and returns its text and the rest of the format.
func (p *percentArgs) convert(f string) (text, rest string, err error) {
	spec := formatSpec{precision: -1, fill: " ", align: '>'}
	var v Value
	keyed := strings.HasPrefix(f, "(")
	if keyed {
		key, after, ok := strings.Cut(f[1:], ")")
		if !ok || p.mapping == nil {
			return "", "", errors.New("format requires a mapping")
		}
		if v, ok = p.mapping.Get(key); !ok {
			return "", "", fmt.Errorf("no key %s", quote(key))
		}
		f = after
	}
	f = spec.percentFlags(f)
	if spec.align == '<' {
		spec.fill = " "
	}
	if spec.width, f, err = p.size(f, 0); err != nil {
		return "", "", err
	}
	if strings.HasPrefix(f, ".") {
		if spec.precision, f, err = p.size(f[1:], 0); err != nil {
			return "", "", err
		}
	}
	f = strings.TrimLeft(f, "hlL")
	if f == "" {
		return "", "", errors.New("incomplete format")
	}
	spec.verb, f = f[0], f[1:]
	if spec.verb == '%' {
		return "%", f, nil
	}
	if !keyed {
		if v, err = p.next(); err != nil {
			return "", "", err
		}
	}
	text, err = p.m.percentVerb(v, spec)
	return text, f, err
}

func (s *formatSpec) percentFlags(f string) string {
	for f != "" {
		switch f[0] {
		case '-':
			s.align = '<'
		case '+':
			s.sign = '+'
		case ' ':
			if s.sign == 0 {
				s.sign = ' '
			}
		case '#':
			s.alternate = true
		case '0':
			if s.align == '>' {
				s.fill, s.align = "0", '='
			}
		default:
			return f
		}
		f = f[1:]
	}
	return f
}

// size reads a width or precision, which * takes from the operands.
func (p *percentArgs) size(f string, def int) (int, string, error) {
	if strings.HasPrefix(f, "*") {
		v, err := p.next()
		if err != nil {
			return 0, "", err
		}
		i, ok := integer(v)
		if !ok {
			return 0, "", errors.New("* wants int")
		}
		return max(clampInt(i), 0), f[1:], nil
	}
	n, rest := leadingInt(f)
	return max(n, def), rest, nil
}

// leadingInt reads decimal digits; it returns -1 when there are none.
func leadingInt(s string) (int, string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i == 0 {
		return -1, s
	}
	n, err := strconv.ParseInt(s[:i], 10, 32)
	if err != nil {
		n = math.MaxInt32
	}
	return int(n), s[i:]
}

func (m *machine) percentVerb(v Value, spec formatSpec) (string, error) {
	switch spec.verb {
	case 's', 'r', 'a':
		s, err := m.str(v)
		if spec.verb != 's' {
			var b strings.Builder
			err = m.repr(&b, v)
			s = b.String()
		}
		if err != nil {
			return "", err
		}
		if spec.align == '=' {
			spec.align, spec.fill = '>', " "
		}
		return m.formatText(s, spec)
	case 'c':
		if s, ok := text(v); ok && utf8.RuneCountInString(s) == 1 {
			return m.formatText(s, spec)
		}
		i, ok := integer(v)
		if !ok || !i.IsInt64() || i.Int64() < 0 || i.Int64() > utf8.MaxRune {
			return "", errors.New("%c requires int or char")
		}
		return m.formatText(string(rune(i.Int64())), spec)
	case 'd', 'i', 'u':
		if f, ok := v.(float64); ok && !math.IsInf(f, 0) && !math.IsNaN(f) {
			whole, _ := big.NewFloat(f).Int(nil)
			v = narrow(whole)
		}
		spec.verb = 'd'
	}
	if u, ok := v.(*Undefined); ok {
		return "", u.err()
	}
	if _, ok := float(v); !ok {
		return "", fmt.Errorf("%%%c format: a real number is required, not %s", spec.verb, typeName(v))
	}
	return m.formatNumber(v, spec)
}

// formatText cuts a text to the precision and pads it.
func (m *machine) formatText(s string, spec formatSpec) (string, error) {
	if spec.precision >= 0 && utf8.RuneCountInString(s) > spec.precision {
		s = string([]rune(s)[:spec.precision])
	}
	switch spec.align {
	case '=':
		return "", errors.New("'=' alignment not allowed in string format specifier")
	case '>':
		return m.pad(s, spec.width, spec.fill, func(pad, _ int) int { return pad })
	case '^':
		return m.pad(s, spec.width, spec.fill, func(pad, _ int) int { return pad / 2 })
	}
	return m.pad(s, spec.width, spec.fill, func(int, int) int { return 0 })
}

func (m *machine) formatNumber(v Value, spec formatSpec) (string, error) {
	if spec.precision > 1000 {
		return "", fmt.Errorf("%w: precision %d", ErrLimit, spec.precision)
	}
	digits, prefix, negative, err := numberDigits(v, spec)
	if err != nil {
		return "", err
	}
	if spec.comma != "" {
		digits = groupDigits(digits, spec.comma, spec.verb)
	}
	switch {
	case negative:
		prefix = "-" + prefix
	case spec.sign != 0:
		prefix = string(spec.sign) + prefix
	}
	spec.precision = -1
	if spec.align == '=' {
		spec.align = '>'
		spec.width -= len(prefix)
		digits, err := m.formatText(digits, spec)
		return prefix + digits, err
	}
	if spec.align == 0 {
		spec.align = '>'
	}
	return m.formatText(prefix+digits, spec)
}

// numberDigits writes the absolute value of a number.
func numberDigits(v Value, spec formatSpec) (digits, prefix string, negative bool, err error) {
	i, isInt := integer(v)
	switch spec.verb {
	case 'd', 'n', 'b', 'o', 'x', 'X', 0:
		if !isInt {
			if spec.verb != 0 {
				return "", "", false, fmt.Errorf("format code '%c' needs an int, not %s", spec.verb, typeName(v))
			}
			break
		}
		base := map[byte]int{'b': 2, 'o': 8, 'x': 16, 'X': 16}[spec.verb]
		if base == 0 {
			base = 10
		} else if spec.alternate {
			prefix = "0" + string(spec.verb)
		}
		digits = new(big.Int).Abs(i).Text(base)
		if spec.verb == 'X' {
			digits = strings.ToUpper(digits)
		}
		if spec.precision > len(digits) {
			digits = strings.Repeat("0", spec.precision-len(digits)) + digits
		}
		return digits, prefix, i.Sign() < 0, nil
	}
	f, _ := float(v)
	digits, err = floatDigits(math.Abs(f), spec)
	return digits, "", math.Signbit(f) && !math.IsNaN(f), err
}

func floatDigits(f float64, spec formatSpec) (string, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return floatRepr(f), nil
	}
	precision, verb := spec.precision, spec.verb
	if verb == 0 && precision < 0 {
		return floatRepr(f), nil
	}
	if precision < 0 {
		precision = 6
	}
	switch verb {
	case 'e', 'E', 'f', 'F':
		s := strconv.FormatFloat(f, verb|0x20, precision, 64)
		if verb == 'E' {
			s = strings.ToUpper(s)
		}
		return s, nil
	case '%':
		return strconv.FormatFloat(f*100, 'f', precision, 64) + "%", nil
	case 'g', 'G', 'n', 0:
		s := strconv.FormatFloat(f, 'g', max(precision, 1), 64)
		if verb == 'G' {
			s = strings.ToUpper(s)
		}
		if verb == 0 && !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s, nil
	}
	return "", fmt.Errorf("unknown format code '%c'", verb)
}

// groupDigits puts a separator between each three digits (four for the binary bases) of the whole part.
func groupDigits(digits, sep string, verb byte) string {
	group := 3
	if strings.IndexByte("boxX", verb) >= 0 && verb != 0 {
		group = 4
	}
	end := strings.IndexFunc(digits, func(r rune) bool { return !isHexDigit(byte(r)) })
	if end < 0 || group == 4 {
		end = len(digits)
	}
	for i := end - group; i > 0; i -= group {
		digits = digits[:i] + sep + digits[i:]
	}
	return digits
}
