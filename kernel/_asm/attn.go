package main

import (
	"fmt"
	"math/bits"
)

// maxRows is the most query rows of a kernel of kernel/attn.
const maxRows = 6

var cacheTypes = []struct {
	name, typ string
	elem      int
}{{"F32", "f32", 4}, {"F16", "f16", 2}, {"BF16", "bf16", 2}}

// attnFile writes the kernels of kernel/attn.
func attnFile() *file {
	f := &file{seen: map[string]bool{}}
	for _, i := range []isa{avx2, avx512} {
		for _, t := range cacheTypes {
			f.define(i, "scores"+t.name, "s, q *float32, k, ahead unsafe.Pointer, rows, dim, pitch, n int", func(g *fn) { scores(g, t.typ, t.elem) })
			f.define(i, "weigh"+t.name, "o, p, c *float32, v, ahead unsafe.Pointer, dim, pitch, rows, n int", func(g *fn) { weigh(g, t.typ, t.elem) })
		}
		f.define(i, "softmax", "s, m, l, c *float32, mask *uint64, rows int, scale float32", softmax)
		f.define(i, "transpose16", "dst, src unsafe.Pointer, dim, pitch, n int", func(g *fn) { transpose(g, 2) })
		f.define(i, "transpose32", "dst, src unsafe.Pointer, dim, pitch, n int", func(g *fn) { transpose(g, 4) })
		f.define(i, "copyRows", "dst, src *float32, dim, dstPitch, srcPitch, rows int", copyRows)
		f.define(i, "softmaxBack", "s, ds, m, r, d *float32, mask *uint64, rows int, scale float32", softmaxBack)
		f.define(i, "gain", "c, a, b *float32, dim, aRow, aStep, rows, n int", gain)
	}
	return f
}

// byRows branches to one body for each number of rows, which stands in register rows.
func (g *fn) byRows(rows string, body func(n int)) {
	labels := make([]string, maxRows+1)
	for n := 1; n < maxRows; n++ {
		labels[n] = g.label(fmt.Sprintf("rows%d_", n))
		g.op("CMPQ", rows, n)
		g.op("JEQ", labels[n])
	}
	body(maxRows)
	done := g.label("done")
	g.op("JMP", done)
	for n := 1; n < maxRows; n++ {
		g.at(labels[n])
		body(n)
		if n < maxRows-1 {
			g.op("JMP", done)
		}
	}
	g.at(done)
}

// wide is how many registers of columns a tile of n rows takes: enough sums at once to hide the latency of an FMA (4 cycles, one 512-bit or
// two 256-bit a cycle), and all in registers.
func (g *fn) wide(n int) int {
	if g.regs == 32 {
		return 4
	}
	return []int{0, 8, 4, 4, 2, 2, 2}[n]
}

// tile is sums of n rows by w registers of columns.
type tile struct{ n, w int }

func (t tile) acc(r, c int) v { return v(r*t.w + c) }

// step adds one outer product: row(r) is the operand to broadcast, load puts column register c into a register.
func (t tile) step(g *fn, row func(r int) mem, load func(c int, to v)) {
	free := v(t.n * t.w)
	if int(free)+t.w+1 <= g.regs { // columns held, rows one by one
		for c := range t.w {
			load(c, free+v(c))
		}
		b := free + v(t.w)
		for r := range t.n {
			g.op("VBROADCASTSS", row(r), b)
			for c := range t.w {
				g.op("VFMADD231PS", free+v(c), b, t.acc(r, c))
			}
		}
		return
	}
	for r := range t.n {
		g.op("VBROADCASTSS", row(r), free+v(r))
	}
	col := free + v(t.n)
	for c := range t.w {
		load(c, col)
		for r := range t.n {
			g.op("VFMADD231PS", col, free+v(r), t.acc(r, c))
		}
	}
}

// strided addresses row r of up to six, stride bytes apart: a is the register of row 0 and b of row 3.
func strided(a, b, stride string, r, off int) mem {
	m := mem{base: a, off: off}
	if r >= 3 {
		m.base = b
	}
	if r%3 > 0 {
		m.index = fmt.Sprintf("%s*%d", stride, r%3)
	}
	return m
}

// prefetch asks for as many bytes of what will be needed next as were just used, from R15 on. Into the second-level cache: the first has no room
// for them (measured: into the first is slower than none for f32).
func (g *fn) prefetch(n int) {
	for off := 0; off < n; off += 64 {
		g.op("PREFETCHT1", mem{base: "R15", off: off})
	}
	g.op("ADDQ", n, "R15")
}

