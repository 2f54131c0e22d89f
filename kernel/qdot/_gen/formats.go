package main

// format is a block format: how one block of all rows is read. The layouts are described in package dtype.
type format struct {
	name   string
	bytes  int  // a block
	size   int  // elements a block
	sub    int  // elements under an integer scale (formats of 256)
	offset int  // log2 of what is added to codes to make them unsigned; 32: nothing
	signed bool // codes need all 8 bits: AVX2 takes them signed, without offset
	top    int  // the largest code that AVX2 takes
	min    bool // has a minimum
	common bool // worth more code
	read   func(r *reader)
}

var formats = []format{
	{name: "Q4_0", bytes: 18, size: 32, offset: 3, top: 15, common: true, read: (*reader).q4_0},
	{name: "Q4_1", bytes: 20, size: 32, offset: 32, top: 15, min: true, read: (*reader).q4_1},
	{name: "Q5_0", bytes: 22, size: 32, offset: 4, top: 31, read: (*reader).q5_0},
	{name: "Q5_1", bytes: 24, size: 32, offset: 32, top: 31, min: true, read: (*reader).q5_1},
	{name: "Q8_0", bytes: 34, size: 32, offset: 7, top: 128, signed: true, common: true, read: (*reader).q8_0},
	{name: "IQ4_NL", bytes: 18, size: 32, offset: 7, top: 128, signed: true, read: (*reader).iq4nl},
	{name: "MXFP4", bytes: 17, size: 32, offset: 4, top: 28, common: true, read: (*reader).mxfp4},
	{name: "Q2_K", bytes: 84, size: 256, sub: 16, offset: 32, top: 3, min: true, read: (*reader).q2k},
	{name: "Q3_K", bytes: 110, size: 256, sub: 16, offset: 2, top: 7, read: (*reader).q3k},
	{name: "Q4_K", bytes: 144, size: 256, sub: 32, offset: 32, top: 15, min: true, common: true, read: (*reader).q4k},
	{name: "Q5_K", bytes: 176, size: 256, sub: 32, offset: 32, top: 31, min: true, common: true, read: (*reader).q5k},
	{name: "Q6_K", bytes: 210, size: 256, sub: 16, offset: 5, top: 63, common: true, read: (*reader).q6k},
	{name: "IQ4_XS", bytes: 136, size: 256, sub: 32, offset: 7, top: 128, signed: true, read: (*reader).iq4xs},
}

// codes is how many dwords of codes share a scale, scales how many sub-blocks have an integer scale.
func (m *format) codes() int {
	if m.size == 32 {
		return 8
	}
	return m.sub / 4
}

func (m *format) scales() int {
	if m.size == 32 {
		return 0
	}
	return m.size / m.sub
}

// lanes is how many running sums there are to an output.
func (m *format) lanes() int {
	if m.size == 32 {
		return 8
	}
	return 1
}

// steps is how many products of two codes may pile up in a signed word before it overflows.
func (m *format) steps() int { return min(32767/(m.top*254), m.codes()) }

// unsigned says whether a level takes a format's codes with the offset that makes them so.
func (i *isa) unsigned(m *format) bool { return i == avx512 || !m.signed }

// sink takes what a reader finds, and keeps no registers.
type sink interface {
	begin()
	subScale(j int, packed vec, byt int) // integer scale of sub-block j of the block: byte byt of each dword of packed
	pair(p int, packed vec, lo, hi int)  // what the sums of pair p are multiplied with, minima or scales: two bytes of packed
	code(sub, i int, v vec)              // elements 4i.. of a sub-block, counted from the beginning of the turn
	code16(sub, i int, v vec)            // the same times 16; v may be changed
	end(sub int)                         // the sub-block's codes are complete
	turn(elements int)                   // the turn is over
	scale(d vec)                         // f32 scale of the block, after its codes
	min(m vec)                           // f32 minimum of the block, after the scale
}

// reader writes the reading of one block of every row, and the step to the next.
type reader struct {
	*fn
	m *format
	s sink
}

func (f *fn) block(m *format, s sink) {
	r := &reader{f, m, s}
	s.begin()
	if m.size == 256 {
		m.read(r)
		return
	}
	f.ahead(f.rows * m.bytes)
	m.read(r)
	f.behind(f.rows * m.bytes)
	f.forward(m.bytes)
}

// turns is the loop over the codes of a block of 256, n equal turns that move bytes along the rows each. It ends at the next block. AX counts
// elements.
func (r *reader) turns(n, elements, bytes int, turn func()) {
	r.op("XORL", "AX", "AX")
	r.label("turn")
	r.ahead(r.rows * r.m.bytes / n)
	turn()
	r.behind(r.rows * r.m.bytes / n)
	r.forward(bytes)
	r.s.turn(elements)
	r.op("ADDL", elements, "AX")
	r.op("CMPL", "AX", n*elements)
	r.op("JNE", "turn")
}

// bits takes bits from..from+n-1 of every byte of v to bit to.., in a new register.
func (f *fn) bits(v vec, from, n, to int) vec {
	t := f.alloc()
	src := t
	switch {
	case from > to:
		f.op("VPSRLD", from-to, v, t)
	case from < to:
		f.op("VPSLLD", to-from, v, t)
	default:
		src = v
	}
	f.op("AND", f.dwords(uint32((1<<n-1)<<to)*0x01010101), src, t)
	return t
}

// addBits puts such bits on top of dst.
func (f *fn) addBits(dst, v vec, from, n, to int) {
	if f.rows == 8 || from == to {
		t := f.bits(v, from, n, to)
		f.op("OR", t, dst, dst)
		f.release(t)
		return
	}
	t, mask := f.alloc(), f.dwords(uint32((1<<n-1)<<to)*0x01010101)
	if from > to {
		f.op("VPSRLD", from-to, v, t)
	} else {
		f.op("VPSLLD", to-from, v, t)
	}
	f.op("VPTERNLOGD", 0xF8, mask, t, dst)
	f.release(t)
}

// giveBoth passes on low nibbles as elements 4i.. of sub-block lo and high ones as elements 4j.. of hi, and releases v.
func (r *reader) giveBoth(v vec, lo, i, hi, j int) {
	r.give(lo, i, r.bits(v, 0, 4, 0))
	r.op("AND", r.dwords(0xF0F0F0F0), v, v)
	r.s.code16(hi, j, v)
	r.release(v)
}

// split is the low and the high nibbles of v, which it releases.
func (f *fn) split(v vec) (lo, hi vec) {
	lo, hi = f.bits(v, 0, 4, 0), f.bits(v, 4, 4, 0)
	f.release(v)
	return lo, hi
}

// give passes on codes, and releases them.
func (r *reader) give(sub, i int, v vec) {
	r.s.code(sub, i, v)
	r.release(v)
}

// giveScale and giveMin pass on a float, and release it.
func (r *reader) giveScale(d vec) {
	r.s.scale(d)
	r.release(d)
}

func (r *reader) giveMin(m vec) {
	r.s.min(m)
	r.release(m)
}

// scaleAndMin passes on the 16-bit floats in the dwords of v, and releases it.
func (r *reader) scaleAndMin(v vec) {
	r.giveScale(r.lowHalves(v))
	r.giveMin(r.highHalves(v))
	r.release(v)
}
