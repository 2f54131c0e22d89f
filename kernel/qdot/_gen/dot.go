package main

import "fmt"

// Where things stand in an activation record of one row (see acts.go).
const (
	q32Scale, q32Neg, q32Sum, q32Bytes         = 32, 36, 40, 44
	q256Sum16, q256Sum32, q256Scale, q256Bytes = 256, 288, 304, 308
)

// steps is how many products of two codes may pile up in a signed word before it overflows.
func (m *format) steps() int { return 32767 / (m.top * 254) }

// scaleVec is the sub-block scale in byte byt of packed as the level multiplies with it: a dword at AVX-512, a word twice at AVX2.
func (f *fn) scaleVec(m *format, packed any, byt int) vec {
	r, sc := f.load(packed), f.alloc()
	const none = 0x80
	var c [16]byte
	for i := range c {
		c[i] = none
		at := 0
		if m.offset < 32 { // signed: into the upper end
			at = f.scaleBytes() - 1
		}
		if i%f.scaleBytes() == at {
			c[i] = byte(i/4*4 + byt)
		}
	}
	f.op("VPSHUFB", f.table(c), r, sc)
	f.unload(packed, r)
	if m.offset < 32 {
		f.op(map[int]string{4: "VPSRAD", 2: "VPSRAW"}[f.scaleBytes()], 8*f.scaleBytes()-8, sc, sc)
	}
	return sc
}

func (f *fn) scaleBytes() int {
	if f.wide == 'Z' {
		return 4
	}
	return 2
}

// pairVec is bytes lo and hi of each dword of packed as words.
func (f *fn) pairVec(m *format, packed vec, lo, hi int) vec {
	r := f.alloc()
	var c [16]byte
	for i := range c {
		c[i] = 0x80
		if m.offset < 32 == (i%2 == 1) {
			c[i] = byte(i/4*4 + []int{lo, hi}[i%4/2])
		}
	}
	f.op("VPSHUFB", f.table(c), packed, r)
	if m.offset < 32 {
		f.op("VPSRAW", 8, r, r)
	}
	return r
}

// storeSink writes a panel record: codes, then scales and pairs of the formats of 256, then scale and minimum. A row of the record is 64 bytes,
// 16 weight rows; DI points at the first of them that this function handles.
type storeSink struct {
	f *fn
	m *format
}

// recordBytes is the size of a panel record; codes, scales and pairs are in that order.
func (m *format) recordBytes() int { return m.scaleAt() + 128 }

func (m *format) pairsAt() int { return m.size*16 + m.subs()*64 }
func (m *format) scaleAt() int { return m.pairsAt() + m.subs()*32 }

// subs is the number of sub-blocks with an integer scale.
func (m *format) subs() int {
	if m.size == 32 {
		return 0
	}
	return m.size / m.sub
}

func (s storeSink) put(r vec, at int) { s.f.op("MOV", r, fmt.Sprintf("%d(DI)", at)) }

func (s storeSink) code(sub, i int, r vec) { s.put(r, sub*s.m.sub*16+i*64) }

func (s storeSink) end(sub int, packed any, byt int) {
	r := s.f.scaleVec(s.m, packed, byt)
	s.put(r, s.m.size*16+sub*64)
	s.f.release(r)
}

func (s storeSink) pair(p int, packed vec, lo, hi int) {
	r := s.f.pairVec(s.m, packed, lo, hi)
	s.put(r, s.m.pairsAt()+p*64)
	s.f.release(r)
}

func (s storeSink) scale(d vec) { s.put(d, s.m.scaleAt()) }
func (s storeSink) min(m vec)   { s.put(m, s.m.scaleAt()+64) }

