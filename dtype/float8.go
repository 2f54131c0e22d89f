package dtype

import "math"

// The two OCP 8-bit floats (OCP 8-bit Floating Point Specification, revision 1.0).
//
//	e4m3fn  bias 7, largest 448, no infinities; S.1111.111 is NaN
//	e5m2    bias 15, largest 57344, infinities and NaNs as in IEEE 754
//
// Encoding rounds to nearest, ties to even, and saturates: a finite value beyond the largest becomes the largest. What was not finite
// stays not finite, so that a diverged tensor is not made to look healthy: an infinity becomes NaN in e4m3fn and stays an infinity in e5m2.

// F8E4M3ToF32 widens an e4m3fn float. Exact; the NaNs come out as the quiet NaN of the same sign.
func F8E4M3ToF32(b uint8) float32 { return f8e4m3Values[b] }

// F8E5M2ToF32 widens an e5m2 float. Exact; a NaN keeps its sign and payload and comes out quiet.
func F8E5M2ToF32(b uint8) float32 { return f8e5m2Values[b] }

// F32ToF8E4M3 rounds to the nearest e4m3fn, ties to even, saturating at 448; infinities and NaNs give NaN.
func F32ToF8E4M3(f float32) uint8 {
	b := math.Float32bits(f)
	sign := uint8(b >> 24 & 0x80)
	b &= 0x7FFFFFFF
	switch {
	case b >= 0x7F800000:
		return sign | 0x7F
	case b >= 0x43E00000: // 448
		return sign | 0x7E
	case b < 0x3C800000: // below 2^-6, the smallest normal: let the float adder round at 2^-9
		return sign | uint8(math.Float32bits(math.Float32frombits(b)+0x1p14))
	}
	b += 0x7FFFF + b>>20&1
	return sign | uint8((b-120<<23)>>20)
}

// F32ToF8E5M2 rounds to the nearest e5m2, ties to even, saturating finite values at 57344; infinities stay, NaNs come out quiet.
func F32ToF8E5M2(f float32) uint8 {
	b := math.Float32bits(f)
	sign := uint8(b >> 24 & 0x80)
	b &= 0x7FFFFFFF
	switch {
	case b > 0x7F800000:
		return sign | 0x7E | uint8(b>>21&3)
	case b == 0x7F800000:
		return sign | 0x7C
	case b >= 0x47600000: // 57344
		return sign | 0x7B
	case b < 0x38800000: // below 2^-14, the smallest normal: let the float adder round at 2^-16
		return sign | uint8(math.Float32bits(math.Float32frombits(b)+0x1p7))
	}
	b += 0xFFFFF + b>>21&1
	return sign | uint8((b-112<<23)>>21)
}

var (
	f8e4m3Values = f8Values(func(b uint8) float32 {
		if b == 0x7F {
			return math.Float32frombits(0x7FC00000)
		}
		if b < 8 {
			return float32(b) * 0x1p-9
		}
		return math.Float32frombits(uint32(b)<<20 + 120<<23)
	})
	// An e5m2 float is the upper half of a half.
	f8e5m2Values = f8Values(func(b uint8) float32 { return F16ToF32(uint16(b) << 8) })
)

// f8Values tabulates both signs of an 8-bit float, given the value of its magnitude bits.
func f8Values(magnitude func(uint8) float32) (t [256]float32) {
	for b := range 128 {
		v := magnitude(uint8(b))
		t[b], t[b|0x80] = v, math.Float32frombits(math.Float32bits(v)|1<<31)
	}
	return t
}
