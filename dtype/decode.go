package dtype

import (
	"encoding/binary"
	"fmt"
	"math"
)

var le = binary.LittleEndian

// Decode widens len(dst) elements of type t, stored in src, to float32. It panics unless dst holds whole blocks and src is exactly as long as
// t.RowBytes(len(dst)); it never fails on the content of src.
//
// Every product and sum below is rounded to float32 by itself, in the order written (no fused multiply-add), which is what ggml's portable
// code does too. Where an infinite or NaN scale makes a NaN, its sign and payload are not defined. F64 and the wide integers are rounded to
// nearest; a Bool is 0 or 1.
func Decode(t Type, dst []float32, src []byte) {
	if n := t.RowBytes(len(dst)); n != len(src) {
		panic(fmt.Sprintf("dtype: decode %v: %d elements take %d bytes, got %d", t, len(dst), n, len(src)))
	}
	switch t {
	case Q4_0:
		decodeQ4_0(dst, src)
	case Q4_1:
		decodeQ4_1(dst, src)
	case Q5_0:
		decodeQ5_0(dst, src)
	case Q5_1:
		decodeQ5_1(dst, src)
	case Q8_0:
		decodeQ8_0(dst, src)
	case Q8_1:
		decodeQ8_1(dst, src)
	case Q2_K:
		decodeQ2_K(dst, src)
	case Q3_K:
		decodeQ3_K(dst, src)
	case Q4_K:
		decodeQ4_K(dst, src)
	case Q5_K:
		decodeQ5_K(dst, src)
	case Q6_K:
		decodeQ6_K(dst, src)
	case Q8_K:
		decodeQ8_K(dst, src)
	case IQ1_S:
		decodeIQ1_S(dst, src)
	case IQ1_M:
		decodeIQ1_M(dst, src)
	case IQ2_XXS:
		decodeIQ2_XXS(dst, src)
	case IQ2_XS:
		decodeIQ2_XS(dst, src)
	case IQ2_S:
		decodeIQ2_S(dst, src)
	case IQ3_XXS:
		decodeIQ3_XXS(dst, src)
	case IQ3_S:
		decodeIQ3_S(dst, src)
	case IQ4_NL:
		decodeIQ4_NL(dst, src)
	case IQ4_XS:
		decodeIQ4_XS(dst, src)
	case TQ1_0:
		decodeTQ1_0(dst, src)
	case TQ2_0:
		decodeTQ2_0(dst, src)
	case MXFP4:
		decodeMXFP4(dst, src)
	default:
		decodePlain(t, dst, src)
	}
}

// decodePlain handles the types of one element a block.
func decodePlain(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = F16ToF32(le.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = BF16ToF32(le.Uint16(src[2*i:]))
		}
	case F8E4M3:
		for i, b := range src[:len(dst)] {
			dst[i] = f8e4m3Values[b]
		}
	case F8E5M2:
		for i, b := range src[:len(dst)] {
			dst[i] = f8e5m2Values[b]
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case I16:
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case I64:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	case U8:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	case Bool:
		for i := range dst {
			dst[i] = 0
			if src[i] != 0 {
				dst[i] = 1
			}
		}
	default:
		panic(fmt.Sprintf("dtype: decode: no decoder for %v", t))
	}
}
