package main

import "math"

func f32(x float64) uint32 { return math.Float32bits(float32(x)) }

// constants by name, as bits. Those of exp are kernel/vec's.
var constants = map[string]uint32{
	"one":     f32(1),
	"nan":     0x7FC00000,
	"inf":     f32(math.Inf(1)),
	"negInf":  f32(math.Inf(-1)),
	"sign":    1 << 31,
	"expLow":  f32(-87.33654),
	"expHigh": f32(88.72283),
	"log2e":   f32(0x1.715476p+0),
	"ln2Hi":   f32(0x1.62e430p-1),
	"ln2Lo":   f32(-0x1.05c610p-29),
	"roundN":  f32(0x1.8p23),
	"expC2":   f32(0x1.fffffcp-2),
	"expC3":   f32(0x1.55548cp-3),
	"expC4":   f32(0x1.555858p-5),
	"expC5":   f32(0x1.123da6p-7),
	"expC6":   f32(0x1.6ac144p-10),
	"half16":  0x7FFF,     // bf16 rounding
	"bit0":    1,          //
	"quiet":   0x00400000, // a NaN's quiet bit
	laneBits:  0,
}

// laneBits is the one constant whose lanes differ: lane i has bit i.
const laneBits = "laneBits"

// expUses are the constants that expBelow needs, expUsesAll those of exp.
var (
	expUses    = []string{"one", "expLow", "log2e", "ln2Hi", "ln2Lo", "roundN", "expC2", "expC3", "expC4", "expC5", "expC6"}
	expUsesAll = append([]string{"expHigh", "inf", "nan"}, expUses...)
)

// poly writes p = e^r of x = n·ln2 + r and leaves n in t: as a float at AVX-512, in the low bits at AVX2. r is scratch, and may be x.
func (g *fn) poly(p, x, t, r v) {
	g.op("VMOVUPS", g.c("roundN"), t)
	g.op("VFMADD231PS", g.c("log2e"), x, t)
	g.op("VSUBPS", g.c("roundN"), t, p) // n
	if r != x {
		g.op("VMOVAPS", x, r)
	}
	g.op("VFNMADD231PS", g.c("ln2Hi"), p, r)
	g.op("VFNMADD231PS", g.c("ln2Lo"), p, r)
	if g.regs == 32 {
		g.op("VMOVAPS", p, t)
	}
	g.op("VMOVUPS", g.c("expC6"), p)
	for _, c := range []string{"expC5", "expC4", "expC3", "expC2", "one", "one"} {
		g.op("VFMADD213PS", g.c(c), r, p)
	}
}

// expBelow writes p = e^x for the x that load brings to a register, no more than 0, -Inf and NaN included; x and t are scratch. At AVX-512 it takes
// the opmask k, in which lanes that are not to become +0 are set: all of them in k only if masked says so.
func (g *fn) expBelow(p, x, t v, load func(to v), k string, masked bool) {
	load(x)
	if g.regs == 32 {
		if masked {
			g.op("VCMPPS", 5, g.c("expLow"), x, k, k) // not less than: NaN passes
		} else {
			g.op("VCMPPS", 5, g.c("expLow"), x, k)
		}
		g.poly(p, x, t, x)
		g.op("VSCALEFPS.Z", t, p, k, p)
		return
	}
	g.poly(p, x, t, x)
	g.op("VPSLLD", 23, t, t)
	g.op("VPADDD", t, p, p)
	load(t)
	g.op("VCMPPS", 5, g.c("expLow"), t, x)
	g.op("VANDPS", x, p, p)
	g.op("VCMPPS", 3, t, t, x) // NaN: all ones, a NaN
	g.op("VORPS", x, p, p)
}

// exp writes p = e^x for any x; t and r are scratch, and p differs from x. A NaN comes out as the one NaN.
func (g *fn) exp(p, x, t, r v) {
	g.poly(p, x, t, r)
	if g.regs == 32 {
		g.op("VCMPPS", 5, g.c("expLow"), x, "K7")
		g.op("VSCALEFPS.Z", t, p, "K7", p)
		g.op("VCMPPS", 0x1E, g.c("expHigh"), x, "K7")
		g.op("VMOVAPS", g.c("inf"), "K7", p)
		g.op("VCMPPS", 3, x, x, "K7")
		g.op("VMOVAPS", g.c("nan"), "K7", p)
		return
	}
	g.op("VPSLLD", 23, t, t)
	g.op("VPADDD", t, p, p)
	g.op("VCMPPS", 5, g.c("expLow"), x, t)
	g.op("VANDPS", t, p, p)
	g.op("VCMPPS", 0x1E, g.c("expHigh"), x, t)
	g.op("VBLENDVPS", t, g.c("inf"), p, p)
	g.op("VCMPPS", 3, x, x, t)
	g.op("VBLENDVPS", t, g.c("nan"), p, p)
}

// canon turns any NaN of x into the one NaN; t is scratch.
func (g *fn) canon(x, t v) {
	if g.regs == 32 {
		g.op("VCMPPS", 3, x, x, "K7")
		g.op("VMOVAPS", g.c("nan"), "K7", x)
		return
	}
	g.op("VCMPPS", 3, x, x, t)
	g.op("VBLENDVPS", t, g.c("nan"), x, x)
}
