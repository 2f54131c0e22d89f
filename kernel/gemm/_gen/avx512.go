package main

import (
	"fmt"
	"strings"
)

func zmm(i int) string { return fmt.Sprintf("Z%d", i) }

// avx512 writes a core with one lane set a register. On panels, folding is left for later: after their first step (which costs little; storing
// whole registers would cost more) the lanes of a repetition go to memory, and the rest is done between the first steps of the next, on ports that
// multiply-adds leave idle. Otherwise those would wait for it: they fill the queues.
func (g *gen) avx512(c core) {
	g.begin(c, "avx512")
	g.load("", 0, c.rows, c.cols, 0, 64, zmm)
	if c.direct {
		g.walk(c, "", true, func(u int) {
			if c.cols == 8 {
				g.avx512Row(c, u)
			} else {
				g.avx512Step(c, u, 0, c.rows)
			}
		})
	} else {
		g.avx512Walk(c)
	}
	g.ins("TESTQ", "%s, %s", c.out(), c.out())
	g.ins("JNZ", "fold")
	g.eachLane(0, c.rows, c.cols, 0, 64, func(i int, mem string) { g.ins("VMOVUPS", "%s, %s", zmm(i), mem) })
	g.ins("JMP", "next")
	g.label("fold")
	if !c.direct {
		g.ins("CMPQ", "%s, $1", reps)
		g.ins("JEQ", "foldNow")
		g.ins("CMPQ", "tile_steps(%s), $%d", regTile, c.unroll)
		g.ins("JLT", "foldNow")
		g.ins("MOVQ", "tile_pending(%s), %s", regTile, pending)
		for i := range c.rows * c.cols {
			t := 28 + i%4
			g.ins("VEXTRACTF64X4", "$1, Z%d, Y%d", i, t)
			g.ins("VADDPS", "Y%d, Y%d, Y%d", t, i, t)
			g.ins("VMOVUPS", "Y%d, %d(%s)", t, 32*i, pending)
		}
		g.ins("JMP", "folded")
		g.label("foldNow")
	}
	g.eachOutput(c, 0, c.rows, func(i int, mem string) { g.fold512(i, mem) })
	if !c.direct {
		g.label("folded")
	}
	g.ins("ADDQ", "$%d, %s", c.cols*4, c.out())
	g.end(c)
}

// Free while sums run: the lanes that wait to be folded, and where their outputs go.
const pending, pendingOut = wRow, wRow3

// avx512Walk runs a panel core along K. If lanes wait, they are folded in its first round.
func (g *gen) avx512Walk(c core) {
	g.ins("MOVQ", "%s, %s", regX, curX)
	g.ins("MOVQ", "%s, %s", regW, curW)
	g.ins("MOVQ", "tile_steps(%s), %s", regTile, steps)
	advance := func(n int) {
		g.ins("ADDQ", "$%d, %s", n*c.xStep(), curX)
		g.ins("ADDQ", "$%d, %s", n*c.wStep(), curW)
	}
	g.ins("CMPQ", "%s, tile_reps(%s)", reps, regTile)
	g.ins("JEQ", "plain")
	g.ins("TESTQ", "%s, %s", c.out(), c.out())
	g.ins("JZ", "plain")
	g.ins("SUBQ", "$%d, %s", c.unroll, steps)
	g.ins("JLT", "few")
	g.ins("MOVQ", "tile_pending(%s), %s", regTile, pending)
	g.ins("LEAQ", "-%d(%s), %s", 4*c.cols, c.out(), pendingOut)
	g.merge(func() {
		for u := range c.unroll {
			g.avx512Step(c, u, 0, c.rows)
		}
	}, func() {
		for r := range c.rows {
			g.foldPending(r * c.cols)
		}
	})
	advance(c.unroll)
	g.ins("JMP", "plain")
	g.label("few")
	g.ins("ADDQ", "$%d, %s", c.unroll, steps)
	g.label("plain")
	g.rounds(c, "", advance, func(u int) { g.avx512Step(c, u, 0, c.rows) })
}

