package gemm

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// The backward products, section 8 of docs/NUMERICS.md. All are sums of outer products taken in order: row i of C gains the element (i, s) of A
// times row s of B, s after s. The lanes lie across C's columns, so nothing is folded. An element of A, and of a row of B, is 4 bytes: a value, by
// which C gains a fused multiply-add; under bf16 a pair of values of two rows, by which it gains their dot product.

const (
	sweepCols  = 64                // columns of C that a core computes: 4 lines
	sweepRows  = 64 * tileRows     // rows of A packed at a time: as many as the second cache holds beside what is packed of B
	sweepWide  = 2 * sweepCols     // columns of B packed at a time
	sweepSteps = 192               // rows of B packed at a time, a multiple of 4
	sweepBlock = sweepWide * 4 * 4 // bytes of 4 packed rows of B
	sweepTile  = sweepSteps * tileRows
)

// sweep is the argument of a core: its number of rows of C, up to 64 columns of each, gain steps rows of B. The element (i, s) of A stands at
// a + i*aRow + s*aStep. B is packed: line l of row s, counted from b, at s/4*bNext + l*256 + s%4*64. NaNs of C are made the one NaN.
type sweep struct {
	c, a, b     unsafe.Pointer
	cRow        uintptr
	aRow, aStep uintptr
	bNext       uintptr
	steps       int
	cont        int // 0: C starts at +0; 1: it goes on from memory
	lines       int // of 16 columns of C, 1 to 4
	rows        int // of C, for the generic core
}

// MulNN writes the columns k0 ≤ k < k1 of dX = dY·W, for the m rows of dy, which has a value for each of n rows of w: dx[i*ldx+k]. The order is
// that of the rows of W. With more set, the sum goes on from the values in dx, otherwise from +0. Workers with disjoint ranges may share dx; ranges
// of whole 64 columns are the fastest. It panics when the shapes do not fit; w must not have block scales.
func MulNN(dx []float32, ldx int, dy []float32, m, n int, w Weights, k0, k1 int, more bool, scratch *Scratch) {
	checkNN(len(dx), ldx, len(dy), m, n, w, k0, k1)
	o := outer{c: dx, ldc: ldx, rows: m, cont: more, f32: dy, aRow: n, aStep: 1, b: w, ends: scratch.one(n)}
	o.run(k0, k1, scratch)
}

// MulNNBF16 is MulNN under bf16: dy is rounded, w of type BF16, and the sum goes by pairs of rows of W, the last of an odd number with a row of +0.
func MulNNBF16(dx []float32, ldx int, dy []uint16, m, n int, w Weights, k0, k1 int, more bool, scratch *Scratch) {
	checkNN(len(dx), ldx, len(dy), m, n, w, k0, k1)
	if w.Type != dtype.BF16 {
		panic("gemm: bf16 backward over weights of type " + w.Type.String())
	}
	o := outer{c: dx, ldc: ldx, rows: m, cont: more, bf16: dy, aRow: n, aStep: 1, b: w, ends: scratch.one(n)}
	o.run(k0, k1, scratch)
}

func checkNN(dx, ldx, dy, m, n int, w Weights, k0, k1 int) {
	if err := w.Check(n); err != nil {
		panic(err)
	}
	if w.Scale != nil || k0 < 0 || k0 > k1 || k1 > w.K || k1 > ldx || dy < m*n || m > 0 && dx < (m-1)*ldx+k1 {
		panic(fmt.Sprintf("gemm: dX of %d values in rows of %d, columns %d to %d = dY of %d x %d in %d values times W of %d columns (scales: %v)",
			dx, ldx, k0, k1, m, n, dy, w.K, w.Scale != nil))
	}
}

// AccTN adds dYᵀ·X to the rows n0 ≤ i < n1 of dW, n rows of k values: the t rows of dy, n values each, against those of x, k values each, in
// order, going on from the values in dw. Workers with disjoint ranges may share dw. It panics when the shapes do not fit.
func AccTN(dw []float32, dy, x []float32, t, n, k int, n0, n1 int, scratch *Scratch) {
	checkTN(len(dw), len(dy), len(x), t, n, k, n0, n1)
	if n0 == n1 || t == 0 {
		return
	}
	o := outer{c: dw[n0*k:], ldc: k, rows: n1 - n0, cont: true, f32: dy[n0:], aRow: 1, aStep: n, b: Weights{Type: dtype.F32, Data: f32Bytes(x), K: k},
		ends: scratch.one(t)}
	o.run(0, k, scratch)
}

// AccTNBF16 is AccTN under bf16: dy and x are rounded, and the sum goes by pairs of rows. Rows of different sequences make no pair: ends are the
// ends of the sequences, rising to the number of rows, and the last row of an odd number of one has a row of +0 for a partner.
func AccTNBF16(dw []float32, dy, x []uint16, ends []int, n, k int, n0, n1 int, scratch *Scratch) {
	t := 0
	for _, end := range ends {
		if end < t {
			panic(fmt.Sprintf("gemm: sequences that end at %v", ends))
		}
		t = end
	}
	checkTN(len(dw), len(dy), len(x), t, n, k, n0, n1)
	if n0 == n1 || t == 0 {
		return
	}
	w := Weights{Type: dtype.BF16, Data: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x)), K: k}
	o := outer{c: dw[n0*k:], ldc: k, rows: n1 - n0, cont: true, bf16: dy[n0:], aRow: 1, aStep: n, b: w, ends: ends}
	o.run(0, k, scratch)
}

