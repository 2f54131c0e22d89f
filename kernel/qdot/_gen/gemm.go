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

// gemm writes the product of a panel of 16 weight rows, at AVX2 two registers, with some columns of activations.
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
		g.keep = g.zeros(1)[0]
		g.op("VMOVD", "R9", g.count.x())
		g.op("VPBROADCASTD", g.count.x(), g.count)
		if m.signed {
			g.release(g.count)
		}
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
	g.op("MOVL", 8*64*g.cols/g.bytes(), "R10")
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
	for h := range g.parts() {
		v := g.alloc()
		g.fold(v, g.m.lanes(), func(l int) string { return fmt.Sprintf("%d(DI)", l*64*g.cols+32*h) })
		g.op("VMOVUPS", v, fmt.Sprintf("%d(SI)", 32*h))
		g.release(v)
	}
	g.op("ADDQ", 64, "DI")
	g.op("LEAQ", "(SI)(R8*4)", "SI")
	g.op("DECL", "CX")
	g.op("JNZ", "column")
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

// parts is how many registers a line of the panel takes, panel loads part h of one.
func (i *isa) parts() int { return 16 / i.rows }

func (g *gemm) panel(at, h int) vec { return g.load(fmt.Sprintf("%d(SI)", at+32*h)) }

// cells is a value for every part and column.
func (g *gemm) cells(value func(h, c int) place) [][]place {
	cells := make([][]place, g.parts())
	for h := range cells {
		for c := range g.cols {
			cells[h] = append(cells[h], value(h, c))
		}
	}
	return cells
}

func (g *gemm) block32() {
	isum := g.products32()
	for h := range isum {
		d, m := g.panel(g.m.floatsAt(), h), vec(-1)
		if g.m.min {
			m = g.panel(g.m.floatsAt()+64, h)
		}
		for c, p := range isum[h] {
			g.addFloat(h, c, p.reg, d, func(acc, t vec) {
				if g.m.min {
					g.fmaScalar(g.act("DX", c, sum32), m, acc, t)
				}
			})
		}
		if g.release(d); g.m.min {
			g.release(m)
		}
	}
}

// products32 is the integer sums of a block of 32, in registers.
func (g *gemm) products32() [][]place {
	offset := g.m.offset < 32 && g.unsigned(g.m)
	if g.rows == 16 {
		isum := g.cells(func(_, c int) place {
			if !offset {
				return place{reg: g.zeros(1)[0]}
			}
			return place{reg: g.offsetSum(c)}
		})
		var sums []vec
		for _, p := range isum[0] {
			sums = append(sums, p.reg)
		}
		g.codes512(sums, "SI", "DX")
		return isum
	}
	if g.m.signed {
		isum, one := g.cells(func(h, c int) place { return place{reg: g.zeros(1)[0]} }), [16]byte{}
		for i := 0; i < 16; i += 2 {
			one[i] = 1
		}
		g.codesSigned(isum, "SI", "DX", func(int) any { return g.table(one) })
		return isum
	}
	turns := g.m.codes() / g.m.steps()
	isum := g.cells(func(h, c int) place { return place{mem: g.slot()} })
	g.codesWords([]int{0, 1}, "SI", "DX", func(turn, h, c int, words vec) {
		g.op("VPMADDWD", g.dwords(0x00010001), words, words)
		if turn > 0 {
			g.op("VPADDD", isum[h][c].mem, words, words)
		}
		if turn < turns-1 {
			g.op("MOV", words, isum[h][c].mem)
			g.release(words)
		} else {
			isum[h][c] = place{reg: words}
		}
	})
	for c := range g.cols {
		if !offset {
			break
		}
		t := g.offsetSum(c)
		for h := range isum {
			g.op("VPADDD", t, isum[h][c].reg, isum[h][c].reg)
		}
		g.release(t)
	}
	return isum
}

// offsetSum is what takes the codes' offset out of the sum of column c: the negative sum of its activations, times the offset.
func (g *gemm) offsetSum(c int) vec {
	v := g.alloc()
	g.op("VPBROADCASTD", g.act("DX", c, neg32), v)
	g.op("VPSLLVD", g.count, v, v)
	return v
}

