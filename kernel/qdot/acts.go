package qdot

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/kernel/fp"
)

var le = binary.LittleEndian

// Acts are activations rounded to 8 bits in blocks, m rows of k. The zero value is ready for Quantize.
//
// Rows go in groups of four (the last filled up with unused ones; all in one narrower group if there are fewer than four). A group is a sequence
// of blocks, and in each of them the rows' records stand side by side, so that a kernel for several rows walks few streams at constant offsets:
//
//	Block32,   44 bytes: q [32]int8; d float32; -Σq int32; d·Σq float32
//	Block256, 308 bytes: q [256]int8; Σq of each 16, [8]pair; of each 32, [4]pair; d float32
//
// A pair is two int16 of sums (0,2) (1,3) (4,6) (5,7) ..., which is how the bytes of a dword fall apart into words.
type Acts struct {
	form Form
	m, k int
	buf  []byte
}

const (
	record32, record256            = 44, 308
	dAt32, negAt32, sumAt32        = 32, 36, 40
	sum16At256, sum32At256, dAt256 = 256, 288, 304
)

// M is the number of rows.
func (a *Acts) M() int { return a.m }

// K is the number of elements a row.
func (a *Acts) K() int { return a.k }

// Form is the block form.
func (a *Acts) Form() Form { return a.form }

func (f Form) record() int {
	if f == Block32 {
		return record32
	}
	return record256
}

// blocks is the number of blocks a row.
func (a *Acts) blocks() int { return a.k / int(a.form) }

// step is the distance from a record to that of the next block, group that from one group of rows to the next.
func (a *Acts) step() int  { return min(a.m, 4) * a.form.record() }
func (a *Acts) group() int { return a.blocks() * a.step() }

// at is where the record of row m, block b, begins.
func (a *Acts) at(m, b int) int { return m/4*a.group() + b*a.step() + m%4*a.form.record() }

// Quantize rounds m rows of k activations, x[m*k:], into dst: in each block d = max|x|/127 and q = x/d to nearest even. It allocates only when
// dst is too small. It panics unless k is whole blocks of the form and x holds m*k elements.
func Quantize(dst *Acts, form Form, x []float32, m, k int) {
	dst.Resize(form, m, k)
	dst.SetRows(x, 0, m)
}

// Resize makes a hold m rows of k, all still to be set with SetRows. Quantize is Resize and SetRows of everything.
func (a *Acts) Resize(form Form, m, k int) {
	if form != Block32 && form != Block256 {
		panic(fmt.Sprintf("qdot: no such form of activations: %d", form))
	}
	if m < 0 || k < 0 || k%int(form) != 0 {
		panic(fmt.Sprintf("qdot: %d rows of %d activations are not whole blocks of %d", m, k, form))
	}
	a.form, a.m, a.k = form, m, k
	if n := (m + 3) / 4 * a.group(); n <= cap(a.buf) {
		a.buf = a.buf[:n]
	} else {
		a.buf = make([]byte, n)
	}
}

// SetRows quantises rows m0 to m1 of x (the whole matrix, m*k elements). Workers may share the rows out among them.
func (a *Acts) SetRows(x []float32, m0, m1 int) {
	if m0 < 0 || m1 < m0 || m1 > a.m || len(x) < m1*a.k {
		panic(fmt.Sprintf("qdot: quantise rows %d:%d of %dx%d from %d elements", m0, m1, a.m, a.k, len(x)))
	}
	if a.k == 0 {
		return
	}
	for m := m0; m < m1; m++ {
		quantizeRow(cpu.Current(), a.form, a.buf[a.at(m, 0):], a.step(), x[m*a.k:(m+1)*a.k])
	}
}

// quantizeReference is the definition, for one row: docs/NUMERICS.md section 4.
func quantizeReference(form Form, rec []byte, step int, x []float32) {
	for ; len(x) > 0; x = x[form:] {
		if form == Block32 {
			quantize32(rec, x[:32])
		} else {
			quantize256(rec, x[:256])
		}
		rec = rec[min(step, len(rec)):]
	}
}

// blockScale is the scale of a block and its inverse. Where there is nothing to scale (all zero, or so small that 127/max overflows) the
// inverse is 0; a block that holds an infinity or a NaN has the scale NaN.
func blockScale(x []float32) (d, id float32) {
	var top uint32 // the bits of a non-negative float are in its order, with infinity and NaN on top
	for _, v := range x {
		top = max(top, math.Float32bits(v)&0x7FFFFFFF)
	}
	if top >= 0x7F800000 {
		return fp.NaN, 0
	}
	a := math.Float32frombits(top)
	if id = 127 / a; id > math.MaxFloat32 {
		id = 0
	}
	return a / 127, id
}

// roundTo8 rounds x·id to the nearest integer, ties to even. An infinite x counts as 0: its block's scale is NaN.
func roundTo8(x, id float32) int8 {
	if id == 0 {
		return 0
	}
	const magic = 3 << 22 // adding it leaves no fraction bits
	return int8(int32(math.Float32bits(float32(x*id)+magic)) - int32(math.Float32bits(magic)))
}

func quantize32(rec []byte, x []float32) {
	d, id := blockScale(x)
	var sum int32
	for i, v := range x {
		q := roundTo8(v, id)
		rec[i] = byte(q)
		sum += int32(q)
	}
	le.PutUint32(rec[dAt32:], math.Float32bits(d))
	le.PutUint32(rec[negAt32:], uint32(-sum))
	le.PutUint32(rec[sumAt32:], math.Float32bits(fp.Canon(d*float32(sum))))
}

func quantize256(rec []byte, x []float32) {
	d, id := blockScale(x)
	var sum16 [16]int16
	for i, v := range x {
		q := roundTo8(v, id)
		rec[i] = byte(q)
		sum16[i/16] += int16(q)
	}
	for j, s := range sum16 {
		le.PutUint16(rec[sum16At256+pairAt(j):], uint16(s))
	}
	for j := range 8 {
		le.PutUint16(rec[sum32At256+pairAt(j):], uint16(sum16[2*j]+sum16[2*j+1]))
	}
	le.PutUint32(rec[dAt256:], math.Float32bits(d))
}

// pairAt is where the j-th sum stands: in pair j/4*2 + j%2, first or second of it by bit 1 of j.
func pairAt(j int) int { return (j/4*2+j%2)*4 + j/2%2*2 }

// The readers of the reference: row m, block b.

func (a *Acts) scale(m, b int) float32 {
	at := dAt32
	if a.form == Block256 {
		at = dAt256
	}
	return math.Float32frombits(le.Uint32(a.buf[a.at(m, b)+at:]))
}

func (a *Acts) codes(m, b int) []byte {
	at := a.at(m, b)
	return a.buf[at : at+int(a.form)]
}
