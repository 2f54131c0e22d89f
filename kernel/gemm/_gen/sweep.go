package main

import (
	"fmt"
)

// The registers of a sweep: those of C and of B as above, then A's first and fourth row and its strides.
const (
	swC     = "DI"
	swCRow  = "R8"
	swA     = "SI"
	swARow  = "R9"
	swAStep = "R10"
	swA3    = "DX"
	swB     = "BX"
	swBNext = "R11"
	swCurC  = "CX"
)

func (g *gen) sweepBegin(name string, flush bool) {
	fmt.Fprintf(&g.decls, "\n//go:noescape\nfunc %s(s *sweep)\n", name)
	frame := 0
	if flush {
		frame = 8
	}
	g.line("\n// func %s(s *sweep)\nTEXT ·%s(SB), NOSPLIT, $%d-8", name, name, frame)
	if flush {
		g.flush()
	}
	g.ins("MOVQ", "s+0(FP), AX")
	for _, f := range [][2]string{{"c", swC}, {"cRow", swCRow}, {"aRow", swARow}, {"aStep", swAStep}, {"bNext", swBNext}} {
		g.ins("MOVQ", "sweep_%s(AX), %s", f[0], f[1])
	}
}

// sweepWalk runs step for every step, four in a round; step is given its number in the round.
func (g *gen) sweepWalk(name string, step func(u int)) {
	g.ins("MOVQ", "sweep_a(AX), %s", swA)
	g.ins("LEAQ", "(%s)(%s*2), %s", swA, swARow, swA3)
	g.ins("ADDQ", "%s, %s", swARow, swA3)
	g.ins("MOVQ", "sweep_b(AX), %s", swB)
	g.ins("MOVQ", "sweep_steps(AX), %s", steps)
	one := func(u int) {
		step(u)
		g.ins("ADDQ", "%s, %s", swAStep, swA)
		g.ins("ADDQ", "%s, %s", swAStep, swA3)
	}
	g.ins("SUBQ", "$4, %s", steps)
	g.ins("JLT", "rest%s", name)
	g.label("round" + name)
	for u := range 4 {
		one(u)
	}
	g.ins("ADDQ", "%s, %s", swBNext, swB)
	g.ins("SUBQ", "$4, %s", steps)
	g.ins("JGE", "round%s", name)
	g.label("rest" + name)
	g.ins("ADDQ", "$4, %s", steps)
	for u := range 3 {
		g.ins("JZ", "done%s", name)
		one(u)
		g.ins("DECQ", steps)
	}
	g.label("done" + name)
}

// sweepC walks the lines of C.
func (g *gen) sweepC(rows int, f func(row int)) {
	g.ins("MOVQ", "%s, %s", swC, swCurC)
	for r := range rows {
		if r > 0 {
			g.ins("ADDQ", "%s, %s", swCRow, swCurC)
		}
		f(r)
	}
}

// sweepPrefetch asks for lines first to end of C, which come next: of these rows, or of as many below.
func (g *gen) sweepPrefetch(rows, first, end int, below bool) {
	g.ins("MOVQ", "%s, %s", swC, swCurC)
	if below {
		for range rows {
			g.ins("ADDQ", "%s, %s", swCRow, swCurC)
		}
	}
	for r := range rows {
		if r > 0 {
			g.ins("ADDQ", "%s, %s", swCRow, swCurC)
		}
		for j := first; j < end; j++ {
			g.ins("PREFETCHT0", "%d(%s)", j*64, swCurC)
		}
	}
}

// sweepA is where the value of A stands for row i of a step.
func sweepA(i int) string {
	return fmt.Sprintf("(%s)%s", []string{swA, swA3}[i/3], []string{"", "(" + swARow + "*1)", "(" + swARow + "*2)"}[i%3])
}

// sweepStart brings C to registers, or zeros.
func (g *gen) sweepStart(name string, zero, load func()) {
	g.ins("CMPQ", "sweep_cont(AX), $0")
	g.ins("JNE", "load%s", name)
	zero()
	g.ins("JMP", "go%s", name)
	g.label("load" + name)
	load()
	g.label("go" + name)
}

