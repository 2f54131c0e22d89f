package fp

import "math"

// Flush turns a denormal into a zero of its sign.
func Flush(x float32) float32 {
	if b := math.Float32bits(x); b&0x7F800000 == 0 {
		return math.Float32frombits(b & 0x80000000)
	}
	return x
}

// DotBF16 is one lane of a bf16 product, as VDPBF16PS computes it: acc + x1·w1, then + x0·w0, two fused multiply-adds that flush denormals on
// the way in and out. x0, x1, w0 and w1 are bf16 bits.
func DotBF16(acc float32, x0, x1, w0, w1 uint16) float32 {
	return flushedFMA(flushBF16(x0), flushBF16(w0), flushedFMA(flushBF16(x1), flushBF16(w1), Flush(acc)))
}

// flushedFMA is ftz(fma(x, y, z)) for x and y of 8 significant bits and no denormals among the three. Tininess is judged after rounding: a
// result is flushed if it is below 2^-126 once rounded to 24 bits with an unbounded exponent.
func flushedFMA(x, y, z float32) float32 {
	// Rounding twice is harmless here: the product has 16 bits, so for a sum to need more than 53 its terms lie so far apart that it cannot
	// come near a midpoint of float32 or the bound below.
	s := float64(x)*float64(y) + float64(z)
	if math.Abs(s) < 0x1p-126-0x1p-151 {
		return float32(math.Copysign(0, s))
	}
	return float32(s)
}

func flushBF16(h uint16) float32 { return Flush(math.Float32frombits(uint32(h) << 16)) }