// addFloat adds the integer sum of column c, times its scales, to the running sum, with what more adds, and releases isum.
func (g *gemm) addFloat(h, c int, isum, d vec, more func(acc, t vec)) {
	t, acc := g.alloc(), g.alloc()
	g.op("VCVTDQ2PS", isum, isum)
	g.mulScalar(g.act("DX", c, g.m.scaleOfAct()), d, t)
	mem := fmt.Sprintf("%d(DI)(AX*1)", 64*c+32*h)
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

// The products of the codes that share a scale. At AVX-512 they are added to sums.
func (g *gemm) codes512(sums []vec, panel, acts string) {
	for i := range g.m.codes() {
		w := g.load(fmt.Sprintf("%d(%s)", 64*i, panel))
		for c, sum := range sums {
			g.op("VPDPBUSD.BCST", g.act(acts, c, 4*i), w, sum)
		}
		g.release(w)
	}
}

// codesSigned adds them to isum at AVX2, times unit: |c|·(q with the sign of c). Two such products fill a word, so they are widened at once. The
// sign is put on by hand because VPSIGNB competes with the multiplications.
func (g *gemm) codesSigned(isum [][]place, panel, acts string, unit func(h int) any) {
	for i := range g.m.codes() {
		var negative, a [2]vec
		for h := range a {
			negative[h], a[h] = g.zeros(1)[0], g.load(fmt.Sprintf("%d(%s)", 64*i+32*h, panel))
			g.op("VPCMPGTB", a[h], negative[h], negative[h])
			g.op("VPABSB", a[h], a[h])
		}
		for c := range g.cols {
			q, t := g.alloc(), g.alloc()
			g.op("VPBROADCASTD", g.act(acts, c, 4*i), q)
			for h := range a {
				g.op("VPXOR", negative[h], q, t)
				g.op("VPSUBB", negative[h], t, t)
				g.op("VPMADDUBSW", t, a[h], t)
				g.op("VPMADDWD", unit(h), t, t)
				g.op("VPADDD", t, isum[h][c].reg, isum[h][c].reg)
			}
			g.release(q, t)
		}
		g.release(append(negative[:], a[:]...)...)
	}
}

// codesWords piles them up in words at AVX2, as many as fit, and hands those over, turn after turn, for some parts of the panel.
func (g *gemm) codesWords(parts []int, panel, acts string, done func(turn, h, c int, words vec)) {
	words, steps := make([][2]vec, g.cols), g.m.steps()
	for i := range g.m.codes() {
		var w [2]vec
		for _, h := range parts {
			w[h] = g.load(fmt.Sprintf("%d(%s)", 64*i+32*h, panel))
		}
		for c := range words {
			q := g.alloc()
			g.op("VPBROADCASTD", g.act(acts, c, 4*i), q)
			for _, h := range parts {
				if i%steps == 0 {
					words[c][h] = g.alloc()
					g.op("VPMADDUBSW", q, w[h], words[c][h])
					continue
				}
				t := g.alloc()
				g.op("VPMADDUBSW", q, w[h], t)
				g.op("VPADDW", t, words[c][h], words[c][h])
				g.release(t)
			}
			g.release(q)
		}
		for _, h := range parts {
			g.release(w[h])
			for c := range words {
				if (i+1)%steps == 0 {
					done(i/steps, h, c, words[c][h])
				}
			}
		}
	}
}

func (g *gemm) block256() {
	if g.rows == 8 && g.m.steps() == 2 { // sums are taken over from words so often that they must be in registers: half of them at a time
		g.parts256([]int{0})
		g.parts256([]int{1})
		return
	}
	g.parts256([]int{0, 1}[:g.parts()])
}

// parts256 is a block for some parts of the panel.
func (g *gemm) parts256(parts []int) {
	g.roomy = g.rows == 16 || g.m.signed || len(parts) == 1
	isum := make([][]place, g.parts())
	for _, h := range parts {
		for _, z := range g.zeros(g.cols) {
			isum[h] = append(isum[h], g.hold(z))
		}
	}
	loop := fmt.Sprintf("sub%d", parts[0])
	g.op("MOVQ", "SI", "R10")
	g.op("LEAQ", fmt.Sprintf("%d(SI)", g.m.scalesAt()), "R11")
	g.op("MOVQ", "DX", "R12")
	g.op("MOVL", g.m.scales(), "R13")
	g.label(loop)
	g.subBlock(parts, isum)
	g.op("ADDQ", 16*g.m.sub, "R10")
	g.op("ADDQ", 64, "R11")
	g.op("ADDQ", g.m.sub, "R12")
	g.op("DECL", "R13")
	g.op("JNZ", loop)
	for _, h := range parts {
		g.end256(h, isum[h])
	}
}

// subBlock adds a sub-block's products, times its integer scales, to isum.
func (g *gemm) subBlock(parts []int, isum [][]place) {
	scale := func(h int) any { return fmt.Sprintf("%d(R11)", 32*h) }
	if g.rows == 8 && g.m.signed {
		g.codesSigned(isum, "R10", "R12", scale)
		return
	}
	if g.rows == 8 {
		g.codesWords(parts, "R10", "R12", func(_, h, c int, words vec) {
			g.op("VPMADDWD", scale(h), words, words)
			if p := isum[h][c]; p.mem == "" {
				g.op("VPADDD", words, p.reg, p.reg)
			} else {
				g.op("VPADDD", p.mem, words, words)
				g.op("MOV", words, p.mem)
			}
			g.release(words)
		})
		return
	}
	sums := g.zeros(g.cols)
	g.codes512(sums, "R10", "R12")
	sc := g.load("(R11)")
	for c, v := range sums {
		g.op("VPMULLD", sc, v, v)
		g.op("VPADDD", v, isum[0][c].reg, isum[0][c].reg)
	}
	g.release(sc)
	g.release(sums...)
}

// end256 turns the integer sums of part h of a block to floats.
func (g *gemm) end256(h int, isum []place) {
	var aux []vec
	if g.m.min || g.unsigned(g.m) {
		pair := func(p int) string { return fmt.Sprintf("%d(SI)", g.m.pairsAt()+64*p+32*h) }
		aux = g.pairSums(g.m, g.cols, pair, func(c, off int) string { return g.act("DX", c, off) })
	}
	d, m := g.panel(g.m.floatsAt(), h), vec(-1)
	if g.m.min {
		m = g.panel(g.m.floatsAt()+64, h)
	}
	for c, p := range isum {
		v := g.get(p)
		if aux != nil && !g.m.min {
			g.op("VPSLLVD", g.count, aux[c], aux[c])
			g.op("VPSUBD", aux[c], v, v)
		}
		g.addFloat(h, c, v, d, func(acc, t vec) {
			if g.m.min {
				g.op("VCVTDQ2PS", aux[c], aux[c])
				g.mulScalar(g.act("DX", c, scale256), m, t)
				g.op("VFNMADD231PS", t, aux[c], acc)
			}
		})
	}
	if g.release(d); g.m.min {
		g.release(m)
	}
	g.release(aux...)
}
