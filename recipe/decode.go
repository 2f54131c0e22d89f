package recipe

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// source is a YAML text, and where in it an error lies.
type source struct{ name string }

func (s source) errorf(n ast.Node, format string, a ...any) error {
	where := s.name
	if t := n.GetToken(); t != nil && t.Position != nil {
		where = fmt.Sprintf("%s:%d", s.name, t.Position.Line)
	}
	return fmt.Errorf("%s: %s", where, fmt.Sprintf(format, a...))
}

// parse reads the one document of a YAML text as a mapping.
func (s source) parse(text []byte) (*ast.MappingNode, error) {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: want one YAML document, found %d", s.name, len(f.Docs))
	}
	m, ok := f.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return nil, s.errorf(f.Docs[0].Body, "want keys with values")
	}
	return m, nil
}

// decode stores what n says in v, and leaves what it does not mention as it is. Lists are replaced as a whole. path names v in errors.
func (s source) decode(n ast.Node, v reflect.Value, path string) error {
	if _, null := n.(*ast.NullNode); null {
		v.SetZero()
		return nil
	}
	if own, ok := v.Addr().Interface().(interface{ UnmarshalYAML(func(any) error) error }); ok {
		return own.UnmarshalYAML(func(to any) error { return s.decode(n, reflect.ValueOf(to).Elem(), path) })
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			to.Elem().Set(v.Elem())
		}
		v.Set(to)
		return s.decode(n, to.Elem(), path)
	case reflect.Struct:
		return s.decodeStruct(n, v, path)
	case reflect.Slice, reflect.Array:
		return s.decodeList(n, v, path)
	case reflect.Map:
		return s.decodeMap(n, v, path)
	}
	return s.decodeScalar(n, v, path)
}

func (s source) decodeStruct(n ast.Node, v reflect.Value, path string) error {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return s.errorf(n, "%swant keys with values, found %s", label(path), text(n))
	}
	for _, e := range m.Values {
		key := e.Key.GetToken().Value
		f, ok := fieldOf(v, key)
		if !ok {
			return s.errorf(e.Key, "unknown key %s: %s", join(path, key), suggestion(v.Type(), path, key))
		}
		if err := s.decode(e.Value, f, join(path, key)); err != nil {
			return err
		}
	}
	return nil
}

func (s source) decodeList(n ast.Node, v reflect.Value, path string) error {
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		return s.errorf(n, "%swant a list, found %s", label(path), text(n))
	}
	if v.Kind() == reflect.Array {
		if len(l.Values) != v.Len() {
			return s.errorf(n, "%swant a list of %d, found %d", label(path), v.Len(), len(l.Values))
		}
	} else if v.SetZero(); len(l.Values) > 0 { // one that is empty and one that is absent are the same
		v.Set(reflect.MakeSlice(v.Type(), len(l.Values), len(l.Values)))
	}
	for i, e := range l.Values {
		if err := s.decode(e, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s source) decodeMap(n ast.Node, v reflect.Value, path string) error {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return s.errorf(n, "%swant keys with values, found %s", label(path), text(n))
	}
	to := reflect.MakeMap(v.Type())
	for _, e := range m.Values {
		key, value := e.Key.GetToken().Value, reflect.New(v.Type().Elem()).Elem()
		if err := s.decode(e.Value, value, join(path, key)); err != nil {
			return err
		}
		to.SetMapIndex(reflect.ValueOf(key), value)
	}
	v.Set(to)
	return nil
}

func (s source) decodeScalar(n ast.Node, v reflect.Value, path string) error {
	number, isNumber := numberOf(n)
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return nil
		}
		return s.errorf(n, "%swant true or false, found %s", label(path), text(n))
	case reflect.Float64, reflect.Float32:
		if isNumber && !math.IsNaN(number) {
			v.SetFloat(number)
			return nil
		}
		return s.errorf(n, "%swant a number, found %s", label(path), text(n))
	case reflect.Int, reflect.Int32, reflect.Int64:
		if isNumber && number == math.Trunc(number) && math.Abs(number) < 1<<53 && !v.OverflowInt(int64(number)) {
			v.SetInt(int64(number))
			return nil
		}
		return s.errorf(n, "%swant a whole number, found %s", label(path), text(n))
	case reflect.Uint64:
		if isNumber && number == math.Trunc(number) && number >= 0 && number < 1<<53 {
			v.SetUint(uint64(number))
			return nil
		}
		return s.errorf(n, "%swant a whole number from 0, found %s", label(path), text(n))
	case reflect.String:
		switch n := n.(type) {
		case *ast.LiteralNode:
			v.SetString(n.Value.Value)
			return nil
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			v.SetString(n.GetToken().Value)
			return nil
		}
		return s.errorf(n, "%swant a text, found %s", label(path), text(n))
	case reflect.Interface:
		v.Set(reflect.ValueOf(n.GetToken().Value))
		return nil
	}
	panic(fmt.Sprintf("recipe: %s is of the kind %v", path, v.Kind()))
}

func numberOf(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		switch i := n.Value.(type) {
		case int64:
			return float64(i), true
		case uint64:
			return float64(i), true
		}
	case *ast.FloatNode:
		return n.Value, true
	case *ast.StringNode: // 1e-5, which YAML 1.2 takes for a number
		if n.Token.Type == token.StringType {
			v, err := strconv.ParseFloat(n.Value, 64)
			return v, err == nil
		}
	}
	return 0, false
}

// text shows a value in an error.
func text(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "keys"
	case *ast.SequenceNode:
		return "a list"
	}
	s := strings.TrimSpace(n.String())
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}

func label(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
