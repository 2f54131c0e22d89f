package main

import (
	"fmt"
)

func ymm(i int) string { return fmt.Sprintf("Y%d", i) }

// fold256 does the same from the 8 sums of each set in Y(i) on, which it spoils.
func (g *gen) fold256(i int, mem string) {
	for k := range 2 {
		g.ins("VPERM2F128", "$0x20, Y%d, Y%d, Y%d", i+2*k+1, i+2*k, 12+2*k)
		g.ins("VPERM2F128", "$0x31, Y%d, Y%d, Y%d", i+2*k+1, i+2*k, 13+2*k)
	}
	g.ins("VADDPS", "Y13, Y12, Y12")
	g.ins("VADDPS", "Y15, Y14, Y14")
	g.ins("VUNPCKLPD", "Y14, Y12, Y13")
	g.ins("VUNPCKHPD", "Y14, Y12, Y15")
	g.ins("VADDPS", "Y15, Y13, Y13")
	g.ins("VSHUFPS", "$0x88, Y13, Y13, Y12")
	g.ins("VSHUFPS", "$0xDD, Y13, Y13, Y14")
	g.ins("VADDPS", "Y14, Y12, Y12")
	g.ins("VEXTRACTF128", "$1, Y12, X13")
	g.ins("VUNPCKLPS", "X13, X12, X12")
	g.ins("VCMPPS", "$3, X12, X12, X13")
	g.ins("VBLENDVPS", "X13, oneNaN<>(SB), X12, X12")
	g.ins("VMOVUPS", "X12, %s", mem)
}

// avx2 writes a core that computes its tile in parts that fit the registers: up to 3 rows, 8 of the 16 lanes. X in Y12 to Y14, W in Y15.
func (g *gen) avx2(c core) {
	g.begin(c, "avx2")
	if !c.direct {
		g.ins("MOVQ", "tile_wRep(%s), %s", regTile, nextPanel)
		g.ins("ADDQ", "%s, %s", regW, nextPanel)
	}
	each := (c.rows + (c.rows+2)/3 - 1) / ((c.rows + 2) / 3)
	for row := 0; row < c.rows; row += each {
		for h, half := range []string{"Low", "High"} {
			name, rows, prefetch := fmt.Sprintf("%s%d", half, row), min(each, c.rows-row), c.direct && row == 0 && h == 0
			g.load(name, row, rows, c.cols, 32*h, 64, ymm)
			g.walk(c, name, prefetch, func(u int) {
				if c.w == "pairs" {
					g.avx2Pairs(c, u, row, rows, h, prefetch)
				} else {
					g.avx2Tile(c, u, row, rows, h, prefetch)
				}
			})
			if h == 1 && !c.flush {
				g.ins("TESTQ", "%s, %s", c.out(), c.out())
				g.ins("JNZ", "fold%d", row)
			}
			g.eachLane(row, rows, c.cols, 32*h, 64, func(i int, mem string) { g.ins("VMOVUPS", "%s, %s", ymm(i), mem) })
			if h == 1 && !c.flush {
				g.avx2Fold(c, row, rows)
			}
		}
	}
	if !c.flush {
		g.ins("TESTQ", "%s, %s", c.out(), c.out())
		g.ins("JZ", "next")
		g.ins("ADDQ", "$%d, %s", c.cols*4, c.out())
	}
	g.end(c)
}

// avx2Tile is a step of a part: rows rows from row on, the lower or upper half of the lanes.
func (g *gen) avx2Tile(c core, u, row, rows, h int, prefetch bool) {
	for i := range rows {
		g.ins("VMOVUPS", "%d(%s), Y%d", u*c.xStep()+(row+i)*64+32*h, curX, 12+i)
	}
	if c.parts() {
		g.ins("PREFETCHT0", "%d(%s)", u*64, nextPanel)
	}
	for j := range c.cols {
		g.loadW(c, c.wMem(j, u, c.half()*h, curW), "Y15")
		if prefetch {
			g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
		}
		for i := range rows {
			g.ins("VFMADD231PS", "Y15, Y%d, Y%d", 12+i, i*c.cols+j)
		}
	}
}

