package main

// format is a block format: how one block of all rows is read.
type format struct {
	name   string
	bytes  int  // a block
	size   int  // elements a block
	sub    int  // elements under an integer scale (formats of 256)
	offset int  // log2 of what is added to codes to make them unsigned; 32: nothing
	signed bool // codes need all 8 bits: AVX2 takes them signed, without offset
	top    int  // the largest unsigned code
	min    bool // has a minimum
	read   func(f *fn, s sink)
}

// sink takes what a format's read finds. Codes are 4 elements of each row in a dword. A sink does not keep registers.
type sink interface {
	code(sub, i int, r vec)             // elements 4i.. of sub-block sub, in memory order
	end(sub int, packed any, byt int)   // sub-block sub is complete; its scale is byte byt of the dwords of packed
	pair(p int, packed vec, lo, hi int) // words for the sums of pair p: minima or scales, from two bytes of packed
	scale(d vec)                        // f32 scale of the block, after all of the above
	min(m vec)                          // f32 minimum of the block, after scale
}

var formats = []format{
	{name: "Q4_0", bytes: 18, size: 32, offset: 3, top: 15, read: readQ4_0},
	{name: "Q4_1", bytes: 20, size: 32, offset: 32, top: 15, min: true, read: readQ4_1},
	{name: "Q5_0", bytes: 22, size: 32, offset: 4, top: 31, read: readQ5_0},
	{name: "Q5_1", bytes: 24, size: 32, offset: 32, top: 31, min: true, read: readQ5_1},
	{name: "Q8_0", bytes: 34, size: 32, offset: 7, top: 255, signed: true, read: readQ8_0},
	{name: "IQ4_NL", bytes: 18, size: 32, offset: 7, top: 255, signed: true, read: readIQ4_NL},
	{name: "MXFP4", bytes: 17, size: 32, offset: 4, top: 28, read: readMXFP4},
	{name: "Q2_K", bytes: 84, size: 256, sub: 16, offset: 32, top: 3, min: true, read: readQ2_K},
	{name: "Q3_K", bytes: 110, size: 256, sub: 16, offset: 2, top: 7, read: readQ3_K},
	{name: "Q4_K", bytes: 144, size: 256, sub: 32, offset: 32, top: 15, min: true, read: readQ4_K},
	{name: "Q5_K", bytes: 176, size: 256, sub: 32, offset: 32, top: 31, min: true, read: readQ5_K},
	{name: "Q6_K", bytes: 210, size: 256, sub: 16, offset: 5, top: 63, read: readQ6_K},
	{name: "IQ4_XS", bytes: 136, size: 256, sub: 32, offset: 7, top: 255, signed: true, read: readIQ4_XS},
}

// bits takes bits from..from+n-1 of every byte of r to bit to.., in a new register.
func (f *fn) bits(r vec, from, n, to int) vec {
	t := f.alloc()
	src := r
	if from > to {
		f.op("VPSRLD", from-to, r, t)
		src = t
	} else if from < to {
		f.op("VPSLLD", to-from, r, t)
		src = t
	}
	f.op("AND", f.dwords(uint32((1<<n-1)<<to)*0x01010101), src, t)
	return t
}

// addBits is bits, put on top of dst.
func (f *fn) addBits(dst, r vec, from, n, to int) {
	t := f.bits(r, from, n, to)
	f.op("OR", t, dst, dst)
	f.release(t)
}

func readQ4_0(f *fn, s sink) {
	for i, t := range f.gather16(2) {
		f.nibbles(s, i, t, nil)
	}
	f.scaleHalves(s, 0)
}

// nibbles passes on the low nibbles of t as codes i and the high ones as codes 4+i, and releases t. change may alter codes in place.
func (f *fn) nibbles(s sink, i int, t vec, change func(i int, r vec)) {
	lo := f.bits(t, 0, 4, 0)
	hi := f.bits(t, 4, 4, 0)
	f.release(t)
	for j, r := range []vec{lo, hi} {
		if change != nil {
			change(4*j+i, r)
		}
		s.code(0, 4*j+i, r)
		f.release(r)
	}
}

func (f *fn) scaleHalves(s sink, off int) {
	d := f.halves(off)
	s.scale(d)
	f.release(d)
}

