package main

import "strings"

// vecFile writes the kernels of kernel/vec. Each takes slices of equal length and handles the whole groups of 16 elements; the Go code around
// it does the rest.
func vecFile() *file {
	f := &file{seen: map[string]bool{}}
	for _, i := range []isa{avx2, avx512} {
		elementwise(f, i)
		reductions(f, i)
		rope(f, i)
		conversions(f, i)
		backward(f, i)
	}
	return f
}

// groups walks the slices of g in steps of 16 elements of the given sizes: body gets an operand for part i of each. CX counts.
func (g *fn) groups(slices []string, step map[string]int, body func(at func(slice string, part int) mem)) {
	regs := map[string]string{}
	for i, s := range slices {
		regs[s] = []string{"DI", "SI", "DX", "BX", "R8"}[i]
		g.op("MOVQ", g.arg(s), regs[s])
	}
	size := func(s string) int {
		if n, ok := step[s]; ok {
			return n
		}
		return 64
	}
	g.op("MOVQ", g.arg(slices[len(slices)-1], "len"), "CX")
	g.loop("CX", 16, func() {
		body(func(s string, part int) mem { return mem{base: regs[s], off: part * size(s) / g.parts()} })
		for _, s := range slices {
			g.op("ADDQ", size(s), regs[s])
		}
	})
}

// slicesOf lists the slice parameters of a function but for the lanes of a sum.
func (g *fn) slicesOf() (names []string) {
	for _, p := range g.params {
		if strings.HasPrefix(p.typ, "[]") {
			names = append(names, p.name)
		}
	}
	return names
}

// mapping is an elementwise kernel: body turns the sources, in registers 0, 1, ..., into the result. The first slice is the destination.
// Registers from 8 on are free but for constants and scalars at the top.
type mapping struct {
	name, params string
	uses         []string
	inPlace      bool // the destination is the last source too
	body         func(g *fn, scalars []v) (out v)
}

var mappings = []mapping{
	{"add", "dst, a, b []float32", []string{"nan"}, false, func(g *fn, _ []v) v {
		g.op("VADDPS", v(1), v(0), v(0))
		g.canon(0, 1)
		return 0
	}},
	{"scale", "dst, x []float32, s float32", []string{"nan"}, false, func(g *fn, s []v) v {
		g.op("VMULPS", s[0], v(0), v(0))
		g.canon(0, 1)
		return 0
	}},
	{"div", "dst []float32, s float32", []string{"nan"}, true, func(g *fn, s []v) v {
		g.op("VDIVPS", s[0], v(0), v(0))
		g.canon(0, 1)
		return 0
	}},
	{"scaleMul", "dst, x, w []float32, r float32", []string{"nan"}, false, func(g *fn, s []v) v {
		g.op("VMULPS", s[0], v(0), v(0))
		g.op("VMULPS", v(1), v(0), v(0))
		g.canon(0, 1)
		return 0
	}},
	{"axpy", "acc, x []float32, w float32", []string{"nan"}, true, func(g *fn, s []v) v {
		g.op("VFMADD231PS", v(0), s[0], v(1))
		g.canon(1, 0)
		return 1
	}},
	{"exp", "dst, x []float32", expUsesAll, false, func(g *fn, _ []v) v {
		g.exp(4, 0, 5, 6)
		return 4
	}},
	{"sigmoid", "dst, x []float32", append([]string{"sign"}, expUsesAll...), false, func(g *fn, _ []v) v {
		g.op("VXORPS", g.c("sign"), v(0), v(0))
		g.exp(4, 0, 5, 6)
		g.op("VADDPS", g.c("one"), v(4), v(4))
		g.op("VMOVUPS", g.c("one"), v(5))
		g.op("VDIVPS", v(4), v(5), v(4))
		g.canon(4, 5)
		return 4
	}},
	{"swiglu", "dst, gate, up []float32", append([]string{"sign"}, expUsesAll...), false, func(g *fn, _ []v) v {
		g.op("VXORPS", g.c("sign"), v(0), v(2))
		g.exp(4, 2, 5, 6)
		g.op("VADDPS", g.c("one"), v(4), v(4))
		g.op("VDIVPS", v(4), v(0), v(4))
		g.op("VMULPS", v(1), v(4), v(4))
		g.canon(4, 5)
		return 4
	}},
}

func elementwise(f *file, i isa) {
	for _, k := range mappings {
		f.define(i, k.name, k.params, func(g *fn) {
			slices := g.slicesOf()
			sources := slices[1:]
			if k.inPlace {
				sources = append(sources[:len(sources):len(sources)], slices[0])
			}
			var scalars []v
			for _, p := range g.params {
				if p.typ == "float32" {
					scalars = append(scalars, g.scalar(p.name))
				}
			}
			g.use(k.uses...)
			g.groups(slices, nil, func(at func(string, int) mem) {
				for part := range g.parts() {
					for n, s := range sources {
						g.op("VMOVUPS", at(s, part), v(n))
					}
					g.op("VMOVUPS", k.body(g, scalars), at(slices[0], part))
				}
			})
		})
	}
}

