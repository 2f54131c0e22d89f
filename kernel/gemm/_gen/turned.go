package main

import "fmt"

// Cores on turned panels: lane after lane of K, in the order of the tree that folds them, with vectors across the columns of Y. A lane's sums are
// folded with those before it as soon as they are complete, so nothing is ever added across a register.

// Registers, beside regX, regW (which walks on through the panels), curX and those of fetchNext.
const (
	turnedY     = "R8"
	turnedTop   = "R9"  // of the stack of sums that wait for their partners
	turnedBits  = "R11" // of the lane's place in order
	turnedPlace = "R12"

	turnedLevel = 6 * 128 // bytes of the sums of a level
)

// turnedOrder are the bytes at which the lanes begin, in the order of the tree: places are lanes with their bits in reverse.
func (g *gen) turnedOrder() {
	for p := range 16 {
		lane := p&1<<3 | p&2<<1 | p&4>>1 | p&8>>3
		g.line("DATA order<>+%d(SB)/1, $%d", p, 4*lane)
	}
	g.line("GLOBL order<>(SB), RODATA|NOPTR, $16")
}

// turned256 goes over its tile in parts of up to 3 rows: 32 columns of each in Y0 to Y11, W in Y12 to Y15, of which each step leaves one to X.
// More rows and fewer columns would read as little, but the values of X that a step takes all lie in one bank of the first cache.
func (g *gen) turned256(rows int) {
	c := core{x: "f32", w: "f32", rows: rows, unroll: 4}
	name := fmt.Sprintf("f32Turned%davx2", rows)
	fmt.Fprintf(&g.decls, "\n//go:noescape\nfunc %s(t *tile)\n", name)
	g.line("\n// func %s(t *tile)\nTEXT ·%s(SB), NOSPLIT, $0-8", name, name)
	g.ins("MOVQ", "t+0(FP), %s", regTile)
	for _, f := range [][2]string{{"x", regX}, {"w", regW}, {"reps", reps}, {"y", turnedY}, {"nextW", ahead}, {"nextX", ahead4}} {
		g.ins("MOVQ", "tile_%s(%s), %s", f[0], regTile, f[1])
	}
	each := (rows + (rows+2)/3 - 1) / ((rows + 2) / 3)
	g.label("rep")
	g.fetchNext(8)
	g.ins("MOVQ", "tile_ldy(%s), %s", regTile, curX) // what the outputs displace
	g.ins("MOVQ", "%s, %s", turnedY, curW)
	for r := range rows {
		if r > 0 {
			g.ins("ADDQ", "%s, %s", curX, curW)
		}
		for h := range 2 {
			g.ins("PREFETCHT0", "%d(%s)", 64*h, curW)
		}
	}
	g.ins("MOVQ", "tile_pending(%s), %s", regTile, turnedTop)
	g.ins("XORQ", "%s, %s", turnedPlace, turnedPlace)
	g.label("lane")
	for row := 0; row < rows; row += each {
		g.turnedPart(c, row, min(each, rows-row))
	}
	g.ins("MOVQ", "%s, %s", curW, regW)
	g.ins("ADDQ", "tile_wRep(%s), %s", regTile, regW)
	g.ins("INCQ", turnedPlace)
	g.ins("CMPQ", "%s, $16", turnedPlace)
	g.ins("JLT", "lane")
	g.ins("ADDQ", "$128, %s", turnedY)
	g.ins("DECQ", reps)
	g.ins("JNZ", "rep")
	g.ins("VZEROUPPER", "")
	g.ins("RET", "")
}

