package main

// backward writes the kernels of the backward passes and of AdamW.
func backward(f *file, i isa) {
	f.define(i, "dot3", lanesParam+"x, y, z []float32", func(g *fn) { // lanes of (x·y)·z
		g.reduce([]string{"x", "y", "z"}, func(acc v, part int, at func(string, int) mem) {
			g.op("VMOVUPS", at("x", part), v(2))
			g.op("VMULPS", at("y", part), v(2), v(2))
			g.op("VFMADD231PS", at("z", part), v(2), acc)
		})
	})
	f.define(i, "normGrad", "dx, dy, w, x []float32, r, q float32", func(g *fn) { normGrad(g, false) })
	f.define(i, "normGradMore", "dx, dy, w, x []float32, r, q float32", func(g *fn) { normGrad(g, true) })
	f.define(i, "mulAxpy", "acc, x, y []float32, r float32", func(g *fn) { // acc gains x·(y·r)
		r := g.scalar("r")
		g.use("nan")
		g.groups(g.slicesOf(), nil, func(at func(string, int) mem) {
			for part := range g.parts() {
				g.op("VMULPS", at("y", part), r, v(0))
				g.op("VMOVUPS", at("acc", part), v(1))
				g.op("VFMADD231PS", at("x", part), v(0), v(1))
				g.canon(1, 2)
				g.op("VMOVUPS", v(1), at("acc", part))
			}
		})
	})
	f.define(i, "swigluGrad", "dgate, dup, dy, gate, up []float32", swigluGrad)
	f.define(i, "adamW", "half []uint16, p, m, v, g []float32, s *AdamWStep", adamW)
}

// normGrad: dx = r·(dy·w - x·q), added to dx with more.
func normGrad(g *fn, more bool) {
	r, q := g.scalar("r"), g.scalar("q")
	g.use("nan")
	g.groups(g.slicesOf(), nil, func(at func(string, int) mem) {
		for part := range g.parts() {
			g.op("VMOVUPS", at("dy", part), v(0))
			g.op("VMULPS", at("w", part), v(0), v(0))
			g.op("VFNMADD231PS", at("x", part), q, v(0))
			if more {
				g.op("VMOVUPS", at("dx", part), v(1))
			} else {
				g.zero(1)
			}
			g.op("VFMADD231PS", v(0), r, v(1))
			g.canon(1, 2)
			g.op("VMOVUPS", v(1), at("dx", part))
		}
	})
}

// swigluGrad: s = 1/(1 + e^-g), silu = g/(1 + e^-g); dup = dy·silu, dgate = (dy·up)·(silu·(1-s) + s).
func swigluGrad(g *fn) {
	g.use(append([]string{"sign"}, expUsesAll...)...)
	g.groups(g.slicesOf(), nil, func(at func(string, int) mem) {
		for part := range g.parts() {
			g.op("VMOVUPS", at("gate", part), v(0))
			g.op("VXORPS", g.c("sign"), v(0), v(1))
			g.exp(4, 1, 5, 6)
			g.op("VADDPS", g.c("one"), v(4), v(4))
			g.op("VDIVPS", v(4), v(0), v(0)) // silu
			g.op("VMOVUPS", g.c("one"), v(1))
			g.op("VDIVPS", v(4), v(1), v(2)) // s
			g.op("VSUBPS", v(2), v(1), v(1))
			g.op("VFMADD231PS", v(0), v(1), v(2))
			g.op("VMOVUPS", at("dy", part), v(3))
			g.op("VMULPS", v(3), v(0), v(0))
			g.op("VMULPS", at("up", part), v(3), v(3))
			g.op("VMULPS", v(3), v(2), v(2))
			g.canon(0, 4)
			g.canon(2, 4)
			g.op("VMOVUPS", v(2), at("dgate", part))
			g.op("VMOVUPS", v(0), at("dup", part))
		}
	})
}

// adamW follows AdamW of kernel/vec; the fields of its AdamWStep stand in the order in which they are named here.
func adamW(g *fn) {
	g.op("MOVQ", g.arg("s"), "AX")
	step := map[string]v{}
	for i, name := range []string{"Clip", "Rest1", "Beta2", "Rest2", "Root", "Eps", "Decay", "Rate"} {
		g.top--
		step[name] = g.top
		g.op("VBROADCASTSS", mem{base: "AX", off: 4 * i}, g.top)
	}
	g.use("nan", "half16", "bit0", "quiet")
	g.op("MOVQ", g.arg("half"), "R9")
	g.groups(g.slicesOf(), map[string]int{"half": 32}, func(at func(string, int) mem) {
		for part := range g.parts() {
			p := v(part)
			g.op("VMULPS", at("g", part), step["Clip"], v(2))
			g.op("VMOVUPS", at("m", part), v(3))
			g.op("VSUBPS", v(3), v(2), v(4))
			g.op("VFMADD231PS", v(4), step["Rest1"], v(3))
			g.canon(3, 5)
			g.op("VMOVUPS", v(3), at("m", part))
			g.op("VMULPS", at("v", part), step["Beta2"], v(4))
			g.op("VMULPS", step["Rest2"], v(2), v(5))
			g.op("VFMADD231PS", v(2), v(5), v(4))
			g.canon(4, 5)
			g.op("VMOVUPS", v(4), at("v", part))
			g.op("VSQRTPS", v(4), v(4))
			g.op("VFMADD213PS", step["Eps"], step["Root"], v(4))
			g.op("VDIVPS", v(4), v(3), v(3))
			g.op("VMULPS", at("p", part), step["Decay"], p)
			g.op("VFMADD231PS", v(3), step["Rate"], p)
			g.canon(p, 5)
			g.op("VMOVUPS", p, at("p", part))
		}
		none := g.label("none")
		g.op("TESTQ", "R9", "R9")
		g.op("JZ", none)
		g.storeBF16(at("half", 0))
		g.at(none)
	})
}
