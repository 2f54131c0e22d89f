package vec

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/kernel/fp"
)

// RMSNorm normalises each row of x, len(w) long, by its root mean square and multiplies it with w: y = (x·r)·w, r = 1/sqrt(mean(x²) + eps).
func RMSNorm(dst, x, w []float32, eps float32) {
	sameLen("RMSNorm", len(dst), len(x))
	d := len(w)
	if d == 0 || len(x)%d != 0 {
		panic(fmt.Sprintf("vec: RMSNorm of %d elements in rows of %d", len(x), d))
	}
	for i := 0; i < len(x); i += d {
		rmsNorm(dst[i:i+d], x[i:i+d], w, eps)
	}
}

func rmsNorm(dst, x, w []float32, eps float32) {
	var l [lanes]float32
	for i := dotFast(&l, x, x); i < len(x); i++ {
		l[i%lanes] = fp.FMA32(x[i], x[i], l[i%lanes])
	}
	mean := fp.Fold16(&l) / float32(len(x))
	r := 1 / sqrt(mean+eps)
	for i := scaleMulFast(dst, x, w, r); i < len(x); i++ {
		dst[i] = fp.Canon(float32(x[i]*r) * w[i])
	}
}

// sqrt is correctly rounded: a float64 root of a float32 is never so near a midpoint that the second rounding could go wrong.
func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
