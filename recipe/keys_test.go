package recipe

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocumented: docs/TRAINING.md names every key but those of reinforcement learning.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/TRAINING.md")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			if path = strings.TrimPrefix(path, "stages."); strings.HasPrefix(path, "rl.") {
				return
			}
			if !strings.Contains(string(text), "`"+path+"`") && !strings.Contains(string(text), "`"+path[strings.LastIndexByte(path, '.')+1:]+"`") {
				t.Errorf("docs/TRAINING.md does not name %s", path)
			}
			return
		}
		keyed(typ, func(key string, index []int) { walk(typ.FieldByIndex(index).Type, join(path, key)) })
	}
	walk(reflect.TypeFor[Recipe](), "")
}