// merge writes the instructions of two independent sequences evenly mixed.
func (g *gen) merge(a, b func()) {
	x, y := g.capture(a), g.capture(b)
	for i, j := 0, 0; i+j < len(x)+len(y); {
		if i < len(x) && i*len(y) <= j*len(x) {
			g.line("%s", x[i])
			i++
		} else {
			g.line("%s", y[j])
			j++
		}
	}
}

// foldPending ends the sums of the four half-folded lane sets from i on in memory and writes them; Z29 to Z31 are scratch.
func (g *gen) foldPending(i int) {
	half := func(j, h int) string { return fmt.Sprintf("%d(%s)", 32*j+16*h, pending) }
	for _, j := range []int{i + 2, i} {
		for k := range 2 {
			g.ins("VMOVUPS", "%s, X%d", half(j+k, 0), 29+k)
			g.ins("VADDPS", "%s, X%d, X%d", half(j+k, 1), 29+k, 29+k)
		}
		g.ins("VUNPCKLPD", "X30, X29, X31")
		g.ins("VUNPCKHPD", "X30, X29, X29")
		g.ins("VADDPS", "X29, X31, X29")
		if j != i {
			g.ins("VMOVUPS", "X29, %s", half(j, 0))
		}
	}
	g.ins("VSHUFPS", "$0x88, %s, X29, X30", half(i+2, 0))
	g.ins("VSHUFPS", "$0xDD, %s, X29, X31", half(i+2, 0))
	g.ins("VADDPS", "X31, X30, X29")
	g.ins("VCMPPS", "$3, X29, X29, K1")
	g.ins("VBROADCASTSS", "oneNaN<>(SB), K1, X29")
	g.ins("VMOVUPS", "X29, (%s)", pendingOut)
	g.ins("ADDQ", "tile_ldy(%s), %s", regTile, pendingOut)
}

// avx512Scaled writes a core of bf16 panels whose lanes are summed block by block of K and added, times the block's scale of their column, to
// the outer lanes: parts of up to 3 rows with 12 lane sets each in Z0 to Z11 and Z12 to Z23.
func (g *gen) avx512Scaled(c core) {
	const scale, left = wRow, wRow3 // free while sums run
	g.begin(c, "avx512")
	for row := 0; row < c.rows; row += 3 {
		name, rows := fmt.Sprint(row), min(3, c.rows-row)
		g.load(name, row, rows, c.cols, 0, 64, func(i int) string { return zmm(12 + i) })
		g.ins("MOVQ", "%s, %s", regX, curX)
		g.ins("MOVQ", "%s, %s", regW, curW)
		g.ins("MOVQ", "tile_steps(%s), %s", regTile, left)
		g.ins("MOVQ", "scales-8(SP), %s", scale)
		g.label("block" + name)
		for i := range rows * c.cols {
			g.ins("VPXORD", "Z%d, Z%d, Z%d", i, i, i)
		}
		g.ins("MOVQ", "tile_period(%s), %s", regTile, steps)
		g.ins("CMPQ", "%s, %s", left, steps)
		g.ins("CMOVQLT", "%s, %s", left, steps)
		g.ins("SUBQ", "%s, %s", steps, left)
		g.rounds(c, name, func(n int) {
			g.ins("ADDQ", "$%d, %s", n*c.xStep(), curX)
			g.ins("ADDQ", "$%d, %s", n*c.wStep(), curW)
		}, func(u int) { g.avx512Step(c, u, row, rows) })
		for j := range c.cols {
			g.ins("VBROADCASTSS", "%d(%s), Z%d", 4*j, scale, 24+j)
			for i := range rows {
				g.ins("VFMADD231PS", "Z%d, Z%d, Z%d", i*c.cols+j, 24+j, 12+i*c.cols+j)
			}
		}
		g.ins("ADDQ", "$const_scaleRow, %s", scale)
		g.ins("TESTQ", "%s, %s", left, left)
		g.ins("JNZ", "block%s", name)
		g.ins("TESTQ", "%s, %s", c.out(), c.out())
		g.ins("JNZ", "fold%s", name)
		g.eachLane(row, rows, c.cols, 0, 64, func(i int, mem string) { g.ins("VMOVUPS", "%s, %s", zmm(12+i), mem) })
		g.ins("JMP", "folded%s", name)
		g.label("fold" + name)
		g.eachOutput(c, row, rows, func(i int, mem string) { g.fold512(12+i, mem) })
		g.label("folded" + name)
	}
	g.ins("ADDQ", "$16, scales-8(SP)")
	g.ins("TESTQ", "%s, %s", c.out(), c.out())
	g.ins("JZ", "next")
	g.ins("ADDQ", "$%d, %s", c.cols*4, c.out())
	g.end(c)
}

