package dtype

import "math"

// F16ToF32 widens an IEEE 754 half. Exact; a NaN keeps its sign and payload and comes out quiet, as VCVTPH2PS does.
func F16ToF32(h uint16) float32 {
	// The half's exponent and mantissa are put where a float's are, which is the value times 2^-112; the product restores it, subnormals included.
	b := math.Float32bits(math.Float32frombits(uint32(h&0x7FFF)<<13) * 0x1p112)
	if h&0x7C00 == 0x7C00 {
		b |= 0x7F800000
		if b != 0x7F800000 {
			b |= 0x00400000
		}
	}
	return math.Float32frombits(b | uint32(h&0x8000)<<16)
}

// F32ToF16 rounds to the nearest half, ties to even; what exceeds 65504 by half a step or more becomes an infinity. A NaN keeps its sign and
// the top of its payload and comes out quiet, as VCVTPS2PH does.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7FFFFFFF
	switch {
	case b > 0x7F800000:
		return sign | 0x7E00 | uint16(b>>13&0x03FF)
	case b >= 0x477FF000: // 65520, the midpoint between 65504 and the next step
		return sign | 0x7C00
	case b < 0x38800000: // below 2^-14, the smallest normal half: let the float adder round at 2^-24
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5))
	}
	b += 0x0FFF + b>>13&1 // nearest even on the 13 bits that go
	return sign | uint16((b-112<<23)>>13)
}

// BF16ToF32 widens a bfloat16. Exact; every bit pattern, NaNs included, keeps its bits.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even, subnormals included; overflow gives an infinity. A NaN keeps its sign and the top of
// its payload and comes out quiet.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7FFFFFFF > 0x7F800000 {
		return uint16(b>>16) | 0x0040
	}
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// RoundBF16 is BF16ToF32(F32ToBF16(f)).
func RoundBF16(f float32) float32 { return BF16ToF32(F32ToBF16(f)) }

// RoundF16 is F16ToF32(F32ToF16(f)).
func RoundF16(f float32) float32 { return F16ToF32(F32ToF16(f)) }
