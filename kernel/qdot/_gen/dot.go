package main

import "fmt"

// Where things stand in an activation record (acts.go in the package).
const (
	scale32, neg32, sum32, act32             = 32, 36, 40, 44
	sum16of256, sum32of256, scale256, act256 = 256, 288, 304, 308
)

func (m *format) act() int {
	if m.size == 32 {
		return act32
	}
	return act256
}

func (m *format) scaleOfAct() int {
	if m.size == 32 {
		return scale32
	}
	return scale256
}

// dotSink multiplies codes with a few columns of activations as they come: columns 0 to 3 are at DX, 4 to 7 at R15. Memory at DI: the running
// sums, [8 lanes][columns] registers in the formats of 32, with AX the offset of the lane, and [columns] in those of 256; then a block's integer
// scales and pairs; then slots.
type dotSink struct {
	*fn
	m     *format
	cols  int
	isum  []place       // Σ sc·c·q of the block, a column each
	aux   []vec         // Σ over pairs, from scale on
	acc   []vec         // the running sums, from scale on
	open  map[int][]vec // sums of sub-blocks under way
	by16  map[int][]vec // the same, of codes times 16
	piled map[int]int   // AVX2: products in their words
}

func (s *dotSink) scalesAt() int { return s.m.lanes() * s.cols * s.bytes() }
func (s *dotSink) pairsAt() int  { return s.scalesAt() + s.m.scales()*s.bytes() }

// dotFn multiplies 16 (AVX2: 8) weight rows with up to eight rows of activations.
func dotFn(i *isa, m *format, cols int) string {
	f := newFn(i)
	s := &dotSink{fn: f, m: m, cols: cols, open: map[int][]vec{}, by16: map[int][]vec{}, piled: map[int]int{}}
	f.local, f.locals = "DI", s.pairsAt()+m.scales()/2*i.bytes()
	f.roomy = i == avx512 && cols <= 2
	f.rowPointers()
	z := f.zeros(1)
	for l := range m.lanes() * cols {
		f.op("VMOVUPS", z[0], fmt.Sprintf("%d(DI)", l*i.bytes()))
	}
	f.release(z...)
	if cols > 4 {
		f.op("ADDQ", "DX", "R15")
	}
	f.op("XORL", "AX", "AX")
	f.label("block")
	f.block(m, s)
	s.next()
	f.op("MOVQ", "y+0(FP)", "DX")
	f.op("MOVQ", "ldy+8(FP)", "BX")
	for c := range cols {
		v := f.alloc()
		f.fold(v, m.lanes(), func(l int) string { return fmt.Sprintf("%d(DI)", (l*cols+c)*i.bytes()) })
		f.op("VMOVUPS", v, "(DX)")
		f.op("LEAQ", "(DX)(BX*4)", "DX")
		f.release(v)
	}
	return f.text(fmt.Sprintf("dot%sc%d%s", m.name, cols, i.name), []arg{{"y", "*float32", ""}, {"ldy", "int", ""}, {"w", "*byte", "R8"},
		{"stride", "int", stride}, {"blocks", "int", "CX"}, {"acts", "*byte", "DX"}, {"group", "int", "R15"}, {"record", "int", "BX"},
		{"ahead", "*byte", "SI"}})
}

// next goes on to the next block.
func (s *dotSink) next() {
	s.op("ADDQ", "BX", "DX")
	if s.cols > 4 {
		s.op("ADDQ", "BX", "R15")
	}
	if s.m.size == 32 {
		s.op("ADDL", s.cols*s.bytes(), "AX")
		s.op("CMPL", "AX", s.scalesAt())
		s.op("JNE", "lane")
		s.op("XORL", "AX", "AX")
		s.label("lane")
	}
	s.op("DECQ", "CX")
	s.op("JNZ", "block")
}

