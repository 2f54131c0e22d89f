package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Meta is a file's metadata. Values are decoded when they are asked for, and what is returned stays valid after the file is closed;
// Meta itself does not. The getters give false both for a key that is absent and for one of another type; Missing tells which.
type Meta struct {
	keys   []string
	values map[string]Value
}

// Value is one metadata value, not yet decoded.
type Value struct {
	Type ValueType
	Elem ValueType // the type of an array's elements
	Len  int       // the number of an array's elements; 1 for other types
	raw  []byte    // as in the file, without the leading value type
}

// arrayHead is the size of what stands before an array's elements: their type and count.
const arrayHead = 4 + 8

// Keys lists the keys in file order.
func (m *Meta) Keys() []string { return m.keys }

// Value returns the value of key, whatever its type.
func (m *Meta) Value(key string) (Value, bool) {
	v, ok := m.values[key]
	return v, ok
}

// Missing explains why a getter gave false for key: absent, or not the wanted type.
func (m *Meta) Missing(key, want string) error {
	v, ok := m.values[key]
	if !ok {
		return fmt.Errorf("gguf: key %q is missing (want %s)", key, want)
	}
	return fmt.Errorf("gguf: key %q is %s, want %s", key, v.describe(), want)
}

func (v Value) describe() string {
	switch {
	case v.Type == Array:
		return fmt.Sprintf("an array of %d %v", v.Len, v.Elem)
	case v.Type.isInteger():
		return fmt.Sprintf("%v %v", v.Type, v.Any())
	}
	return v.Type.String()
}

// String returns a string value. Its bytes are as in the file, UTF-8 or not.
func (m *Meta) String(key string) (string, bool) {
	v, ok := m.values[key]
	if !ok || v.Type != String {
		return "", false
	}
	return string(v.raw[8:]), true
}

// Uint returns a value of any integer type that is not negative.
func (m *Meta) Uint(key string) (uint64, bool) {
	v, ok := m.values[key]
	if !ok || !v.Type.isInteger() {
		return 0, false
	}
	u, negative := integer(v.Type, v.raw)
	return u, !negative
}

// Int returns a value of any integer type that fits in 64 bits with sign.
func (m *Meta) Int(key string) (int64, bool) {
	v, ok := m.values[key]
	if !ok || !v.Type.isInteger() {
		return 0, false
	}
	u, negative := integer(v.Type, v.raw)
	return int64(u), negative || u <= math.MaxInt64
}

// Float returns a value of either float type.
func (m *Meta) Float(key string) (float64, bool) {
	v, ok := m.values[key]
	switch {
	case ok && v.Type == Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw))), true
	case ok && v.Type == Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.raw)), true
	}
	return 0, false
}

// Bool returns a boolean value.
func (m *Meta) Bool(key string) (value, ok bool) {
	v, ok := m.values[key]
	if !ok || v.Type != Bool {
		return false, false
	}
	return v.raw[0] == 1, true
}

// array returns the elements of an array whose element type passes.
func (m *Meta) array(key string, passes func(ValueType) bool) (v Value, elems []byte, ok bool) {
	v, ok = m.values[key]
	if !ok || v.Type != Array || !passes(v.Elem) {
		return v, nil, false
	}
	return v, v.raw[arrayHead:], true
}

// Strings returns an array of strings. They share one copy of the array's bytes, so a vocabulary costs two allocations.
func (m *Meta) Strings(key string) ([]string, bool) {
	v, elems, ok := m.array(key, func(t ValueType) bool { return t == String })
	if !ok {
		return nil, false
	}
	return stringsOf(elems, v.Len), true
}

func stringsOf(elems []byte, n int) []string {
	out, all := make([]string, n), string(elems)
	at := 0
	for i := range out {
		size := int(binary.LittleEndian.Uint64(elems[at:]))
		out[i] = all[at+8 : at+8+size]
		at += 8 + size
	}
	return out
}

// Ints returns an array of any integer type, if all its elements fit in 64 bits with sign.
func (m *Meta) Ints(key string) ([]int64, bool) {
	v, elems, ok := m.array(key, ValueType.isInteger)
	if !ok {
		return nil, false
	}
	out, size := make([]int64, v.Len), valueTypes[v.Elem].size
	for i := range out {
		u, negative := integer(v.Elem, elems[i*size:])
		if !negative && u > math.MaxInt64 {
			return nil, false
		}
		out[i] = int64(u)
	}
	return out, true
}

// Floats returns an array of f32.
func (m *Meta) Floats(key string) ([]float32, bool) {
	v, elems, ok := m.array(key, func(t ValueType) bool { return t == Float32 })
	if !ok {
		return nil, false
	}
	return numbers(elems, v.Len, getFloat32), true
}

// Bools returns an array of booleans.
func (m *Meta) Bools(key string) ([]bool, bool) {
	v, elems, ok := m.array(key, func(t ValueType) bool { return t == Bool })
	if !ok {
		return nil, false
	}
	return numbers(elems, v.Len, getBool), true
}

// integer widens an integer of type t; for a negative one it returns the two's complement bits.
func integer(t ValueType, raw []byte) (u uint64, negative bool) {
	var i int64
	switch t {
	case Uint8:
		return uint64(raw[0]), false
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(raw)), false
	case Uint32:
		return uint64(binary.LittleEndian.Uint32(raw)), false
	case Uint64:
		return binary.LittleEndian.Uint64(raw), false
	case Int8:
		i = int64(int8(raw[0]))
	case Int16:
		i = int64(int16(binary.LittleEndian.Uint16(raw)))
	case Int32:
		i = int64(int32(binary.LittleEndian.Uint32(raw)))
	case Int64:
		i = int64(binary.LittleEndian.Uint64(raw))
	default:
		panic("gguf: integer of type " + t.String())
	}
	return uint64(i), i < 0
}
