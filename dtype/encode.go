package dtype

import (
	"fmt"
	"math"
)

// Encode stores src in dst as type t. It panics unless src is whole blocks and dst is exactly t.RowBytes(len(src)) long.
//
// Plain floats round to nearest, ties to even (see the scalar functions for what overflows). Integers and booleans must be stored exactly: a
// value that is no integer of the type is an error, and so is, in the block formats, a value that is not finite or so large that a scale
// overflows. The formats of one scale for 32 elements give the bytes that ggml's own quantiser gives; the k-quants and IQ4_XS search on the
// same principle, a little further. The remaining IQ formats have no encoder: they need an importance matrix to be of use.
func Encode(t Type, dst []byte, src []float32) error {
	if n := t.RowBytes(len(src)); n != len(dst) {
		panic(fmt.Sprintf("dtype: encode %v: %d elements take %d bytes, got %d", t, len(src), n, len(dst)))
	}
	if !t.IsQuantized() {
		return encodePlain(t, dst, src)
	}
	block := blockEncoder(t)
	if block == nil {
		return fmt.Errorf("dtype: encode: there is no encoder for %v", t)
	}
	for i, v := range src {
		if v-v != 0 {
			return fmt.Errorf("dtype: encode %v: element %d is %v", t, i, v)
		}
	}
	n, size := t.BlockSize(), t.BlockBytes()
	for i := range len(src) / n {
		x := src[n*i : n*i+n]
		if !block(dst[size*i:size*i+size], x) {
			return fmt.Errorf("dtype: encode %v: elements %d to %d: the scale for values up to %g overflows", t, n*i, n*i+n-1, maxAbs(x))
		}
	}
	return nil
}

// CanEncode reports whether Encode knows t.
func (t Type) CanEncode() bool { return t.Valid() && (!t.IsQuantized() || blockEncoder(t) != nil) }

// blockEncoder returns the function that encodes one block of finite values, nil if there is none. It reports false if a scale overflows.
func blockEncoder(t Type) func(b []byte, x []float32) bool {
	switch t {
	case Q4_0:
		return encodeQ4_0
	case Q4_1:
		return encodeQ4_1
	case Q5_0:
		return encodeQ5_0
	case Q5_1:
		return encodeQ5_1
	case Q8_0:
		return encodeQ8_0
	case Q8_1:
		return encodeQ8_1
	case Q2_K:
		return encodeQ2_K
	case Q3_K:
		return encodeQ3_K
	case Q4_K:
		return encodeQ4_K
	case Q5_K:
		return encodeQ5_K
	case Q6_K:
		return encodeQ6_K
	case Q8_K:
		return encodeQ8_K
	case IQ4_NL:
		return encodeIQ4_NL
	case IQ4_XS:
		return encodeIQ4_XS
	case TQ1_0:
		return encodeTQ1_0
	case TQ2_0:
		return encodeTQ2_0
	case MXFP4:
		return encodeMXFP4
	}
	return nil
}

func encodePlain(t Type, dst []byte, src []float32) error {
	switch t {
	case F32:
		for i, v := range src {
			le.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case F16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], F32ToF16(v))
		}
	case BF16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], F32ToBF16(v))
		}
	case F8E4M3:
		for i, v := range src {
			dst[i] = F32ToF8E4M3(v)
		}
	case F8E5M2:
		for i, v := range src {
			dst[i] = F32ToF8E5M2(v)
		}
	case F64:
		for i, v := range src {
			le.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
		}
	default:
		return encodeInt(t, dst, src)
	}
	return nil
}

// encodeInt stores values that must be integers within the range of t.
func encodeInt(t Type, dst []byte, src []float32) error {
	size := t.BlockBytes()
	lo, hi := -math.Ldexp(1, 8*size-1), math.Ldexp(1, 8*size-1) // lo <= v < hi
	switch t {
	case U8:
		lo, hi = 0, 256
	case Bool:
		lo, hi = 0, 2
	}
	var word [8]byte
	for i, v := range src {
		f := float64(v)
		if !(f >= lo && f < hi && f == math.Trunc(f)) {
			return fmt.Errorf("dtype: encode %v: element %d is %v", t, i, v)
		}
		le.PutUint64(word[:], uint64(int64(f)))
		copy(dst[size*i:], word[:size])
	}
	return nil
}

// putF16 stores f as a half and reports whether it is finite as such.
func putF16(b []byte, f float32) bool {
	h := F32ToF16(f)
	le.PutUint16(b, h)
	return h&0x7C00 != 0x7C00
}

func maxAbs(x []float32) (m float32) {
	for _, v := range x {
		if a := abs(v); a > m {
			m = a
		}
	}
	return m
}

// largest returns the element of largest magnitude, the first of equals, with its sign.
func largest(x []float32) (v float32) {
	var m float32
	for _, u := range x {
		if a := abs(u); a > m {
			m, v = a, u
		}
	}
	return v
}

func bounds(x []float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

func abs(f float32) float32 { return math.Float32frombits(math.Float32bits(f) &^ (1 << 31)) }

// inverse returns 1/d, or 0 where d is 0 or so small that the inverse would be infinite; as a half such a d is 0.
func inverse(d float32) float32 {
	if abs(d) < 0x1p-126 {
		return 0
	}
	return 1 / d
}

// roundAway rounds to the nearest integer, ties away from zero, for |f| < 2^22.
func roundAway(f float32) int32 {
	i := int32(f)
	if r := f - float32(i); r >= 0.5 {
		i++
	} else if r <= -0.5 {
		i--
	}
	return i
}

// roundEven rounds to the nearest integer, ties to even, for |f| < 2^22.
func roundEven(f float32) int32 { return int32(math.Float32bits(f+0x1.8p23)&0x7FFFFF) - 0x400000 }