// scaleAndMin passes on the two 16-bit floats in the dwords of r, and releases it.
func (f *fn) scaleAndMin(s sink, r vec) {
	d := f.lowHalves(r)
	s.scale(d)
	f.release(d)
	m := f.highHalves(r)
	s.min(m)
	f.release(r, m)
}

func readQ4_1(f *fn, s sink) {
	for i, t := range f.gather16(4) {
		f.nibbles(s, i, t, nil)
	}
	f.scaleAndMin(s, f.gather(0, 4))
}

func readQ5_0(f *fn, s sink) {
	h := f.gather16(0) // d, then the 32 high bits
	f.release(h[2], h[3])
	high := f.alloc()
	f.op("VPSLLD", 16, h[1], high)
	f.release(h[1])
	t := f.alloc()
	f.op("VPSRLD", 16, h[0], t)
	f.op("OR", t, high, high)
	d := f.lowHalves(h[0])
	f.release(t, h[0])
	kept := f.keep(d)
	f.fiveBits(s, 6, high)
	d = f.load(kept)
	s.scale(d)
	f.release(d)
}

// fiveBits passes on nibbles at off with bit e of high on top of element e, and releases high.
func (f *fn) fiveBits(s sink, off int, high vec) {
	for i, t := range f.gather16(off) {
		f.nibbles(s, i, t, func(i int, r vec) {
			// Spread bits 4i.. of high to bit 4 of the bytes: repeat their byte, pick a bit in each, compare.
			byt := byte(i / 2)
			bit := f.dwords(0x08040201 << (i % 2 * 4))
			x := f.alloc()
			f.op("VPSHUFB", f.table([16]byte{byt, byt, byt, byt, byt + 4, byt + 4, byt + 4, byt + 4, byt + 8, byt + 8, byt + 8, byt + 8,
				byt + 12, byt + 12, byt + 12, byt + 12}), high, x)
			f.op("AND", bit, x, x)
			f.equalBytes(bit, x)
			f.op("AND", f.dwords(0x10101010), x, x)
			f.op("OR", x, r, r)
			f.release(x)
		})
	}
	f.release(high)
}

// equalBytes sets the bytes of x that equal those of c to 255, the rest to 0.
func (f *fn) equalBytes(c any, x vec) {
	if f.rows == 16 {
		f.op("VPCMPEQB", c, x, "K2")
		f.op("VPMOVM2B", "K2", x)
	} else {
		f.op("VPCMPEQB", c, x, x)
	}
}

func readQ5_1(f *fn, s sink) {
	h := f.gather16(0) // d and m, the high bits, then nibbles that fiveBits loads again
	f.release(h[2], h[3])
	d := f.keep(h[0])
	f.fiveBits(s, 8, h[1])
	f.scaleAndMin(s, f.load(d))
}

func readQ8_0(f *fn, s sink) {
	for c := range 2 {
		for i, t := range f.gather16(2 + 16*c) {
			if f.rows == 16 {
				f.op("XOR", f.dwords(0x80808080), t, t)
			}
			s.code(0, 4*c+i, t)
			f.release(t)
		}
	}
	f.scaleHalves(s, 0)
}

