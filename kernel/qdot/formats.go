package qdot

import (
	"math"

	"github.com/pennyml/penny/dtype"
)

// format is what the reference has to know of a block format.
type format struct {
	sub  int                                 // elements under one integer scale; 32 in the formats of 32
	min  bool                                // has a minimum beside the scale
	read func(r *rowBlocks, i int, b []byte) // reads block i of a row into r
}

var formats = [...]format{
	dtype.Q4_0:   {32, false, readQ4_0},
	dtype.Q4_1:   {32, true, readQ4_1},
	dtype.Q5_0:   {32, false, readQ5_0},
	dtype.Q5_1:   {32, true, readQ5_1},
	dtype.Q8_0:   {32, false, readQ8_0},
	dtype.IQ4_NL: {32, false, readIQ4_NL},
	dtype.MXFP4:  {32, false, readMXFP4},
	dtype.Q2_K:   {16, true, readQ2_K},
	dtype.Q3_K:   {16, false, readQ3_K},
	dtype.Q4_K:   {32, true, readQ4_K},
	dtype.Q5_K:   {32, true, readQ5_K},
	dtype.Q6_K:   {16, false, readQ6_K},
	dtype.IQ4_XS: {32, false, readIQ4_XS},
}

// rowBlocks is a row of weights as integers and scales: an element of block b is d[b]·c + m[b] in the formats of 32, and
// d[b]·sc[j]·c − m[b]·mn[j] in those of 256, with j its sub-block. What a format lacks is not set.
type rowBlocks struct {
	c      []int8
	d, m   []float32
	sc, mn []int8
}

func (r *rowBlocks) resize(k int) {
	r.c, r.sc, r.mn = grow(r.c, k), grow(r.sc, k/16), grow(r.mn, k/16)
	r.d, r.m = grow(r.d, k/32), grow(r.m, k/32)
}

func grow[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	return make([]T, n)
}

// c32 is where the codes of block i of 32 go, c256 those of block i of 256.
func (r *rowBlocks) c32(i int) *[32]int8   { return (*[32]int8)(r.c[i*32:]) }
func (r *rowBlocks) c256(i int) *[256]int8 { return (*[256]int8)(r.c[i*256:]) }

func half(b []byte) float32 { return dtype.F16ToF32(le.Uint16(b)) }

// Layouts are described in package dtype, which decodes the same bytes to float32.

func readQ4_0(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b)
	c := r.c32(i)
	for j, q := range b[2:] {
		c[j], c[j+16] = int8(q&15)-8, int8(q>>4)-8
	}
}

func readQ4_1(r *rowBlocks, i int, b []byte) {
	r.d[i], r.m[i] = half(b), half(b[2:])
	c := r.c32(i)
	for j, q := range b[4:] {
		c[j], c[j+16] = int8(q&15), int8(q>>4)
	}
}

func readQ5_0(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b)
	fiveBits(r.c32(i), b[6:], le.Uint32(b[2:]), -16)
}

func readQ5_1(r *rowBlocks, i int, b []byte) {
	r.d[i], r.m[i] = half(b), half(b[2:])
	fiveBits(r.c32(i), b[8:], le.Uint32(b[4:]), 0)
}

// fiveBits takes four bits from the nibbles of qs and the fifth of element e from bit e of high.
func fiveBits(c *[32]int8, qs []byte, high uint32, offset int8) {
	for j, q := range qs {
		c[j] = int8(q&15|byte(high>>j&1)<<4) + offset
		c[j+16] = int8(q>>4|byte(high>>(j+16)&1)<<4) + offset
	}
}

func readQ8_0(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b)
	c := r.c32(i)
	for j, q := range b[2:] {
		c[j] = int8(q)
	}
}