// unpackFn turns blocks of 16 rows (AVX2: 8 at a time) into panel records.
func unpackFn(i *isa, m *format) string {
	f := newFn(i)
	f.spillBase = "AX"
	f.rowPointers()
	loop := f.label("loop")
	f.block(m, storeSink{f, m})
	f.op("ADDQ", m.recordBytes(), "DI")
	f.op("DECQ", "CX")
	f.op("JNZ", loop)
	return f.text("unpack"+m.name+i.name, []arg{{"panel", "*byte", "DI"}, {"w", "*byte", "R8"}, {"stride", "int", stride},
		{"blocks", "int", "CX"}, {"ahead", "*byte", "SI"}, {"spill", "*byte", "AX"}})
}

// block reads one block and moves on to the next, prefetching as many bytes at SI as it reads.
func (f *fn) block(m *format, s sink) {
	for off := 0; off < f.rows*m.bytes; off += 64 {
		f.prefetches = append(f.prefetches, off)
	}
	m.read(f, s)
	f.prefetch(len(f.prefetches))
	f.op("ADDQ", f.rows*m.bytes, "SI")
	f.nextBlock(m.bytes)
}

// prefetch issues the next n prefetches.
func (f *fn) prefetch(n int) {
	for _, off := range f.prefetches[:min(n, len(f.prefetches))] {
		f.op("PREFETCHT1", fmt.Sprintf("%d(SI)", off))
	}
	f.prefetches = f.prefetches[min(n, len(f.prefetches)):]
}

// dotSink multiplies with one row of activations at DX as the codes come. Running sums are in memory at DI: eight lanes, AX the one of this block
// (formats of 32), or one sum.
type dotSink struct {
	f    *fn
	m    *format
	isum vec           // Σ sc·c·q so far
	aux  any           // Σ of pairs
	open map[int][]vec // sums of sub-blocks under way
	todo map[int]int   // codes that the last of those has room for
	acc  vec           // the running sum
}

func (s *dotSink) acts(off int) string { return fmt.Sprintf("%d(DX)", off) }

// begin starts a block.
func (s *dotSink) begin() {
	f := s.f
	s.open, s.todo = map[int][]vec{}, map[int]int{}
	s.isum = f.alloc()
	if s.m.size == 32 && f.unsigned(s.m) && s.m.offset < 32 {
		f.op("VPBROADCASTD", s.acts(q32Neg), s.isum)
		f.op("VPSLLD", s.m.offset, s.isum, s.isum)
	} else {
		f.zero(s.isum)
	}
	if s.hasAux() {
		r := f.alloc()
		f.zero(r)
		s.aux = f.keep(r)
	}
}

// unsigned says whether codes come with the offset that makes them so.
func (i *isa) unsigned(m *format) bool { return i.wide == 'Z' || !m.signed }

// hasAux says whether the sums of pairs are of use: for minima, or to take the offset out.
func (s *dotSink) hasAux() bool { return s.m.size == 256 && (s.m.min || s.f.unsigned(s.m)) }

func (s *dotSink) code(sub, i int, r vec) {
	f, q := s.f, s.acts(sub*s.m.sub+4*i)
	switch {
	case f.wide == 'Z':
		f.op("VPDPBUSD.BCST", q, r, s.sum512(sub, i))
	case s.m.signed:
		s.code8(sub, q, r)
	default:
		t := f.alloc()
		f.op("VPBROADCASTD", q, t)
		f.op("VPMADDUBSW", t, r, t)
		s.addWords(sub, t)
	}
}

// sum512 is the register that code i of a sub-block is added to: two in turn, which halves the chain of additions.
func (s *dotSink) sum512(sub, i int) vec {
	if s.m.size == 32 && i%2 == 0 {
		return s.isum
	}
	if len(s.open[sub]) == 0 {
		r := s.f.alloc()
		s.f.zero(r)
		s.open[sub] = []vec{r}
	}
	return s.open[sub][0]
}