// avx2Pairs is a step of a part over 32 bf16 weights a row: X has the odd elements in one line and the even ones in the next.
func (g *gen) avx2Pairs(c core, u, row, rows, h int, prefetch bool) {
	for odd := 1; odd >= 0; odd-- {
		for i := range rows {
			g.ins("VMOVUPS", "%d(%s), Y%d", u*c.xStep()+((1-odd)*c.rows+row+i)*64+32*h, curX, 12+i)
		}
		for j := range c.cols {
			g.ins("VMOVUPS", "%s, Y15", c.wMem(j, u, 32*h, curW))
			if odd == 1 {
				g.ins("VPAND", "upper<>(SB), Y15, Y15")
			} else {
				g.ins("VPSLLD", "$16, Y15, Y15")
			}
			if prefetch && odd == 1 {
				g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
			}
			for i := range rows {
				g.ins("VFMADD231PS", "Y15, Y%d, Y%d", 12+i, i*c.cols+j)
			}
		}
	}
}

// avx2Fold ends the sums of rows rows of a tile, whose upper lanes are in registers and whose lower lanes stand in memory.
func (g *gen) avx2Fold(c core, row, rows int) {
	g.ins("JMP", "folded%d", row)
	g.label(fmt.Sprintf("fold%d", row))
	g.eachLane(row, rows, c.cols, 0, 64, func(i int, mem string) { g.ins("VADDPS", "%s, Y%d, Y%d", mem, i, i) })
	g.eachOutput(c, row, rows, func(i int, mem string) { g.fold256(i, mem) })
	g.label(fmt.Sprintf("folded%d", row))
}

// avx2Row writes a core of one row of X against 4 rows of W, all 16 lanes at once: output j in Y(2j) and Y(2j+1).
func (g *gen) avx2Row(c core) {
	g.begin(c, "avx2")
	if c.w == "pairs" { // the odd elements' mask
		g.ins("VPCMPEQD", "Y15, Y15, Y15")
		g.ins("VPSLLD", "$16, Y15, Y15")
	}
	g.load("", 0, 1, 2*c.cols, 0, 32, ymm)
	g.walk(c, "", true, func(u int) {
		if c.w == "pairs" {
			g.avx2RowPairs(c, u)
		} else {
			g.avx2Step(c, u)
		}
	})
	if !c.flush {
		g.ins("TESTQ", "%s, %s", c.out(), c.out())
		g.ins("JNZ", "fold")
	}
	g.eachLane(0, 1, 2*c.cols, 0, 32, func(i int, mem string) { g.ins("VMOVUPS", "%s, %s", ymm(i), mem) })
	if !c.flush {
		g.ins("JMP", "next")
		g.label("fold")
		for j := range c.cols {
			g.ins("VADDPS", "Y%d, Y%d, Y%d", 2*j+1, 2*j, j)
		}
		g.eachOutput(c, 0, 1, func(i int, mem string) { g.fold256(i, mem) })
		g.ins("ADDQ", "$%d, %s", c.cols*4, c.out())
	}
	g.end(c)
}

func (g *gen) avx2Step(c core, u int) {
	for h := range 2 {
		g.ins("VMOVUPS", "%d(%s), Y%d", u*c.xStep()+32*h, curX, 8+h)
	}
	for j := range c.cols {
		g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
		for h := range 2 {
			w := 10 + (2*j+h)%4
			g.loadW(c, c.wMem(j, u, c.half()*h, curW), ymm(w))
			g.ins("VFMADD231PS", "Y%d, Y%d, Y%d", w, 8+h, 2*j+h)
		}
	}
}

func (g *gen) avx2RowPairs(c core, u int) {
	for h := range 4 {
		g.ins("VMOVUPS", "%d(%s), Y%d", u*c.xStep()+32*h, curX, 8+h)
	}
	for j := range c.cols {
		g.ins("PREFETCHT1", "%s", c.wMem(j, u, 0, ahead))
		for h := range 2 {
			g.ins("VMOVUPS", "%s, Y12", c.wMem(j, u, 32*h, curW))
			g.ins("VPAND", "Y12, Y15, Y13")
			g.ins("VPSLLD", "$16, Y12, Y14")
			g.ins("VFMADD231PS", "Y13, Y%d, Y%d", 8+h, 2*j+h)
			g.ins("VFMADD231PS", "Y14, Y%d, Y%d", 10+h, 2*j+h)
		}
	}
}