var (
	levelsNL  = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	levelsFP4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// levels looks the nibbles up, with offset added to make the levels unsigned.
func (f *fn) levels(table [16]int8, offset int) func(i int, r vec) {
	var b [16]byte
	for i, v := range table {
		b[i] = byte(int(v) + offset)
	}
	return func(_ int, r vec) {
		c := f.inRegister(f.table(b))
		f.op("VPSHUFB", r, c, r)
	}
}

func (f *fn) levelsNL() func(i int, r vec) {
	if f.rows == 16 {
		return f.levels(levelsNL, 128)
	}
	return f.levels(levelsNL, 0)
}

func readIQ4_NL(f *fn, s sink) {
	for i, t := range f.gather16(2) {
		f.nibbles(s, i, t, f.levelsNL())
	}
	f.scaleHalves(s, 0)
}

func readMXFP4(f *fn, s sink) {
	for i, t := range f.gather16(1) {
		f.nibbles(s, i, t, f.levels(levelsFP4, 16))
	}
	// 2^(e-128) = max((e-1)<<23, 2^-128 << min(e, 2)) on bits: the second is right for e <= 2, and the smaller above.
	e := f.gather(0, 1)
	f.op("VPMOVZXBD", e.x(), e)
	small, one := f.alloc(), f.dwords(1)
	f.op("VPMINUD", f.dwords(2), e, small)
	t := f.inRegister(f.dwords(0x00200000))
	f.op("VPSLLVD", small, t, small)
	f.op("VPSUBD", one, e, e)
	f.op("VPSLLD", 23, e, e)
	f.op("VPMAXSD", small, e, e)
	f.release(small)
	s.scale(e)
	f.release(e)
}

func readQ2_K(f *fn, s sink) {
	var sc [4]any
	for i, t := range f.gather16(0) {
		mn := f.bits(t, 4, 4, 0)
		f.pairs(s, 2*i, mn)
		f.release(mn)
		sc[i] = f.keep(f.bits(t, 0, 4, 0))
		f.release(t)
	}
	for c := range 4 { // 16 bytes of each half of 128 elements
		t := f.gather16(16 + 16*c)
		for k := range 4 {
			sub := c/2*8 + 2*k + c%2
			for i := range t {
				r := f.bits(t[i], 2*k, 2, 0)
				s.code(sub, i, r)
				f.release(r)
			}
			s.end(sub, sc[sub/4], sub%4)
		}
		f.release(t[:]...)
	}
	for _, k := range sc {
		f.drop(k)
	}
	f.scaleAndMin(s, f.gather(80, 4))
}

func readQ3_K(f *fn, s sink) {
	sc := f.scalesQ3(s)
	for h := range 2 {
		high := f.gather16(16 * h)
		for c := range 2 {
			t := f.gather16(32 + 32*c + 16*h)
			for k := range 4 {
				sub := c*8 + 2*k + h
				for i := range t {
					r := f.bits(t[i], 2*k, 2, 0)
					f.addBits(r, high[i], 4*c+k, 1, 2)
					s.code(sub, i, r)
					f.release(r)
				}
				s.end(sub, sc[sub/4], sub%4)
			}
			f.release(t[:]...)
		}
		f.release(high[:]...)
	}
	for _, k := range sc {
		f.drop(k)
	}
	f.scaleHalves(s, 108)
}

// scalesQ3 reads the sixteen 6-bit scales of Q3_K, less 32, and passes their pairs on.
func (f *fn) scalesQ3(s sink) (sc [4]any) {
	// The last 16 bytes of the block are 2 of codes, 12 of scales and d: shift by two bytes.
	a := f.gather16(94)
	for i := range 3 {
		t := f.alloc()
		f.op("VPSLLD", 16, a[i+1], t)
		f.op("VPSRLD", 16, a[i], a[i])
		f.op("OR", t, a[i], a[i])
		f.release(t)
	}
	for i := range sc {
		r := f.bits(a[i%2], i/2*4, 4, 0)
		f.addBits(r, a[2], 2*i, 2, 4)
		f.op("VPSUBB", f.dwords(0x20202020), r, r)
		f.pairs(s, 2*i, r)
		sc[i] = f.keep(r)
	}
	f.release(a[:]...)
	return sc
}

// pairs passes on the four bytes of r as pairs p and p+1.
func (f *fn) pairs(s sink, p int, r vec) {
	s.pair(p, r, 0, 2)
	s.pair(p+1, r, 1, 3)
}

// header45 reads the header of Q4_K and Q5_K, passes on the minima and returns d and dmin, and the scales.
func (f *fn) header45(s sink) (d any, sc [2]any) {
	h := f.gather16(0)
	d = f.keep(h[0])
	mn := f.bits(h[2], 0, 6, 0)
	f.pairs(s, 0, mn)
	f.release(mn)
	mn = f.bits(h[3], 4, 4, 0)
	f.addBits(mn, h[2], 6, 2, 4)
	f.pairs(s, 2, mn)
	f.release(mn, h[2])
	sc[0] = f.keep(f.bits(h[1], 0, 6, 0))
	r := f.bits(h[3], 0, 4, 0)
	f.addBits(r, h[1], 6, 2, 4)
	sc[1] = f.keep(r)
	f.release(h[1], h[3])
	return d, sc
}

func readQ4_K(f *fn, s sink) {
	d, sc := f.header45(s)
	for c := range 4 { // 32 bytes: low nibbles are a sub-block, high ones the next
		for h := range 2 {
			for i, t := range f.gather16(16 + 32*c + 16*h) {
				lo, hi := f.bits(t, 0, 4, 0), f.bits(t, 4, 4, 0)
				f.release(t)
				s.code(2*c, 4*h+i, lo)
				s.code(2*c+1, 4*h+i, hi)
				f.release(lo, hi)
			}
		}
		for j := 2 * c; j < 2*c+2; j++ {
			s.end(j, sc[j/4], j%4)
		}
	}
	for _, k := range sc {
		f.drop(k)
	}
	f.scaleAndMin(s, f.load(d))
}

func readQ5_K(f *fn, s sink) {
	d, sc := f.header45(s)
	for c := range 4 {
		for h := range 2 {
			high := f.gather16(16 + 16*h)
			for i, t := range f.gather16(48 + 32*c + 16*h) {
				lo, hi := f.bits(t, 0, 4, 0), f.bits(t, 4, 4, 0)
				f.release(t)
				f.addBits(lo, high[i], 2*c, 1, 4)
				s.code(2*c, 4*h+i, lo)
				f.release(lo)
				f.addBits(hi, high[i], 2*c+1, 1, 4)
				s.code(2*c+1, 4*h+i, hi)
				f.release(hi)
			}
			f.release(high[:]...)
		}
		for j := 2 * c; j < 2*c+2; j++ {
			s.end(j, sc[j/4], j%4)
		}
	}
	for _, k := range sc {
		f.drop(k)
	}
	f.scaleAndMin(s, f.load(d))
}

func readQ6_K(f *fn, s sink) {
	var sc [4]any
	for i, r := range f.gather16(192) {
		f.pairs(s, 2*i, r)
		sc[i] = f.keep(r)
	}
	for half := range 2 {
		for h := range 2 {
			high := f.gather16(128 + 32*half + 16*h)
			for part := range 2 { // elements 32·part.. and 64 further
				lo, hi := 8*half+2*part+h, 8*half+4+2*part+h
				for i, t := range f.gather16(64*half + 32*part + 16*h) {
					a, b := f.bits(t, 0, 4, 0), f.bits(t, 4, 4, 0)
					f.release(t)
					f.addBits(a, high[i], 2*part, 2, 4)
					s.code(lo, i, a)
					f.release(a)
					f.addBits(b, high[i], 4+2*part, 2, 4)
					s.code(hi, i, b)
					f.release(b)
				}
				s.end(lo, sc[lo/4], lo%4)
				s.end(hi, sc[hi/4], hi%4)
			}
			f.release(high[:]...)
		}
	}
	for _, k := range sc {
		f.drop(k)
	}
	f.scaleHalves(s, 208)
}

func readIQ4_XS(f *fn, s sink) {
	h := f.gather16(0) // d and the high bits, the low nibbles, then codes that are loaded again
	f.release(h[2], h[3])
	header := f.alloc()
	f.op("MOV", h[0], header)
	d16 := f.keep(header)
	// Spread the nibbles of the high bits to bytes: each then has the upper bits of an even and an odd scale.
	high, t := f.alloc(), f.alloc()
	f.op("VPSRLD", 16, h[0], high)
	f.release(h[0])
	for _, shift := range []int{8, 4} {
		f.op("VPSLLD", shift, high, t)
		f.op("OR", t, high, high)
		f.op("AND", f.dwords(map[int]uint32{8: 0x00FF00FF, 4: 0x0F0F0F0F}[shift]), high, high)
	}
	f.release(t)
	var sc [2]any // of even and of odd sub-blocks
	for i := range sc {
		r := f.bits(h[1], 4*i, 4, 0)
		f.addBits(r, high, 2*i, 2, 4)
		f.op("VPSUBB", f.dwords(0x20202020), r, r)
		s.pair(i, r, 0, 1) // pair p is sub-blocks (0,2) (1,3) (4,6) (5,7)
		s.pair(2+i, r, 2, 3)
		sc[i] = f.keep(r)
	}
	f.release(high, h[1])
	for j := range 8 {
		for i, t := range f.gather16(8 + 16*j) {
			lo, hi := f.bits(t, 0, 4, 0), f.bits(t, 4, 4, 0)
			f.release(t)
			for k, r := range []vec{lo, hi} {
				f.levelsNL()(0, r)
				s.code(j, 4*k+i, r)
				f.release(r)
			}
		}
		s.end(j, sc[j%2], j/2)
	}
	for _, k := range sc {
		f.drop(k)
	}
	r := f.load(d16)
	d := f.lowHalves(r)
	s.scale(d)
	f.release(r, d)
}
