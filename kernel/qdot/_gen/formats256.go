package main

// The formats of 256.

// giveScales passes on four integer scales, from sub-block j on.
func (r *reader) giveScales(j int, packed vec) {
	for i := range 4 {
		r.s.subScale(j+i, packed, i)
	}
}

// givePairs passes on the four bytes of packed as pairs p and p+1.
func (r *reader) givePairs(p int, packed vec) {
	r.s.pair(p, packed, 0, 2)
	r.s.pair(p+1, packed, 1, 3)
}

// q2k: sub-block s has its scale and minimum in the nibbles of byte s. Of each 128 elements, byte l of 32 holds l, l+32, l+64, l+96: a turn takes
// 16 of the 32 in both halves.
func (r *reader) q2k() {
	for i, t := range r.gather16(0) {
		sc, mn := r.split(t)
		r.giveScales(4*i, sc)
		r.givePairs(2*i, mn)
		r.release(sc, mn)
	}
	dm := r.save(r.gather(80, 4))
	r.turns(2, 16, 16, func() {
		for half := range 2 {
			t := r.gather16(16 + 32*half)
			for k := range 4 {
				sub := 8*half + 2*k
				for i, v := range t {
					r.give(sub, i, r.bits(v, 2*k, 2, 0))
				}
				r.s.end(sub)
			}
			r.release(t[:]...)
		}
	})
	r.forward(84 - 32)
	r.scaleAndMin(r.load(dm))
}

// q3k: as q2k, with bit k of byte l of 32 on top of element 32k+l.
func (r *reader) q3k() {
	r.scales3()
	d := r.save(r.halves(108))
	r.turns(2, 16, 16, func() {
		high := r.gather16(0)
		for half := range 2 {
			t := r.gather16(32 + 32*half)
			for k := range 4 {
				sub := 8*half + 2*k
				for i := range t {
					v := r.bits(t[i], 2*k, 2, 0)
					r.addBits(v, high[i], 4*half+k, 1, 2)
					r.give(sub, i, v)
				}
				r.s.end(sub)
			}
			r.release(t[:]...)
		}
		r.release(high[:]...)
	})
	r.forward(110 - 32)
	r.giveScale(r.load(d))
}

// scales3 passes on the sixteen 6-bit scales of Q3_K, less 32.
func (r *reader) scales3() {
	a := r.gather16(94) // to the end of the block: two bytes of codes, 12 of scales, d
	for i := range 3 {
		t := r.alloc()
		r.op("VPSLLD", 16, a[i+1], t)
		r.op("VPSRLD", 16, a[i], a[i])
		r.op("OR", t, a[i], a[i])
		r.release(t)
	}
	for i := range 4 {
		sc := r.bits(a[i%2], i/2*4, 4, 0)
		r.addBits(sc, a[2], 2*i, 2, 4)
		r.op("VPSUBB", r.dwords(0x20202020), sc, sc)
		r.giveScales(4*i, sc)
		r.givePairs(2*i, sc)
		r.release(sc)
	}
	r.release(a[:]...)
}

// scales45 passes on the scales and minima of Q4_K and Q5_K, and saves d and dmin.
func (r *reader) scales45() (dm string) {
	h := r.gather16(0)
	dm = r.save(h[0])
	sc, mn := r.bits(h[1], 0, 6, 0), r.bits(h[2], 0, 6, 0)
	r.giveScales(0, sc)
	r.givePairs(0, mn)
	r.release(sc, mn)
	sc, mn = r.split(h[3])
	r.addBits(sc, h[1], 6, 2, 4)
	r.addBits(mn, h[2], 6, 2, 4)
	r.giveScales(4, sc)
	r.givePairs(2, mn)
	r.release(sc, mn, h[1], h[2])
	return dm
}

// q4k: a turn takes 32 bytes, whose low nibbles are a sub-block and whose high ones are the next.
func (r *reader) q4k() {
	dm := r.scales45()
	r.turns(4, 64, 32, func() {
		for half := range 2 {
			for i, t := range r.gather16(16 + 16*half) {
				r.giveBoth(t, 0, 4*half+i, 1, 4*half+i)
			}
		}
		r.s.end(0)
		r.s.end(1)
	})
	r.forward(144 - 128)
	r.scaleAndMin(r.load(dm))
}

