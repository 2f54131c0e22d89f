package main

import "fmt"

// kind is a family of panels with one product: formats whose codes add up alike. The functions take a format of the kind.
func (i *isa) kind(m *format) string {
	k := fmt.Sprint(m.size)
	if m.size == 256 {
		k += fmt.Sprintf("x%d", m.sub)
	}
	if m.min {
		k += "min"
	}
	if i == avx2 {
		k += fmt.Sprintf("s%d", m.steps())
	}
	return k
}

// gemm writes the product of a panel of 16 weight rows with some columns of activations, at AVX2 in two halves of 8 rows.
//
//	DI  running sums [8 lanes][columns][16]float32, one lane in the formats of 256; AX is the offset of the lane
//	SI  panel; R10 its codes and R11 its scales of the sub-block
//	DX  activations; R12 those of the sub-block; BX bytes from a group of four columns to the next, R8 bytes from a block to the next
//	CX  blocks; R13 sub-blocks
type gemm struct {
	*fn
	m     *format
	cols  int
	count vec // shifts negative sums of activations, or sums of pairs, left so that they take the codes' offset out
	keep  vec // AVX2: ones, or zeros while running sums start (AVX-512: K1)
}

func gemmFn(i *isa, m *format, cols int) string {
	g := &gemm{fn: newFn(i), m: m, cols: cols}
	g.local, g.locals = "DI", m.lanes()*64*cols
	g.count = g.alloc()
	if i == avx512 {
		g.op("KXORW", "K1", "K1", "K1")
		g.op("VPBROADCASTD", "R9", g.count)
	} else {
		g.keep = g.alloc()
		g.zero(g.keep)
		g.op("VMOVD", "R9", g.count.x())
		g.op("VPBROADCASTD", g.count.x(), g.count)
	}
	g.op("XORL", "AX", "AX")
	if m.size == 32 {
		g.clearFew()
	}
	g.label("block")
	if m.size == 32 {
		g.block32()
	} else {
		g.block256()
	}
	if i == avx2 {
		g.otherHalf()
	}
	g.next()
	g.finish()
	return g.text(fmt.Sprintf("gemm%sc%d%s", i.kind(m), cols, i.name), []arg{{"y", "*float32", ""}, {"ldy", "int", ""}, {"panel", "*byte", "SI"},
		{"acts", "*byte", "DX"}, {"group", "int", "BX"}, {"record", "int", "R8"}, {"blocks", "int", "CX"}, {"offset", "int", "R9"}})
}

// clearFew clears the running sums if there are too few blocks to begin all lanes.
func (g *gemm) clearFew() {
	z := g.zeros(1)
	g.op("CMPQ", "CX", 8)
	g.op("JGE", "block")
	g.op("MOVL", g.locals/g.bytes(), "R10")
	g.op("MOVQ", "DI", "R11")
	g.label("clear")
	g.op("VMOVUPS", z[0], "(R11)")
	g.op("ADDQ", g.bytes(), "R11")
	g.op("DECL", "R10")
	g.op("JNZ", "clear")
	g.release(z...)
}

// finish folds the lanes: 16 results a column go to y.
func (g *gemm) finish() {
	g.op("MOVQ", "y+0(FP)", "SI")
	g.op("MOVQ", "ldy+8(FP)", "R8")
	g.op("MOVL", g.cols, "CX")
	g.label("column")
	for half := 0; half < 64; half += g.bytes() {
		v := g.alloc()
		g.fold(v, g.m.lanes(), func(l int) string { return fmt.Sprintf("%d(DI)", l*64*g.cols+half) })
		g.op("VMOVUPS", v, fmt.Sprintf("%d(SI)", half))
		g.release(v)
	}
	g.op("ADDQ", 64, "DI")
	g.op("LEAQ", "(SI)(R8*4)", "SI")
	g.op("DECL", "CX")
	g.op("JNZ", "column")
}

// otherHalf does the same block again for the upper 8 rows. Panels are aligned to 64 bytes.
func (g *gemm) otherHalf() {
	g.op("ADDQ", 32, "SI")
	g.op("ADDQ", 32, "DI")
	g.op("TESTL", 32, "SI")
	g.op("JNZ", "block")
	g.op("SUBQ", 64, "SI")
	g.op("SUBQ", 64, "DI")
}

// next goes on to the next block, and sets keep once every lane has been begun.
func (g *gemm) next() {
	g.op("ADDQ", "R8", "DX")
	g.op("ADDQ", g.m.record(), "SI")
	if g.m.size == 32 {
		g.op("ADDL", 64*g.cols, "AX")
		g.op("CMPL", "AX", 8*64*g.cols)
		g.op("JNE", "lane")
		g.op("XORL", "AX", "AX")
	}
	if g.rows == 16 {
		g.op("KXNORW", "K1", "K1", "K1")
	} else {
		g.op("VPCMPEQD", g.keep, g.keep, g.keep)
	}
	if g.m.size == 32 {
		g.label("lane")
	}
	g.op("DECQ", "CX")
	g.op("JNZ", "block")
}

// act is an operand in the record of column c, at base: DX or R12.
func (g *gemm) act(base string, c, off int) string {
	return fmt.Sprintf("%d(%s)%s", c%4*g.m.act()+off, base, []string{"", "(BX*1)", "(BX*2)"}[c/4])
}

// panel loads a line of the panel.
func (g *gemm) panel(at int) vec { return g.load(fmt.Sprintf("%d(SI)", at)) }

