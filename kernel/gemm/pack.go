package gemm

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// Packed is a batch of M rows of K activations, packed as f32 or as bf16.
//
// The layout is the same at every level: tiles of 6 rows (fewer in the last), inside a tile one 64-byte line of each row in turn: 16 values of
// f32 or 32 of bf16, the last line of a row filled up with +0. A tile is then read from front to back, whatever K is.
type Packed struct {
	M, K int
	F32  []float32
	BF16 []uint16
}

const (
	tileRows = 6
	lineF32  = 16
	lineBF16 = 32
)

// PackedLenF32 is the length of the buffer that m rows of k activations take when packed as f32.
func PackedLenF32(m, k int) int { return m * ceil(k, lineF32) * lineF32 }

// PackedLenBF16 is the same for bf16.
func PackedLenBF16(m, k int) int { return m * ceil(k, lineBF16) * lineBF16 }

// PackF32 packs x, m rows of k values, into dst, which must have room for PackedLenF32(m, k).
func PackF32(dst, x []float32, m, k int) Packed {
	checkPack(len(dst), PackedLenF32(m, k), len(x), m, k)
	for r := range m {
		PackF32Row(dst, x[r*k:(r+1)*k], r, m)
	}
	return Packed{M: m, K: k, F32: dst[:PackedLenF32(m, k)]}
}

// PackF32Row packs x as row r of m into dst. Rows may be packed in any order, by several workers at once.
func PackF32Row(dst, x []float32, r, m int) {
	at, step := rowLines(r, m, len(x), lineF32)
	if n := len(x) / lineF32; n > 0 {
		_ = dst[at+(n-1)*step+lineF32-1]
		tables[cpu.Current()].copyLines(unsafe.Pointer(&dst[at]), unsafe.Pointer(&x[0]), n, uintptr(step*4))
		x, at = x[n*lineF32:], at+n*step
	}
	if len(x) > 0 {
		clear(dst[at+copy(dst[at:at+lineF32], x) : at+lineF32])
	}
}

// PackBF16 rounds x, m rows of k values, to bf16 (to nearest even, NaN made quiet) and packs it into dst, which must have room for
// PackedLenBF16(m, k).
func PackBF16(dst []uint16, x []float32, m, k int) Packed {
	checkPack(len(dst), PackedLenBF16(m, k), len(x), m, k)
	for r := range m {
		PackBF16Row(dst, x[r*k:(r+1)*k], r, m)
	}
	return Packed{M: m, K: k, BF16: dst[:PackedLenBF16(m, k)]}
}

// PackBF16Row packs x as row r of m into dst. Rows may be packed in any order, by several workers at once.
func PackBF16Row(dst []uint16, x []float32, r, m int) {
	at, step := rowLines(r, m, len(x), lineBF16)
	if n := len(x) / lineBF16; n > 0 {
		_ = dst[at+(n-1)*step+lineBF16-1]
		tables[cpu.Current()].roundBF16(unsafe.Pointer(&dst[at]), unsafe.Pointer(&x[0]), n, uintptr(step*2))
		x, at = x[n*lineBF16:], at+n*step
	}
	if len(x) > 0 {
		line := dst[at : at+lineBF16]
		for i, v := range x {
			line[i] = dtype.F32ToBF16(v)
		}
		clear(line[len(x):])
	}
}

// rowLines says where the first line of row r of m begins, and how far apart its lines are.
func rowLines(r, m, k, line int) (at, step int) {
	if r < 0 || r >= m {
		panic(fmt.Sprintf("gemm: row %d of %d", r, m))
	}
	t := r - r%tileRows
	return (t*ceil(k, line) + r%tileRows) * line, min(tileRows, m-t) * line
}

func checkPack(dst, need, x, m, k int) {
	if m < 0 || k < 0 || dst < need || x < m*k {
		panic(fmt.Sprintf("gemm: packing %d x %d activations from %d values into a buffer of %d, need %d", m, k, x, dst, need))
	}
}

func (x *Packed) check() {
	if x.F32 != nil && x.BF16 != nil || len(x.F32) != 0 && len(x.F32) < PackedLenF32(x.M, x.K) ||
		len(x.BF16) != 0 && len(x.BF16) < PackedLenBF16(x.M, x.K) || len(x.F32)+len(x.BF16) == 0 && x.M*x.K > 0 {
		panic(fmt.Sprintf("gemm: packed activations of %d x %d in %d f32 and %d bf16 values", x.M, x.K, len(x.F32), len(x.BF16)))
	}
}

func f32Bytes(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}
