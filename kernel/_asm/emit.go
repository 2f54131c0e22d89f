package main

import (
	"bytes"
	"fmt"
	"strings"
)

// isa is one level's vectors.
type isa struct {
	level string // as in internal/cpu
	reg   string // prefix of a full register
	half  string // prefix of its lower half
	width int    // float32 lanes
	regs  int
}

var (
	avx2   = isa{"AVX2", "Y", "X", 8, 16}
	avx512 = isa{"AVX512", "Z", "Y", 16, 32}
)

// v is a vector register by number; lower prints it as its lower half.
type (
	v     int
	lower int
)

// mem is a memory operand.
type mem struct {
	base  string
	index string // with its scale, as "R9*2"; "" for none
	off   int
}

func (m mem) String() string {
	s := fmt.Sprintf("(%s)", m.base)
	if m.off != 0 {
		s = fmt.Sprint(m.off) + s
	}
	if m.index != "" {
		s += "(" + m.index + ")"
	}
	return s
}

// file is the assembly of one package, with the Go declarations that belong to it.
type file struct {
	text, stubs, data bytes.Buffer
	seen              map[string]bool // constants in data
	kernels           []kernel
}

// fn writes one function at one level.
type fn struct {
	*file
	isa
	name   string
	params []param
	labels int
	held   map[string]string // operands of the constants in use
	top    v                 // the lowest register that holds one
}

// param is one parameter of a function, at its place on the frame.
type param struct {
	name, typ string
	off       int
}

// parse splits Go's "dst, x []float32, s float32" and returns the size of the frame too.
func parse(params string) (list []param, size int) {
	for _, p := range strings.Split(params, ", ") {
		name, typ, _ := strings.Cut(p, " ")
		list = append(list, param{name: name, typ: typ})
	}
	for i := len(list) - 2; i >= 0; i-- {
		if list[i].typ == "" {
			list[i].typ = list[i+1].typ
		}
	}
	for i := range list {
		n := 8
		switch typ := list[i].typ; {
		case strings.HasPrefix(typ, "[]"):
			n = 24
		case typ == "float32":
			n = 4
		}
		size = (size + min(n, 8) - 1) / min(n, 8) * min(n, 8)
		list[i].off = size
		size += n
	}
	return list, size
}

// kernel is a function that both levels have.
type kernel struct{ name, params string }

// define writes a function without results. params are Go's, as in "dst, x []float32".
func (f *file) define(i isa, name, params string, body func(*fn)) {
	g := &fn{file: f, isa: i, name: name + i.level, held: map[string]string{}, top: v(i.regs)}
	if i == avx2 {
		f.kernels = append(f.kernels, kernel{name, params})
	}
	var size int
	g.params, size = parse(params)
	fmt.Fprintf(&f.stubs, "//go:noescape\nfunc %s(%s)\n\n", g.name, params)
	fmt.Fprintf(&f.text, "// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", g.name, params, g.name, size)
	body(g)
	g.op("VZEROUPPER")
	g.op("RET")
	f.text.WriteByte('\n')
}

// arg is the operand of a parameter; of a slice its pointer, or its length with part "len".
func (g *fn) arg(name string, part ...string) string {
	for _, p := range g.params {
		if p.name != name {
			continue
		}
		if !strings.HasPrefix(p.typ, "[]") {
			return fmt.Sprintf("%s+%d(FP)", name, p.off)
		}
		if len(part) > 0 {
			return fmt.Sprintf("%s_%s+%d(FP)", name, part[0], p.off+8)
		}
		return fmt.Sprintf("%s_base+%d(FP)", name, p.off)
	}
	panic(g.name + ": no parameter " + name)
}

// scalar broadcasts a float32 parameter to a register of its own.
func (g *fn) scalar(name string) v {
	g.top--
	g.op("VBROADCASTSS", g.arg(name), g.top)
	return g.top
}

