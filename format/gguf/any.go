package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Any decodes the value: uint8 to float64, bool or string for single values; []uint8 to []float64, []bool or []string for arrays, and
// []any for an array of arrays. It is for inspection and copying; the getters of Meta are for use.
func (v Value) Any() any {
	if v.Type != Array {
		return scalar(v.Type, v.raw)
	}
	a, _ := arrayOf(v.raw)
	return a
}

func scalar(t ValueType, raw []byte) any {
	switch t {
	case Uint8:
		return raw[0]
	case Int8:
		return int8(raw[0])
	case Uint16:
		return binary.LittleEndian.Uint16(raw)
	case Int16:
		return getInt16(raw)
	case Uint32:
		return binary.LittleEndian.Uint32(raw)
	case Int32:
		return getInt32(raw)
	case Uint64:
		return binary.LittleEndian.Uint64(raw)
	case Int64:
		return getInt64(raw)
	case Float32:
		return getFloat32(raw)
	case Float64:
		return getFloat64(raw)
	case Bool:
		return getBool(raw)
	case String:
		return string(raw[8:])
	}
	panic("gguf: scalar of type " + t.String())
}

// arrayOf decodes the array whose head starts raw, and returns what follows it.
func arrayOf(raw []byte) (array any, rest []byte) {
	elem, n := ValueType(binary.LittleEndian.Uint32(raw)), int(binary.LittleEndian.Uint64(raw[4:]))
	raw = raw[arrayHead:]
	if elem == Array {
		out := make([]any, n)
		for i := range out {
			out[i], raw = arrayOf(raw)
		}
		return out, raw
	}
	if elem == String {
		out := stringsOf(raw, n)
		for _, s := range out {
			raw = raw[8+len(s):]
		}
		return out, raw
	}
	size := n * valueTypes[elem].size
	return numberArray(elem, n, raw[:size]), raw[size:]
}

func numberArray(t ValueType, n int, raw []byte) any {
	switch t {
	case Uint8:
		return append([]uint8{}, raw...)
	case Int8:
		return numbers(raw, n, func(b []byte) int8 { return int8(b[0]) })
	case Uint16:
		return numbers(raw, n, binary.LittleEndian.Uint16)
	case Int16:
		return numbers(raw, n, getInt16)
	case Uint32:
		return numbers(raw, n, binary.LittleEndian.Uint32)
	case Int32:
		return numbers(raw, n, getInt32)
	case Uint64:
		return numbers(raw, n, binary.LittleEndian.Uint64)
	case Int64:
		return numbers(raw, n, getInt64)
	case Float32:
		return numbers(raw, n, getFloat32)
	case Float64:
		return numbers(raw, n, getFloat64)
	case Bool:
		return numbers(raw, n, getBool)
	}
	panic("gguf: array of type " + t.String())
}

// numbers decodes n values of equal size that fill raw.
func numbers[T any](raw []byte, n int, get func([]byte) T) []T {
	out := make([]T, n)
	if n == 0 {
		return out
	}
	if len(raw)%n != 0 {
		panic(fmt.Sprintf("gguf: %d numbers in %d bytes", n, len(raw)))
	}
	size := len(raw) / n
	for i := range out {
		out[i] = get(raw[i*size:])
	}
	return out
}

func getInt16(b []byte) int16     { return int16(binary.LittleEndian.Uint16(b)) }
func getInt32(b []byte) int32     { return int32(binary.LittleEndian.Uint32(b)) }
func getInt64(b []byte) int64     { return int64(binary.LittleEndian.Uint64(b)) }
func getFloat32(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
func getFloat64(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
func getBool(b []byte) bool       { return b[0] == 1 }
