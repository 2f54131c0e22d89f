package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encode is the inverse of Value.Any. A Value passes as it is.
func encode(value any) (Value, error) {
	if v, ok := value.(Value); ok {
		return v, nil
	}
	t, raw, ok := appendScalar(nil, value)
	if ok {
		return Value{Type: t, Len: 1, raw: raw}, nil
	}
	elem, n, raw, err := appendArray(nil, value, 1)
	return Value{Type: Array, Elem: elem, Len: n, raw: raw}, err
}

// appendScalar adds a single value as it stands in the file; false if value is not one.
func appendScalar(b []byte, value any) (ValueType, []byte, bool) {
	le := binary.LittleEndian
	switch v := value.(type) {
	case uint8:
		return Uint8, append(b, v), true
	case int8:
		return Int8, append(b, uint8(v)), true
	case uint16:
		return Uint16, le.AppendUint16(b, v), true
	case int16:
		return Int16, le.AppendUint16(b, uint16(v)), true
	case uint32:
		return Uint32, le.AppendUint32(b, v), true
	case int32:
		return Int32, le.AppendUint32(b, uint32(v)), true
	case uint64:
		return Uint64, le.AppendUint64(b, v), true
	case int64:
		return Int64, le.AppendUint64(b, uint64(v)), true
	case float32:
		return Float32, le.AppendUint32(b, math.Float32bits(v)), true
	case float64:
		return Float64, le.AppendUint64(b, math.Float64bits(v)), true
	case bool:
		if v {
			return Bool, append(b, 1), true
		}
		return Bool, append(b, 0), true
	case string:
		return String, append(le.AppendUint64(b, uint64(len(v))), v...), true
	}
	return 0, b, false
}

// appendArray adds an array, head included.
func appendArray(b []byte, value any, depth int) (elem ValueType, n int, out []byte, err error) {
	switch v := value.(type) {
	case []uint8:
		return appendScalars(b, Uint8, v)
	case []int8:
		return appendScalars(b, Int8, v)
	case []uint16:
		return appendScalars(b, Uint16, v)
	case []int16:
		return appendScalars(b, Int16, v)
	case []uint32:
		return appendScalars(b, Uint32, v)
	case []int32:
		return appendScalars(b, Int32, v)
	case []uint64:
		return appendScalars(b, Uint64, v)
	case []int64:
		return appendScalars(b, Int64, v)
	case []float32:
		return appendScalars(b, Float32, v)
	case []float64:
		return appendScalars(b, Float64, v)
	case []bool:
		return appendScalars(b, Bool, v)
	case []string:
		return appendScalars(b, String, v)
	case []any:
		if depth == maxArrayDepth {
			return Array, 0, b, fmt.Errorf("arrays are nested deeper than %d levels", maxArrayDepth)
		}
		b = appendHead(b, Array, len(v))
		for _, inner := range v {
			if _, _, b, err = appendArray(b, inner, depth+1); err != nil {
				return Array, 0, b, err
			}
		}
		return Array, len(v), b, nil
	}
	return 0, 0, b, fmt.Errorf("a Go value of type %T has no place in GGUF metadata", value)
}

func appendHead(b []byte, elem ValueType, n int) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, uint32(elem)), uint64(n))
}

func appendScalars[T any](b []byte, elem ValueType, v []T) (ValueType, int, []byte, error) {
	b = appendHead(b, elem, len(v))
	for _, x := range v {
		_, b, _ = appendScalar(b, x)
	}
	return elem, len(v), b, nil
}
