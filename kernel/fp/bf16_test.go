package fp

import (
	"math"
	"testing"
)

// Each row tells the definition from another plausible reading, named last.
func TestDotBF16(t *testing.T) {
	for i, c := range []struct {
		acc            uint32
		x1, w1, x0, w0 uint16
		want           uint32
		not            string
	}{
		{0x4B800000, 0x3F80, 0x3F80, 0xBF80, 0x3F80, 0x4B7FFFFF, "2^24+1-1: even element first, or one rounding for both"},
		{0x3F800000, 0x4B80, 0x3F80, 0x3F80, 0x3F80, 0x4B800000, "1+2^24+1: one rounding for both"},
		{0xFF000000, 0x5F80, 0x5F80, 0, 0, 0x7F000000, "2^64·2^64-2^127: product rounded before the sum"},
		{0, 0x0040, 0x4480, 0, 0, 0, "denormal element kept"},
		{0x00400000, 0, 0, 0x2000, 0x2000, 0x00800000, "denormal accumulator kept"},
		{0, 0, 0, 0x2000, 0x9F80, 0x80000000, "denormal result kept, or flushed to +0"},
		{0, 0x2000, 0x1F80, 0x2000, 0x1F80, 0, "denormal first sum kept"},
		{0x00800000, 0x1A00, 0x9980, 0, 0, 0x00800000, "2^-126-2^-151: tiny before rounding"},
	} {
		got := math.Float32bits(DotBF16(math.Float32frombits(c.acc), c.x0, c.x1, c.w0, c.w1))
		if got != c.want {
			t.Errorf("row %d: %08x, want %08x, not: %s", i, got, c.want, c.not)
		}
	}
}