// q5k: as q4k, with bit k of byte l of 32 on top of element 32k+l. The bytes are shifted from turn to turn.
func (r *reader) q5k() {
	dm := r.scales45()
	var high [8]place
	for half := range 2 {
		for i, t := range r.gather16(16 + 16*half) {
			high[4*half+i] = r.hold(t)
		}
	}
	r.turns(4, 64, 32, func() {
		for half := range 2 {
			for i, t := range r.gather16(48 + 16*half) {
				lo, hi := r.split(t)
				h := r.get(high[4*half+i])
				r.addBits(lo, h, 0, 1, 4)
				r.give(0, 4*half+i, lo)
				r.addBits(hi, h, 1, 1, 4)
				r.give(1, 4*half+i, hi)
				r.op("VPSRLD", 2, h, h)
				r.put(h, high[4*half+i])
			}
		}
		r.s.end(0)
		r.s.end(1)
	})
	for _, p := range high {
		r.drop(p)
	}
	r.forward(176 - 128)
	r.scaleAndMin(r.load(dm))
}

// q6k: of each 128 elements, 64 bytes of nibbles hold l and l+64, and 32 bytes hold the upper two bits of l, l+32, l+64, l+96. A turn takes 16
// bytes of each 32.
func (r *reader) q6k() {
	for i, sc := range r.gather16(192) {
		r.giveScales(4*i, sc)
		r.givePairs(2*i, sc)
		r.release(sc)
	}
	d := r.save(r.halves(208))
	r.turns(2, 16, 16, func() {
		for half := range 2 {
			high := r.gather16(128 + 32*half)
			for part := range 2 { // elements 32·part.. and 64 further
				sub := 8*half + 2*part
				for i, t := range r.gather16(64*half + 32*part) {
					lo, hi := r.split(t)
					r.addBits(lo, high[i], 2*part, 2, 4)
					r.give(sub, i, lo)
					r.addBits(hi, high[i], 4+2*part, 2, 4)
					r.give(sub+4, i, hi)
				}
				r.s.end(sub)
				r.s.end(sub + 4)
			}
			r.release(high[:]...)
		}
	})
	r.forward(210 - 32)
	r.giveScale(r.load(d))
}

// iq4xs: 16 bytes a sub-block, laid out as in IQ4_NL: a turn.
func (r *reader) iq4xs() {
	d := r.save(r.scalesXS())
	r.turns(8, 32, 16, func() {
		change := r.look(levelsNL)
		for i, t := range r.gather16(8) {
			lo, hi := r.split(t)
			change(i, lo)
			r.give(0, i, lo)
			change(4+i, hi)
			r.give(0, 4+i, hi)
		}
		r.s.end(0)
	})
	r.forward(136 - 128)
	r.giveScale(r.load(d))
}

// scalesXS passes on the eight 6-bit scales of IQ4_XS, less 32, and returns d.
func (r *reader) scalesXS() vec {
	h := r.gather16(0) // d and the upper bits, the low nibbles, then codes that are loaded again
	r.release(h[2], h[3])
	// Spread the nibbles of the upper bits to bytes: each then has the bits of an even and an odd scale.
	high, t := r.alloc(), r.alloc()
	r.op("VPSRLD", 16, h[0], high)
	for _, s := range []struct {
		by   int
		mask uint32
	}{{8, 0x00FF00FF}, {4, 0x0F0F0F0F}} {
		r.op("VPSLLD", s.by, high, t)
		r.op("OR", t, high, high)
		r.op("AND", r.dwords(s.mask), high, high)
	}
	r.release(t)
	for odd := range 2 {
		sc := r.bits(h[1], 4*odd, 4, 0)
		r.addBits(sc, high, 2*odd, 2, 4)
		r.op("VPSUBB", r.dwords(0x20202020), sc, sc)
		for i := range 4 {
			r.s.subScale(2*i+odd, sc, i)
		}
		r.s.pair(odd, sc, 0, 1) // sub-blocks 0 and 2, or 1 and 3
		r.s.pair(2+odd, sc, 2, 3)
		r.release(sc)
	}
	d := r.lowHalves(h[0])
	r.release(high, h[0], h[1])
	return d
}