func (g *gemm) block32() {
	isum := g.allocs(g.cols)
	for c, v := range isum {
		if g.m.offset == 32 || !g.unsigned(g.m) {
			g.zero(v)
		} else {
			g.op("VPBROADCASTD", g.act("DX", c, neg32), v)
			g.op("VPSLLVD", g.count, v, v)
		}
	}
	g.codes(isum, "SI", "DX", func() any { return g.dwords(0x00010001) })
	d, m := g.panel(g.m.floatsAt()), vec(-1)
	if g.m.min {
		m = g.panel(g.m.floatsAt() + 64)
	}
	for c, v := range isum {
		g.addFloat(c, v, d, func(acc, t vec) {
			if g.m.min {
				g.fmaScalar(g.act("DX", c, sum32), m, acc, t)
			}
		})
	}
}

// addFloat adds the integer sum of column c, times its scales, to the running sum, with what more adds, and releases isum.
func (g *gemm) addFloat(c int, isum, d vec, more func(acc, t vec)) {
	t, acc := g.alloc(), g.alloc()
	g.op("VCVTDQ2PS", isum, isum)
	g.mulScalar(g.act("DX", c, g.m.scaleOfAct()), d, t)
	mem := fmt.Sprintf("%d(DI)(AX*1)", 64*c)
	if g.rows == 16 {
		g.op("VMOVUPS.Z", mem, "K1", acc)
	} else {
		g.op("VANDPS", mem, g.keep, acc)
	}
	g.op("VFMADD231PS", t, isum, acc)
	more(acc, t)
	g.op("VMOVUPS", acc, mem)
	g.release(t, acc, isum)
}

// codes adds the products of the codes that share a scale to isum. unit is what words are multiplied with on the way at AVX2.
func (g *gemm) codes(isum []vec, panel, acts string, unit func() any) {
	words := make([]vec, g.cols)
	for i := range g.m.codes() {
		w := g.load(fmt.Sprintf("%d(%s)", 64*i, panel))
		if g.rows == 16 {
			for c, v := range isum {
				g.op("VPDPBUSD.BCST", g.act(acts, c, 4*i), w, v)
			}
			g.release(w)
			continue
		}
		a := g.magnitude(g.m.signed, w)
		for c := range words {
			t := g.words(g.act(acts, c, 4*i), w, a)
			if i%g.m.steps() == 0 {
				words[c] = t
			} else {
				g.op("VPADDW", t, words[c], words[c])
				g.release(t)
			}
		}
		if g.release(w); a != w {
			g.release(a)
		}
		if (i+1)%g.m.steps() == 0 {
			for c, v := range words {
				g.op("VPMADDWD", unit(), v, v)
				g.op("VPADDD", v, isum[c], isum[c])
				g.release(v)
			}
		}
	}
}

func (g *gemm) block256() {
	isum := g.zeros(g.cols)
	g.op("MOVQ", "SI", "R10")
	g.op("LEAQ", fmt.Sprintf("%d(SI)", g.m.scalesAt()), "R11")
	g.op("MOVQ", "DX", "R12")
	g.op("MOVL", g.m.scales(), "R13")
	g.label("sub")
	g.subBlock(isum)
	g.op("ADDQ", 16*g.m.sub, "R10")
	g.op("ADDQ", 64, "R11")
	g.op("ADDQ", g.m.sub, "R12")
	g.op("DECL", "R13")
	g.op("JNZ", "sub")
	var aux []vec
	if g.m.min || g.unsigned(g.m) {
		aux = g.pairs()
	}
	d := g.panel(g.m.floatsAt())
	if g.m.min {
		m := g.panel(g.m.floatsAt() + 64)
		for c, v := range isum {
			g.addFloat(c, v, d, func(acc, t vec) {
				g.op("VCVTDQ2PS", aux[c], aux[c])
				g.mulScalar(g.act("DX", c, scale256), m, t)
				g.op("VFNMADD231PS", t, aux[c], acc)
			})
		}
		return
	}
	for c, v := range isum {
		if aux != nil {
			g.op("VPSLLVD", g.count, aux[c], aux[c])
			g.op("VPSUBD", aux[c], v, v)
		}
		g.addFloat(c, v, d, func(acc, t vec) {})
	}
}

// subBlock adds a sub-block's products, times its integer scales, to isum.
func (g *gemm) subBlock(isum []vec) {
	if g.rows == 8 {
		g.codes(isum, "R10", "R12", func() any { return "(R11)" })
		return
	}
	sums := g.zeros(g.cols)
	g.codes(sums, "R10", "R12", nil)
	sc := g.load("(R11)")
	for c, v := range sums {
		g.op("VPMULLD", sc, v, v)
		g.op("VPADDD", v, isum[c], isum[c])
	}
	g.release(sc)
	g.release(sums...)
}

// pairs is the sums over pairs of words of the panel and sums of activations, a register a column.
func (g *gemm) pairs() []vec {
	at := sum32of256
	if g.m.sub == 16 {
		at = sum16of256
	}
	aux := g.zeros(g.cols)
	for p := range g.m.scales() / 2 {
		w := g.panel(g.m.pairsAt() + 64*p)
		for c, v := range aux {
			if g.rows == 16 {
				g.op("VPDPWSSD.BCST", g.act("DX", c, at+4*p), w, v)
				continue
			}
			t := g.alloc()
			g.op("VPBROADCASTD", g.act("DX", c, at+4*p), t)
			g.op("VPMADDWD", w, t, t)
			g.op("VPADDD", t, v, v)
			g.release(t)
		}
		g.release(w)
	}
	return aux
}
