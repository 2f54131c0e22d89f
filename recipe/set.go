package recipe

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// set applies one setting, such as budget.steps=100 or data.sources.0.files=corpus.txt. It stands above the file: what may differ from stage to stage is set
// for all of them, unless the key begins with stages.N.
func (r *Recipe) set(setting string) error {
	key, value, ok := strings.Cut(setting, "=")
	path := strings.FieldsFunc(strings.TrimSpace(key), func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	if !ok || len(path) == 0 {
		return fmt.Errorf("setting %q: want key=value", setting)
	}
	s := source{"--set " + setting}
	f, err := parser.ParseBytes([]byte("value: "+value), 0)
	if err != nil || len(f.Docs) != 1 {
		return fmt.Errorf("setting %q: the value is no YAML", setting)
	}
	m, ok := f.Docs[0].Body.(*ast.MappingNode)
	if !ok || len(m.Values) != 1 {
		return fmt.Errorf("setting %q: the value is no YAML", setting)
	}
	n := m.Values[0].Value
	if path[0] == "rl" {
		return r.setRL(s, path, n)
	}
	if err := s.place(reflect.ValueOf(r).Elem(), path, "", n); err != nil {
		return err
	}
	if _, shared := fieldOf(reflect.ValueOf(&r.Settings).Elem(), path[0]); !shared {
		return nil
	}
	for i := range r.Stages {
		if err := s.place(reflect.ValueOf(&r.Stages[i].Settings).Elem(), path, fmt.Sprintf("stages[%d]", i), n); err != nil {
			return err
		}
	}
	return nil
}

// setRL sets a key of reinforcement learning, in all stages that have any.
func (r *Recipe) setRL(s source, path []string, n ast.Node) error {
	found := r.RL != nil
	if found {
		if err := s.place(reflect.ValueOf(r).Elem(), path, "", n); err != nil {
			return err
		}
	}
	for i := range r.Stages {
		if r.Stages[i].RL == nil {
			continue
		}
		found = true
		if err := s.place(reflect.ValueOf(&r.Stages[i]).Elem(), path, fmt.Sprintf("stages[%d]", i), n); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s: the recipe has no section rl", s.name)
	}
	return nil
}

// place decodes n into the value at path below v.
func (s source) place(v reflect.Value, path []string, at string, n ast.Node) error {
	if len(path) == 0 {
		return s.shorten(s.decode(n, v, at))
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		} else {
			own := reflect.New(v.Type().Elem()) // stages share what their recipe says once
			own.Elem().Set(v.Elem())
			v.Set(own)
		}
		return s.place(v.Elem(), path, at, n)
	case reflect.Slice:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= v.Len() {
			return fmt.Errorf("%s: %s has %d elements, none of them %q", s.name, at, v.Len(), path[0])
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		return s.place(v.Index(i), path[1:], fmt.Sprintf("%s[%d]", at, i), n)
	case reflect.Struct:
		f, ok := fieldOf(v, path[0])
		if !ok {
			return fmt.Errorf("%s: unknown key %s: %s", s.name, join(at, path[0]), suggestion(v.Type(), at, path[0]))
		}
		return s.place(f, path[1:], join(at, path[0]), n)
	}
	return fmt.Errorf("%s: %s has no keys", s.name, at)
}

// shorten takes the line out of an error about a value that came without a file.
func (s source) shorten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s", strings.Replace(err.Error(), s.name+":1:", s.name+":", 1))
}
