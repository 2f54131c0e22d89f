package dtype

import "math"

// affine says how a format with scales and minima divides a super-block of 256.
type affine struct {
	sub   int     // elements a sub-block
	top   float64 // largest quant
	limit float64 // largest integer scale and minimum
	reach float64 // of the trial scales, in steps
	floor float64 // weight of small elements
}

var (
	affineQ2 = affine{16, 3, 15, 0.6, 0.2}
	affineQ4 = affine{32, 15, 63, 2, 0.75}
	affineQ5 = affine{32, 31, 63, 2, 0.75}
)

// encode works out the quants q, the integer scales ds and minima ms, and stores the super-block's two halves.
func (a affine) encode(x []float32, q *[256]uint8, ds, ms *[16]uint8, bd, bm []byte) bool {
	var subs [16]subBlock
	var d, m [16]float64
	count := 256 / a.sub
	top := maxAbs(x)
	if top >= kTooLarge {
		return false
	}
	if top < kTooSmall {
		clear(bd[:2])
		clear(bm[:2])
		return true
	}
	maxD, maxM := 0.0, 0.0
	for i := range count {
		s := &subs[i]
		s.set(x[a.sub*i:a.sub*i+a.sub], 1, a.floor)
		d[i], m[i] = s.fitAffine(a.top, a.reach)
		maxD, maxM = max(maxD, d[i]), max(maxM, m[i])
	}
	if !putF16(bd, float32(maxD/a.limit)) || !putF16(bm, float32(maxM/a.limit)) {
		return false
	}
	dd, dm := float64(F16ToF32(le.Uint16(bd))), float64(F16ToF32(le.Uint16(bm)))
	for i := range count {
		s := &subs[i]
		ds[i], ms[i] = s.refineAffine(d[i], m[i], dd, dm, a.top, a.limit)
		s.quantize(q[a.sub*i:], dd*float64(ds[i]), dm*float64(ms[i]), 0, a.top)
	}
	return true
}

// quantize writes the quants nearest to (x+m)/d, within lo and hi, as q-lo.
func (s *subBlock) quantize(q []uint8, d, m, lo, hi float64) {
	k := 0.0
	if d != 0 {
		k = 1 / d
	}
	for i, x := range s.x[:s.n] {
		q[i] = uint8(min(max(math.RoundToEven(float64(k*(x+m))), lo), hi) - lo)
	}
}

func encodeQ2_K(b []byte, x []float32) bool {
	var q [256]uint8
	var ds, ms [16]uint8
	if !affineQ2.encode(x, &q, &ds, &ms, b[80:], b[82:]) {
		return false
	}
	for i := range ds {
		b[i] = ds[i] | ms[i]<<4
	}
	packPairs(b[16:], &q)
	return true
}

// packScales4 is the inverse of scales4.
func packScales4(p []byte, ds, ms *[16]uint8) {
	for j := range 4 {
		p[j] = ds[j] | ds[j+4]>>4<<6
		p[j+4] = ms[j] | ms[j+4]>>4<<6
		p[j+8] = ds[j+4]&15 | ms[j+4]&15<<4
	}
}

// packHalves stores the low four bits: of each 64 elements, byte l of 32 takes elements l and l+32.
func packHalves(b []byte, q *[256]uint8) {
	for h := range 4 {
		for l := range 32 {
			b[32*h+l] = q[64*h+l]&15 | q[64*h+l+32]<<4
		}
	}
}

func encodeQ4_K(b []byte, x []float32) bool {
	var q [256]uint8
	var ds, ms [16]uint8
	if !affineQ4.encode(x, &q, &ds, &ms, b, b[2:]) {
		return false
	}
	packScales4(b[4:], &ds, &ms)
	packHalves(b[16:], &q)
	return true
}

func encodeQ5_K(b []byte, x []float32) bool {
	var q [256]uint8
	var ds, ms [16]uint8
	if !affineQ5.encode(x, &q, &ds, &ms, b, b[2:]) {
		return false
	}
	packScales4(b[4:], &ds, &ms)
	packBit(b[16:48], &q, 4)
	packHalves(b[48:], &q)
	return true
}

// packBit gathers one bit of each element: bit k of byte l is that of element 32k+l.
func packBit(b []byte, q *[256]uint8, bit int) {
	clear(b[:32])
	for i, v := range q {
		b[i&31] |= v >> bit & 1 << (i >> 5)
	}
}

// symmetric says how a format without minima rounds a super-block of 16 sub-blocks.
type symmetric struct {
	n     float64 // quants from -n to n-1
	limit float64 // integer scales from -limit to limit-1
}

// encode works out the quants, offset by n, and the integer scales, and stores the super-block's scale.
func (a symmetric) encode(x []float32, q *[256]uint8, ds *[16]int8, bd []byte) bool {
	var subs [16]subBlock
	var d [16]float64
	top := maxAbs(x)
	if top >= kTooLarge {
		return false
	}
	widest := 0.0
	for i := range subs {
		subs[i].set(x[16*i:16*i+16], 2, 1)
		if top >= kTooSmall {
			d[i] = subs[i].fitSymmetric(a.n)
		}
		if math.Abs(d[i]) > math.Abs(widest) {
			widest = d[i]
		}
	}
	if !putF16(bd, float32(widest/-a.limit)) {
		return false
	}
	dd := float64(F16ToF32(le.Uint16(bd)))
	for i := range subs {
		ds[i] = subs[i].refineSymmetric(d[i], dd, a.n, a.limit)
		subs[i].quantize(q[16*i:], dd*float64(ds[i]), 0, -a.n, a.n-1)
	}
	return true
}

func encodeQ3_K(b []byte, x []float32) bool {
	var q [256]uint8
	var ds [16]int8
	if !(symmetric{4, 32}).encode(x, &q, &ds, b[108:]) {
		return false
	}
	packBit(b[:32], &q, 2)
	packPairs(b[32:], &q)
	p := b[96:108]
	clear(p)
	for j, v := range ds {
		s := uint8(v + 32)
		p[j&7] |= s & 15 << (j >> 3 * 4)
		p[8+j&3] |= s >> 4 << (j >> 2 * 2)
	}
	return true
}

func encodeQ6_K(b []byte, x []float32) bool {
	var q [256]uint8
	var ds [16]int8
	if !(symmetric{32, 128}).encode(x, &q, &ds, b[208:]) {
		return false
	}
	for h := range 2 {
		for l := range 32 {
			v := q[128*h+l:]
			b[64*h+l] = v[0]&15 | v[64]<<4
			b[64*h+l+32] = v[32]&15 | v[96]<<4
			b[128+32*h+l] = v[0]>>4 | v[32]>>4<<2 | v[64]>>4<<4 | v[96]>>4<<6
		}
	}
	for i, v := range ds {
		b[192+i] = uint8(v)
	}
	return true
}

// encodeQ8_K gives ggml's bytes. Its scale is a float, so nothing overflows.
func encodeQ8_K(b []byte, x []float32) bool {
	top := largest(x)
	clear(b[:292])
	if top == 0 {
		return true
	}
	k := -127 / top
	if k-k != 0 { // top is a subnormal
		return true
	}
	for j, v := range x[:256] {
		q := min(127, roundEven(float32(k*v)))
		b[4+j] = uint8(q)
		sum := b[260+j>>4*2:]
		le.PutUint16(sum, le.Uint16(sum)+uint16(q))
	}
	le.PutUint32(b, math.Float32bits(1/k))
	return true
}
