package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
)

// generic is the level of pure Go: exact and slow, for CPUs without a faster one.
var generic = kernels{
	mostLines: maxLines, chunkLines: maxLines,
	f32:       genericForms(lineF32, convF32, coreF32),
	bf16:      genericForms(lineBF16, convBF16, coreBF16),
	roundBF16: roundBF16,
	copyLines: copyLines,
	scaleAdd:  scaleAdd,
	fold:      fold,
	sweep:     sweepsOf(sweepGeneric),
	pairs:     true, interleave: interleave, sweepPairs: sweepsOf(sweepPairsGeneric),
	deal: deal,
}

type convFunc = func(dst, src unsafe.Pointer, steps int, scale float32, ahead uintptr)

func genericForms(step int, conv func(dtype.Type) convFunc, core func(*tile)) (fs [numSlots]form) {
	for i, t := range slotTypes {
		f := form{step: step, bytes: t.RowBytes(step), lines: 1, conv: conv(t)}
		for rows := range f.core {
			f.core[rows] = core
		}
		fs[i] = f
	}
	return fs
}

func sweepsOf(core func(*sweep)) (cores [tileRows + 1]func(*sweep)) {
	for rows := 1; rows <= tileRows; rows++ {
		cores[rows] = core
	}
	return cores
}

// at reads a T from memory, offset bytes past p.
func at[T any](p unsafe.Pointer, offset int) *T { return (*T)(unsafe.Add(p, offset)) }

func convF32(t dtype.Type) convFunc {
	n := t.RowBytes(lineF32)
	return func(dst, src unsafe.Pointer, steps int, scale float32, _ uintptr) {
		for i := range steps {
			d := at[[lineF32]float32](dst, i*panelStep)
			dtype.Decode(t, d[:], unsafe.Slice((*byte)(unsafe.Add(src, i*n)), n))
			if t == dtype.F8E4M3 || t == dtype.F8E5M2 {
				for j := range d {
					d[j] *= scale
				}
			}
		}
	}
}

func convBF16(t dtype.Type) convFunc {
	if t == dtype.F32 || t == dtype.F16 {
		return nil // not exact in bf16
	}
	n := t.RowBytes(lineBF16)
	return func(dst, src unsafe.Pointer, steps int, _ float32, _ uintptr) {
		var wide [lineBF16]float32
		for i := range steps {
			dtype.Decode(t, wide[:], unsafe.Slice((*byte)(unsafe.Add(src, i*n)), n))
			d := at[[lineBF16]uint16](dst, i*panelStep)
			for j, v := range wide {
				d[j] = dtype.F32ToBF16(v)
			}
		}
	}
}

func coreF32(t *tile) {
	eachOutput(t, func(l *[16]float32, x, w unsafe.Pointer) {
		for s := range t.steps {
			x, w := at[[16]float32](x, s*t.rows*line), at[[16]float32](w, s*panelStep)
			for i := range l {
				l[i] = fp.FMA32(x[i], w[i], l[i])
			}
		}
	})
}

func coreBF16(t *tile) {
	eachOutput(t, func(l *[16]float32, x, w unsafe.Pointer) {
		for s := range t.steps {
			x, w := at[[32]uint16](x, s*t.rows*line), at[[32]uint16](w, s*panelStep)
			for i := range l {
				l[i] = fp.DotBF16(l[i], x[2*i], x[2*i+1], w[2*i], w[2*i+1])
			}
		}
	})
}

// eachOutput calls f with the lanes of each output, and with the rows of X and of the panel that belong to it.
func eachOutput(t *tile, f func(l *[16]float32, x, w unsafe.Pointer)) {
	for g := range t.reps {
		for r := range t.rows {
			for c := range panelCols {
				l := at[[16]float32](t.lanes, r*int(t.lanesRow)+(g*panelCols+c)*line)
				if t.cont == 0 {
					*l = [16]float32{}
				}
				f(l, unsafe.Add(t.x, r*line), unsafe.Add(t.w, g*int(t.wRep)+c*line))
			}
		}
	}
}

func roundBF16(dst, src unsafe.Pointer, lines int, step uintptr) {
	for i := range lines {
		d, s := at[[lineBF16]uint16](dst, i*int(step)), at[[lineBF16]float32](src, i*lineBF16*4)
		for j, v := range s {
			d[j] = dtype.F32ToBF16(v)
		}
	}
}

func scaleAdd(outer, inner, scale unsafe.Pointer, n, cont int) {
	for c := range n {
		o, in, s := at[[16]float32](outer, c*line), at[[16]float32](inner, c*line), *at[float32](scale, c*4)
		for i := range o {
			var acc float32
			if cont != 0 {
				acc = o[i]
			}
			o[i] = fp.FMA32(s, in[i], acc)
		}
	}
}

func fold(dst, lanes unsafe.Pointer, groups int) {
	for i := range 4 * groups {
		*at[float32](dst, i*4) = fp.Canon(fp.Fold16(at[[16]float32](lanes, i*line)))
	}
}

// sweepGeneric is a core of a sweep over values.
func sweepGeneric(t *sweep) {
	eachStep(t, func(c float32, a, b unsafe.Pointer) float32 { return fp.FMA32(*(*float32)(a), *(*float32)(b), c) })
}

// sweepPairsGeneric is one over pairs.
func sweepPairsGeneric(t *sweep) {
	eachStep(t, func(c float32, a, b unsafe.Pointer) float32 {
		x, y := (*[2]uint16)(a), (*[2]uint16)(b)
		return fp.DotBF16(c, x[0], x[1], y[0], y[1])
	})
}

// eachStep calls f for the elements of A and B in order for each value of C.
func eachStep(t *sweep, f func(c float32, a, b unsafe.Pointer) float32) {
	for i := range t.rows {
		c := unsafe.Slice(at[float32](t.c, i*int(t.cRow)), t.lines*lineF32)
		if t.cont == 0 {
			clear(c)
		}
		for s := range t.steps {
			a := unsafe.Add(t.a, i*int(t.aRow)+s*int(t.aStep))
			for j := range c {
				c[j] = f(c[j], a, unsafe.Add(t.b, s/4*int(t.bNext)+j/lineF32*panelStep+s%4*line+j%lineF32*4))
			}
		}
		for j := range c {
			c[j] = fp.Canon(c[j])
		}
	}
}

func interleave(dst, even, odd unsafe.Pointer, lines int, step, _ uintptr) {
	for i := range lines {
		d, e, o := at[[lineBF16]uint16](dst, i*int(step)), at[[lineF32]uint16](even, i*line/2), at[[lineF32]uint16](odd, i*line/2)
		for j := range e {
			d[2*j], d[2*j+1] = e[j], o[j]
		}
	}
}

func deal(dst, src unsafe.Pointer, tiles, steps int, srcStep uintptr) {
	for s := range steps {
		for t := range tiles {
			*at[[tileRows]float32](dst, (t*sweepTile+s*tileRows)*4) = *at[[tileRows]float32](src, s*int(srcStep)+t*tileRows*4)
		}
	}
}

func copyLines(dst, src unsafe.Pointer, lines int, step uintptr) {
	for i := range lines {
		*at[[line]byte](dst, i*int(step)) = *at[[line]byte](src, i*line)
	}
}
