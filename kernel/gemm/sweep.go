package gemm

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/kernel/fp"
)

// The backward products, section 8 of docs/NUMERICS.md. Both are sums of outer products taken in order: row i of C gains a(i, s) times row s
// of B, s after s, by fused multiply-adds. The lanes lie across C's columns, so nothing is folded.

const (
	sweepCols  = 64                // columns of C that a core computes: 4 lines
	sweepRows  = 32 * tileRows     // rows of A packed at a time
	sweepWide  = 2 * sweepCols     // columns of B packed at a time
	sweepSteps = 192               // rows of B packed at a time, a multiple of 4
	sweepBlock = sweepWide * 4 * 4 // bytes of 4 packed rows of B
)

// sweep is the argument of a core: its number of rows of C, 64 columns of each, gain steps rows of B. The value a(i, s) stands at
// a + i*aRow + s*aStep. B is packed: line l of row s, counted from b, at s/4*bNext + l*256 + s%4*64. NaNs of C are made the one NaN.
type sweep struct {
	c, a, b     unsafe.Pointer
	cRow        uintptr
	aRow, aStep uintptr
	bNext       uintptr
	steps       int
	cont        int // 0: C starts at +0; 1: it goes on from memory
	rows        int // of C, for the generic core
}

// MulNN writes the columns k0 ≤ k < k1 of dX = dY·W, for the m rows of dy, which has a value for each of n rows of w: dx[i*ldx+k]. The order is
// that of the rows of W. With more set, the sum goes on from the values in dx, otherwise from +0. Workers with disjoint ranges may share dx; ranges of whole 64 columns are the fastest. It panics when the shapes do not
// fit; w must not have block scales.
func MulNN(dx []float32, ldx int, dy []float32, m, n int, w Weights, k0, k1 int, more bool, scratch *Scratch) {
	if err := w.Check(n); err != nil {
		panic(err)
	}
	if w.Scale != nil || k0 < 0 || k0 > k1 || k1 > w.K || k1 > ldx || len(dy) < m*n || m > 0 && len(dx) < (m-1)*ldx+k1 {
		panic(fmt.Sprintf("gemm: dX of %d values in rows of %d, columns %d to %d = dY of %d x %d in %d values times W of %d columns (scales: %v)",
			len(dx), ldx, k0, k1, m, n, len(dy), w.K, w.Scale != nil))
	}
	o := outer{c: dx, ldc: ldx, rows: m, a: dy, aRow: n, aStep: 1, b: w, steps: n, cont: more}
	o.run(k0, k1, scratch)
}

// AccTN adds dYᵀ·X to the rows n0 ≤ i < n1 of dW, n rows of k values: the t rows of dy, n values each, against those of x, k values each, in
// order, going on from the values in dw. Workers with disjoint ranges may share dw. It panics when the shapes do not fit.
func AccTN(dw []float32, dy, x []float32, t, n, k int, n0, n1 int, scratch *Scratch) {
	if t < 0 || n0 < 0 || n0 > n1 || n1 > n || k < 0 || len(dw) < n1*k || len(dy) < t*n || len(x) < t*k {
		panic(fmt.Sprintf("gemm: rows %d to %d of dW of %d x %d in %d values gain dY of %d x %d in %d values, X of %d x %d in %d",
			n0, n1, n, k, len(dw), t, n, len(dy), t, k, len(x)))
	}
	if n0 == n1 || t == 0 {
		return
	}
	o := outer{c: dw[n0*k:], ldc: k, rows: n1 - n0, a: dy[n0:], aRow: 1, aStep: n, b: Weights{Type: slotTypes[0], Data: f32Bytes(x), K: k}, steps: t, cont: true}
	o.run(0, k, scratch)
}

// outer is a sum of outer products.
type outer struct {
	c           []float32
	ldc, rows   int
	a           []float32
	aRow, aStep int
	b           Weights
	steps       int
	cont        bool
}

func (o *outer) run(k0, k1 int, s *Scratch) {
	if o.rows == 0 {
		return
	}
	if o.steps == 0 && !o.cont {
		for i := range o.rows {
			clear(o.c[i*o.ldc+k0 : i*o.ldc+k1])
		}
		return
	}
	if o.aStep == 1 {
		for k := k0; k < k1; k += sweepWide {
			for from := 0; from < o.steps; from += sweepSteps {
				o.panel(s, k, min(k+sweepWide, k1), from, 0, o.rows)
			}
		}
		return
	}
	// A step of A lies across its rows, each in another line, and at a stride that may be bad for caches: bring blocks of it together.
	for i := 0; i < o.rows; i += sweepRows {
		end := min(i+sweepRows, o.rows)
		for from := 0; from < o.steps; from += sweepSteps {
			o.packA(s, i, end, from)
			for k := k0; k < k1; k += sweepWide {
				o.panel(s, k, min(k+sweepWide, k1), from, i, end)
			}
		}
	}
}

