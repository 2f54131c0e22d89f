package main

import "fmt"

// A panel is 16 weight rows unpacked, a record a block. A line of a record is 64 bytes, a dword for each of the rows:
//
//	codes     4 elements a line, in order
//	scales    of the formats of 256: a line a sub-block; int32 at AVX-512, the number twice in int16 at AVX2
//	pairs     of the formats of 256: the minima, or the scales again, of two sub-blocks a line, as int16
//	d, m      float32 scale and minimum

func (m *format) scalesAt() int { return m.size / 4 * 64 }
func (m *format) pairsAt() int  { return m.scalesAt() + m.scales()*64 }
func (m *format) floatsAt() int { return m.pairsAt() + m.scales()/2*64 }
func (m *format) record() int   { return m.floatsAt() + 128 }

// storeSink writes panel records: at DI, with the codes of the formats of 256 at DX.
type storeSink struct {
	*fn
	m *format
}

// unpackFn turns blocks of 16 weight rows (AVX2: of the first or last 8 of a panel) into panel records.
func unpackFn(i *isa, m *format) string {
	f := newFn(i)
	f.local, f.roomy = "BX", i == avx512
	f.rowPointers()
	f.label("block")
	f.block(m, storeSink{f, m})
	f.op("ADDQ", m.record(), "DI")
	f.op("DECQ", "CX")
	f.op("JNZ", "block")
	return f.text("unpack"+m.name+i.name, []arg{{"panel", "*byte", "DI"}, {"w", "*byte", "R8"}, {"stride", "int", stride},
		{"blocks", "int", "CX"}, {"ahead", "*byte", "SI"}})
}

func (s storeSink) begin() {
	if s.m.size == 256 {
		s.op("MOVQ", "DI", "DX")
	}
}

func (s storeSink) put(v vec, base string, at int) { s.op("MOV", v, fmt.Sprintf("%d(%s)", at, base)) }

func (s storeSink) code(sub, i int, v vec) {
	if s.m.size == 32 {
		s.put(v, "DI", i*64)
	} else {
		s.put(v, "DX", sub*s.m.sub*16+i*64)
	}
}

func (s storeSink) code16(sub, i int, v vec) {
	s.op("VPSRLD", 4, v, v)
	s.code(sub, i, v)
}

func (s storeSink) end(int) {}

func (s storeSink) turn(elements int) { s.op("ADDQ", elements*16, "DX") }

func (s storeSink) subScale(j int, packed vec, byt int) {
	v := s.widenScale(s.m, packed, byt)
	s.put(v, "DI", s.m.scalesAt()+j*64)
	s.release(v)
}

func (s storeSink) pair(p int, packed vec, lo, hi int) {
	v := s.widenPair(s.m, packed, lo, hi)
	s.put(v, "DI", s.m.pairsAt()+p*64)
	s.release(v)
}

func (s storeSink) scale(d vec) { s.put(d, "DI", s.m.floatsAt()) }
func (s storeSink) min(m vec)   { s.put(m, "DI", s.m.floatsAt()+64) }

// widenScale is byte byt of each dword of packed as the level multiplies with it: an int32 at AVX-512, an int16 twice at AVX2.
func (f *fn) widenScale(m *format, packed vec, byt int) vec {
	bytes := 4
	if f.rows == 8 {
		bytes = 2
	}
	v := f.spread(m, packed, bytes, func(int) int { return byt })
	if m.signedScales() {
		f.op(map[int]string{4: "VPSRAD", 2: "VPSRAW"}[bytes], 8*bytes-8, v, v)
	}
	return v
}

// widenPair is bytes lo and hi of each dword of packed as words.
func (f *fn) widenPair(m *format, packed vec, lo, hi int) vec {
	v := f.spread(m, packed, 2, func(i int) int { return []int{lo, hi}[i] })
	if m.signedScales() {
		f.op("VPSRAW", 8, v, v)
	}
	return v
}

// signedScales: formats without minimum have scales of either sign.
func (m *format) signedScales() bool { return !m.min }

// spread puts bytes of each dword of packed into the low ends of integers of some bytes, or the high ends if they are to be shifted down signed.
func (f *fn) spread(m *format, packed vec, bytes int, which func(i int) int) vec {
	v, at := f.alloc(), 0
	if m.signedScales() {
		at = bytes - 1
	}
	var c [16]byte
	for i := range c {
		c[i] = 0x80
		if i%bytes == at {
			c[i] = byte(i/4*4 + which(i%4/bytes))
		}
	}
	f.op("VPSHUFB", constant(c), packed, v)
	return v
}