// e4m3Bytes are the constants of the conversion below, 4 bytes each; upper and lower look up codes whose bits 4 to 6 are zero.
const e4m3Data = `
DATA e4m3<>+0(SB)/4, $0xF0F0F0F0
DATA e4m3<>+4(SB)/4, $0x07070707
DATA e4m3<>+8(SB)/4, $0x0F0F0F0F
DATA e4m3<>+12(SB)/4, $0x3C3C3C3C // (127-7)/2
DATA e4m3<>+16(SB)/4, $0x7F7F7F7F
DATA e4m3<>+20(SB)/4, $0x80808080
DATA e4m3<>+24(SB)/8, $0x3C3C3C3C3B3B3B00
DATA e4m3<>+32(SB)/8, $0x3C3C3C3C3C3C3C3C
DATA e4m3<>+40(SB)/8, $0x60402000C0800000
DATA e4m3<>+48(SB)/8, $0xF0E0D0C0B0A09080
DATA e4m3<>+56(SB)/8, $0
DATA e4m3<>+64(SB)/8, $4
DATA e4m3<>+72(SB)/8, $1
DATA e4m3<>+80(SB)/8, $5
DATA e4m3<>+88(SB)/8, $2
DATA e4m3<>+96(SB)/8, $6
DATA e4m3<>+104(SB)/8, $3
DATA e4m3<>+112(SB)/8, $7
GLOBL e4m3<>(SB), RODATA|NOPTR, $120
`

