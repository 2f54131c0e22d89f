package fp

import "math"

// ln 2 in two parts, the first with so few bits that a whole number times it is exact, and the Taylor coefficients of e^r beyond the second.
const (
	log2e = 1 / math.Ln2
	ln2Hi = 0x1.62e42feep-1
	ln2Lo = 0x1.a39ef35793c76p-33
)

var expTerms = [...]float64{1. / 87178291200, 1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320, 1. / 5040,
	1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2}

// Exp64 is e^x in float64, below 1 ulp off where the result is normal. It is here because math.Exp differs in its last bit from one
// processor to the next: this one does not.
func Exp64(x float64) float64 {
	switch {
	case x != x:
		return math.NaN()
	case x > 709.782712893384:
		return math.Inf(1)
	case x < -745.1332191019412:
		return 0
	}
	n := math.RoundToEven(float64(x * log2e))
	hi := x - float64(n*ln2Hi)
	lo := float64(n * ln2Lo)
	r := hi - lo
	// e^r = 1 + r + r²·p, and what r lost of hi - lo comes back with the first order.
	p := 0.0
	for _, c := range expTerms {
		p = float64(p*r) + c
	}
	lost := (hi - r) - lo
	return math.Ldexp(1+(r+(float64(float64(r*r)*p)+lost)), int(n))
}