// turnedPart is one lane of rows rows from row on.
func (g *gen) turnedPart(c core, row, rows int) {
	name := fmt.Sprint(row)
	g.ins("LEAQ", "order<>(SB), %s", curX)
	g.ins("MOVBLZX", "(%s)(%s*1), %s", curX, turnedPlace, curX)
	g.ins("ADDQ", "%s, %s", regX, curX)
	g.ins("MOVQ", "%s, %s", regW, curW)
	for i := range 4 * rows {
		g.ins("VXORPS", "Y%d, Y%d, Y%d", i, i, i)
	}
	g.ins("MOVQ", "tile_steps(%s), %s", regTile, steps)
	g.rounds(c, name, func(n int) {
		g.ins("ADDQ", "$%d, %s", n*128, curW)
		g.ins("ADDQ", "$%d, %s", n*c.xStep(), curX)
	}, func(u int) {
		if rows == 3 {
			for i := range rows {
				g.ins("VBROADCASTSS", "%d(%s), Y%d", (u*c.rows+row+i)*64, curX, 12+i)
			}
			for h := range 4 {
				g.ins("VMOVUPS", "%d(%s), Y15", 128*u+32*h, curW)
				for i := range rows {
					g.ins("VFMADD231PS", "Y15, Y%d, Y%d", 12+i, 4*i+h)
				}
			}
			return
		}
		for i := range rows {
			g.ins("VBROADCASTSS", "%d(%s), Y%d", (u*c.rows+row+i)*64, curX, 12+i)
		}
		for h := range 4 {
			g.ins("VMOVUPS", "%d(%s), Y%d", 128*u+32*h, curW, 14+h%2)
			for i := range rows {
				g.ins("VFMADD231PS", "Y%d, Y%d, Y%d", 14+h%2, 12+i, 4*i+h)
			}
		}
	})
	// As in counting, each place that ends in ones completes so many sums.
	g.ins("MOVQ", "%s, %s", turnedPlace, turnedBits)
	g.label("bit" + name)
	g.ins("SHRQ", "$1, %s", turnedBits)
	g.ins("JCC", "folded%s", name)
	g.ins("SUBQ", "$%d, %s", turnedLevel, turnedTop)
	for i := range 4 * rows {
		g.ins("VADDPS", "%d(%s), Y%d, Y%d", 128*row+32*i, turnedTop, i, i)
	}
	g.ins("JMP", "bit%s", name)
	g.label("folded" + name)
	last := row+rows == c.rows
	g.ins("CMPQ", "%s, $15", turnedPlace)
	g.ins("JEQ", "store%s", name)
	for i := range 4 * rows {
		g.ins("VMOVUPS", "Y%d, %d(%s)", i, 128*row+32*i, turnedTop)
	}
	if last {
		g.ins("ADDQ", "$%d, %s", turnedLevel, turnedTop)
		g.ins("JMP", "next%s", name)
	} else { // the other part has it to do again
		g.ins("MOVQ", "%s, %s", turnedPlace, turnedBits)
		g.label("back" + name)
		g.ins("SHRQ", "$1, %s", turnedBits)
		g.ins("JCC", "next%s", name)
		g.ins("ADDQ", "$%d, %s", turnedLevel, turnedTop)
		g.ins("JMP", "back%s", name)
	}
	g.label("store" + name)
	g.ins("VBROADCASTSS", "oneNaN<>(SB), Y15")
	g.ins("MOVQ", "tile_ldy(%s), %s", regTile, curX)
	g.ins("MOVQ", "%s, %s", turnedY, turnedBits)
	for range row {
		g.ins("ADDQ", "%s, %s", curX, turnedBits)
	}
	for r := range rows {
		if r > 0 {
			g.ins("ADDQ", "%s, %s", curX, turnedBits)
		}
		for h := range 4 {
			i := 4*r + h
			g.ins("VCMPPS", "$3, Y%d, Y%d, Y12", i, i)
			g.ins("VBLENDVPS", "Y12, Y15, Y%d, Y%d", i, i)
			g.ins("VMOVUPS", "Y%d, %d(%s)", i, 32*h, turnedBits)
		}
	}
	if !last {
		g.ins("ADDQ", "$%d, %s", 4*turnedLevel, turnedTop)
	}
	g.label("next" + name)
}
