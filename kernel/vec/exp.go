package vec

import (
	"math"

	"github.com/pennyml/penny/kernel/fp"
)

// The constants of exp. Below expLow the result is 0 (e^x would be a denormal), above expHigh it is +Inf. ln 2 is split in two so that
// x - n·ln2 keeps its bits. The polynomial is the minimax one of degree 6 for e^r, relative error, |r| <= ln2/2, with the first two coefficients
// held at 1 and the others rounded to float32 one after the other, each refitted (error 2^-28.2 before the rounding of the steps).
const (
	expLow  = -87.33654
	expHigh = 88.72283
	log2e   = 0x1.715476p+0
	ln2Hi   = 0x1.62e430p-1
	ln2Lo   = -0x1.05c610p-29
	roundN  = 0x1.8p23 // adding it leaves the nearest integer in the last bits

	expC2 = 0x1.fffffcp-2
	expC3 = 0x1.55548cp-3
	expC4 = 0x1.555858p-5
	expC5 = 0x1.123da6p-7
	expC6 = 0x1.6ac144p-10
)

// Exp1 is e^x: the definition that Exp and every kernel with an exponential in it is held to. The error is below 1 ulp; results that would
// be denormal are 0.
func Exp1(x float32) float32 {
	switch {
	case x != x:
		return fp.NaN
	case x < expLow:
		return 0
	case x > expHigh:
		return float32(math.Inf(1))
	}
	t := fp.FMA32(x, log2e, roundN)
	n := t - roundN
	r := fp.FMA32(n, -ln2Hi, x)
	r = fp.FMA32(n, -ln2Lo, r)
	p := fp.FMA32(expC6, r, expC5)
	p = fp.FMA32(p, r, expC4)
	p = fp.FMA32(p, r, expC3)
	p = fp.FMA32(p, r, expC2)
	p = fp.FMA32(p, r, 1)
	p = fp.FMA32(p, r, 1)
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(t)<<23) // p·2^n: never denormal, never above MaxFloat32
}

// Exp writes e^x to dst.
func Exp(dst, x []float32) {
	sameLen("Exp", len(dst), len(x))
	for i := expFast(dst, x); i < len(dst); i++ {
		dst[i] = Exp1(x[i])
	}
}

// Sigmoid writes 1 / (1 + e^-x) to dst.
func Sigmoid(dst, x []float32) {
	sameLen("Sigmoid", len(dst), len(x))
	for i := sigmoidFast(dst, x); i < len(dst); i++ {
		dst[i] = fp.Canon(1 / (1 + Exp1(-x[i])))
	}
}

// SwiGLU writes silu(gate)·up to dst, where silu(g) = g / (1 + e^-g).
func SwiGLU(dst, gate, up []float32) {
	sameLen("SwiGLU", len(dst), len(gate), len(up))
	for i := swigluFast(dst, gate, up); i < len(dst); i++ {
		g := gate[i]
		dst[i] = fp.Canon(g / (1 + Exp1(-g)) * up[i])
	}
}