// code8 handles signed codes of 8 bits at AVX2: |c|·(q with the sign of c), widened at once, because two products fill a word.
func (s *dotSink) code8(sub int, q string, r vec) {
	f := s.f
	t, a := f.alloc(), f.alloc()
	f.op("VPBROADCASTD", q, t)
	f.op("VPABSB", r, a)
	f.op("VPSIGNB", r, t, t)
	f.op("VPMADDUBSW", t, a, t)
	f.op("VPMADDWD", f.dwords(0x00010001), t, t)
	f.release(a)
	sum := s.isum
	if s.m.size == 256 {
		if len(s.open[sub]) == 0 {
			s.open[sub] = []vec{t}
			return
		}
		sum = s.open[sub][0]
	}
	f.op("VPADDD", t, sum, sum)
	f.release(t)
}

// addWords adds word sums, and takes t over.
func (s *dotSink) addWords(sub int, t vec) {
	if s.todo[sub] == 0 {
		s.open[sub] = append(s.open[sub], t)
		s.todo[sub] = s.m.steps() - 1
		return
	}
	last := s.open[sub][len(s.open[sub])-1]
	s.f.op("VPADDW", t, last, last)
	s.f.release(t)
	s.todo[sub]--
}

func (s *dotSink) end(sub int, packed any, byt int) {
	f := s.f
	sc := f.scaleVec(s.m, packed, byt)
	for _, r := range s.open[sub] {
		switch {
		case f.wide == 'Z':
			f.op("VPMULLD", sc, r, r)
		case s.m.signed: // the scale twice in words: take one of them
			f.op("VPSRAD", 16, sc, sc)
			f.op("VPMULLD", sc, r, r)
		default:
			f.op("VPMADDWD", sc, r, r)
		}
		f.op("VPADDD", r, s.isum, s.isum)
		f.release(r)
	}
	delete(s.open, sub)
	f.release(sc)
}

func (s *dotSink) pair(p int, packed vec, lo, hi int) {
	if !s.hasAux() {
		return
	}
	f, at := s.f, q256Sum32
	if s.m.sub == 16 {
		at = q256Sum16
	}
	w := f.pairVec(s.m, packed, lo, hi)
	if f.wide == 'Z' {
		f.op("VPDPWSSD.BCST", s.acts(at+4*p), w, s.aux)
	} else {
		t := f.alloc()
		f.op("VPBROADCASTD", s.acts(at+4*p), t)
		f.op("VPMADDWD", w, t, t)
		f.op("VPADDD", s.aux, t, t)
		f.op("MOV", t, s.aux)
		f.release(t)
	}
	f.release(w)
}

func (s *dotSink) scale(d vec) {
	f := s.f
	for _, r := range s.open[0] { // formats of 32: no end was called
		if f.wide == 'Y' {
			f.op("VPMADDWD", f.dwords(0x00010001), r, r)
		}
		f.op("VPADDD", r, s.isum, s.isum)
		f.release(r)
	}
	if s.hasAux() && !s.m.min {
		t := f.alloc()
		f.op("VPSLLD", s.m.offset, f.reg(s.aux, t), t)
		f.op("VPSUBD", t, s.isum, s.isum)
		f.release(t)
		f.drop(s.aux)
	}
	f.op("VCVTDQ2PS", s.isum, s.isum)
	t := f.alloc()
	f.mulScalar(s.acts(s.scaleAt()), d, t)
	s.acc = f.alloc()
	f.op("VMOVUPS", s.accMem(), s.acc)
	f.op("VFMADD231PS", t, s.isum, s.acc)
	f.release(t, s.isum)
	if !s.m.min {
		s.store()
	}
}

func (s *dotSink) scaleAt() int {
	if s.m.size == 32 {
		return q32Scale
	}
	return q256Scale
}

func (s *dotSink) accMem() string {
	if s.m.size == 32 {
		return "(DI)(AX*1)"
	}
	return "(DI)"
}

func (s *dotSink) store() {
	s.f.op("VMOVUPS", s.acc, s.accMem())
	s.f.release(s.acc)
}