// avx512E4M3 writes a core of one row of X against 8 rows of e4m3 in place, two steps at a time, with one scale for all 8 rows in each block of
// K (scales, 4 bytes a block). Registers: lanes of a block in Z0 to Z7, outer lanes in Z8 to Z15, X in Z16 and Z17, W in Z18 to Z21.
func (g *gen) avx512E4M3(c core) {
	g.line(e4m3Data)
	g.begin(c, "avx512")
	for i := range 8 {
		g.ins("VPXORD", "Z%d, Z%d, Z%d", 8+i, 8+i, 8+i)
	}
	for i := range 6 {
		g.ins("VPBROADCASTD", "e4m3<>+%d(SB), Z%d", 4*i, 22+i)
	}
	g.ins("VBROADCASTI32X4", "e4m3<>+24(SB), Z28")
	g.ins("VBROADCASTI32X4", "e4m3<>+40(SB), Z29")
	g.ins("VMOVDQU64", "e4m3<>+56(SB), Z30")
	const left, scale = lanes, regTile // both loaded anew for each group
	g.ins("MOVQ", "tile_steps(%s), %s", regTile, left)
	g.ins("MOVQ", "%s, %s", regX, curX)
	g.ins("MOVQ", "%s, %s", regW, curW)
	g.ins("LEAQ", "(%s)(%s*4), %s", curW, wRow, upperW)
	g.ins("MOVQ", "tile_ahead(%s), %s", regTile, ahead)
	g.ins("LEAQ", "(%s)(%s*1), %s", upperW, ahead, ahead4)
	g.ins("ADDQ", "%s, %s", curW, ahead)
	g.ins("MOVQ", "scales-8(SP), %s", scale)
	g.label("block")
	for i := range 8 {
		g.ins("VPXORD", "Z%d, Z%d, Z%d", i, i, i)
	}
	g.ins("MOVQ", "t+0(FP), %s", steps)
	g.ins("MOVQ", "tile_period(%s), %s", steps, steps)
	g.ins("CMPQ", "%s, %s", left, steps)
	g.ins("CMOVQLT", "%s, %s", left, steps)
	g.ins("SUBQ", "%s, %s", steps, left)
	g.label("step")
	g.ins("VMOVUPS", "(%s), Z16", curX)
	g.ins("VMOVUPS", "64(%s), Z17", curX)
	for j := range c.cols {
		g.e4m3(c.wMem(j, 0, 0, curW))
		g.madd("bf16", 18, 16, j)
		g.madd("bf16", 20, 17, j)
	}
	g.ins("ADDQ", "$128, %s", curX)
	for _, r := range []string{curW, upperW, ahead, ahead4} {
		g.ins("ADDQ", "$64, %s", r)
	}
	g.ins("SUBQ", "$2, %s", steps)
	g.ins("JNZ", "step")
	g.ins("VBROADCASTSS", "(%s), Z18", scale)
	g.ins("ADDQ", "$4, %s", scale)
	for j := range c.cols {
		g.ins("VFMADD231PS", "Z%d, Z18, Z%d", j, 8+j)
	}
	g.ins("TESTQ", "%s, %s", left, left)
	g.ins("JNZ", "block")
	for i := range 8 {
		g.ins("VMOVAPS", "Z%d, Z%d", 8+i, i)
	}
	g.ins("MOVQ", "t+0(FP), %s", regTile)
	for j := 0; j < c.cols; j += 4 {
		g.fold512(j, fmt.Sprintf("%d(%s)", 4*j, c.out()))
	}
	g.ins("ADDQ", "$32, %s", c.out())
	g.end(c)
}

// e4m3 turns the 64 codes at mem into bf16, 32 in Z18 and 32 in Z20, byte by byte: the lower byte is the lower nibble shifted up, the upper byte
// the next three bits plus half the difference of the biases; the denormals and smallest normals are looked up.
func (g *gen) e4m3(mem string) {
	g.ins("PREFETCHT1", "%s", strings.Replace(strings.Replace(mem, curW, ahead, 1), upperW, ahead4, 1))
	g.ins("VPERMQ", "%s, Z30, Z21", mem)
	g.ins("VPSLLW", "$4, Z21, Z18")
	g.ins("VPSRLW", "$4, Z21, Z19")
	g.ins("VPANDD", "Z22, Z18, Z18")
	g.ins("VPANDD", "Z23, Z19, Z19")
	g.ins("VPANDD", "Z24, Z21, Z20")
	g.ins("VPTESTNMB", "Z19, Z19, K1")
	g.ins("VPADDB", "Z25, Z19, Z19")
	g.ins("VPSHUFB", "Z20, Z29, K1, Z18")
	g.ins("VPSHUFB", "Z20, Z28, K1, Z19")
	g.ins("VPANDD", "Z26, Z21, Z20")
	g.ins("VPCMPEQB", "Z26, Z20, K2")
	g.ins("VMOVDQU8", "Z26, K2, Z19")
	g.ins("VPTERNLOGD", "$0xF8, Z27, Z21, Z19")
	g.ins("VPUNPCKHBW", "Z19, Z18, Z20")
	g.ins("VPUNPCKLBW", "Z19, Z18, Z18")
}

