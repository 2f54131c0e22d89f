package vec

import "github.com/pennyml/penny/dtype"

// F32ToF16 rounds src to halves, as dtype.F32ToF16 does.
func F32ToF16(dst []uint16, src []float32) {
	sameLen("F32ToF16", len(dst), len(src))
	for i := f32ToF16Fast(dst, src); i < len(dst); i++ {
		dst[i] = dtype.F32ToF16(src[i])
	}
}

// F16ToF32 widens halves, as dtype.F16ToF32 does.
func F16ToF32(dst []float32, src []uint16) {
	sameLen("F16ToF32", len(dst), len(src))
	for i := f16ToF32Fast(dst, src); i < len(dst); i++ {
		dst[i] = dtype.F16ToF32(src[i])
	}
}

// F32ToBF16 rounds src to bfloat16, as dtype.F32ToBF16 does: denormals are kept.
func F32ToBF16(dst []uint16, src []float32) {
	sameLen("F32ToBF16", len(dst), len(src))
	for i := f32ToBF16Fast(dst, src); i < len(dst); i++ {
		dst[i] = dtype.F32ToBF16(src[i])
	}
}

// BF16ToF32 widens bfloat16, as dtype.BF16ToF32 does.
func BF16ToF32(dst []float32, src []uint16) {
	sameLen("BF16ToF32", len(dst), len(src))
	for i := bf16ToF32Fast(dst, src); i < len(dst); i++ {
		dst[i] = dtype.BF16ToF32(src[i])
	}
}
