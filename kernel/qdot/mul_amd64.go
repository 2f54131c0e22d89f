package qdot

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// kernels are the functions of one block format at one level.
type kernels struct {
	// unpack turns blocks of panelRows (AVX2: 8) weight rows into panel records.
	unpack func(panel, w *byte, stride, blocks int, ahead *byte)
	// dot, by the number of rows of activations, is the whole product of as many weight rows. Up to their greatest number it is the faster.
	dot []dotFunc
	// gemm, by the number of rows of activations, is the product of a panel.
	gemm   []gemmFunc
	record int // bytes of a panel record, one a block
	offset int // shift that gemm wants
}

type dotFunc = func(y *float32, ldy int, w *byte, stride, blocks int, acts *byte, group, record int, ahead *byte)

type gemmFunc = func(y *float32, ldy int, panel, acts *byte, group, record, blocks, offset int)

func mulAt(l cpu.Level, y []float32, ldy int, a *Acts, t dtype.Type, w []byte, n0, n1 int, s *Scratch) {
	p := product{y: y, ldy: ldy, a: a, stride: t.RowBytes(a.k), w: w, s: s}
	switch l {
	case cpu.AVX512:
		p.kernels, p.rows = &kernelsAVX512[t], 16
	case cpu.AVX2:
		p.kernels, p.rows = &kernelsAVX2[t], 8
	default:
		mulReference(y, ldy, a, t, w, n0, n1, s)
		return
	}
	if a.k == 0 {
		p.clear(n0, n1)
		return
	}
	if a.m < len(p.dot) {
		p.vectors(n0, n1)
	} else {
		p.matrix(n0, n1)
	}
}

// product is one call of Mul.
type product struct {
	*kernels
	rows   int // weight rows that unpack and dot take
	y      []float32
	ldy    int
	a      *Acts
	stride int // bytes a weight row
	w      []byte
	s      *Scratch
}

func (p *product) clear(n0, n1 int) {
	for m := range p.a.m {
		clear(p.y[m*p.ldy+n0 : m*p.ldy+n1])
	}
}

// aheadBytes is how far ahead of its use memory is prefetched, in whole panels: enough for the latency of busy memory, and little beside the
// second-level cache.
const aheadBytes = 32 << 10

// panel is panelRows rows of weights from n on, and what is to be prefetched meanwhile. Rows from n1 on are zeros.
func (p *product) panel(n, n1 int) (w, ahead []byte) {
	size := panelRows * p.stride
	if n+panelRows <= n1 {
		w = p.w[n*p.stride:]
		far := (aheadBytes + size - 1) / size * size
		if ahead = w; len(w) >= far+size {
			ahead = w[far:]
		}
		return w, ahead
	}
	p.s.rows = grow(p.s.rows, size)
	k := copy(p.s.rows, p.w[n*p.stride:n1*p.stride])
	clear(p.s.rows[k:])
	return p.s.rows, p.s.rows
}

// vectors is the product with few rows of activations: weights are multiplied as they are unpacked.
func (p *product) vectors(n0, n1 int) {
	for n := n0; n < n1; n += panelRows {
		w, ahead := p.panel(n, n1)
		for m := 0; m < p.a.m; {
			m += p.dotTile(w, ahead, m, n, n1)
			ahead = w
		}
	}
}

// dotTile computes the rows of activations from m on that one dot function takes, and says how many they were.
func (p *product) dotTile(w, ahead []byte, m, n, n1 int) int {
	cols := p.a.m - m
	f := atMost(p.dot, cols)
	if cols > 5 && len(p.dot) > 8 { // rather two or three columns too many than another pass
		f = 8
	}
	y, ldy := p.s.out[:], panelRows
	direct := n+panelRows <= n1 && f <= cols
	if direct {
		y, ldy = p.y[m*p.ldy+n:], p.ldy
	}
	a := p.a
	for r := 0; r < panelRows; r += p.rows {
		at := r * p.stride
		p.dot[f](&y[r], ldy, &w[at], p.stride, a.blocks(), &a.buf[a.at(m, 0)], a.group(), a.step(), &ahead[at])
	}
	cols = min(cols, f)
	if !direct {
		p.copyOut(m, cols, n, n1)
	}
	return cols
}

// atMost is the largest number of columns, up to n, that there is a function for.
func atMost[F dotFunc | gemmFunc](functions []F, n int) int {
	n = min(n, len(functions)-1)
	for functions[n] == nil {
		n--
	}
	return n
}

// copyOut copies results of the last, incomplete panel.
func (p *product) copyOut(m, cols, n, n1 int) {
	for c := range cols {
		at := (m + c) * p.ldy
		copy(p.y[at+n:at+min(n1, n+panelRows)], p.s.out[c*panelRows:])
	}
}

// aligned makes b hold n bytes from a cache line's start on, and returns that.
func aligned(b *[]byte, n int) *byte {
	*b = grow(*b, n+64)
	return &(*b)[-uintptr(unsafe.Pointer(&(*b)[0]))%64]
}