// fold512 ends the sums of the four lane sets from Z(i) on: fold16, and a NaN made the one NaN.
func (g *gen) fold512(i int, mem string) {
	for k := range 4 {
		g.ins("VEXTRACTF64X4", "$1, Z%d, Y%d", i+k, 24+k)
	}
	for k := range 4 {
		g.ins("VADDPS", "Y%d, Y%d, Y%d", 24+k, i+k, 24+k)
	}
	for k := range 2 {
		g.ins("VSHUFF64X2", "$0, Y%d, Y%d, Y%d", 25+2*k, 24+2*k, 28+2*k)
		g.ins("VSHUFF64X2", "$3, Y%d, Y%d, Y%d", 25+2*k, 24+2*k, 29+2*k)
	}
	g.ins("VADDPS", "Y29, Y28, Y28")
	g.ins("VADDPS", "Y31, Y30, Y30")
	g.ins("VUNPCKLPD", "Y30, Y28, Y24")
	g.ins("VUNPCKHPD", "Y30, Y28, Y25")
	g.ins("VADDPS", "Y25, Y24, Y24")
	g.ins("VSHUFPS", "$0x88, Y24, Y24, Y25")
	g.ins("VSHUFPS", "$0xDD, Y24, Y24, Y26")
	g.ins("VADDPS", "Y26, Y25, Y25")
	g.ins("VEXTRACTF32X4", "$1, Y25, X26")
	g.ins("VUNPCKLPS", "X26, X25, X25")
	g.ins("VCMPPS", "$3, X25, X25, K1")
	g.ins("VBROADCASTSS", "oneNaN<>(SB), K1, X25")
	g.ins("VMOVUPS", "X25, %s", mem)
}

// avx512Step is a step of rows rows, from row on, of a tile by 4 columns: W in Z24 to Z27, X in Z28 to Z31 in turn.
func (g *gen) avx512Step(c core, u, row, rows int) {
	for j := range c.cols {
		g.loadW(c, c.wMem(j, u, 0, curW), zmm(24+j))
		if c.direct {
			g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
		}
	}
	for i := range rows {
		x := 28 // the next ones are the fold's
		if c.direct || c.scaled {
			x += i % 4
		}
		g.ins("VMOVUPS", "%d(%s), Z%d", u*c.xStep()+(row+i)*64, curX, x)
		for j := range c.cols {
			g.madd(c.x, 24+j, x, i*c.cols+j)
		}
	}
}

// avx512Row is a step of one row of X against 8 rows of W: X in Z28, W in Z16 to Z23.
func (g *gen) avx512Row(c core, u int) {
	g.ins("VMOVUPS", "%d(%s), Z28", u*c.xStep(), curX)
	for j := range c.cols {
		g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
		g.loadW(c, c.wMem(j, u, 0, curW), zmm(16+j))
		g.madd(c.x, 16+j, 28, j)
	}
}

// madd adds the products of registers w and x to acc.
func (g *gen) madd(form string, w, x, acc int) {
	if form == "f32" {
		g.ins("VFMADD231PS", "Z%d, Z%d, Z%d", w, x, acc)
		return
	}
	// VDPBF16PS Zw, Zx, Zacc: EVEX.512.F3.0F38.W0 52 /r, which Go's assembler lacks.
	bit := func(v, n int) int { return v >> n & 1 }
	inv := func(b int) int { return 1 - b }
	p0 := inv(bit(acc, 3))<<7 | inv(bit(w, 4))<<6 | inv(bit(w, 3))<<5 | inv(bit(acc, 4))<<4 | 2
	p1 := (^x&15)<<3 | 4 | 2
	p2 := 2<<5 | inv(bit(x, 4))<<3
	g.line("\tLONG $0x%02x%02x%02x62; WORD $0x%02x52 // VDPBF16PS Z%d, Z%d, Z%d", p2, p1, p0, 0xC0|acc&7<<3|w&7, w, x, acc)
}
