package main

import "fmt"

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
// has no bit.
func softmaxBack(g *fn) {
	for _, a := range []struct{ arg, reg string }{{"s", "DI"}, {"ds", "SI"}, {"m", "DX"}, {"r", "BX"}, {"d", "R9"}, {"mask", "R8"}, {"rows", "CX"}} {
		g.op("MOVQ", g.arg(a.arg), a.reg)
	}
	scale := g.scalar("scale")
	g.use(expUsesAll...)
	if g.regs == 16 {
		g.use(laneBits)
	}
	const m, r, d, seen = 8, 9, 10, 7
	g.loop("CX", 1, func() {
		g.op("VBROADCASTSS", "(DX)", v(m))
		g.op("VBROADCASTSS", "(BX)", v(r))
		g.op("VBROADCASTSS", "(R9)", v(d))
		if g.regs == 32 {
			g.op("KMOVQ", "(R8)", "K1")
			for i := 1; i < 4; i++ {
				g.op("KSHIFTRQ", 16*i, "K1", fmt.Sprintf("K%d", i+1))
			}
		}
		for i := range 64 / g.width {
			at := func(base string) mem { return mem{base: base, off: i * g.bytes()} }
			g.op("VMULPS", at("DI"), scale, v(0))
			g.op("VSUBPS", v(m), v(0), v(0))
			g.exp(4, 0, 5, 6)
			g.op("VMOVUPS", at("SI"), v(1))
			g.op("VSUBPS", v(d), v(1), v(1))
			if g.regs == 32 {
				k := fmt.Sprintf("K%d", i+1)
				g.op("VMULPS.Z", v(r), v(4), k, v(4))
				g.op("VMULPS", v(4), v(1), v(1))
				g.op("VMULPS.Z", scale, v(1), k, v(1))
			} else {
				g.op("VPBROADCASTB", mem{base: "R8", off: i}, v(seen))
				g.op("VPAND", g.c(laneBits), v(seen), v(seen))
				g.op("VPCMPEQD", g.c(laneBits), v(seen), v(seen))
				g.op("VMULPS", v(r), v(4), v(4))
				g.op("VMULPS", v(4), v(1), v(1))
				g.op("VMULPS", scale, v(1), v(1))
				g.op("VANDPS", v(seen), v(4), v(4))
				g.op("VANDPS", v(seen), v(1), v(1))
			}
			g.op("VMOVUPS", v(4), at("DI"))
			g.op("VMOVUPS", v(1), at("SI"))
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
