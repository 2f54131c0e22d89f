package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
)

// maxJSONDepth is how deep arrays and objects may nest in a decoded document.
const maxJSONDepth = 500

// DecodeJSON reads one JSON document into values: objects become dicts in the order of their keys (a repeated key keeps its first place and last
// value, as in Python), whole numbers integers of any size, others floats.
func DecodeJSON(data []byte) (Value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeJSON(dec, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("json: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("json: text after the document")
	}
	return v, nil
}

func decodeJSON(dec *json.Decoder, depth int) (Value, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxJSONDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return decodeArray(dec, depth)
		}
		return decodeObject(dec, depth)
	case json.Number:
		if strings.ContainsAny(string(t), ".eE") {
			f, err := t.Float64()
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return nil, err
			}
			return f, nil
		}
		return parseInt(string(t), 10)
	default:
		return t, nil // string, bool, nil
	}
}

func decodeArray(dec *json.Decoder, depth int) (Value, error) {
	list := List{}
	for dec.More() {
		v, err := decodeJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return list, err
}

func decodeObject(dec *json.Decoder, depth int) (Value, error) {
	d := &Dict{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		d.Set(key.(string), v)
	}
	_, err := dec.Token()
	return d, err
}

// EncodeJSON writes a value as json.dumps(v, ensure_ascii=False) of Python does, which is what models were trained on.
func EncodeJSON(v Value) (string, error) {
	m := &machine{left: Limits{}.withDefaults()}
	out, err := filterToJSON(m, v, &args{fn: "tojson"})
	if err != nil {
		return "", err
	}
	return out.(string), nil
}

// jsonStyle is how json.dumps of Python lays a document out.
type jsonStyle struct {
	ascii, sorted, pretty     bool
	indent, itemSep, colonSep string
}

// filterToJSON is the tojson filter of Hugging Face: json.dumps(v, ensure_ascii=False) with its options.
func filterToJSON(m *machine, v Value, a *args) (Value, error) {
	style := jsonStyle{itemSep: ", ", colonSep: ": "}
	style.ascii = a.bool("ensure_ascii", false)
	switch indent := a.value("indent", nil).(type) {
	case nil:
	case int64:
		if indent > 100 {
			return nil, fmt.Errorf("tojson: indent %d", indent)
		}
		style.pretty, style.indent = true, strings.Repeat(" ", int(max(indent, 0)))
	case string:
		style.pretty, style.indent = true, indent
	default:
		return nil, errors.New("tojson: indent must be a number or a string")
	}
	if style.pretty {
		style.itemSep = ","
	}
	if sep := a.value("separators", nil); sep != nil {
		pair, ok := sequence(sep)
		if !ok || len(pair) != 2 || !isText(pair[0]) || !isText(pair[1]) {
			return nil, errors.New("tojson: separators must be a pair of strings")
		}
		style.itemSep, _ = text(pair[0])
		style.colonSep, _ = text(pair[1])
	}
	style.sorted = a.bool("sort_keys", false)
	if err := a.end(); err != nil {
		return nil, err
	}
	var b strings.Builder
	err := m.dump(&b, v, &style, "\n")
	return b.String(), err
}

// dump appends v as JSON. newline is a line end with the indentation of the value's own level.
func (m *machine) dump(b *strings.Builder, v Value, style *jsonStyle, newline string) error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.leave()
	if s, ok := text(v); ok {
		appendJSONString(b, s, style.ascii)
		return m.alloc(len(s))
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64, *big.Int:
		b.WriteString(reprScalar(v))
	case float64:
		b.WriteString(jsonFloat(v))
	case List:
		return m.dumpItems(b, "[", "]", len(v), style, newline, func(i int, inner string) error { return m.dump(b, v[i], style, inner) })
	case Tuple:
		return m.dump(b, List(v), style, newline)
	case *Dict:
		return m.dumpDict(b, v, style, newline)
	default:
		return fmt.Errorf("object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func (m *machine) dumpDict(b *strings.Builder, d *Dict, style *jsonStyle, newline string) error {
	names := make([]string, d.Len())
	for i, k := range d.keys {
		switch k := k.(type) {
		case string:
			names[i] = k
		case Markup:
			names[i] = string(k)
		case nil, bool, int64, *big.Int, float64:
			var s strings.Builder
			if err := m.dump(&s, k, style, newline); err != nil {
				return err
			}
			names[i] = s.String()
		default:
			return fmt.Errorf("keys must be str, int, float, bool or None, not %s", typeName(k))
		}
	}
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if style.sorted {
		if err := m.sortOrder(order, d.keys, false); err != nil {
			return err
		}
	}
	return m.dumpItems(b, "{", "}", d.Len(), style, newline, func(i int, inner string) error {
		appendJSONString(b, names[order[i]], style.ascii)
		b.WriteString(style.colonSep)
		return m.dump(b, d.values[order[i]], style, inner)
	})
}

func (m *machine) dumpItems(b *strings.Builder, open, end string, n int, style *jsonStyle, newline string, item func(i int, inner string) error) error {
	b.WriteString(open)
	inner := newline + style.indent
	for i := range n {
		if i > 0 {
			b.WriteString(style.itemSep)
		}
		if style.pretty {
			b.WriteString(inner)
			if err := m.alloc(len(inner)); err != nil {
				return err
			}
		}
		if err := item(i, inner); err != nil {
			return err
		}
	}
	if style.pretty && n > 0 {
		b.WriteString(newline)
	}
	b.WriteString(end)
	return m.alloc(2 + n*len(style.itemSep))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}

func appendJSONString(b *strings.Builder, s string, ascii bool) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20 || ascii && r >= 0x7f && r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		case ascii && r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