// Reductions leave their 16 lanes in l; lanes 8 to 15 of AVX2 are the second register.

const lanesParam = "l *[16]float32, "

func reductions(f *file, i isa) {
	f.define(i, "dot", lanesParam+"x, y []float32", func(g *fn) {
		g.reduce([]string{"x", "y"}, func(acc v, part int, at func(string, int) mem) {
			g.op("VMOVUPS", at("x", part), v(2))
			g.op("VFMADD231PS", at("y", part), v(2), acc)
		})
	})
	f.define(i, "sum", lanesParam+"x []float32", func(g *fn) {
		g.reduce([]string{"x"}, func(acc v, part int, at func(string, int) mem) {
			g.op("VADDPS", at("x", part), acc, acc)
		})
	})
	f.define(i, "expSum", lanesParam+"dst, x []float32, m float32", func(g *fn) { g.expSum([]string{"dst", "x"}) })
	f.define(i, "expSumOnly", lanesParam+"x []float32, m float32", func(g *fn) { g.expSum([]string{"x"}) })
	f.define(i, "max", lanesParam+"x []float32", maxBody)
}

// reduce runs step over the parts of each group with the lanes that part adds to, from +0, and stores them.
func (g *fn) reduce(slices []string, step func(acc v, part int, at func(string, int) mem)) {
	for part := range g.parts() {
		g.zero(v(part))
	}
	g.groups(slices, nil, func(at func(string, int) mem) {
		for part := range g.parts() {
			step(v(part), part, at)
		}
	})
	g.storeLanes()
}

func (g *fn) storeLanes() {
	g.op("MOVQ", g.arg("l"), "AX")
	for part := range g.parts() {
		g.op("VMOVUPS", v(part), mem{base: "AX", off: part * g.bytes()})
	}
}

// expSum adds e^(x-m) to the lanes, and writes it where there is a dst.
func (g *fn) expSum(slices []string) {
	m := g.scalar("m")
	g.use(expUsesAll...)
	g.reduce(slices, func(acc v, part int, at func(string, int) mem) {
		g.op("VMOVUPS", at("x", part), v(2))
		g.op("VSUBPS", m, v(2), v(2))
		g.exp(4, 2, 5, 6)
		if len(slices) == 2 {
			g.op("VMOVUPS", v(4), at("dst", part))
		}
		g.op("VADDPS", v(4), acc, acc)
	})
}

// maxBody keeps the greatest of each lane, and apart from it whether the lane met a NaN: VMAXPS forgets one that stands first.
func maxBody(g *fn) {
	g.use("negInf", "nan")
	for part := range g.parts() {
		g.op("VMOVUPS", g.c("negInf"), v(part))
		g.zero(v(part + 2))
	}
	if g.regs == 32 {
		g.op("KXORW", "K1", "K1", "K1")
	}
	g.groups([]string{"x"}, nil, func(at func(string, int) mem) {
		for part := range g.parts() {
			g.op("VMOVUPS", at("x", part), v(4))
			g.op("VMAXPS", v(4), v(part), v(part))
			if g.regs == 32 {
				g.op("VCMPPS", 3, v(4), v(4), "K2")
				g.op("KORW", "K2", "K1", "K1")
			} else {
				g.op("VCMPPS", 3, v(4), v(4), v(4))
				g.op("VORPS", v(4), v(part+2), v(part+2))
			}
		}
	})
	for part := range g.parts() {
		if g.regs == 32 {
			g.op("VMOVAPS", g.c("nan"), "K1", v(part))
		} else {
			g.op("VBLENDVPS", v(part+2), g.c("nan"), v(part), v(part))
		}
	}
	g.storeLanes()
}

