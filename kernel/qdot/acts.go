package qdot

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pennyml/penny/kernel/fp"
)

var le = binary.LittleEndian

// Acts are activations rounded to 8 bits in blocks, m rows of k. The zero value is ready for Quantize.
//
// Rows go in groups of four, the last group filled up with unused ones. A group is a sequence of records, one a block, in which the four rows'
// values lie side by side, so that a kernel for several rows walks few streams at constant offsets:
//
//	Block32,   160 bytes: q [4 rows][32]int8; d [4]float32; sum [4]int32, of a block's q
//	Block256, 1232 bytes: q [8 sub-blocks][4 rows][32]int8; d [4]float32;
//	                      sum16 [8 pairs][4 rows][2]int16, sum32 [4 pairs][4 rows][2]int16: sums of q over each 16 and each 32
//
// The sums stand in pairs (0,2) (1,3) (4,6) (5,7) ..., which is how bytes in a dword fall apart into words.
type Acts struct {
	form Form
	m, k int
	buf  []byte
}

const (
	record32, record256 = 160, 1232
	dAt32, sumAt32      = 128, 144
	dAt256              = 1024
	sum16At, sum32At    = 1040, 1168
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

// groupBytes is the distance from one group of four rows to the next.
func (a *Acts) groupBytes() int { return a.blocks() * a.form.record() }

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
	if n := (m + 3) / 4 * a.groupBytes(); n <= cap(a.buf) {
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
	size, record := int(a.form), a.form.record()
	for m := m0; m < m1; m++ {
		row, rec := x[m*a.k:(m+1)*a.k], a.buf[m/4*a.groupBytes():]
		for b := range a.blocks() {
			if a.form == Block32 {
				quantize32(rec[b*record:], m%4, (*[32]float32)(row[b*size:]))
			} else {
				quantize256(rec[b*record:], m%4, row[b*size:(b+1)*size])
			}
		}
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

func quantize32(rec []byte, r int, x *[32]float32) {
	d, id := blockScale(x[:])
	var sum int32
	for i, v := range x {
		q := roundTo8(v, id)
		rec[32*r+i] = byte(q)
		sum += int32(q)
	}
	le.PutUint32(rec[dAt32+4*r:], math.Float32bits(d))
	le.PutUint32(rec[sumAt32+4*r:], uint32(sum))
}

func quantize256(rec []byte, r int, x []float32) {
	d, id := blockScale(x)
	var sum16 [16]int16
	for i, v := range x {
		q := roundTo8(v, id)
		rec[i/32*128+32*r+i%32] = byte(q)
		sum16[i/16] += int16(q)
	}
	le.PutUint32(rec[dAt256+4*r:], math.Float32bits(d))
	for j, s := range sum16 {
		le.PutUint16(rec[sum16At+pairAt(j)+4*r:], uint16(s))
	}
	for j := range 8 {
		le.PutUint16(rec[sum32At+pairAt(j)+4*r:], uint16(sum16[2*j]+sum16[2*j+1]))
	}
}

// pairAt is where the j-th sum of row 0 stands: pair (j/4*2 + j%2), first or second of it by bit 1 of j.
func pairAt(j int) int { return (j/4*2+j%2)*16 + j/2%2*2 }

// The readers of the reference: row m, block b.

func (a *Acts) rec(m, b int) []byte {
	at := m/4*a.groupBytes() + b*a.form.record()
	return a.buf[at : at+a.form.record()]
}

func (a *Acts) scale(m, b int) float32 {
	at := dAt32
	if a.form == Block256 {
		at = dAt256
	}
	return math.Float32frombits(le.Uint32(a.rec(m, b)[at+m%4*4:]))
}

// codes is q of sub-block j of 32 (j is 0 in Block32).
func (a *Acts) codes(m, b, j int) []byte {
	at := j*128 + m%4*32
	return a.rec(m, b)[at : at+32]
}