// sweep512, over values or pairs ("f32", "bf16"), has 4 lines of C for each row in Z0 to Z23, or fewer of them, B in Z24 to Z27, A in Z28 to Z31 in turn.
func (g *gen) sweep512(form, name string, rows int) {
	g.sweepBegin(fmt.Sprintf("%s%davx512", name, rows), false)
	for lines := 1; lines < 4; lines++ {
		g.ins("CMPQ", "sweep_lines(AX), $%d", lines)
		g.ins("JEQ", "lines%d", lines)
	}
	for lines := 4; lines > 0; lines-- {
		label := ""
		if lines < 4 {
			label = fmt.Sprintf("Of%d", lines)
			g.label(fmt.Sprintf("lines%d", lines))
		}
		g.sweepLines512(form, label, rows, lines)
		g.ins("VZEROUPPER", "")
		g.ins("RET", "")
	}
}

func (g *gen) sweepLines512(form, label string, rows, lines int) {
	g.sweepStart(label, func() {
		for i := range rows {
			for j := range lines {
				g.ins("VPXORD", "Z%d, Z%d, Z%d", 4*i+j, 4*i+j, 4*i+j)
			}
		}
	}, func() {
		g.sweepC(rows, func(r int) {
			for j := range lines {
				g.ins("VMOVUPS", "%d(%s), Z%d", 64*j, swCurC, 4*r+j)
			}
		})
	})
	g.sweepPrefetch(rows, 0, lines, true)
	g.sweepWalk(label, func(u int) {
		for j := range lines {
			g.ins("VMOVUPS", "%d(%s), Z%d", 256*j+64*u, swB, 24+j)
		}
		for i := range rows {
			g.ins("VBROADCASTSS", "%s, Z%d", sweepA(i), 28+i%4)
			for j := range lines {
				g.madd(form, 24+j, 28+i%4, 4*i+j)
			}
		}
	})
	g.sweepC(rows, func(r int) {
		for j := range lines {
			g.ins("VCMPPS", "$3, Z%d, Z%d, K1", 4*r+j, 4*r+j)
			g.ins("VBROADCASTSS", "oneNaN<>(SB), K1, Z%d", 4*r+j)
			g.ins("VMOVUPS", "Z%d, %d(%s)", 4*r+j, 64*j, swCurC)
		}
	})
}

// sweep256 does a line of C at a time: Y0 to Y11, B in Y12 and Y13, A in Y14 and Y15 in turn. flush turns denormals into zeros.
func (g *gen) sweep256(name string, rows int, flush bool) {
	g.sweepBegin(fmt.Sprintf("%s%davx2", name, rows), flush)
	for j := range 4 {
		name := fmt.Sprint(j)
		if j > 0 {
			g.ins("CMPQ", "sweep_lines(AX), $%d", j)
			g.ins("JEQ", "end")
		}
		g.sweepStart(name, func() {
			for i := range 2 * rows {
				g.ins("VXORPS", "Y%d, Y%d, Y%d", i, i, i)
			}
		}, func() {
			g.sweepC(rows, func(r int) {
				for h := range 2 {
					g.ins("VMOVUPS", "%d(%s), Y%d", 64*j+32*h, swCurC, 2*r+h)
				}
			})
		})
		next := (j + 1) % 4
		g.sweepPrefetch(rows, next, next+1, next == 0)
		g.sweepWalk(name, func(u int) {
			for h := range 2 {
				g.ins("VMOVUPS", "%d(%s), Y%d", 256*j+64*u+32*h, swB, 12+h)
			}
			for i := range rows {
				g.ins("VBROADCASTSS", "%s, Y%d", sweepA(i), 14+i%2)
				for h := range 2 {
					g.ins("VFMADD231PS", "Y%d, Y%d, Y%d", 12+h, 14+i%2, 2*i+h)
				}
			}
		})
		g.ins("VBROADCASTSS", "oneNaN<>(SB), Y15")
		g.sweepC(rows, func(r int) {
			for h := range 2 {
				g.ins("VCMPPS", "$3, Y%d, Y%d, Y12", 2*r+h, 2*r+h)
				g.ins("VBLENDVPS", "Y12, Y15, Y%d, Y%d", 2*r+h, 2*r+h)
				g.ins("VMOVUPS", "Y%d, %d(%s)", 2*r+h, 64*j+32*h, swCurC)
			}
		})
	}
	g.label("end")
	if flush {
		g.ins("LDMXCSR", "old-8(SP)")
	}
	g.ins("VZEROUPPER", "")
	g.ins("RET", "")
}