func rope(f *file, i isa) {
	f.define(i, "ropeHalves", "lo, hi, cos, sin []float32", func(g *fn) {
		g.use("nan")
		g.groups([]string{"lo", "hi", "cos", "sin"}, nil, func(at func(string, int) mem) {
			for part := range g.parts() {
				g.op("VMOVUPS", at("lo", part), v(0))
				g.op("VMOVUPS", at("hi", part), v(1))
				g.op("VMOVUPS", at("cos", part), v(2))
				g.op("VMOVUPS", at("sin", part), v(3))
				g.op("VMULPS", v(1), v(3), v(4)) // x1·s
				g.op("VMULPS", v(1), v(2), v(5)) // x1·c
				g.op("VFMADD231PS", v(0), v(3), v(5))
				g.op("VFMSUB213PS", v(4), v(2), v(0))
				g.canon(0, 6)
				g.canon(5, 6)
				g.op("VMOVUPS", v(0), at("lo", part))
				g.op("VMOVUPS", v(5), at("hi", part))
			}
		})
	})
	// Pairs lie side by side: with A = c s c s ..., B = s c s c ... and both numbers of x doubled, x0·A -+ x1·B.
	f.define(i, "ropeAdjacent", "x, cos, sin []float32", func(g *fn) {
		g.use("nan")
		g.groups([]string{"x", "cos", "sin"}, map[string]int{"x": 128}, func(at func(string, int) mem) {
			for part := range 2 * g.parts() {
				half := func(s string) mem { m := at(s, 0); m.off += part * g.bytes() / 2; return m }
				x := at("x", 0)
				x.off = part * g.bytes()
				g.op("VPMOVZXDQ", half("cos"), v(1))
				g.op("VPMOVZXDQ", half("sin"), v(2))
				g.op("VPSLLQ", 32, v(2), v(2))
				g.op(g.pick("VPOR", "VPORD"), v(1), v(2), v(1))
				g.op("VPSHUFD", 0xB1, v(1), v(2))
				g.op("VMOVSHDUP", x, v(3))
				g.op("VMOVSLDUP", x, v(4))
				g.op("VMULPS", v(2), v(3), v(3))
				g.op("VFMADDSUB213PS", v(3), v(1), v(4))
				g.canon(4, 5)
				g.op("VMOVUPS", v(4), x)
			}
		})
	})
}

// pick names an instruction that the levels spell differently.
func (g *fn) pick(avx2, avx512 string) string {
	if g.regs == 32 {
		return avx512
	}
	return avx2
}

func conversions(f *file, i isa) {
	narrow := map[string]int{"dst": 32}
	wide := map[string]int{"src": 32}
	slices := []string{"dst", "src"}
	f.define(i, "f32ToF16", "dst []uint16, src []float32", func(g *fn) {
		g.groups(slices, narrow, func(at func(string, int) mem) {
			for part := range g.parts() {
				g.op("VMOVUPS", at("src", part), v(0))
				g.op("VCVTPS2PH", 0, v(0), at("dst", part))
			}
		})
	})
	for _, t := range []string{"f16", "bf16"} {
		f.define(i, t+"ToF32", "dst []float32, src []uint16", func(g *fn) {
			g.groups(slices, wide, func(at func(string, int) mem) {
				for part := range g.parts() {
					g.widen(t, at("src", part), 0)
					g.op("VMOVUPS", v(0), at("dst", part))
				}
			})
		})
	}
	f.define(i, "f32ToBF16", "dst []uint16, src []float32", func(g *fn) {
		g.use("half16", "bit0", "quiet")
		g.groups(slices, narrow, func(at func(string, int) mem) {
			for part := range g.parts() {
				g.op("VMOVUPS", at("src", part), v(part))
			}
			g.storeBF16(at("dst", 0))
		})
	})
}

// widen loads a register of elements of type t ("f32", "f16", "bf16") as float32.
func (g *fn) widen(t string, from mem, to v) {
	switch t {
	case "f32":
		g.op("VMOVUPS", from, to)
	case "f16":
		g.op("VCVTPH2PS", from, to)
	case "bf16":
		g.op("VPMOVZXWD", from, to)
		g.op("VPSLLD", 16, to, to)
	}
}

// storeBF16 rounds the 16 values in registers 0, and 1 at AVX2, to bf16; those up to 4 are scratch.
func (g *fn) storeBF16(to mem) {
	for part := range g.parts() {
		g.roundBF16(v(part), 2, 3, 4)
	}
	if g.regs == 32 {
		g.op("VPMOVDW", v(0), lower(0))
		g.op("VMOVDQU", lower(0), to)
		return
	}
	g.op("VPACKUSDW", v(1), v(0), v(0))
	g.op("VPERMQ", 0xD8, v(0), v(0))
	g.op("VMOVDQU", v(0), to)
}

// roundBF16 rounds x to bf16, in the low half of each lane; t, q and n are scratch. A NaN is cut off and made quiet.
func (g *fn) roundBF16(x, t, q, n v) {
	and, or := g.pick("VPAND", "VPANDD"), g.pick("VPOR", "VPORD")
	if g.regs == 32 {
		g.op("VCMPPS", 3, x, x, "K1")
	} else {
		g.op("VCMPPS", 3, x, x, n)
	}
	g.op(or, g.c("quiet"), x, q)
	g.op("VPSRLD", 16, x, t)
	g.op(and, g.c("bit0"), t, t)
	g.op("VPADDD", g.c("half16"), t, t)
	g.op("VPADDD", t, x, x)
	if g.regs == 32 {
		g.op("VMOVDQA32", q, "K1", x)
	} else {
		g.op("VBLENDVPS", n, q, x, x)
	}
	g.op("VPSRLD", 16, x, x)
}
