package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// stringFormat is str.format.
func stringFormat(m *machine, v Value, a *args) (Value, error) {
	s, _ := text(v)
	f := &braceFormat{m: m, args: a}
	out, err := f.expand(s, 2)
	return out, err
}

type braceFormat struct {
	m    *machine
	args *args
	auto int
}

// expand replaces the fields of s; fields in format specifications may nest depth levels.
func (f *braceFormat) expand(s string, depth int) (string, error) {
	if depth == 0 {
		return "", errors.New("max string recursion exceeded")
	}
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		b.WriteString(s[:i])
		if err := f.m.alloc(i); err != nil {
			return "", err
		}
		if s = s[i:]; s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			b.WriteByte(s[0])
			s = s[2:]
			continue
		}
		end := fieldEnd(s)
		if end < 0 {
			return "", fmt.Errorf("single '%c' encountered in format string", s[0])
		}
		out, err := f.field(s[1:end], depth)
		if err != nil {
			return "", err
		}
		b.WriteString(out)
		s = s[end+1:]
	}
	return b.String(), nil
}

// fieldEnd finds the brace that closes the field at the start of s.
func fieldEnd(s string) int {
	if s[0] != '{' {
		return -1
	}
	level := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			level++
		case '}':
			if level--; level == 0 {
				return i
			}
		}
	}
	return -1
}

// field formats one replacement field: name!conversion:specification.
func (f *braceFormat) field(s string, depth int) (string, error) {
	name, spec, _ := strings.Cut(s, ":")
	name, conversion, converted := strings.Cut(name, "!")
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	if strings.Contains(spec, "{") {
		if spec, err = f.expand(spec, depth-1); err != nil {
			return "", err
		}
	}
	if converted {
		switch conversion {
		case "s":
			v, err = f.m.str(v)
		case "r", "a":
			var b strings.Builder
			err = f.m.repr(&b, v)
			v = b.String()
		default:
			err = fmt.Errorf("unknown conversion %s", quote(conversion))
		}
		if err != nil {
			return "", err
		}
	}
	return f.m.formatValue(v, spec)
}

// lookup finds the argument that a field names: an index or keyword, then .attributes and [elements].
func (f *braceFormat) lookup(name string) (Value, error) {
	i := strings.IndexAny(name, ".[")
	if i < 0 {
		i = len(name)
	}
	first, path := name[:i], name[i:]
	v, err := f.argument(first)
	for err == nil && path != "" {
		if path[0] == '.' {
			i := strings.IndexAny(path[1:], ".[") + 1
			if i == 0 {
				i = len(path)
			}
			v, err = f.m.attribute(v, path[1:i])
			path = path[i:]
			continue
		}
		key, rest, ok := strings.Cut(path[1:], "]")
		if path[0] != '[' || !ok {
			return nil, fmt.Errorf("malformed field name %s", quote(name))
		}
		var k Value = key
		if n, after := leadingInt(key); n >= 0 && after == "" {
			k = int64(n)
		}
		v, err = f.m.item(v, k)
		path = rest
	}
	return v, err
}

func (f *braceFormat) argument(name string) (Value, error) {
	n, rest := leadingInt(name)
	if name == "" {
		n = f.auto
		f.auto++
	}
	if n >= 0 && rest == "" {
		if n >= len(f.args.pos) {
			return nil, fmt.Errorf("replacement index %d out of range for positional args tuple", n)
		}
		return f.args.pos[n], nil
	}
	for _, k := range f.args.kw {
		if k.name == name {
			return k.value, nil
		}
	}
	return nil, fmt.Errorf("format: no argument %s", quote(name))
}

// formatValue is Python's format(v, spec).
func (m *machine) formatValue(v Value, specText string) (string, error) {
	if specText == "" {
		return m.str(v)
	}
	spec, err := parseSpec(specText)
	if err != nil {
		return "", err
	}
	_, isNumber := float(v)
	if !isNumber {
		if spec.verb != 0 && spec.verb != 's' || !isText(v) && !isNumber {
			return "", fmt.Errorf("unsupported format string %s for '%s'", quote(specText), typeName(v))
		}
		s, err := m.str(v)
		if err != nil {
			return "", err
		}
		return m.formatText(s, spec)
	}
	switch spec.verb {
	case 'c':
		return m.percentVerb(v, spec)
	case 's':
		return "", fmt.Errorf("unknown format code 's' for object of type '%s'", typeName(v))
	}
	return m.formatNumber(v, spec)
}

func parseSpec(s string) (formatSpec, error) {
	spec := formatSpec{fill: " ", precision: -1}
	whole := s
	if r, n := utf8.DecodeRuneInString(s); n < len(s) && strings.IndexByte("<>^=", s[n]) >= 0 {
		spec.fill, spec.align, s = string(r), s[n], s[n+1:]
	} else if strings.IndexByte("<>^=", s[0]) >= 0 {
		spec.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		if s[0] != '-' {
			spec.sign = s[0]
		}
		s = s[1:]
	}
	s, spec.alternate = strings.CutPrefix(s, "#")
	if strings.HasPrefix(s, "0") && spec.align == 0 {
		spec.fill, spec.align = "0", '='
	}
	spec.width, s = leadingInt(s)
	spec.width = max(spec.width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		spec.comma, s = s[:1], s[1:]
	}
	if strings.HasPrefix(s, ".") {
		if spec.precision, s = leadingInt(s[1:]); spec.precision < 0 {
			return spec, errors.New("format specifier missing precision")
		}
	}
	if len(s) == 1 {
		spec.verb, s = s[0], ""
	}
	if s != "" {
		return spec, fmt.Errorf("invalid format specifier %s", quote(whole))
	}
	return spec, nil
}
