package gguf

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
)

// ValueType is the type of a metadata value, numbered as in the file.
type ValueType uint32

// The metadata value types of the GGUF specification.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
	numValueTypes
)

var valueTypes = [numValueTypes]struct {
	name string
	size int // bytes of one value; 0 where it varies
}{
	Uint8: {"u8", 1}, Int8: {"i8", 1}, Uint16: {"u16", 2}, Int16: {"i16", 2}, Uint32: {"u32", 4}, Int32: {"i32", 4},
	Float32: {"f32", 4}, Bool: {"bool", 1}, String: {"string", 0}, Array: {"array", 0},
	Uint64: {"u64", 8}, Int64: {"i64", 8}, Float64: {"f64", 8},
}

// String is the type's short name, such as "u32".
func (t ValueType) String() string {
	if t >= numValueTypes {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return valueTypes[t].name
}

// isInteger reports whether t is a whole-number type.
func (t ValueType) isInteger() bool {
	return t <= Int32 || t == Uint64 || t == Int64
}

// tensorTypes gives for each tensor type id of the file format our type; Invalid for ids that are not readable.
var tensorTypes = [...]dtype.Type{
	0: dtype.F32, 1: dtype.F16, 2: dtype.Q4_0, 3: dtype.Q4_1, 6: dtype.Q5_0, 7: dtype.Q5_1, 8: dtype.Q8_0, 9: dtype.Q8_1,
	10: dtype.Q2_K, 11: dtype.Q3_K, 12: dtype.Q4_K, 13: dtype.Q5_K, 14: dtype.Q6_K, 15: dtype.Q8_K,
	16: dtype.IQ2_XXS, 17: dtype.IQ2_XS, 18: dtype.IQ3_XXS, 19: dtype.IQ1_S, 20: dtype.IQ4_NL, 21: dtype.IQ3_S, 22: dtype.IQ2_S,
	23: dtype.IQ4_XS, 24: dtype.I8, 25: dtype.I16, 26: dtype.I32, 27: dtype.I64, 28: dtype.F64, 29: dtype.IQ1_M, 30: dtype.BF16,
	34: dtype.TQ1_0, 35: dtype.TQ2_0, 39: dtype.MXFP4,
}

// unreadableTypes says why an id that once had, or elsewhere has, a meaning is refused.
var unreadableTypes = map[uint32]string{
	4: "q4_2, removed from the format", 5: "q4_3, removed from the format",
	31: "q4_0_4_4, removed from the format", 32: "q4_0_4_8, removed from the format", 33: "q4_0_8_8, removed from the format",
	36: "iq4_nl_4_4, removed from the format", 37: "iq4_nl_4_8, removed from the format", 38: "iq4_nl_8_8, removed from the format",
	40: "nvfp4, not supported", 41: "q1_0, not supported", 42: "q2_0, not supported",
}

// tensorType translates a tensor type id.
func tensorType(id uint32) (dtype.Type, error) {
	if id < uint32(len(tensorTypes)) && tensorTypes[id].Valid() {
		return tensorTypes[id], nil
	}
	if why := unreadableTypes[id]; why != "" {
		return dtype.Invalid, fmt.Errorf("type %d (%s)", id, why)
	}
	return dtype.Invalid, fmt.Errorf("unknown type %d", int32(id))
}

// typeID is the inverse of tensorType; false for a type that GGUF cannot hold.
func typeID(t dtype.Type) (uint32, bool) {
	for id, have := range tensorTypes {
		if have == t && t.Valid() {
			return uint32(id), true
		}
	}
	return 0, false
}