// packA copies rows i0 to i1 of A, from a step on, to the scratch: tile by tile, step by step, the values of its rows.
func (o *outer) packA(s *Scratch, i0, i1, from int) {
	dst := s.sweepA()
	for r := from; r < min(from+sweepSteps, o.steps); r++ {
		row := o.a[r*o.aStep:]
		for i := i0; i < i1; i += tileRows {
			copy(dst[(i-i0)*sweepSteps+(r-from)*tileRows:][:tileRows], row[i:min(i+tileRows, i1)])
		}
	}
}

// sweepA is the part of the scratch that holds sweepRows rows of A.
func (s *Scratch) sweepA() []float32 {
	return unsafe.Slice((*float32)(ptr(s.wide)), sweepRows*sweepSteps)
}

// panel sums the columns k to end of the rows i0 to i1 of C, over the steps of one packing of B.
func (o *outer) panel(s *Scratch, k, end, from, i0, i1 int) {
	to := min(from+sweepSteps, o.steps)
	o.pack(s, k, end-k, from, to)
	for c := k; c < end; c += sweepCols {
		o.columns(s, c, min(sweepCols, end-c), c-k, span{from, to}, i0, i1)
	}
}

// pack copies a rectangle of B to the scratch, as f32.
func (o *outer) pack(s *Scratch, k, cols, from, to int) {
	p := &s.product
	p.init(s, nil, 0, Packed{F32: []float32{}}, o.b)
	for r := from; r < to; r++ {
		i := r - from
		dst := unsafe.Add(ptr(s.panels), i/4*sweepBlock+i%4*line)
		row := o.b.Data[r*p.wRow+o.b.Type.RowBytes(k):][:o.b.Type.RowBytes(cols)]
		p.convert(dst, row, span{0, ceil(cols, lineF32)}, 1)
	}
}

// columns runs the cores down the rows i0 to i1 of C, over cols of at most 64 columns from k on, whose packed lines begin at column c of the
// panel.
func (o *outer) columns(s *Scratch, k, cols, c int, steps span, i0, i1 int) {
	cores := &tables[cpu.Current()].sweep
	t := &s.sweep
	*t = sweep{
		aRow: uintptr(4 * o.aRow), aStep: 4, b: unsafe.Add(ptr(s.panels), c/lineF32*panelStep), bNext: sweepBlock,
		steps: steps.to - steps.from,
	}
	if o.aStep != 1 { // packed
		t.aRow, t.aStep = 4, 4*tileRows
	}
	if o.cont || steps.from > 0 {
		t.cont = 1
	}
	for i := i0; i < i1; i += tileRows {
		t.rows = min(tileRows, i1-i)
		if o.aStep == 1 {
			t.a = unsafe.Pointer(&o.a[i*o.aRow+steps.from])
		} else {
			t.a = unsafe.Pointer(&s.sweepA()[(i-i0)*sweepSteps])
		}
		if cols == sweepCols {
			t.c, t.cRow = unsafe.Pointer(&o.c[i*o.ldc+k]), uintptr(4*o.ldc)
			cores[t.rows](t)
			continue
		}
		// The core computes whole lines: let it do so elsewhere.
		t.c, t.cRow = unsafe.Pointer(&s.edge), 4*sweepCols
		for r := range t.rows {
			copy(s.edge[r*sweepCols:][:cols], o.c[(i+r)*o.ldc+k:])
		}
		cores[t.rows](t)
		for r := range t.rows {
			copy(o.c[(i+r)*o.ldc+k:][:cols], s.edge[r*sweepCols:])
		}
	}
	*t = sweep{}
}

// sweepGeneric is the core in Go.
func sweepGeneric(t *sweep) {
	for i := range t.rows {
		c := at[[sweepCols]float32](t.c, i*int(t.cRow))
		if t.cont == 0 {
			*c = [sweepCols]float32{}
		}
		for s := range t.steps {
			a := *at[float32](t.a, i*int(t.aRow)+s*int(t.aStep))
			for j := range c {
				b := *at[float32](t.b, s/4*int(t.bNext)+j/lineF32*panelStep+s%4*line+j%lineF32*4)
				c[j] = fp.FMA32(a, b, c[j])
			}
		}
		for j := range c {
			c[j] = fp.Canon(c[j])
		}
	}
}
