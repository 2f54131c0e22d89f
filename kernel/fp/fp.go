// Package fp holds the few float operations that every kernel reference is written with. They are exact by construction on any platform:
// the Go compiler may not fuse or widen anything here in a way that changes a bit.
package fp

import "math"

// NaN is the one NaN that results carry.
var NaN = math.Float32frombits(NaNBits)

// NaNBits is the bit pattern of NaN.
const NaNBits = 0x7FC00000

// Canon is x, or NaN when x is any NaN.
func Canon(x float32) float32 {
	if x != x {
		return NaN
	}
	return x
}

// FMA32 is x·y + z rounded once to float32, to nearest even, denormals kept: what VFMADD231SS computes.
//
// The product of two float32 is exact in float64. Rounding the float64 sum to float32 rounds twice, which differs from rounding once only where
// the sum fell on a midpoint of float32, or where the result is a denormal and has other midpoints; there the sum is taken again, rounded to odd.
func FMA32(x, y, z float32) float32 {
	p := float64(x) * float64(y)
	s := p + float64(z)
	b := math.Float64bits(s)
	const midpoint, mask = 1 << 28, 1<<29 - 1
	if b&mask == midpoint || b<<1 < minNormal<<1 {
		return float32(sumToOdd(p, float64(z), s))
	}
	return float32(s)
}

const minNormal = 0x3810000000000000 // bits of 2^-126 as a float64

// sumToOdd is p + z rounded to odd: when inexact, whichever neighbour has an odd last bit. s is the sum rounded to nearest.
func sumToOdd(p, z, s float64) float64 {
	// Knuth's two-sum: what s lost, exactly.
	t := s - p
	lost := (p - (s - t)) + (z - t)
	b := math.Float64bits(s)
	if lost == 0 || b&1 == 1 {
		return s
	}
	if (lost > 0) == (s > 0) {
		return math.Float64frombits(b + 1)
	}
	return math.Float64frombits(b - 1)
}

// Fold16 is the tree that ends every sum in 16 lanes (fold16 of docs/NUMERICS.md).
func Fold16(l *[16]float32) float32 {
	var r [8]float32
	for i := range r {
		r[i] = l[i] + l[i+8]
	}
	return Fold8(&r)
}

// Fold8 is the last three steps of Fold16.
func Fold8(l *[8]float32) float32 {
	a, b := l[0]+l[4], l[1]+l[5]
	c, d := l[2]+l[6], l[3]+l[7]
	return (a + c) + (b + d)
}
