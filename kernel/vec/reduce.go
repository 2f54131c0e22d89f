package vec

import (
	"math"
	"slices"

	"github.com/pennyml/penny/kernel/fp"
)

// Dot is the product of section 2: 16 lanes of fused multiply-adds, then the tree.
func Dot(x, y []float32) float32 {
	sameLen("Dot", len(x), len(y))
	var l [lanes]float32
	for i := dotFast(&l, x, y); i < len(x); i++ {
		l[i%lanes] = fp.FMA32(x[i], y[i], l[i%lanes])
	}
	return fp.Canon(fp.Fold16(&l))
}

// Sum adds x in 16 lanes, each from +0, then by the tree.
func Sum(x []float32) float32 {
	var l [lanes]float32
	for i := sumFast(&l, x); i < len(x); i++ {
		l[i%lanes] += x[i]
	}
	return fp.Canon(fp.Fold16(&l))
}

// Max is the greatest of x: -Inf when x is empty, NaN when any is NaN. A zero comes back as +0, whichever zeros x holds.
func Max(x []float32) float32 {
	m := float32(math.Inf(-1))
	var l [lanes]float32
	n := maxFast(&l, x)
	if n > 0 {
		m = slices.Max(l[:])
	}
	for _, v := range x[n:] {
		m = max(m, v)
	}
	return fp.Canon(m + 0)
}

// Softmax writes e^(x-m) / Σ e^(x-m) to dst, m the maximum. A NaN or +Inf in x, or nothing but -Inf, makes all of dst NaN.
func Softmax(dst, x []float32) {
	sameLen("Softmax", len(dst), len(x))
	m := Max(x)
	var l [lanes]float32
	for i := expSumFast(&l, dst, x, m); i < len(x); i++ {
		dst[i] = Exp1(x[i] - m)
		l[i%lanes] += dst[i]
	}
	sum := fp.Fold16(&l)
	for i := divFast(dst, sum); i < len(dst); i++ {
		dst[i] = fp.Canon(dst[i] / sum)
	}
}

// LogSumExp is m + ln Σ e^(x-m), m the maximum: x[i] minus it is the log-probability of i under Softmax. NaN where Softmax is NaN.
func LogSumExp(x []float32) float32 {
	m := Max(x)
	var l [lanes]float32
	for i := expSumOnlyFast(&l, x, m); i < len(x); i++ {
		l[i%lanes] += Exp1(x[i] - m)
	}
	return fp.Canon(m + log(fp.Fold16(&l)))
}

// ExpSum writes e^(x-m) to dst, m the maximum, and returns the sum of that and LogSumExp(x). dst over the sum is nearly Softmax, at a third of the
// work of asking for both: what the gradient of a cross-entropy is made of.
func ExpSum(dst, x []float32) (sum, lse float32) {
	sameLen("ExpSum", len(dst), len(x))
	m := Max(x)
	var l [lanes]float32
	for i := expSumFast(&l, dst, x, m); i < len(x); i++ {
		dst[i] = Exp1(x[i] - m)
		l[i%lanes] += dst[i]
	}
	sum = fp.Canon(fp.Fold16(&l))
	return sum, fp.Canon(m + log(sum))
}

// log is ln x for a positive normal x, from 2·atanh((f-1)/(f+1)) in float64 and rounded once. No step may be fused, hence the conversions.
func log(x float32) float32 {
	if !(x > 0) || math.IsInf(float64(x), 1) {
		return fp.NaN
	}
	f, k := math.Frexp(float64(x))
	if f < math.Sqrt2/2 {
		f, k = f*2, k-1
	}
	t := (f - 1) / (f + 1)
	u := float64(t * t)
	p := 0.0
	for d := 23; d >= 1; d -= 2 { // |t| < 0.172: the first term left out is below 2^-62
		p = float64(p*u) + 1/float64(d)
	}
	return float32(float64(float64(2*t)*p) + float64(float64(k)*math.Ln2))
}
