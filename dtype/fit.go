package dtype

import "math"

// Encoders of the k-quants; layouts are in decode_k.go. All of them work in three steps:
//
//  1. Fit each sub-block by itself: trial scales assign quants to elements, weighted least squares gives the scale (and minimum) that suits the
//     assignment best, and the trial of least error wins.
//  2. Express the scales as small integers times the super-block's scale, that of the largest rounded to a half.
//  3. With the scale of the super-block fixed, look at the neighbouring integers for each sub-block too, and take those of least error.
//
// Larger elements weigh more: a model's outputs suffer most from errors there. Sums are in float64, and each product is rounded before it is
// added, so that every machine makes the same bytes.

// What is too large for any k-quant, and too small: half the smallest step.
const (
	kTooLarge = 0x1p29
	kTooSmall = 0x1p-25
)

// subBlock holds the elements of a sub-block with their weights and the sums that every fit needs.
type subBlock struct {
	x, w, wx     [32]float64
	n            int
	sw, swx, sxx float64 // sums of w, w*x, w*x*x
}

// set takes the elements of x. An element weighs |x|^power + floor*rms^power, power being 1 or 2.
func (s *subBlock) set(x []float32, power int, floor float64) {
	s.n, s.sw, s.swx, s.sxx = len(x), 0, 0, 0
	base := 0.0
	for _, v := range x {
		base += float64(v) * float64(v) // exact in float64, so a fused multiply-add changes nothing
	}
	base /= float64(s.n)
	if power == 1 {
		base = math.Sqrt(base)
	}
	base = float64(base * floor)
	for i, v := range x {
		f := float64(v)
		w := math.Abs(f)
		if power == 2 {
			w = float64(f * f)
		}
		w += base
		wx := float64(w * f)
		s.x[i], s.w[i], s.wx[i] = f, w, wx
		s.sw += w
		s.swx += wx
		s.sxx += float64(wx * f)
	}
}

// assign rounds k*(x+m) to quants within lo and hi and returns the weighted sums of q, q*q and x*q.
func (s *subBlock) assign(k, m, lo, hi float64) (sq, sqq, sxq float64) {
	ilo, ihi := int64(lo), int64(hi)
	for i, x := range s.x[:s.n] {
		// Adding 1.5*2^52 leaves the nearest integer in the low bits; clamping integers takes no branches.
		i64 := int64(math.Float64bits(float64(k*(x+m))+0x1.8p52) - 0x4338000000000000)
		q := float64(min(max(i64, ilo), ihi))
		wq := float64(s.w[i] * q)
		sq += wq
		sqq += float64(wq * q)
		sxq += float64(s.wx[i] * q)
	}
	return sq, sqq, sxq
}

// affineError is the weighted squared error of d*q - m for quants with these sums.
func (s *subBlock) affineError(d, m, sq, sqq, sxq float64) float64 {
	e := s.sxx + float64(float64(d*d)*sqq) + float64(float64(m*m)*s.sw)
	return e + 2*(float64(m*s.swx)-float64(d*sxq)-float64(float64(d*m)*sq))
}

// trials is how many scales a fit of a format with minima tries.
const trials = 21

// fitAffine finds d >= 0 and m >= 0 so that d*q - m, q from 0 to top, is near x. The trials give the elements' span top-reach to top+reach steps.
func (s *subBlock) fitAffine(top, reach float64) (d, m float64) {
	lo, hi := 0.0, s.x[0]
	for _, x := range s.x[:s.n] {
		lo, hi = min(lo, x), max(hi, x)
	}
	if lo == hi {
		return 0, -lo
	}
	d, m = (hi-lo)/top, -lo
	best := math.Inf(1)
	// try assigns quants by the scale 1/k and minimum at, and takes the scale and minimum that suit the assignment if they are the best so far.
	try := func(k, at float64) bool {
		sq, sqq, sxq := s.assign(k, at, 0, top)
		det := float64(s.sw*sqq) - float64(sq*sq)
		if det <= 0 {
			return false
		}
		td, tm := (float64(s.sw*sxq)-float64(s.swx*sq))/det, (float64(sq*sxq)-float64(sqq*s.swx))/det
		if tm < 0 {
			td, tm = sxq/sqq, 0
		}
		e := s.affineError(td, tm, sq, sqq, sxq)
		if td <= 0 || e >= best {
			return false
		}
		best, d, m = e, td, tm
		return true
	}
	for i := range trials {
		try((top+float64(reach*(2*float64(i)/(trials-1)-1)))/(hi-lo), -lo)
	}
	for range 2 { // assign again by the winner, as in Lloyd's algorithm
		if !try(1/d, m) {
			break
		}
	}
	return d, m
}

// refineAffine chooses the integers near d/dd and m/dm, at most limit, for which dd*ds*q - dm*ms fits best, and returns them.
func (s *subBlock) refineAffine(d, m, dd, dm, top, limit float64) (ds, ms uint8) {
	best := math.Inf(1)
	d0, m0 := nearestStep(d, dd, limit), nearestStep(m, dm, limit)
	for i := max(0, d0-1); i <= min(limit, d0+1); i++ {
		for j := max(0, m0-1); j <= min(limit, m0+1); j++ {
			k, td, tm := 0.0, dd*i, dm*j
			if td > 0 {
				k = 1 / td
			}
			sq, sqq, sxq := s.assign(k, tm, 0, top)
			if e := s.affineError(td, tm, sq, sqq, sxq); e < best {
				best, ds, ms = e, uint8(i), uint8(j)
			}
		}
	}
	return ds, ms
}

// nearestStep is v in steps of d, at most limit.
func nearestStep(v, d, limit float64) float64 {
	if d <= 0 {
		return 0
	}
	return min(limit, math.RoundToEven(v/d))
}

// fitSymmetric finds d so that d*q, q from -n to n-1, is near x. The largest element tends to -n, so d has the opposite sign of it.
func (s *subBlock) fitSymmetric(n float64) (d float64) {
	top := 0.0
	for _, x := range s.x[:s.n] {
		if math.Abs(x) > math.Abs(top) {
			top = x
		}
	}
	if top == 0 {
		return 0
	}
	best := 0.0
	try := func(k float64) bool {
		_, sqq, sxq := s.assign(k, 0, -n, n-1)
		if sqq <= 0 || float64(sxq*sxq) <= float64(best*sqq) {
			return false
		}
		d = sxq / sqq
		best = d * sxq
		return true
	}
	for step := -9.0; step <= 9; step++ {
		try(-(n + float64(0.1*step)) / top)
	}
	for range 2 {
		if d == 0 || !try(1/d) {
			break
		}
	}
	return d
}

// refineSymmetric chooses the integer near d/dd, between -limit and limit-1, for which dd*ds*q fits best.
func (s *subBlock) refineSymmetric(d, dd, n, limit float64) (ds int8) {
	if dd == 0 {
		return 0
	}
	best := math.Inf(1)
	d0 := math.RoundToEven(d / dd)
	for i := max(-limit, d0-1); i <= min(limit-1, d0+1); i++ {
		k, td := 0.0, dd*i
		if td != 0 {
			k = 1 / td
		}
		_, sqq, sxq := s.assign(k, 0, -n, n-1)
		if e := float64(float64(td*td)*sqq) - 2*float64(td*sxq); e < best {
			best, ds = e, int8(i)
		}
	}
	return ds
}
