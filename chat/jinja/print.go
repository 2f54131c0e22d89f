package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str(v).
func (m *machine) str(v Value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case Markup:
		return string(v), nil
	case *Undefined:
		return "", nil
	}
	var b strings.Builder
	err := m.repr(&b, v)
	return b.String(), err
}

// repr writes Python's repr(v).
func (m *machine) repr(b *strings.Builder, v Value) error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.leave()
	switch v := v.(type) {
	case List:
		return m.reprItems(b, "[", v, "]")
	case Tuple:
		if len(v) == 1 {
			return m.reprItems(b, "(", v, ",)")
		}
		return m.reprItems(b, "(", v, ")")
	case *group:
		return m.reprItems(b, "(", []Value{v.key, v.list}, ")")
	case *Dict:
		return m.reprDict(b, v)
	case *View:
		b.WriteString(v.kind)
		items := make([]Value, v.dict.Len())
		for i := range items {
			items[i] = v.at(i)
		}
		return m.reprItems(b, "([", items, "])")
	case *Namespace:
		b.WriteString("<Namespace ")
		defer b.WriteString(">")
		return m.reprDict(b, v.attrs)
	}
	s := reprScalar(v)
	b.WriteString(s)
	return m.alloc(len(s))
}

func (m *machine) reprItems(b *strings.Builder, open string, items []Value, end string) error {
	b.WriteString(open)
	for i, e := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := m.repr(b, e); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return nil
}

func (m *machine) reprDict(b *strings.Builder, d *Dict) error {
	b.WriteString("{")
	for i, k := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := m.repr(b, k); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := m.repr(b, d.values[i]); err != nil {
			return err
		}
	}
	b.WriteString("}")
	return nil
}

func reprScalar(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		return floatRepr(v)
	case string:
		return quote(v)
	case Markup:
		return "Markup(" + quote(string(v)) + ")"
	case *Undefined:
		return "Undefined"
	case *Range:
		if v.step == 1 {
			return fmt.Sprintf("range(%d, %d)", v.start, v.stop)
		}
		return fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step)
	case *macro:
		return "<Macro " + quote(v.def.name) + ">"
	default:
		return "<" + typeName(v) + ">"
	}
}

// floatRepr is Python's repr of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	case f != 0 && (math.Abs(f) < 1e-4 || math.Abs(f) >= 1e16):
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b := []byte{q}
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, q))
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func escapeHTML(s string) string { return htmlEscaper.Replace(s) }