// scores: lanes are keys. s[r][j] = Σ_d q[r][d]·k[d][j], in order of d, for the keys below n and up to a register or tile of those that follow.
func scores(g *fn, typ string, elem int) {
	g.op("MOVQ", g.arg("s"), "DI")
	g.op("MOVQ", g.arg("q"), "SI")
	g.op("MOVQ", g.arg("k"), "DX")
	g.op("MOVQ", g.arg("ahead"), "R15")
	g.op("MOVQ", g.arg("rows"), "CX")
	g.op("MOVQ", g.arg("dim"), "R8")
	g.op("MOVQ", g.arg("pitch"), "R9")
	g.op("MOVQ", g.arg("n"), "R10")
	g.op("LEAQ", "(R9)(R9*2)", "R11")
	g.byRows("CX", func(n int) {
		widest, done := g.wide(n), g.label("scored")
		for _, w := range g.narrower(n) {
			wider := g.label("wider")
			g.op("CMPQ", "R10", w*g.width)
			g.op("JGT", wider)
			scoresTile(g, tile{n, w}, typ, elem)
			g.op("JMP", done)
			g.at(wider)
		}
		keys := widest * g.width
		g.op("ADDQ", keys-1, "R10")
		g.op("SHRQ", bits.TrailingZeros(uint(keys)), "R10")
		g.loop("R10", 1, func() { scoresTile(g, tile{n, widest}, typ, elem) })
		g.at(done)
	})
}

// narrower are the widths of tiles of n rows for so few keys that the widest would be too much.
func (g *fn) narrower(n int) []int {
	if g.regs == 32 {
		return []int{1, 2, 3}
	}
	return [][]int{0: nil, 1: {2, 4}, 2: {2}, 3: {2}, maxRows: nil}[n]
}

func scoresTile(g *fn, t tile, typ string, elem int) {
	for i := range v(t.n * t.w) {
		g.zero(i)
	}
	g.op("MOVQ", "SI", "R12")
	g.op("LEAQ", "(SI)(R11*1)", "R13")
	g.op("MOVQ", "DX", "BX")
	g.op("MOVQ", "R8", "AX")
	g.loop("AX", 1, func() {
		t.step(g, func(r int) mem { return strided("R12", "R13", "R9", r, 0) },
			func(c int, to v) { g.widen(typ, mem{base: "BX", off: c * g.width * elem}, to) })
		g.op("ADDQ", 4, "R12")
		if t.n > 3 {
			g.op("ADDQ", 4, "R13")
		}
		g.op("ADDQ", 64*elem, "BX")
		g.prefetch(t.w * g.width * elem)
	})
	for r := range t.n {
		for c := range t.w {
			g.op("VMOVUPS", t.acc(r, c), mem{base: "DI", off: r*256 + c*g.bytes()})
		}
	}
	g.op("ADDQ", t.w*g.bytes(), "DI")
	g.op("ADDQ", t.w*g.width*elem, "DX")
}

// weigh: lanes are dimensions of the value. o[r][d] = o[r][d]·c[r], then + p[r][j]·v[j][d] in order of j.
func weigh(g *fn, typ string, elem int) {
	g.op("MOVQ", g.arg("o"), "DI")
	g.op("MOVQ", g.arg("p"), "SI")
	g.op("MOVQ", g.arg("c"), "DX")
	g.op("MOVQ", g.arg("v"), "BX")
	g.op("MOVQ", g.arg("ahead"), "R15")
	g.op("MOVQ", g.arg("dim"), "R8")
	g.op("MOVQ", g.arg("pitch"), "R9")
	g.op("MOVQ", g.arg("rows"), "CX")
	g.op("LEAQ", "(R8*4)", "R11")
	g.op("LEAQ", "(R11)(R11*2)", "R10")
	g.op("ADDQ", "DI", "R10")
	g.byRows("CX", func(n int) {
		for w := g.wide(n); w >= g.parts(); w /= 2 {
			weighTile(g, tile{n, w}, typ, elem)
		}
	})
}

// weighTile goes through the dimensions that are left, w registers at a time.
func weighTile(g *fn, t tile, typ string, elem int) {
	g.loop("R8", t.w*g.width, func() {
		out := func(r, c int) mem { return strided("DI", "R10", "R11", r, c*g.bytes()) }
		for r := range t.n {
			b := v(t.n * t.w)
			g.op("VBROADCASTSS", mem{base: "DX", off: 4 * r}, b)
			for c := range t.w {
				g.op("VMULPS", out(r, c), b, t.acc(r, c))
			}
		}
		g.op("MOVQ", "SI", "R12")
		g.op("MOVQ", "BX", "R13")
		g.op("MOVQ", g.arg("n"), "AX")
		g.loop("AX", 1, func() {
			t.step(g, func(r int) mem { return mem{base: "R12", off: r * 256} },
				func(c int, to v) { g.widen(typ, mem{base: "R13", off: c * g.width * elem}, to) })
			g.op("ADDQ", 4, "R12")
			g.op("ADDQ", "R9", "R13")
			g.prefetch(t.w * g.width * elem)
		})
		for r := range t.n {
			for c := range t.w {
				g.op("VMOVUPS", t.acc(r, c), out(r, c))
			}
		}
		g.op("ADDQ", t.w*g.bytes(), "DI")
		if t.n > 3 {
			g.op("ADDQ", t.w*g.bytes(), "R10")
		}
		g.op("ADDQ", t.w*g.width*elem, "BX")
	})
}

