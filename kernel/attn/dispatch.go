package attn

//go:generate go run ../_asm attn .

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// kernels is one level's assembly; what is nil falls to the reference. Scores and weigh are by cache type, transpose by element size.
type kernels struct {
	scores      [3]func(s, q *float32, k, ahead unsafe.Pointer, rows, dim, pitch, n int)
	softmax     func(s, m, l, c *float32, mask *uint64, rows int, scale float32)
	weigh       [3]func(o, p, c *float32, v, ahead unsafe.Pointer, dim, pitch, rows, n int)
	transpose16 func(dst, src unsafe.Pointer, dim, pitch, n int)
	transpose32 func(dst, src unsafe.Pointer, dim, pitch, n int)
	softmaxBack func(s, ds, m, r, d *float32, mask *uint64, rows int, scale float32)
	gain        func(c, a, b *float32, dim, aRow, aStep, rows, n int)
	copyRows    func(dst, src *float32, dim, dstPitch, srcPitch, rows int)
}

var tables = [...]*kernels{cpu.Generic: {}, cpu.AVX2: &avx2, cpu.AVX512: &avx512}

func current() *kernels { return tables[cpu.Current()] }

// slot is where kernels keeps the function of a cache type.
func slot(t dtype.Type) int {
	switch t {
	case dtype.F16:
		return 1
	case dtype.BF16:
		return 2
	}
	return 0
}

// The kernels beside their references in kernels.go. ahead is what will be read next: as many bytes of it are fetched into the second-level
// cache as the kernel itself reads.

func scores(s, q []float32, pitch int, t dtype.Type, k, ahead []byte, rows, dim, n int) {
	f := current().scores[slot(t)]
	if f == nil {
		scoresRef(s, q, pitch, t, k, rows, dim, n)
		return
	}
	_, _, _, _ = s[rows*Block-1], q[(rows-1)*pitch+dim-1], k[dim*Block*t.BlockBytes()-1], s[:Block][n-1]
	f(&s[0], &q[0], unsafe.Pointer(&k[0]), unsafe.Pointer(unsafe.SliceData(ahead)), rows, dim, 4*pitch, n)
}

func softmax(s, m, l, c []float32, mask []uint64, scale float32) {
	f := current().softmax
	if f == nil {
		softmaxRef(s, m, l, c, mask, scale)
		return
	}
	n := len(m)
	_, _, _, _ = s[n*Block-1], l[n-1], c[n-1], mask[n-1]
	f(&s[0], &m[0], &l[0], &c[0], &mask[0], n, scale)
}

func weigh(o, p, c []float32, t dtype.Type, v, ahead []byte, pitch, rows, n int) {
	f := current().weigh[slot(t)]
	if f == nil {
		weighRef(o, p, c, t, v, pitch, rows, n)
		return
	}
	dim, elem := len(o)/rows, t.BlockBytes()
	_, _, _ = p[(rows-1)*Block+n-1], c[rows-1], v[((n-1)*pitch+dim)*elem-1]
	f(&o[0], &p[0], &c[0], unsafe.Pointer(&v[0]), unsafe.Pointer(unsafe.SliceData(ahead)), dim, pitch*elem, rows, n)
}

// transposed is how many bytes of columns the widest kernel writes at once: rows that are not wanted are read and written up to there.
const transposed = 64

func transpose(dst []byte, elem int, src []byte, dim, pitch, n int) {
	f := current().transpose16
	if elem == 4 {
		f = current().transpose32
	}
	if f == nil {
		transposeRef(dst, elem, src, dim, pitch, n)
		return
	}
	rows := (n + transposed/elem - 1) / (transposed / elem) * (transposed / elem)
	_, _ = dst[((dim-1)*Block+rows)*elem-1], src[((rows-1)*pitch+dim)*elem-1]
	f(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), dim, pitch*elem, n)
}

func softmaxBack(s, ds, m, r, d []float32, mask []uint64, scale float32) {
	f := current().softmaxBack
	if f == nil {
		softmaxBackRef(s, ds, m, r, d, mask, scale)
		return
	}
	n := len(mask)
	_, _, _, _, _ = s[n*Block-1], ds[n*Block-1], m[n-1], r[n-1], d[n-1]
	f(&s[0], &ds[0], &m[0], &r[0], &d[0], &mask[0], n, scale)
}

func gain(c, a, b []float32, dim, aRow, aStep, rows, n int) {
	f := current().gain
	if f == nil {
		gainRef(c, a, b, dim, aRow, aStep, rows, n)
		return
	}
	_, _, _ = c[rows*dim-1], a[(rows-1)*aRow+(n-1)*aStep], b[n*dim-1]
	f(&c[0], &a[0], &b[0], dim, 4*aRow, 4*aStep, rows, n)
}

func copyRows(dst, src []float32, dim, dstPitch, srcPitch, rows int) {
	f, whole := current().copyRows, dim&^7
	if f == nil || whole == 0 || rows == 0 {
		copyRowsRef(dst, src, dim, dstPitch, srcPitch, rows)
		return
	}
	_, _ = dst[(rows-1)*dstPitch+dim-1], src[(rows-1)*srcPitch+dim-1]
	f(&dst[0], &src[0], whole, 4*dstPitch, 4*srcPitch, rows)
	if whole < dim {
		copyRowsRef(dst[whole:], src[whole:], dim-whole, dstPitch, srcPitch, rows)
	}
}
