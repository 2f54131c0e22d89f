package main

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// isa is an instruction-set level: how wide its registers are and what its instructions are called.
type isa struct {
	name  string // suffix of the functions
	rows  int    // dword lanes of a register: weight rows handled side by side
	wide  byte   // Z or Y
	regs  int
	names map[string]string // instructions whose name differs
}

var avx512 = &isa{name: "AVX512", rows: 16, wide: 'Z', regs: 32, names: map[string]string{
	"MOV": "VMOVDQU32", "AND": "VPANDD", "OR": "VPORD", "XOR": "VPXORD", "TABLE": "VBROADCASTI32X4"}}

var avx2 = &isa{name: "AVX2", rows: 8, wide: 'Y', regs: 16, names: map[string]string{
	"MOV": "VMOVDQU", "AND": "VPAND", "OR": "VPOR", "XOR": "VPXOR", "TABLE": "VBROADCASTI128"}}

// bytes is the size of a register.
func (i *isa) bytes() int { return 4 * i.rows }

// vec is a vector register; x and y name its lower parts.
type vec int

func (v vec) x() string { return fmt.Sprintf("X%d", int(v)) }
func (v vec) y() string { return fmt.Sprintf("Y%d", int(v)) }

// fn writes one function: a body, and before it the constants that the body asked for.
type fn struct {
	*isa
	body   bytes.Buffer
	free   []vec
	consts map[string]vec // constants in registers, by their symbol

	roomy       bool   // there are registers to hold values in for long
	local       string // register that points at local memory
	locals      int    // bytes of it taken
	prefetching []int  // offsets from SI still to be prefetched
}

func newFn(i *isa) *fn {
	f := &fn{isa: i, consts: map[string]vec{}}
	for r := range i.regs {
		f.free = append(f.free, vec(r))
	}
	return f
}

// alloc takes the lowest free register: instructions on the first sixteen are shorter.
func (f *fn) alloc() vec {
	if len(f.free) == 0 {
		panic(f.name + ": out of vector registers")
	}
	r := f.free[0]
	f.free = f.free[1:]
	return r
}

func (f *fn) allocs(n int) []vec {
	rs := make([]vec, n)
	for i := range rs {
		rs[i] = f.alloc()
	}
	return rs
}

// zeros is allocs, cleared.
func (f *fn) zeros(n int) []vec {
	rs := f.allocs(n)
	for _, r := range rs {
		f.zero(r)
	}
	return rs
}

func (f *fn) release(rs ...vec) {
	f.free = append(f.free, rs...)
	slices.Sort(f.free)
}

// op writes an instruction. Operands are strings, integers (immediates) and registers at full width; sources first, as Go's assembler has it.
func (f *fn) op(name string, args ...any) {
	base, suffix, _ := strings.Cut(name, ".")
	if n, ok := f.names[base]; ok {
		base = n
	}
	if suffix != "" {
		base += "." + suffix
	}
	var s []string
	for _, a := range args {
		switch a := a.(type) {
		case vec:
			s = append(s, fmt.Sprintf("%c%d", f.wide, int(a)))
		case int:
			s = append(s, fmt.Sprintf("$%d", a))
		default:
			s = append(s, fmt.Sprint(a))
		}
	}
	fmt.Fprintf(&f.body, "\t%s %s\n", base, strings.Join(s, ", "))
}

func (f *fn) label(l string) { fmt.Fprintf(&f.body, "%s:\n", l) }

// zero clears a register.
func (f *fn) zero(r vec) { f.op("XOR", r, r, r) }

// save puts r away in memory, and releases it. load copies it back.
func (f *fn) save(r vec) string {
	mem := f.slot()
	f.op("MOV", r, mem)
	f.release(r)
	return mem
}

// slot is memory for a register.
func (f *fn) slot() string {
	f.locals += f.bytes()
	return fmt.Sprintf("%d(%s)", f.locals-f.bytes(), f.local)
}

func (f *fn) load(mem string) vec {
	r := f.alloc()
	f.op("MOV", mem, r)
	return r
}

// place is where a value is held: a register, or memory where there are too few.
type place struct {
	reg vec
	mem string // "" for a register
}

