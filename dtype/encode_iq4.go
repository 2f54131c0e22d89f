package dtype

import "math"

// Encoders of IQ4_NL and IQ4_XS: sixteen unevenly spaced levels, -127 the outermost.

// iq4Index maps floor(2*t)+256, t in [-128, 128), to the index of the level nearest to t, the upper one at a tie. All midpoints between
// neighbouring levels are multiples of a half.
var iq4Index = func() (t [512]uint8) {
	for i := range t {
		k := 0
		for k < 15 && float32(i-256)/2 >= (iq4nlValues[k]+iq4nlValues[k+1])/2 {
			k++
		}
		t[i] = uint8(k)
	}
	return t
}()

// iq4Nearest is the index of the level nearest to t, the upper one at a tie.
func iq4Nearest(t float32) uint8 {
	if !(t > -127) {
		t = -127
	} else if t > 127 {
		t = 127
	}
	t *= 2
	i := int32(t)
	if float32(i) > t {
		i--
	}
	return iq4Index[i+256]
}

// fitIQ4 returns the scale that makes the levels fit x best: least squares, an element weighing x*x+floor, over a few assignments of levels to
// elements, each made by a trial scale near the one that maps the largest element to the outermost level. 0 if x is next to nothing.
func fitIQ4(x []float32, floor float32) (d float32) {
	top := largest(x)
	if abs(top) < 1e-15 {
		return 0
	}
	sums := func(id float32) (sumqx, sumqq float32) {
		for _, v := range x {
			q := iq4nlValues[iq4Nearest(id*v)]
			wq := (float32(v*v) + floor) * q
			sumqx += float32(wq * v)
			sumqq += float32(wq * q)
		}
		return sumqx, sumqq
	}
	var best float32
	sumqx, sumqq := sums(1 / (top / 127))
	if sumqq > 0 {
		d = sumqx / sumqq
		best = d * sumqx
	}
	for try := float32(-7); try <= 7; try++ {
		sumqx, sumqq = sums((try - 127) / top)
		if sumqq > 0 && sumqx*sumqx > best*sumqq {
			d = sumqx / sumqq
			best = d * sumqx
		}
	}
	return d
}

// encodeIQ4_NL gives ggml's bytes.
func encodeIQ4_NL(b []byte, x []float32) bool {
	if maxAbs(x) >= kTooLarge {
		return false
	}
	d := fitIQ4(x, 0)
	var id float32
	if d != 0 {
		id = 1 / d
	}
	putIQ4(b[2:], x, id)
	return putF16(b, d)
}

// putIQ4 stores the indices of the levels nearest to id*x, two to a byte as in Q4_0.
func putIQ4(b []byte, x []float32, id float32) {
	for j := range b[:16] {
		b[j] = iq4Nearest(id*x[j]) | iq4Nearest(id*x[j+16])<<4
	}
}

// encodeIQ4_XS: as encodeIQ4_NL for each of 8 sub-blocks, whose scales become 6-bit integers times the super-block's scale; of the neighbouring
// integers that of least error is taken.
func encodeIQ4_XS(b []byte, x []float32) bool {
	if maxAbs(x) >= kTooLarge {
		return false
	}
	var d [8]float32
	var widest, floor float32
	for _, v := range x[:256] {
		floor += float32(v*v) / 256
	}
	for i := range d {
		d[i] = fitIQ4(x[32*i:32*i+32], floor)
		if abs(d[i]) > abs(widest) {
			widest = d[i]
		}
	}
	if !putF16(b, widest/-32) {
		return false
	}
	dd := F16ToF32(le.Uint16(b))
	var high uint16
	var low uint32
	for i := range d {
		part := x[32*i : 32*i+32]
		s := refineIQ4(part, d[i], dd, floor)
		id := inverse(dd * float32(s))
		putIQ4(b[8+16*i:], part, id)
		low |= uint32(s+32) & 15 << (4 * i)
		high |= uint16(s+32) >> 4 << (2 * i)
	}
	le.PutUint16(b[2:], high)
	le.PutUint32(b[4:], low)
	return true
}

// refineIQ4 chooses the integer near d/dd, between -32 and 31, for which dd times it fits best, by the weights of fitIQ4.
func refineIQ4(x []float32, d, dd, floor float32) (s int32) {
	if dd == 0 {
		return 0
	}
	s0 := roundEven(d / dd)
	best := float32(math.Inf(1))
	for i := max(-32, s0-1); i <= min(31, s0+1); i++ {
		td := dd * float32(i)
		id := inverse(td)
		var e float32
		for _, v := range x {
			diff := float32(td*iq4nlValues[iq4Nearest(id*v)]) - v
			e += float32((float32(v*v) + floor) * float32(diff*diff))
		}
		if e < best {
			best, s = e, i
		}
	}
	return s
}
