package main

import "fmt"

// copyRows copies rows of dim elements, a multiple of 8, whose pitches are in bytes, and makes NaNs the one NaN. Rows lie far apart: they are asked
// for some time before.
func copyRows(g *fn) {
	for _, a := range []struct{ arg, reg string }{{"dst", "DI"}, {"src", "SI"}, {"dim", "DX"}, {"dstPitch", "R8"}, {"srcPitch", "R9"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	g.constant("nan")
	g.op("VMOVUPS", "nan<>(SB)", "Y15")
	g.loop("CX", 1, func() {
		for _, r := range [][2]string{{"DI", "R10"}, {"SI", "R11"}, {"DX", "AX"}} {
			g.op("MOVQ", r[0], r[1])
		}
		g.loop("AX", 8, func() {
			g.op("PREFETCHT0", mem{base: "R11", index: "R9*8"})
			g.op("VMOVUPS", "(R11)", "Y0")
			if g.regs == 32 {
				g.op("VCMPPS", 3, "Y0", "Y0", "K1")
				g.op("VMOVAPS", "Y15", "K1", "Y0")
			} else {
				g.op("VCMPPS", 3, "Y0", "Y0", "Y1")
				g.op("VBLENDVPS", "Y1", "Y15", "Y0", "Y0")
			}
			g.op("VMOVUPS", "Y0", "(R10)")
			g.op("ADDQ", 32, "R10")
			g.op("ADDQ", 32, "R11")
		})
		g.op("ADDQ", "R8", "DI")
		g.op("ADDQ", "R9", "SI")
	})
}

// gain adds outer products: lanes are columns of c. c[i][d] gains a(i, s)·b[s][d], in order of s.
func gain(g *fn) {
	for _, a := range []struct{ arg, reg string }{{"c", "DI"}, {"a", "SI"}, {"b", "BX"}, {"dim", "R8"}, {"aRow", "R9"}, {"aStep", "DX"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	g.op("LEAQ", "(R8*4)", "R11")
	g.op("LEAQ", "(R11)(R11*2)", "R10")
	g.op("ADDQ", "DI", "R10")
	g.op("LEAQ", "(R9)(R9*2)", "R15")
	g.byRows("CX", func(n int) {
		for w := g.wide(n); w >= g.parts(); w /= 2 {
			gainTile(g, tile{n, w})
		}
	})
}

// gainTile goes through the columns that are left, w registers at a time.
func gainTile(g *fn, t tile) {
	g.loop("R8", t.w*g.width, func() {
		each := func(op func(acc v, at mem)) {
			for r := range t.n {
				for c := range t.w {
					op(t.acc(r, c), strided("DI", "R10", "R11", r, c*g.bytes()))
				}
			}
		}
		each(func(acc v, at mem) { g.op("VMOVUPS", at, acc) })
		g.op("MOVQ", "SI", "R12")
		g.op("LEAQ", "(SI)(R15*1)", "R14")
		g.op("MOVQ", "BX", "R13")
		g.op("MOVQ", g.arg("n"), "AX")
		g.loop("AX", 1, func() {
			t.step(g, func(r int) mem { return strided("R12", "R14", "R9", r, 0) },
				func(c int, to v) { g.op("VMOVUPS", mem{base: "R13", off: c * g.bytes()}, to) })
			g.op("ADDQ", "DX", "R12")
			if t.n > 3 {
				g.op("ADDQ", "DX", "R14")
			}
			g.op("ADDQ", "R11", "R13")
		})
		each(func(acc v, at mem) { g.op("VMOVUPS", acc, at) })
		g.op("ADDQ", t.w*g.bytes(), "DI")
		if t.n > 3 {
			g.op("ADDQ", t.w*g.bytes(), "R10")
		}
		g.op("ADDQ", t.w*g.bytes(), "BX")
	})
}

// softmaxBack goes through the rows one after the other: s becomes p = e^(s·scale - m)·r, ds becomes p·(ds - d)·scale, both +0 where the mask
// has no bit. Four registers are worked on abreast, in 0 to 3, 4 to 7 and 8 to 11.
func softmaxBack(g *fn) {
	for _, a := range []struct{ arg, reg string }{{"s", "DI"}, {"ds", "SI"}, {"m", "DX"}, {"r", "BX"}, {"d", "R9"}, {"mask", "R8"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	g.use(expUses...)
	if g.regs == 16 {
		g.use(laneBits)
	}
	const m, r, d, scale = 12, 13, 14, 15
	g.op("VBROADCASTSS", g.arg("scale"), v(scale))
	g.loop("CX", 1, func() {
		g.op("VBROADCASTSS", "(DX)", v(m))
		g.op("VBROADCASTSS", "(BX)", v(r))
		g.op("VBROADCASTSS", "(R9)", v(d))
		for first := 0; first < 64/g.width; first += 4 {
			at := func(base string, i int) mem { return mem{base: base, off: (first + i) * g.bytes()} }
			g.abreast(4, func(i int) {
				g.expBelow(v(4+i), v(i), v(8+i), func(to v) {
					g.op("VMULPS", at("DI", i), v(scale), to)
					g.op("VSUBPS", v(m), to, to)
				}, fmt.Sprintf("K%d", i+1), false)
			})
			g.valid512()
			g.abreast(4, func(i int) {
				x, p, t, seen := v(i), v(4+i), v(8+i), fmt.Sprintf("K%d", i+1)
				g.op("VMOVUPS", at("SI", i), t)
				g.op("VSUBPS", v(d), t, t)
				if g.regs == 32 {
					g.op("VMULPS.Z", v(r), p, seen, p)
				} else {
					g.valid256(first+i, x)
					g.op("VMULPS", v(r), p, p)
					g.op("VANDPS", x, p, p)
				}
				g.op("VMOVUPS", p, at("DI", i))
				g.op("VMULPS", p, t, t)
				if g.regs == 32 {
					g.op("VMULPS.Z", v(scale), t, seen, t)
				} else {
					g.op("VMULPS", v(scale), t, t)
					g.op("VANDPS", x, t, t)
				}
				g.op("VMOVUPS", t, at("SI", i))
			})
		}
		for _, p := range []string{"DI", "SI"} {
			g.op("ADDQ", 256, p)
		}
		for _, p := range []string{"DX", "BX", "R9"} {
			g.op("ADDQ", 4, p)
		}
		g.op("ADDQ", 8, "R8")
	})
}
