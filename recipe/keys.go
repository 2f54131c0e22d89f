package recipe

import (
	"fmt"
	"reflect"
	"strings"
)

// keyed calls f for each key of a struct with its field; fields of embedded structs are the struct's own.
func keyed(t reflect.Type, f func(key string, index []int)) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			keyed(field.Type, func(key string, index []int) { f(key, append([]int{i}, index...)) })
		} else if key, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); key != "" && key != "-" {
			f(key, []int{i})
		}
	}
}

// fieldOf is the field of a struct for a key.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	var found reflect.Value
	keyed(v.Type(), func(k string, index []int) {
		if k == key && !found.IsValid() {
			found = v.FieldByIndex(index)
		}
	})
	return found, found.IsValid()
}

// suggestion names what an unknown key of a struct was probably meant to be: the nearest of its keys, or, where none is near, a place elsewhere in the
// recipe that has a key of just this name.
func suggestion(t reflect.Type, path, key string) string {
	best, least := "", 1<<30
	keyed(t, func(k string, _ []int) {
		if d := distance(key, k); d < least {
			best, least = k, d
		}
	})
	if least > len(key)/3 {
		if elsewhere := places(reflect.TypeFor[Recipe](), "", key, nil); len(elsewhere) > 0 {
			return "did you mean " + strings.Join(elsewhere, " or ") + "?"
		}
	}
	return fmt.Sprintf("did you mean %s?", join(path, best))
}

// places lists where below t a key of a name stands.
func places(t reflect.Type, path, key string, found []string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			path += "[0]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || strings.HasPrefix(path, "stages") {
		return found
	}
	keyed(t, func(k string, index []int) {
		if k == key {
			found = append(found, join(path, k))
		} else {
			found = places(t.FieldByIndex(index).Type, join(path, k), key, found)
		}
	})
	return found
}

// distance is how many letters must be put in, taken out, exchanged or swapped with their neighbour to get from a to b.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, now, before
	}
	return rows[1][len(b)]
}
