package main

import (
	"bytes"
	"fmt"
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

	spillBase        string // where keep puts registers
	spillAt, spilled int

	prefetches []int // offsets from SI still to be prefetched in this block
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

func (f *fn) release(rs ...vec) {
	f.free = append(f.free, rs...)
	sort.Slice(f.free, func(i, j int) bool { return f.free[i] < f.free[j] })
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

func (f *fn) label(format string, args ...any) string {
	l := fmt.Sprintf(format, args...)
	fmt.Fprintf(&f.body, "%s:\n", l)
	return l
}

// zero clears a register.
func (f *fn) zero(r vec) { f.op("XOR", r, r, r) }

// dwords is a constant with v in every dword, table one with 16 bytes in every 128 bits. They are an operand for the second source of an
// instruction: a register at AVX-512, memory at AVX2.
func (f *fn) dwords(v uint32) any {
	var b [16]byte
	for i := range b {
		b[i] = byte(v >> (i % 4 * 8))
	}
	return f.table(b)
}

func (f *fn) table(b [16]byte) any {
	sym := constant(b)
	if f.wide == 'Y' {
		return sym
	}
	r, ok := f.consts[sym]
	if !ok {
		r = f.free[len(f.free)-1]
		f.free = f.free[:len(f.free)-1]
		f.consts[sym] = r
	}
	return r
}

// inRegister is such a constant in a register at either level.
func (f *fn) inRegister(c any) vec {
	sym, ok := c.(string)
	if !ok {
		return c.(vec)
	}
	r, ok := f.consts[sym]
	if !ok {
		r = f.free[len(f.free)-1]
		f.free = f.free[:len(f.free)-1]
		f.consts[sym] = r
	}
	return r
}

// keep puts r away until it is wanted again: at AVX2, whose registers are few, in memory. load brings it back, drop forgets it.
func (f *fn) keep(r vec) any {
	if f.wide == 'Z' {
		return r
	}
	mem := fmt.Sprintf("%d(%s)", f.spillAt+32*f.spilled, f.spillBase)
	f.spilled++
	f.op("MOV", r, mem)
	f.release(r)
	return mem
}

func (f *fn) load(kept any) vec {
	if r, ok := kept.(vec); ok {
		return r
	}
	r := f.alloc()
	f.op("MOV", kept, r)
	return r
}

// unload gives back what load returned, while kept stays.
func (f *fn) unload(kept any, r vec) {
	if _, ok := kept.(vec); !ok {
		f.release(r)
	}
}

func (f *fn) drop(kept any) {
	if r, ok := kept.(vec); ok {
		f.release(r)
	}
}

// constants are the read-only data that functions asked for, 32 bytes each.
var constants = map[string][16]byte{}

func constant(b [16]byte) string {
	sym := fmt.Sprintf("c%x<>", b)
	if b == [16]byte{b[0], b[1], b[2], b[3], b[0], b[1], b[2], b[3], b[0], b[1], b[2], b[3], b[0], b[1], b[2], b[3]} {
		sym = fmt.Sprintf("c%x<>", b[:4])
	}
	constants[sym] = b
	return sym + "(SB)"
}

// text is the whole function. args are its parameters, all of 8 bytes, with the register each is loaded into ("" for none).
func (f *fn) text(name string, args []arg) string {
	var out strings.Builder
	fmt.Fprintf(&out, "// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, params(args), name, 8*len(args))
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

type arg struct{ name, typ, reg string }

func params(args []arg) string {
	var s []string
	for _, a := range args {
		s = append(s, a.name+" "+a.typ)
	}
	return strings.Join(s, ", ")
}

func data() string {
	var syms []string
	for s := range constants {
		syms = append(syms, s)
	}
	sort.Strings(syms)
	var out strings.Builder
	for _, s := range syms {
		b := constants[s]
		for i := range 4 {
			h := i % 2 * 8
			fmt.Fprintf(&out, "DATA %s+%d(SB)/8, $0x%02x%02x%02x%02x%02x%02x%02x%02x\n", s, i*8,
				b[h+7], b[h+6], b[h+5], b[h+4], b[h+3], b[h+2], b[h+1], b[h])
		}
		fmt.Fprintf(&out, "GLOBL %s(SB), RODATA|NOPTR, $32\n", s)
	}
	return out.String() + "\n"
}