// softmax goes through the rows twice: first for their maxima, then for the probabilities. So what it waits for, the steps of a fold or of an
// exponential, belongs to several rows. Where a score is NaN the running maximum may or may not be: all that follows from it is NaN either way.
func softmax(g *fn) {
	for _, a := range []struct{ arg, reg string }{{"s", "DI"}, {"m", "SI"}, {"l", "DX"}, {"c", "BX"}, {"mask", "R8"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	g.use(append([]string{"negInf"}, expUses...)...)
	if g.regs == 16 {
		g.use(laneBits)
	}
	g.op("VBROADCASTSS", g.arg("scale"), v(15))
	rows := func(row func(), regs ...string) {
		g.loop("CX", 1, func() {
			row()
			g.op("ADDQ", 256, "DI")
			for _, p := range regs {
				g.op("ADDQ", 4, p)
			}
			g.op("ADDQ", 8, "R8")
		})
	}
	rows(func() { g.maximum(15) }, "SI", "BX")
	for _, a := range []struct{ arg, reg string }{{"s", "DI"}, {"m", "SI"}, {"c", "BX"}, {"mask", "R8"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	rows(g.probabilities, "SI", "DX", "BX")
}

// maximum scales a row, raises its maximum and leaves how far, -0 or less, in c. Which keys are seen stands in K1 to K4, or is looked up.
func (g *fn) maximum(scale v) {
	const top, old = 8, 9
	g.valid512()
	g.op("VBROADCASTSS", "(SI)", v(old))
	g.op("VMOVAPS", v(old), v(top))
	g.abreast(4, func(i int) {
		for i := i; i < 64/g.width; i += 4 {
			at := mem{base: "DI", off: i * g.bytes()}
			x, seen := v(i%4), v(4+i%4)
			g.op("VMULPS", at, scale, x)
			g.op("VMOVUPS", x, at)
			if g.regs == 32 {
				g.op("VMAXPS", x, v(top), fmt.Sprintf("K%d", i+1), v(top))
				continue
			}
			g.valid256(i, seen)
			g.op("VANDPS", seen, x, x)
			g.op("VANDNPS", g.c("negInf"), seen, seen)
			g.op("VORPS", seen, x, x)
			g.op("VMAXPS", x, v(top), v(top))
		}
	})
	g.halves("VMAXPS", top, 4)
	g.op("VSUBSS", "X8", "X9", "X9")
	g.op("VMOVSS", "X8", "(SI)")
	g.op("VMOVSS", "X9", "(BX)")
}

// valid512 brings the mask of a row to K1 to K4.
func (g *fn) valid512() {
	if g.regs != 32 {
		return
	}
	g.op("KMOVQ", "(R8)", "K1")
	for i := 1; i < 4; i++ {
		g.op("KSHIFTRQ", 16*i, "K1", fmt.Sprintf("K%d", i+1))
	}
}

// valid256 sets the lanes of seen that the mask of a row has for the i-th 8 keys.
func (g *fn) valid256(i int, seen v) {
	g.op("VPBROADCASTB", mem{base: "R8", off: i}, seen)
	g.op("VPAND", g.c(laneBits), seen, seen)
	g.op("VPCMPEQD", g.c(laneBits), seen, seen)
}

// probabilities turns a row of scaled scores into e^(s - m) and adds them up, and likewise the factor c that m has left: four registers and
// that factor abreast, in 0 to 4, 5 to 9 and 10 to 14; m is in 15.
func (g *fn) probabilities() {
	g.valid512()
	g.op("VBROADCASTSS", "(SI)", v(15))
	const sum = 13 // 13 and 14 from the second four on
	for first := 0; first < 64/g.width; first += 4 {
		n := 4
		if first == 0 {
			n = 5
		}
		g.abreast(n, func(i int) {
			x, p, t := v(i), v(5+i), v(10+i)
			if first > 0 { // the sums are in the way
				x, p, t = v(3*i), v(3*i+1), v(3*i+2)
			}
			if i == 4 {
				g.expBelow(p, x, t, func(to v) { g.op("VBROADCASTSS", "(BX)", to) }, "K7", false)
				g.op("VMOVSS", fmt.Sprintf("X%d", p), "(BX)")
				return
			}
			at := mem{base: "DI", off: (first + i) * g.bytes()}
			load := func(to v) {
				g.op("VMOVUPS", at, to)
				g.op("VSUBPS", v(15), to, to)
			}
			g.expBelow(p, x, t, load, fmt.Sprintf("K%d", i+1), true)
			if g.regs == 16 {
				g.valid256(first+i, x)
				g.op("VANDPS", x, p, p)
			}
			g.op("VMOVUPS", p, at)
		})
		if g.regs == 32 {
			g.op("VADDPS", v(6), v(5), v(sum))
			g.op("VADDPS", v(7), v(sum), v(sum))
			g.op("VADDPS", v(8), v(sum), v(sum))
		} else if first == 0 {
			g.op("VADDPS", v(7), v(5), v(sum))
			g.op("VADDPS", v(8), v(6), v(sum+1))
		} else {
			for i := range 4 {
				sum := v(sum + i%2)
				g.op("VADDPS", v(3*i+1), sum, sum)
			}
			g.op("VADDPS", v(sum+1), v(sum), v(sum))
		}
	}
	g.halves("VADDPS", sum, 5)
	g.op("VMOVSS", "(BX)", "X4")
	g.op("VMULSS", "(DX)", "X4", "X4")
	g.op("VADDSS", "X13", "X4", "X4")
	g.op("VMOVSS", "X4", "(DX)")
}

// halves folds register x onto its lower half by op, down to lane 0; t is scratch. At AVX2 the first of fold16's steps has been taken.
func (g *fn) halves(op string, x, t v) {
	if g.regs == 32 {
		g.op("VEXTRACTF32X8", 1, x, lower(t))
		g.op(op, lower(t), lower(x), lower(x))
	}
	y, xmm := fmt.Sprintf("Y%d", x), func(r v) string { return fmt.Sprintf("X%d", r) }
	g.op("VEXTRACTF128", 1, y, xmm(t))
	g.op(op, xmm(t), xmm(x), xmm(x))
	g.op("VMOVHLPS", xmm(x), xmm(x), xmm(t))
	g.op(op, xmm(t), xmm(x), xmm(x))
	g.op("VMOVSHDUP", xmm(x), xmm(t))
	g.op(op, xmm(t), xmm(x), xmm(x))
}

// transpose writes n rows of dim elements, pitch bytes apart, and up to a register of those that follow, as columns. Each 16-byte lane of a register is taken from a different row, so
// that unpacking inside lanes is all: lane i of register r starts as row r + i·n, n elements long, and comes out as column r of rows i·n to
// i·n + n-1. dim is a multiple of 16.
func transpose(g *fn, elem int) {
	n := 16 / elem
	perLine := g.bytes() / elem // rows side by side in a register
	g.op("MOVQ", g.arg("dst"), "DI")
	g.op("MOVQ", g.arg("src"), "SI")
	g.op("MOVQ", g.arg("dim"), "CX")
	g.op("MOVQ", g.arg("pitch"), "R9")
	g.loop("CX", n, func() {
		g.op("MOVQ", "SI", "AX")
		g.op("MOVQ", "DI", "BX")
		g.op("MOVQ", g.arg("n"), "DX")
		g.op("ADDQ", perLine-1, "DX")
		g.loop("DX", perLine, func() {
			for lane := range perLine / n {
				for r := range v(n) {
					switch {
					case lane == 0:
						g.op("VMOVDQU", "(AX)", fmt.Sprintf("X%d", r))
					case g.regs == 32:
						g.op("VINSERTI32X4", lane, "(AX)", r, r)
					default:
						g.op("VINSERTI128", lane, "(AX)", r, r)
					}
					g.op("ADDQ", "R9", "AX")
				}
			}
			for c, r := range g.unpack(n) {
				g.op(g.pick("VMOVDQU", "VMOVDQU32"), r, mem{base: "BX", off: c * 64 * elem})
			}
			g.op("ADDQ", g.bytes(), "BX")
		})
		g.op("ADDQ", 16, "SI")
		g.op("ADDQ", n*64*elem, "DI")
	})
}

// unpack transposes registers 0 to n-1 inside each 16-byte lane, 8 by 8 words or 4 by 4 floats, and says where the columns are.
func (g *fn) unpack(n int) []v {
	in, out := make([]v, n), make([]v, n)
	for i := range in {
		in[i], out[i] = v(i), v(n+i)
	}
	// Each stage interleaves rows i and i + n/2 into 2i and 2i+1, which turns the bits of the address (row, column) by one: after as many
	// stages as the row has bits, row and column have changed places.
	lo, hi, stages := "VPUNPCKLWD", "VPUNPCKHWD", 3
	if n == 4 {
		lo, hi, stages = "VPUNPCKLDQ", "VPUNPCKHDQ", 2
	}
	for range stages {
		for i := range n / 2 {
			g.op(lo, in[i+n/2], in[i], out[2*i])
			g.op(hi, in[i+n/2], in[i], out[2*i+1])
		}
		in, out = out, in
	}
	return in
}
