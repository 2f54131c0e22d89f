package main

import "fmt"

// kind is a family of panels with one product: formats whose codes add up alike.
type kind struct {
	name   string
	size   int
	sub    int
	min    bool
	signed bool
	steps  int // at AVX2: products that fit in a word sum
}

// kindOf is the kind of panel that a format is unpacked to at a level.
func (i *isa) kindOf(m *format) kind {
	k := kind{name: fmt.Sprint(m.size), size: m.size, sub: m.sub, min: m.min}
	if m.size == 256 {
		k.name += fmt.Sprintf("x%d", m.sub)
	}
	if m.min {
		k.name += "min"
	}
	if i.wide == 'Y' {
		k.signed, k.steps = m.signed, min(m.steps(), k.codes())
		if k.signed {
			k.steps = 1
		}
		k.name += fmt.Sprintf("s%d", k.steps)
	}
	return k
}

// codes is how many dwords of codes share a scale.
func (k kind) codes() int {
	if k.size == 32 {
		return 8
	}
	return k.sub / 4
}

func (k kind) actBytes() int {
	if k.size == 32 {
		return q32Bytes
	}
	return q256Bytes
}

// like is a format with the layout of the kind's panels.
func (k kind) like() *format { return &format{size: k.size, sub: k.sub, min: k.min} }

// gemm writes the product of a panel of 16 weight rows with some columns of activations, at AVX2 in two halves of 8 rows.
//
//	DI  running sums [8 lanes][columns][16]float32, one lane in the formats of 256; AX is the offset of the lane
//	SI  panel; R10 its codes and R11 its scales of the sub-block
//	DX  activations; R12 those of the sub-block; BX bytes from a group of four columns to the next, R8 bytes a record
//	CX  blocks; R13 sub-blocks
type gemm struct {
	*fn
	k     kind
	cols  int
	half  int // of the panel: 0 or 32 bytes
	count vec // shifts negative sums of activations, or sums of pairs, left so that they take the codes' offset out
	keep  vec // AVX2: ones, or zeros while running sums start (AVX-512: K1)
}

func gemmFn(i *isa, k kind, cols int) string {
	g := &gemm{fn: newFn(i), k: k, cols: cols}
	g.count = g.alloc()
	if i.wide == 'Z' {
		g.op("VPBROADCASTD", "R10", g.count)
		g.op("KMOVW", "R9", "K1")
	} else {
		g.keep = g.alloc()
		g.op("VMOVD", "R9", g.keep.x())
		g.op("VPBROADCASTD", g.keep.x(), g.keep)
		g.op("VMOVD", "R10", g.count.x())
		g.op("VPBROADCASTD", g.count.x(), g.count)
	}
	g.op("XORL", "AX", "AX")
	g.label("block")
	for g.half = 0; g.half < 64; g.half += 4 * i.rows {
		if k.size == 32 {
			g.block32()
		} else {
			g.block256()
		}
	}
	g.next()
	return g.text(fmt.Sprintf("gemm%sc%d%s", k.name, cols, i.name), []arg{{"sums", "*float32", "DI"}, {"panel", "*byte", "SI"}, {"acts", "*byte", "DX"},
		{"group", "int", "BX"}, {"record", "int", "R8"}, {"blocks", "int", "CX"}, {"keep", "int", "R9"}, {"offset", "int", "R10"}})
}

// next goes on to the next block, and sets keep when every lane has been begun.
func (g *gemm) next() {
	g.op("ADDQ", "R8", "DX")
	g.op("ADDQ", g.k.like().recordBytes(), "SI")
	if g.k.size == 32 {
		g.op("ADDL", 64*g.cols, "AX")
		g.op("CMPL", "AX", 8*64*g.cols)
		g.op("JNE", "begun")
		g.op("XORL", "AX", "AX")
	}
	if g.wide == 'Z' {
		g.op("KXNORW", "K1", "K1", "K1")
	} else {
		g.op("VPCMPEQD", g.keep, g.keep, g.keep)
	}
	if g.k.size == 32 {
		g.label("begun")
	}
	g.op("DECQ", "CX")
	g.op("JNZ", "block")
}

// at is an operand in the record of column c, relative to base: DX or R12.
func (g *gemm) at(base string, c, off int) string {
	return fmt.Sprintf("%d(%s)%s", c%4*g.k.actBytes()+off, base, []string{"", "(BX*1)", "(BX*2)"}[c/4])
}

