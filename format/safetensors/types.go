package safetensors

import "github.com/pennyml/penny/dtype"

// element is one element type of the format. Types that Penny does not compute with can be read as bytes but not written.
type element struct {
	name string
	bits int
	typ  dtype.Type
}

// elements lists the types in the official writer's order of increasing alignment; files store them in falling order.
var elements = []element{
	{"BOOL", 8, dtype.Bool},
	{"F4", 4, dtype.Invalid},
	{"F6_E2M3", 6, dtype.Invalid},
	{"F6_E3M2", 6, dtype.Invalid},
	{"U8", 8, dtype.U8},
	{"I8", 8, dtype.I8},
	{"F8_E5M2", 8, dtype.F8E5M2},
	{"F8_E4M3", 8, dtype.F8E4M3},
	{"F8_E8M0", 8, dtype.Invalid},
	{"F8_E4M3FNUZ", 8, dtype.Invalid},
	{"F8_E5M2FNUZ", 8, dtype.Invalid},
	{"I16", 16, dtype.I16},
	{"U16", 16, dtype.Invalid},
	{"F16", 16, dtype.F16},
	{"BF16", 16, dtype.BF16},
	{"I32", 32, dtype.I32},
	{"U32", 32, dtype.Invalid},
	{"F32", 32, dtype.F32},
	{"C64", 64, dtype.Invalid},
	{"F64", 64, dtype.F64},
	{"I64", 64, dtype.I64},
	{"U64", 64, dtype.Invalid},
}

// elementNamed finds an element type by its name in the file.
func elementNamed(name string) (element, bool) {
	for _, e := range elements {
		if e.name == name {
			return e, true
		}
	}
	return element{}, false
}

// rankOf is the place of t in elements; false for a type that the format cannot hold.
func rankOf(t dtype.Type) (int, bool) {
	for i, e := range elements {
		if e.typ == t && t.Valid() {
			return i, true
		}
	}
	return 0, false
}