// hold takes v over.
func (f *fn) hold(v vec) place {
	if f.roomy {
		return place{reg: v}
	}
	return place{mem: f.save(v)}
}

// get is the value in a register: for a last time, or to be followed by put, which writes it back.
func (f *fn) get(p place) vec {
	if p.mem != "" {
		return f.load(p.mem)
	}
	return p.reg
}

func (f *fn) put(v vec, p place) {
	if p.mem != "" {
		f.op("MOV", v, p.mem)
		f.release(v)
	}
}

// drop forgets the value.
func (f *fn) drop(p place) {
	if p.mem == "" {
		f.release(p.reg)
	}
}

// dwords is a constant with v in every dword, as the first source of an instruction: a register at AVX-512, memory at AVX2.
func (f *fn) dwords(v uint32) any {
	var b [16]byte
	for i := range b {
		b[i] = byte(v >> (i % 4 * 8))
	}
	if f.wide == 'Y' {
		return constant(b)
	}
	return f.table(b)
}

// table is a register with 16 bytes in every 128 bits. Tables take the highest registers, for the whole function.
func (f *fn) table(b [16]byte) vec {
	sym := constant(b)
	r, ok := f.consts[sym]
	if !ok {
		r = f.free[len(f.free)-1]
		f.free = f.free[:len(f.free)-1]
		f.consts[sym] = r
	}
	return r
}

// constants are the read-only data that functions asked for, 64 bytes each.
var constants = map[string][16]byte{}

func constant(b [16]byte) string {
	sym := fmt.Sprintf("c%x<>", b)
	if [8]byte(b[:8]) == [8]byte(b[8:]) && [4]byte(b[:4]) == [4]byte(b[4:8]) {
		sym = fmt.Sprintf("c%x<>", b[:4])
	}
	constants[sym] = b
	return sym + "(SB)"
}

// data declares the constants, and forgets them.
func data() string {
	var syms []string
	for s := range constants {
		syms = append(syms, s)
	}
	sort.Strings(syms)
	var out strings.Builder
	for _, s := range syms {
		b := constants[s]
		for i := range 8 {
			h := b[i%2*8:]
			fmt.Fprintf(&out, "DATA %s+%d(SB)/8, $0x%02x%02x%02x%02x%02x%02x%02x%02x\n", s, i*8, h[7], h[6], h[5], h[4], h[3], h[2], h[1], h[0])
		}
		fmt.Fprintf(&out, "GLOBL %s(SB), RODATA|NOPTR, $64\n", s)
	}
	clear(constants)
	return out.String() + "\n"
}

// arg is a parameter, 8 bytes, and the register it is loaded into; "" for none.
type arg struct{ name, typ, reg string }

// text is the whole function.
func (f *fn) text(name string, args []arg) string {
	var out strings.Builder
	var params []string
	for _, a := range args {
		params = append(params, a.name+" "+a.typ)
	}
	fmt.Fprintf(&out, "// func %s(%s)\n", name, strings.Join(params, ", "))
	if f.locals > 0 { // with room to begin at a cache line
		fmt.Fprintf(&out, "TEXT ·%s(SB), 0, $%d-%d\n\tLEAQ 63(SP), %s\n\tANDQ $-64, %s\n", name, f.locals+56, 8*len(args), f.local, f.local)
	} else {
		fmt.Fprintf(&out, "TEXT ·%s(SB), NOSPLIT, $0-%d\n", name, 8*len(args))
	}
	for i, a := range args {
		if a.reg != "" {
			fmt.Fprintf(&out, "\tMOVQ %s+%d(FP), %s\n", a.name, 8*i, a.reg)
		}
	}
	var syms []string
	for s := range f.consts {
		syms = append(syms, s)
	}
	sort.Strings(syms)
	for _, s := range syms {
		fmt.Fprintf(&out, "\t%s %s, %c%d\n", f.names["TABLE"], s, f.wide, f.consts[s])
	}
	out.Write(f.body.Bytes())
	out.WriteString("\tVZEROUPPER\n\tRET\n\n")
	return out.String()
}