// levelsNL are the 16 levels of IQ4_NL and IQ4_XS, levelsFP4 twice the values of an e2m1 float.
var (
	levelsNL  = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	levelsFP4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

func levels(c []int8, qs []byte, table *[16]int8) {
	for j, q := range qs[:16] {
		c[j], c[j+16] = table[q&15], table[q>>4]
	}
}

func readIQ4_NL(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b)
	levels(r.c[i*32:], b[2:], &levelsNL)
}

// readMXFP4: half of the e8m0 scale, 2^(e-128), because the levels are doubled.
func readMXFP4(r *rowBlocks, i int, b []byte) {
	if e := b[0]; e < 2 {
		r.d[i] = math.Float32frombits(0x00200000 << e)
	} else {
		r.d[i] = math.Float32frombits(uint32(e-1) << 23)
	}
	levels(r.c[i*32:], b[1:], &levelsFP4)
}

func readQ2_K(r *rowBlocks, i int, b []byte) {
	r.d[i], r.m[i] = half(b[80:]), half(b[82:])
	for j, s := range b[:16] {
		r.sc[i*16+j], r.mn[i*16+j] = int8(s&15), int8(s>>4)
	}
	c, qs := r.c256(i), b[16:80]
	for e := range c {
		c[e] = int8(qs[e/128*32+e%32] >> (e / 32 % 4 * 2) & 3)
	}
}

func readQ3_K(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b[108:])
	sc := b[96:108]
	for j := range 16 {
		low, high := sc[j%8]>>(j/8*4)&15, sc[8+j%4]>>(j/4*2)&3
		r.sc[i*16+j] = int8(low|high<<4) - 32
	}
	c, hmask, qs := r.c256(i), b[:32], b[32:96]
	for e := range c {
		low, high := qs[e/128*32+e%32]>>(e/32%4*2)&3, hmask[e%32]>>(e/32)&1
		c[e] = int8(low|high<<2) - 4
	}
}

// scales45 reads the header of Q4_K and Q5_K: d, dmin, and eight scales and minima of 6 bits.
func (r *rowBlocks) scales45(i int, b []byte) {
	r.d[i], r.m[i] = half(b), half(b[2:])
	p := b[4:16]
	for j := range 4 {
		r.sc[i*8+j], r.mn[i*8+j] = int8(p[j]&63), int8(p[j+4]&63)
		r.sc[i*8+j+4] = int8(p[j+8]&15 | p[j]>>6<<4)
		r.mn[i*8+j+4] = int8(p[j+8]>>4 | p[j+4]>>6<<4)
	}
}

func readQ4_K(r *rowBlocks, i int, b []byte) {
	r.scales45(i, b)
	c, qs := r.c256(i), b[16:144]
	for e := range c {
		c[e] = int8(qs[e/64*32+e%32] >> (e / 32 % 2 * 4) & 15)
	}
}

func readQ5_K(r *rowBlocks, i int, b []byte) {
	r.scales45(i, b)
	c, qh, qs := r.c256(i), b[16:48], b[48:176]
	for e := range c {
		c[e] = int8(qs[e/64*32+e%32]>>(e/32%2*4)&15 | qh[e%32]>>(e/32)&1<<4)
	}
}

func readQ6_K(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b[208:])
	for j, s := range b[192:208] {
		r.sc[i*16+j] = int8(s)
	}
	c, ql, qh := r.c256(i), b[:128], b[128:192]
	for e := range c {
		low, high := ql[e/128*64+e%64]>>(e/64%2*4)&15, qh[e/128*32+e%32]>>(e/32%4*2)&3
		c[e] = int8(low|high<<4) - 32
	}
}

func readIQ4_XS(r *rowBlocks, i int, b []byte) {
	r.d[i] = half(b)
	high := le.Uint16(b[2:])
	for j := range 8 {
		low := b[4+j/2] >> (j % 2 * 4) & 15
		r.sc[i*8+j] = int8(low|byte(high>>(2*j)&3)<<4) - 32
		levels(r.c[i*256+j*32:], b[8+j*16:], &levelsNL)
	}
}