func (s *dotSink) min(m vec) {
	f, t := s.f, s.f.alloc()
	if s.m.size == 32 {
		f.fmaScalar("VFMADD231PS", s.acts(q32Sum), m, s.acc, t)
	} else {
		f.mulScalar(s.acts(q256Scale), m, t)
		x := f.load(s.aux)
		f.op("VCVTDQ2PS", x, x)
		f.op("VFNMADD231PS", t, x, s.acc)
		f.release(x)
	}
	f.release(t)
	s.store()
}

// mulScalar is t = a·[mem], fmaScalar acc += a·[mem] with t for use.
func (f *fn) mulScalar(mem string, a, t vec) {
	if f.wide == 'Z' {
		f.op("VMULPS.BCST", mem, a, t)
	} else {
		f.op("VBROADCASTSS", mem, t)
		f.op("VMULPS", a, t, t)
	}
}

func (f *fn) fmaScalar(name, mem string, a, acc, t vec) {
	if f.wide == 'Z' {
		f.op(name+".BCST", mem, a, acc)
	} else {
		f.op("VBROADCASTSS", mem, t)
		f.op(name, a, t, acc)
	}
}

// reg is kept itself where it is a register, or else t, loaded.
func (f *fn) reg(kept any, t vec) vec {
	if r, ok := kept.(vec); ok {
		return r
	}
	f.op("MOV", kept, t)
	return t
}

// dotFn multiplies 16 (AVX2: 8) weight rows with one row of activations.
func dotFn(i *isa, m *format) string {
	f := newFn(i)
	bytes := 4 * i.rows
	f.spillBase, f.spillAt = "DI", 8*bytes
	f.rowPointers()
	z := f.alloc()
	f.zero(z)
	for l := range 8 {
		f.op("VMOVUPS", z, fmt.Sprintf("%d(DI)", l*bytes))
	}
	f.release(z)
	f.op("XORL", "AX", "AX")
	loop := f.label("loop")
	s := &dotSink{f: f, m: m}
	s.begin()
	f.block(m, s)
	f.op("ADDQ", "BX", "DX")
	if m.size == 32 {
		f.op("ADDL", bytes, "AX")
		f.op("ANDL", 8*bytes-1, "AX")
	}
	f.op("DECQ", "CX")
	f.op("JNZ", loop)
	f.op("MOVQ", "y+0(FP)", "DX")
	v := f.alloc()
	if m.size == 32 {
		f.fold8(v, func(l int) string { return fmt.Sprintf("%d(DI)", l*bytes) })
	} else {
		f.op("VMOVUPS", "(DI)", v)
	}
	f.canonical(v)
	f.op("VMOVUPS", v, "(DX)")
	return f.text("dot"+m.name+i.name, []arg{{"y", "*float32", ""}, {"w", "*byte", "R8"}, {"stride", "int", stride}, {"blocks", "int", "CX"},
		{"acts", "*byte", "DX"}, {"record", "int", "BX"}, {"ahead", "*byte", "SI"}, {"lanes", "*byte", "DI"}})
}

// fold8 is the tree over eight lanes in memory.
func (f *fn) fold8(v vec, lane func(l int) string) {
	t := f.allocs(3)
	r := []vec{v, t[0], t[1], t[2]}
	for i, l := range []int{0, 2, 1, 3} {
		f.op("VMOVUPS", lane(l), r[i])
		f.op("VADDPS", lane(l+4), r[i], r[i])
	}
	f.op("VADDPS", r[1], r[0], r[0])
	f.op("VADDPS", r[3], r[2], r[2])
	f.op("VADDPS", r[2], r[0], r[0])
	f.release(t...)
}

// canonical turns every NaN of v into the one NaN.
func (f *fn) canonical(v vec) {
	nan := f.dwords(0x7FC00000)
	if f.wide == 'Z' {
		f.op("VCMPPS", 3, v, v, "K2")
		f.op("VMOVAPS", nan, "K2", v)
		return
	}
	t := f.alloc()
	f.op("VCMPPS", 3, v, v, t)
	f.op("VBLENDVPS", t, nan, v, v)
	f.release(t)
}
