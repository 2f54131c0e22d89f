package recipe

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/pennyml/penny/rl"
)

// YAML is the resolved recipe as a file that gives the same run. Values that are zero, and are where a file says nothing, are left out; a stage says what it
// has different.
func (r *Recipe) YAML() ([]byte, error) {
	top, stages := *r, r.Stages
	top.Stages = nil
	all := encode(reflect.ValueOf(top), reflect.ValueOf(defaults()), bothZero)
	var list []yaml.MapSlice
	for i := range stages {
		list = append(list, encode(reflect.ValueOf(stages[i]), reflect.ValueOf(Stage{Settings: r.Settings, RL: r.RL}), same))
	}
	all = append(all, yaml.MapItem{Key: "stages", Value: list})
	return yaml.MarshalWithOptions(all, yaml.Indent(2), yaml.IndentSequence(true))
}

func bothZero(v, base reflect.Value) bool { return isZero(v) && isZero(base) }

// isZero takes an empty list and an absent one for the same.
func isZero(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

func same(v, base reflect.Value) bool {
	return isZero(v) && isZero(base) || reflect.DeepEqual(v.Interface(), base.Interface())
}

// encode is a struct as keys with values, but for those that skip says need not be written; base is what they are where a file says nothing.
func encode(v, base reflect.Value, skip func(v, base reflect.Value) bool) yaml.MapSlice {
	var m yaml.MapSlice
	keyed(v.Type(), func(key string, index []int) {
		f, b := v.FieldByIndex(index), base.FieldByIndex(index)
		switch {
		case skip(f, b):
		case f.Kind() == reflect.Struct:
			if fields := encode(f, b, skip); len(fields) > 0 {
				m = append(m, yaml.MapItem{Key: key, Value: fields})
			}
		default:
			m = append(m, yaml.MapItem{Key: key, Value: plain(f)})
		}
	})
	return m
}

// plain is a value for the YAML writer. Of structs in lists, and of those behind pointers, what is zero is left out.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		base := reflect.Zero(v.Type())
		if v.Type() == reflect.TypeFor[rl.Config]() {
			base = reflect.ValueOf(rl.DefaultConfig())
		}
		return encode(v, base, bothZero)
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.String:
		if strings.ContainsAny(v.String(), "\n\r") {
			return quoted(v.String())
		}
		return v.String()
	}
	return v.Interface()
}

// quoted is a text written between double quotes: as a block, one that begins or ends with a line's end would lose it.
type quoted string

// MarshalYAML writes it.
func (q quoted) MarshalYAML() ([]byte, error) { return []byte(strconv.Quote(string(q))), nil }
