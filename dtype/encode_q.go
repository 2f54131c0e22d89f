package dtype

import "math"

// Encoders of the formats with one scale for 32 elements, and of the ternary ones; layouts are in decode_q.go and decode_tq.go. Each works out
// the scale, then rounds the elements against the scale before that is itself rounded to a half, as ggml does: so the bytes are ggml's.

// encodeSigned is Q4_0 and Q5_0: the element of largest magnitude becomes -n exactly, the code is q+n. It returns the scale.
func encodeSigned(q *[32]uint8, x []float32, n float32) (d float32) {
	d = largest(x) / -n
	id := inverse(d)
	for j, v := range x[:32] {
		q[j] = uint8(min(int32(float32(v*id)+(n+0.5)), int32(2*n-1)))
	}
	return d
}

// encodeUnsigned is Q4_1 and Q5_1: the codes 0 to top span the elements. It returns the step and the smallest.
func encodeUnsigned(q *[32]uint8, x []float32, top float32) (d, m float32) {
	m, hi := bounds(x)
	d = (hi - m) / top
	id := inverse(d)
	for j, v := range x[:32] {
		q[j] = uint8(min(int32(float32((v-m)*id)+0.5), int32(top)))
	}
	return d, m
}

// packNibbles puts the low four bits of elements j and j+16 into byte j.
func packNibbles(b []byte, q *[32]uint8) {
	for j := range b[:16] {
		b[j] = q[j]&15 | q[j+16]<<4
	}
}

// fifthBits gathers bit 4 of each element.
func fifthBits(q *[32]uint8) (h uint32) {
	for j, v := range q {
		h |= uint32(v>>4&1) << j
	}
	return h
}

func encodeQ4_0(b []byte, x []float32) bool {
	var q [32]uint8
	d := encodeSigned(&q, x, 8)
	packNibbles(b[2:], &q)
	return putF16(b, d)
}

func encodeQ4_1(b []byte, x []float32) bool {
	var q [32]uint8
	d, m := encodeUnsigned(&q, x, 15)
	packNibbles(b[4:], &q)
	return putF16(b, d) && putF16(b[2:], m)
}

func encodeQ5_0(b []byte, x []float32) bool {
	var q [32]uint8
	d := encodeSigned(&q, x, 16)
	le.PutUint32(b[2:], fifthBits(&q))
	packNibbles(b[6:], &q)
	return putF16(b, d)
}

func encodeQ5_1(b []byte, x []float32) bool {
	var q [32]uint8
	d, m := encodeUnsigned(&q, x, 31)
	le.PutUint32(b[4:], fifthBits(&q))
	packNibbles(b[8:], &q)
	return putF16(b, d) && putF16(b[2:], m)
}

func encodeQ8_0(b []byte, x []float32) bool {
	d := maxAbs(x) / 127
	id := inverse(d)
	for j, v := range x[:32] {
		b[2+j] = uint8(roundAway(v * id))
	}
	return putF16(b, d)
}

func encodeQ8_1(b []byte, x []float32) bool {
	d := maxAbs(x) / 127
	id, sum := inverse(d), int32(0)
	for j, v := range x[:32] {
		q := roundAway(v * id)
		b[4+j] = uint8(q)
		sum += q
	}
	return putF16(b, d) && putF16(b[2:], float32(sum)*d)
}

// encodeMXFP4 takes the exponent of the largest magnitude less 2, the exponent of e2m1's largest value 6, as the OCP MX specification advises;
// a value halfway between two codes gets the one nearer zero.
func encodeMXFP4(b []byte, x []float32) bool {
	e := int32(0)
	if m := maxAbs(x); m > 0 {
		// The logarithm is rounded to float32 before it is cut, which takes magnitudes within a rounding of the next power of two up to it.
		e = max(0, int32(math.Floor(float64(float32(math.Log2(float64(m))))))-2+127)
	}
	b[0] = uint8(e)
	d := E8M0HalfToF32(uint8(e))
	var q [32]uint8
	for j, v := range x[:32] {
		if q[j] = fp4Magnitude(abs(v) / d); v < 0 && q[j] > 0 {
			q[j] |= 8
		}
	}
	packNibbles(b[1:], &q)
	return true
}

// fp4Magnitude is the index of the level in fp4Values[:8] nearest to t, the smaller one at a tie.
func fp4Magnitude(t float32) uint8 {
	switch {
	case t <= 0.5:
		return 0
	case t <= 3.5: // levels 1, 2, 3, 4 are one apart
		i := uint8(t + 0.5)
		if float32(i)-t == 0.5 {
			i--
		}
		return i
	case t <= 5:
		return 4
	case t <= 7:
		return 5
	case t <= 10:
		return 6
	}
	return 7
}

// ternary gives the codes 0, 1, 2 for -d, 0, d and returns d, the largest magnitude.
func ternary(q *[256]uint8, x []float32) (d float32) {
	d = maxAbs(x)
	id := inverse(d)
	for j, v := range x[:256] {
		q[j] = uint8(roundAway(v*id) + 1)
	}
	return d
}

// packTrits stores the trits as a fraction of 256, rounded up, so that multiplying by 3 brings them out one by one.
func packTrits(v int) uint8 { return uint8((v*256 + 242) / 243) }

func encodeTQ1_0(b []byte, x []float32) bool {
	var q [256]uint8
	d := ternary(&q, x)
	for _, part := range [2]struct{ bytes, at, from int }{{32, 0, 0}, {16, 32, 160}} {
		for m := range part.bytes {
			v := 0
			for n := range 5 {
				v = 3*v + int(q[part.from+n*part.bytes+m])
			}
			b[part.at+m] = packTrits(v)
		}
	}
	for m := range 4 {
		v := 0
		for n := range 4 {
			v = 3*v + int(q[240+4*n+m])
		}
		b[48+m] = packTrits(3 * v)
	}
	return putF16(b[52:], d)
}

func encodeTQ2_0(b []byte, x []float32) bool {
	var q [256]uint8
	d := ternary(&q, x)
	packPairs(b, &q)
	return putF16(b[64:], d)
}

// packPairs stores two bits an element: of each 128 elements, byte l of 32 takes elements l, l+32, l+64, l+96.
func packPairs(b []byte, q *[256]uint8) {
	for h := range 2 {
		for l := range 32 {
			p := q[128*h+l:]
			b[32*h+l] = p[0]&3 | p[32]&3<<2 | p[64]&3<<4 | p[96]&3<<6
		}
	}
}
