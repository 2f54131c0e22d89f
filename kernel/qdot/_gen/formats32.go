package main

// The formats of 32. Those of 4 and 5 bits have elements j and j+16 in byte j.

// nibbles reads 16 bytes at off.
func (r *reader) nibbles(off int) {
	for i, t := range r.gather16(off) {
		r.giveBoth(t, 0, i, 0, 4+i)
	}
	r.s.end(0)
}

// changedNibbles does too; change alters codes in place before they are passed on.
func (r *reader) changedNibbles(off int, change func(i int, v vec)) {
	for i, t := range r.gather16(off) {
		lo, hi := r.split(t)
		change(i, lo)
		r.give(0, i, lo)
		change(4+i, hi)
		r.give(0, 4+i, hi)
	}
	r.s.end(0)
}

func (r *reader) q4_0() {
	r.nibbles(2)
	r.giveScale(r.halves(0))
}

func (r *reader) q4_1() {
	r.nibbles(4)
	r.scaleAndMin(r.gather(0, 4))
}

func (r *reader) q5_0() {
	h := r.gather16(0) // d, the 32 high bits, then nibbles that are loaded again
	r.release(h[2], h[3])
	r.op("VPSLLD", 16, h[1], h[1])
	t := r.alloc()
	r.op("VPSRLD", 16, h[0], t)
	r.op("OR", t, h[1], h[1])
	r.release(t)
	d := r.lowHalves(h[0])
	r.release(h[0])
	kept := r.save(d)
	r.fiveBits(6, h[1])
	r.giveScale(r.load(kept))
}

func (r *reader) q5_1() {
	h := r.gather16(0) // d and m, the high bits, then nibbles that are loaded again
	r.release(h[2], h[3])
	kept := r.save(h[0])
	r.fiveBits(8, h[1])
	r.scaleAndMin(r.load(kept))
}

// fiveBits reads nibbles at off and puts bit e of high on top of element e. It releases high.
func (r *reader) fiveBits(off int, high vec) {
	r.changedNibbles(off, func(i int, v vec) {
		// Spread bits 4i.. of high over the bytes: repeat their byte, pick a bit in each, compare.
		var repeat [16]byte
		for b := range repeat {
			repeat[b] = byte(b/4*4 + i/2)
		}
		bit, x := r.dwords(0x08040201<<(i%2*4)), r.alloc()
		r.op("VPSHUFB", constant(repeat), high, x)
		r.op("AND", bit, x, x)
		if r.rows == 16 {
			r.op("VPCMPEQB", bit, x, "K2")
			r.op("VPMOVM2B", "K2", x)
		} else {
			r.op("VPCMPEQB", bit, x, x)
		}
		r.op("AND", r.dwords(0x10101010), x, x)
		r.op("OR", x, v, v)
		r.release(x)
	})
	r.release(high)
}

func (r *reader) q8_0() {
	for half := range 2 {
		for i, t := range r.gather16(2 + 16*half) {
			if r.unsigned(r.m) {
				r.op("XOR", r.dwords(0x80808080), t, t)
			}
			r.give(0, 4*half+i, t)
		}
	}
	r.s.end(0)
	r.giveScale(r.halves(0))
}

// levelsNL are the 16 levels of IQ4_NL and IQ4_XS, levelsFP4 twice the values of an e2m1 float.
var (
	levelsNL  = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	levelsFP4 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// look replaces codes by their levels, with the format's offset where the level of the instruction set wants it.
func (r *reader) look(levels [16]int8) func(i int, v vec) {
	var b [16]byte
	for i, l := range levels {
		b[i] = byte(l)
		if r.unsigned(r.m) {
			b[i] += 1 << r.m.offset
		}
	}
	table := r.table(b)
	return func(_ int, v vec) { r.op("VPSHUFB", v, table, v) }
}

func (r *reader) iq4nl() {
	r.changedNibbles(2, r.look(levelsNL))
	r.giveScale(r.halves(0))
}

func (r *reader) mxfp4() {
	r.changedNibbles(1, r.look(levelsFP4))
	// 2^(e-128) = max((e-1)<<23, 2^-128 << min(e, 2)) on bits: the second is right for e <= 2, and the smaller above.
	e, small := r.gather(0, 1), r.alloc()
	r.op("VPMOVZXBD", e.x(), e)
	r.op("VPMINUD", r.dwords(2), e, small)
	r.op("VPSLLVD", small, r.table([16]byte{2: 0x20, 6: 0x20, 10: 0x20, 14: 0x20}), small)
	r.op("VPSUBD", r.dwords(1), e, e)
	r.op("VPSLLD", 23, e, e)
	r.op("VPMAXSD", small, e, e)
	r.release(small)
	r.giveScale(e)
}