func (g *gemm) panel(at int) string { return fmt.Sprintf("%d(SI)", at+g.half) }

func (g *gemm) block32() {
	isum := g.allocs(g.cols)
	for c, r := range isum {
		if g.k.min || g.k.signed {
			g.zero(r)
		} else {
			g.op("VPBROADCASTD", g.at("DX", c, q32Neg), r)
			g.op("VPSLLVD", g.count, r, r)
		}
	}
	g.codes(isum, "SI", "DX", func() any { return g.dwords(0x00010001) })
	d := g.alloc()
	g.op("MOV", g.panel(g.k.like().scaleAt()), d)
	m := vec(-1)
	if g.k.min {
		m = g.alloc()
		g.op("MOV", g.panel(g.k.like().scaleAt()+64), m)
	}
	for c, r := range isum {
		g.addFloat(c, r, d, q32Scale, func(acc, t vec) {
			if g.k.min {
				g.fmaScalar("VFMADD231PS", g.at("DX", c, q32Sum), m, acc, t)
			}
		})
	}
	g.release(d)
	if g.k.min {
		g.release(m)
	}
}

// addFloat adds the integer sum of column c, times its scales, to the running sum, then calls more, and releases isum.
func (g *gemm) addFloat(c int, isum, d vec, scale int, more func(acc, t vec)) {
	t, acc := g.alloc(), g.alloc()
	g.op("VCVTDQ2PS", isum, isum)
	g.mulScalar(g.at("DX", c, scale), d, t)
	mem := fmt.Sprintf("%d(DI)(AX*1)", 64*c+g.half)
	if g.wide == 'Z' {
		g.op("VMOVUPS.Z", mem, "K1", acc)
	} else {
		g.op("VANDPS", mem, g.keep, acc)
	}
	g.op("VFMADD231PS", t, isum, acc)
	more(acc, t)
	g.op("VMOVUPS", acc, mem)
	g.release(t, acc, isum)
}

// codes adds the products of the codes that share a scale to isum. unit is what word sums are multiplied with on the way at AVX2.
func (g *gemm) codes(isum []vec, panel, acts string, unit func() any) {
	words := make([]vec, g.cols)
	for i := range g.k.codes() {
		w := g.alloc()
		g.op("MOV", fmt.Sprintf("%d(%s)", 64*i+g.half, panel), w)
		if g.wide == 'Z' {
			for c, r := range isum {
				g.op("VPDPBUSD.BCST", g.at(acts, c, 4*i), w, r)
			}
			g.release(w)
			continue
		}
		first, last := i%g.k.steps == 0, (i+1)%g.k.steps == 0 || i == g.k.codes()-1
		g.words(words, w, acts, i, first)
		if last {
			u := unit()
			for c, r := range words {
				g.op("VPMADDWD", u, r, r)
				g.op("VPADDD", r, isum[c], isum[c])
				g.release(r)
			}
		}
	}
}

// words makes or continues the word sums of all columns with code i, and releases w.
func (g *gemm) words(sums []vec, w vec, acts string, i int, first bool) {
	a := w
	if g.k.signed {
		a = g.alloc()
		g.op("VPABSB", w, a)
	}
	for c := range sums {
		t := g.alloc()
		g.op("VPBROADCASTD", g.at(acts, c, 4*i), t)
		if g.k.signed {
			g.op("VPSIGNB", w, t, t)
		}
		g.op("VPMADDUBSW", t, a, t)
		if first {
			sums[c] = t
		} else {
			g.op("VPADDW", t, sums[c], sums[c])
			g.release(t)
		}
	}
	g.release(w)
	if a != w {
		g.release(a)
	}
}