// fold sums lanes, eight or one, in memory with the tree fold8, and makes every NaN the one NaN.
func (f *fn) fold(v vec, lanes int, lane func(l int) string) {
	if lanes == 1 {
		f.op("VMOVUPS", lane(0), v)
	} else {
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
	nan := f.dwords(0x7FC00000)
	if f.rows == 16 {
		f.op("VCMPPS", 3, v, v, "K2")
		f.op("VMOVAPS", nan, "K2", v)
		return
	}
	t := f.alloc()
	f.op("VCMPPS", 3, v, v, t)
	f.op("VBLENDVPS", t, nan, v, v)
	f.release(t)
}

// act is an operand in the record of column c. In formats of 256 codes are found by the turn's elements, AX, too.
func (s *dotSink) act(c, off int) string {
	return fmt.Sprintf("%d(%s)", c%4*s.m.act()+off, []string{"DX", "R15"}[c/4])
}

func (s *dotSink) actCode(c, sub, i int) string {
	if s.m.size == 32 {
		return s.act(c, 4*i)
	}
	return s.act(c, sub*s.m.sub+4*i) + "(AX*1)"
}

// subScaleMem is the saved scale of a sub-block of the turn.
func (s *dotSink) subScaleMem(sub int) string {
	return fmt.Sprintf("%d(DI)(AX*%d)", s.scalesAt()+sub*s.bytes(), s.bytes()/s.m.sub)
}

// hasAux says whether the sums of pairs are of use: for minima, or to take the offset out.
func (s *dotSink) hasAux() bool { return s.m.size == 256 && (s.m.min || s.unsigned(s.m)) }

func (s *dotSink) begin() {
	s.isum = nil
	for c := range s.cols {
		v := s.alloc()
		if s.m.size == 32 && s.m.offset < 32 && s.unsigned(s.m) {
			s.op("VPBROADCASTD", s.act(c, neg32), v)
			s.op("VPSLLD", s.m.offset, v, v)
		} else {
			s.zero(v)
		}
		if s.m.size == 256 && s.cols > 4 {
			s.isum = append(s.isum, place{mem: s.save(v)})
		} else {
			s.isum = append(s.isum, place{reg: v})
		}
	}
}

func (s *dotSink) subScale(j int, packed vec, byt int) {
	v := s.widenScale(s.m, packed, byt)
	s.op("MOV", v, fmt.Sprintf("%d(DI)", s.scalesAt()+j*s.bytes()))
	s.release(v)
}

func (s *dotSink) pairMem(p int) string { return fmt.Sprintf("%d(DI)", s.pairsAt()+p*s.bytes()) }

func (s *dotSink) pair(p int, packed vec, lo, hi int) {
	if !s.hasAux() {
		return
	}
	v := s.widenPair(s.m, packed, lo, hi)
	s.op("MOV", v, s.pairMem(p))
	s.release(v)
}

// pairSums adds pairs times their sums of activations up, a register a column.
func (f *fn) pairSums(m *format, cols int, pair func(p int) string, act func(c, off int) string) []vec {
	at := sum32of256
	if m.sub == 16 {
		at = sum16of256
	}
	sums := f.zeros(cols)
	for p := range m.scales() / 2 {
		w := f.load(pair(p))
		for c, v := range sums {
			if f.rows == 16 {
				f.op("VPDPWSSD.BCST", act(c, at+4*p), w, v)
				continue
			}
			t := f.alloc()
			f.op("VPBROADCASTD", act(c, at+4*p), t)
			f.op("VPMADDWD", w, t, t)
			f.op("VPADDD", t, v, v)
			f.release(t)
		}
		f.release(w)
	}
	return sums
}

func (s *dotSink) code(sub, i int, v vec) {
	if s.rows == 16 {
		for c, sum := range s.sums512(sub, i) {
			s.op("VPDPBUSD.BCST", s.actCode(c, sub, i), v, sum)
		}
		return
	}
	a := s.magnitude(s.m.signed, v)
	t := s.words(s.actCode(0, sub, i), v, a)
	if a != v {
		s.release(a)
	}
	if len(s.open[sub]) == 0 {
		s.open[sub] = []vec{t}
	} else {
		s.op("VPADDW", t, s.open[sub][0], s.open[sub][0])
		s.release(t)
	}
	if s.piled[sub]++; s.piled[sub] == s.m.steps() {
		s.end(sub)
	}
}

// sums512 are the registers that code i of a sub-block is added to. A single column of a format of 32 has two in turn, which halves the chain of
// additions.
func (s *dotSink) sums512(sub, i int) []vec {
	if s.m.size == 32 && (s.cols > 1 || i%2 == 0 || s.by16[sub] != nil) {
		sums := make([]vec, s.cols)
		for c, p := range s.isum {
			sums[c] = p.reg
		}
		return sums
	}
	if s.open[sub] == nil {
		s.open[sub] = s.zeros(s.cols)
	}
	return s.open[sub]
}

// magnitude is |v| for signed codes, in a new register, or else v.
func (f *fn) magnitude(signed bool, v vec) vec {
	if !signed {
		return v
	}
	a := f.alloc()
	f.op("VPABSB", v, a)
	return a
}

// words multiplies codes v, of magnitude a, with four activations and adds pairs, in a new register: |c|·(q with the sign of c).
func (f *fn) words(acts string, v, a vec) vec {
	t := f.alloc()
	f.op("VPBROADCASTD", acts, t)
	if a != v {
		f.op("VPSIGNB", v, t, t)
	}
	f.op("VPMADDUBSW", t, a, t)
	return t
}

func (s *dotSink) code16(sub, i int, v vec) {
	if s.rows == 8 { // too large for words
		s.op("VPSRLD", 4, v, v)
		s.code(sub, i, v)
		return
	}
	if s.by16[sub] == nil {
		s.by16[sub] = s.zeros(s.cols)
	}
	for c, sum := range s.by16[sub] {
		s.op("VPDPBUSD.BCST", s.actCode(c, sub, i), v, sum)
	}
}

// join adds the sums of codes times 16 to the others of the sub-block, or to what is to be multiplied with its scale.
func (s *dotSink) join(sub int) {
	for c, v := range s.by16[sub] {
		s.op("VPSRAD", 4, v, v)
		if s.open[sub] != nil {
			s.op("VPADDD", v, s.open[sub][c], s.open[sub][c])
			s.release(v)
		}
	}
	if s.open[sub] == nil && s.by16[sub] != nil {
		s.open[sub] = s.by16[sub]
	}
	delete(s.by16, sub)
}

func (s *dotSink) end(sub int) {
	s.join(sub)
	for c, v := range s.open[sub] {
		switch {
		case s.rows == 16 && s.m.size == 256:
			s.op("VPMULLD", s.subScaleMem(sub), v, v)
		case s.rows == 8 && s.m.size == 256:
			s.op("VPMADDWD", s.subScaleMem(sub), v, v)
		case s.rows == 8:
			s.op("VPMADDWD", s.dwords(0x00010001), v, v)
		}
		if p := s.isum[c]; p.mem == "" {
			s.op("VPADDD", v, p.reg, p.reg)
		} else {
			s.op("VPADDD", p.mem, v, v)
			s.op("MOV", v, p.mem)
		}
		s.release(v)
	}
	delete(s.open, sub)
	delete(s.piled, sub)
}

func (s *dotSink) turn(int) {}

func (s *dotSink) scale(d vec) {
	s.aux = nil
	if s.hasAux() {
		s.aux = s.pairSums(s.m, s.cols, s.pairMem, s.act)
	}
	s.acc = s.allocs(s.cols)
	for c, p := range s.isum {
		v, t := s.get(p), s.alloc()
		if s.aux != nil && !s.m.min {
			s.op("VPSLLD", s.m.offset, s.aux[c], s.aux[c])
			s.op("VPSUBD", s.aux[c], v, v)
		}
		s.op("VCVTDQ2PS", v, v)
		s.mulScalar(s.act(c, s.m.scaleOfAct()), d, t)
		s.op("VMOVUPS", s.accMem(c), s.acc[c])
		s.op("VFMADD231PS", t, v, s.acc[c])
		s.release(t, v)
	}
	if !s.m.min {
		s.store()
	}
}

func (s *dotSink) accMem(c int) string {
	if s.m.size == 32 {
		return fmt.Sprintf("%d(DI)(AX*1)", c*s.bytes())
	}
	return fmt.Sprintf("%d(DI)", c*s.bytes())
}

func (s *dotSink) store() {
	for c, v := range s.acc {
		s.op("VMOVUPS", v, s.accMem(c))
	}
	s.release(s.acc...)
	s.release(s.aux...)
}

func (s *dotSink) min(m vec) {
	for c, acc := range s.acc {
		t := s.alloc()
		if s.m.size == 32 {
			s.fmaScalar(s.act(c, sum32), m, acc, t)
		} else {
			s.op("VCVTDQ2PS", s.aux[c], s.aux[c])
			s.mulScalar(s.act(c, scale256), m, t)
			s.op("VFNMADD231PS", t, s.aux[c], acc)
		}
		s.release(t)
	}
	s.store()
}

// mulScalar is t = a·[mem], fmaScalar acc += a·[mem] with the help of t.
func (f *fn) mulScalar(mem string, a, t vec) {
	if f.rows == 16 {
		f.op("VMULPS.BCST", mem, a, t)
	} else {
		f.op("VBROADCASTSS", mem, t)
		f.op("VMULPS", a, t, t)
	}
}

func (f *fn) fmaScalar(mem string, a, acc, t vec) {
	if f.rows == 16 {
		f.op("VFMADD231PS.BCST", mem, a, acc)
	} else {
		f.op("VBROADCASTSS", mem, t)
		f.op("VFMADD231PS", a, t, acc)
	}
}
