package vec

import (
	"fmt"

	"github.com/pennyml/penny/kernel/fp"
)

// The backward of the elementwise operations: docs/NUMERICS.md section 8. Where a gradient is said to be gained, more says whether dst holds
// something to add to or is to be taken as +0.

// RMSNormGrad is the backward of RMSNorm as to x: dx gains r·(g - x·q), g = dy·w, q = (g·x)/n·r·r. Each row's r is written to inv.
func RMSNormGrad(dx, dy, x, w, inv []float32, eps float32, more bool) {
	sameLen("RMSNormGrad", len(dx), len(dy), len(x))
	d := len(w)
	if d == 0 || len(x) != d*len(inv) {
		panic(fmt.Sprintf("vec: RMSNormGrad of %d elements in %d rows of %d", len(x), len(inv), d))
	}
	for i := range inv {
		inv[i] = rmsNormGrad(dx[i*d:][:d], dy[i*d:][:d], x[i*d:][:d], w, eps, more)
	}
}

func rmsNormGrad(dx, dy, x, w []float32, eps float32, more bool) float32 {
	var square, dot [lanes]float32
	dot3Fast(&dot, dy, w, x)
	for i := dotFast(&square, x, x); i < len(x); i++ {
		v := x[i]
		square[i%lanes] = fp.FMA32(v, v, square[i%lanes])
		dot[i%lanes] = fp.FMA32(dy[i]*w[i], v, dot[i%lanes])
	}
	n := float32(len(x))
	r := 1 / sqrt(fp.Fold16(&square)/n+eps)
	q := float32(float32(fp.Fold16(&dot)/n)*r) * r
	grad := normGradFast
	if more {
		grad = normGradMoreFast
	}
	for i := grad(dx, dy, w, x, r, q); i < len(x); i++ {
		var acc float32
		if more {
			acc = dx[i]
		}
		dx[i] = fp.Canon(fp.FMA32(r, fp.FMA32(-x[i], q, dy[i]*w[i]), acc))
	}
	return r
}

// RMSNormWeightGrad is the same as to w, for some columns of it from lo on: dw gains the sum over rows, in order, of dy·(x·r).
func RMSNormWeightGrad(dw, dy, x, inv []float32, d, lo int) {
	for i, r := range inv {
		dy, x := dy[i*d+lo:][:len(dw)], x[i*d+lo:][:len(dw)]
		for k := mulAxpyFast(dw, dy, x, r); k < len(dw); k++ {
			dw[k] = fp.Canon(fp.FMA32(dy[k], x[k]*r, dw[k]))
		}
	}
}

// SwiGLUGrad is the backward of SwiGLU: dup = dy·silu, dgate = (dy·up)·(s + silu·(1-s)), s = 1/(1 + e^-g) and silu = g/(1 + e^-g).
func SwiGLUGrad(dgate, dup, dy, gate, up []float32) {
	sameLen("SwiGLUGrad", len(dgate), len(dup), len(dy), len(gate), len(up))
	for i := swigluGradFast(dgate, dup, dy, gate, up); i < len(gate); i++ {
		g := gate[i]
		e := 1 + Exp1(-g)
		s, silu, d := 1/e, g/e, dy[i]
		dgate[i] = fp.Canon(float32(d*up[i]) * fp.FMA32(silu, 1-s, s))
		dup[i] = fp.Canon(d * silu)
	}
}