func (g *gemm) block256() {
	m := g.k.like()
	loop := fmt.Sprintf("sub%d", g.half)
	isum := g.allocs(g.cols)
	for _, r := range isum {
		g.zero(r)
	}
	g.op("MOVQ", "SI", "R10")
	g.op("LEAQ", fmt.Sprintf("%d(SI)", m.size*16), "R11")
	g.op("MOVQ", "DX", "R12")
	g.op("MOVL", m.subs(), "R13")
	g.label("%s", loop)
	g.subBlock(isum)
	g.op("ADDQ", 16*m.sub, "R10")
	g.op("ADDQ", 64, "R11")
	g.op("ADDQ", m.sub, "R12")
	g.op("DECL", "R13")
	g.op("JNZ", loop)
	var aux []vec
	if m.min || !g.k.signed {
		aux = g.pairs()
	}
	d := g.alloc()
	if m.min {
		g.op("MOV", g.panel(m.scaleAt()+64), d)
		dm := d
		d = g.alloc()
		g.op("MOV", g.panel(m.scaleAt()), d)
		for c, r := range isum {
			g.addFloat(c, r, d, q256Scale, func(acc, t vec) {
				g.op("VCVTDQ2PS", aux[c], aux[c])
				g.mulScalar(g.at("DX", c, q256Scale), dm, t)
				g.op("VFNMADD231PS", t, aux[c], acc)
			})
		}
		g.release(dm)
	} else {
		g.op("MOV", g.panel(m.scaleAt()), d)
		for c, r := range isum {
			if aux != nil {
				g.op("VPSLLVD", g.count, aux[c], aux[c])
				g.op("VPSUBD", aux[c], r, r)
			}
			g.addFloat(c, r, d, q256Scale, func(acc, t vec) {})
		}
	}
	g.release(d)
	g.release(aux...)
}

// subBlock adds a sub-block's products, times its integer scales, to isum.
func (g *gemm) subBlock(isum []vec) {
	scale := fmt.Sprintf("%d(R11)", g.half)
	if g.wide == 'Y' {
		g.codes(isum, "R10", "R12", func() any { return scale })
		return
	}
	sums := g.allocs(g.cols)
	for _, r := range sums {
		g.zero(r)
	}
	g.codes(sums, "R10", "R12", nil)
	sc := g.alloc()
	g.op("MOV", scale, sc)
	for c, r := range sums {
		g.op("VPMULLD", sc, r, r)
		g.op("VPADDD", r, isum[c], isum[c])
	}
	g.release(sc)
	g.release(sums...)
}

// pairs is the sums of words by sums of activations, a register a column.
func (g *gemm) pairs() []vec {
	m := g.k.like()
	at := q256Sum32
	if m.sub == 16 {
		at = q256Sum16
	}
	aux := g.allocs(g.cols)
	for _, r := range aux {
		g.zero(r)
	}
	for p := range m.subs() / 2 {
		w := g.alloc()
		g.op("MOV", g.panel(m.pairsAt()+64*p), w)
		for c, r := range aux {
			if g.wide == 'Z' {
				g.op("VPDPWSSD.BCST", g.at("DX", c, at+4*p), w, r)
				continue
			}
			t := g.alloc()
			g.op("VPBROADCASTD", g.at("DX", c, at+4*p), t)
			g.op("VPMADDWD", w, t, t)
			g.op("VPADDD", t, r, r)
			g.release(t)
		}
		g.release(w)
	}
	return aux
}

// finishFn ends running sums: y gets 16 results a column.
func finishFn(i *isa, size int) string {
	f := newFn(i)
	f.op("SHLQ", 2, "R8")
	f.op("MOVQ", "CX", "R9") // bytes a lane
	f.op("SHLQ", 6, "R9")
	f.op("LEAQ", "(R9)(R9*2)", "R10")
	f.op("LEAQ", "(R9)(R9*4)", "R11")
	f.op("LEAQ", "(R10)(R9*4)", "R12")
	f.label("column")
	lanes := []string{"", "(R9*1)", "(R9*2)", "(R10*1)", "(R9*4)", "(R11*1)", "(R10*2)", "(R12*1)"}
	for half := 0; half < 64; half += 4 * i.rows {
		v := f.alloc()
		if size == 32 {
			f.fold8(v, func(l int) string { return fmt.Sprintf("%d(SI)%s", half, lanes[l]) })
		} else {
			f.op("VMOVUPS", fmt.Sprintf("%d(SI)", half), v)
		}
		f.canonical(v)
		f.op("VMOVUPS", v, fmt.Sprintf("%d(DI)", half))
		f.release(v)
	}
	f.op("ADDQ", 64, "SI")
	f.op("ADDQ", "R8", "DI")
	f.op("DECQ", "CX")
	f.op("JNZ", "column")
	return f.text(fmt.Sprintf("finish%d%s", size, i.name), []arg{{"y", "*float32", "DI"}, {"ldy", "int", "R8"}, {"sums", "*float32", "SI"},
		{"cols", "int", "CX"}})
}