func checkTN(dw, dy, x, t, n, k, n0, n1 int) {
	if t < 0 || n0 < 0 || n0 > n1 || n1 > n || k < 0 || dw < n1*k || dy < t*n || x < t*k {
		panic(fmt.Sprintf("gemm: rows %d to %d of dW of %d x %d in %d values gain dY of %d x %d in %d values, X of %d x %d in %d",
			n0, n1, n, k, dw, t, n, dy, t, k, x))
	}
}

// outer is a sum of outer products.
type outer struct {
	c         []float32
	ldc, rows int
	cont      bool // C goes on from memory

	// A: the value for row i of C and row r of B at i*aRow + r*aStep, of which one is 1. Either f32, or bf16 for pairs.
	f32         []float32
	bf16        []uint16
	aRow, aStep int

	b    Weights
	ends []int // of the sequences of rows of B that make pairs

	level *kernels
}

// one is the ends of one sequence of n rows.
func (s *Scratch) one(n int) []int {
	s.end[0] = n
	return s.end[:]
}

func (o *outer) run(k0, k1 int, s *Scratch) {
	o.level = tables[cpu.Current()]
	n := o.ends[len(o.ends)-1]
	if n == 0 && !o.cont {
		for i := range o.rows {
			clear(o.c[i*o.ldc+k0 : i*o.ldc+k1])
		}
	}
	if n == 0 || o.rows == 0 {
		return
	}
	// Rows of A are read where they lie, if they hold the elements. Otherwise blocks of A are brought together: a step that lies across its rows
	// takes each element from another line, at a stride that may be bad for caches.
	if o.aStep == 1 && (o.f32 != nil || o.level.pairs && n%2 == 0) {
		for k := k0; k < k1; k += sweepWide {
			o.eachChunk(s, func(c *chunk) { o.panel(s, c, k, min(k+sweepWide, k1), 0, o.rows, true) })
		}
		return
	}
	for i := 0; i < o.rows; i += sweepRows {
		end := min(i+sweepRows, o.rows)
		o.eachChunk(s, func(c *chunk) {
			o.packA(s, c, i, end)
			for k := k0; k < k1; k += sweepWide {
				o.panel(s, c, k, min(k+sweepWide, k1), i, end, false)
			}
		})
	}
}

// panel sums the columns k to end of the rows i0 to i1 of C, over the steps of a chunk.
func (o *outer) panel(s *Scratch, c *chunk, k, end, i0, i1 int, inPlace bool) {
	o.packB(s, c, k, end-k)
	for at := k; at < end; at += sweepCols {
		o.columns(s, c, at, min(sweepCols, end-at), at-k, i0, i1, inPlace)
	}
}

// columns runs the cores down the rows i0 to i1 of C, over cols of at most 64 columns from k on, whose packed lines begin at column at of the
// panel.
func (o *outer) columns(s *Scratch, c *chunk, k, cols, at int, i0, i1 int, inPlace bool) {
	cores := &o.level.sweep
	if o.bf16 != nil {
		cores = &o.level.sweepPairs
	}
	t := &s.sweep
	b := unsafe.Add(ptr(s.panels), at/lineF32*panelStep)
	*t = sweep{bNext: sweepBlock, steps: c.n}
	if o.cont || c.started {
		t.cont = 1
	}
	for i := i0; i < i1; i += tileRows {
		t.rows = min(tileRows, i1-i)
		o.operandA(s, c, i, i0, inPlace)
		if t.lines = cols / lineF32; t.lines > 0 {
			t.b, t.c, t.cRow = b, unsafe.Pointer(&o.c[i*o.ldc+k]), uintptr(4*o.ldc)
			cores[t.rows](t)
		}
		rest := cols % lineF32
		if rest == 0 {
			continue
		}
		// The core computes whole lines: let it do so elsewhere.
		from := k + cols - rest
		t.b, t.lines, t.c, t.cRow = unsafe.Add(b, t.lines*panelStep), 1, unsafe.Pointer(&s.edge), line
		for r := range t.rows {
			copy(s.edge[r*lineF32:][:rest], o.c[(i+r)*o.ldc+from:])
		}
		cores[t.rows](t)
		for r := range t.rows {
			copy(o.c[(i+r)*o.ldc+from:][:rest], s.edge[r*lineF32:])
		}
	}
	*t = sweep{}
}

// operandA says where the elements of A for the rows from i on stand: in place, or packed by packA from row i0 on.
func (o *outer) operandA(s *Scratch, c *chunk, i, i0 int, inPlace bool) {
	t := &s.sweep
	switch {
	case inPlace && o.f32 != nil:
		t.a, t.aRow, t.aStep = unsafe.Pointer(&o.f32[i*o.aRow+int(c.row[0])]), uintptr(4*o.aRow), 4
	case inPlace:
		t.a, t.aRow, t.aStep = unsafe.Pointer(&o.bf16[i*o.aRow+int(c.row[0])]), uintptr(2*o.aRow), 4
	case o.aStep == 1:
		t.a, t.aRow, t.aStep = unsafe.Pointer(&s.sweepA()[(i-i0)*sweepSteps]), 4*sweepSteps, 4
	default:
		t.a, t.aRow, t.aStep = unsafe.Pointer(&s.sweepA()[(i-i0)*sweepSteps]), 4, 4*tileRows
	}
}