// op writes an instruction.
func (g *fn) op(name string, args ...any) {
	s := make([]string, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case v:
			if int(a) >= g.regs {
				panic(fmt.Sprintf("%s: %s uses register %d", g.name, name, a))
			}
			s[i] = fmt.Sprintf("%s%d", g.reg, a)
		case lower:
			s[i] = fmt.Sprintf("%s%d", g.half, a)
		case int:
			s[i] = fmt.Sprintf("$%d", a)
		default:
			s[i] = fmt.Sprint(a)
		}
	}
	fmt.Fprintf(&g.text, "\t%s\n", strings.TrimSpace(name+" "+strings.Join(s, ", ")))
}

// label makes a name; at puts it.
func (g *fn) label(what string) string {
	g.labels++
	return fmt.Sprintf("%s%d", what, g.labels)
}

func (g *fn) at(label string) { fmt.Fprintf(&g.text, "%s:\n", label) }

// loop repeats body while counter, a register, stays at least step after body has run; it takes step off each time. Nothing runs when the
// counter is below step at the start.
func (g *fn) loop(counter string, step int, body func()) {
	top, end := g.label("loop"), g.label("end")
	g.op("SUBQ", step, counter)
	g.op("JLT", end)
	g.op("PCALIGN", 32)
	g.at(top)
	body()
	g.op("SUBQ", step, counter)
	g.op("JGE", top)
	g.at(end)
	g.op("ADDQ", step, counter)
}

// abreast writes what body does for 0 ≤ i < n, the same instructions on other registers, side by side: what waits for a result stands behind
// what does not, so that the processor's queues hold work for all of its ports.
func (g *fn) abreast(n int, body func(i int)) {
	lines := make([][]string, n)
	for i := range lines {
		from := g.text.Len()
		body(i)
		lines[i] = strings.SplitAfter(string(g.text.Bytes()[from:]), "\n")
		g.text.Truncate(from)
	}
	for k := range lines[0] {
		for i := range lines {
			if k < len(lines[i]) {
				g.text.WriteString(lines[i][k])
			}
		}
	}
}

// parts is how many registers hold 16 lanes.
func (g *fn) parts() int { return 16 / g.width }

// bytes of a register of float32.
func (g *fn) bytes() int { return g.width * 4 }

func (g *fn) zero(r v) { g.op("VXORPS", r, r, r) }

// use makes constants ready. AVX-512 has registers for them, from the last one down; AVX2 takes them from memory.
func (g *fn) use(names ...string) {
	for _, name := range names {
		if g.held[name] != "" {
			continue
		}
		g.constant(name)
		g.held[name] = name + "<>(SB)"
		if g.regs == 32 {
			g.top--
			g.held[name] = fmt.Sprintf("Z%d", g.top)
			g.op("VBROADCASTSS", name+"<>(SB)", g.top)
		}
	}
}

// c is the operand of a constant that use has made ready.
func (g *fn) c(name string) string {
	if g.held[name] == "" {
		panic(g.name + ": constant " + name + " not in use")
	}
	return g.held[name]
}

// constant puts a constant into the file, eight times over: enough for a register of AVX2.
func (f *file) constant(name string) {
	if f.seen[name] {
		return
	}
	f.seen[name] = true
	b, ok := constants[name]
	if !ok {
		panic("no constant " + name)
	}
	for i := range 8 {
		bits := b
		if name == laneBits {
			bits = 1 << i
		}
		fmt.Fprintf(&f.data, "DATA %s<>+%d(SB)/4, $0x%08x\n", name, 4*i, bits)
	}
	fmt.Fprintf(&f.data, "GLOBL %s<>(SB), RODATA|NOPTR, $32\n\n", name)
}

// source gives the whole assembly file.
func (f *file) source() []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated by kernel/_asm. DO NOT EDIT.\n\n#include \"textflag.h\"\n\n")
	b.Write(f.data.Bytes())
	b.Write(bytes.TrimRight(f.text.Bytes(), "\n"))
	b.WriteByte('\n')
	return b.Bytes()
}
