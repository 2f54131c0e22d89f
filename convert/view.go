package convert

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
)

// order says in which order a block's rows are taken.
type order uint8

const (
	asStored      order = iota
	halvesToPairs       // rows i and i + n/2 become neighbours: RoPE as published to RoPE as in GGUF files of llama
	pairsToHalves       // the inverse
	transposed          // rows become columns
)

// block is a run of rows of one source tensor.
type block struct {
	src       *matrix
	row, rows int
	order
}

// from is the row of the source that becomes row i.
func (b block) from(i int) int {
	switch half := b.rows / 2; b.order {
	case halvesToPairs:
		return b.row + i%2*half + i/2
	case pairsToHalves:
		return b.row + i%half*2 + i/half
	}
	return b.row + i
}

// view is a tensor of the target, put together from rows of the source's: a copy, a permutation, a stack, a slice.
type view struct {
	name   string
	shape  []int // slowest first
	blocks []block
}

// whole views a tensor as it is.
func whole(name string, m *matrix) *view {
	return &view{name, m.shape, []block{{src: m, rows: m.rows}}}
}

func (v *view) size() int {
	n := 1
	for _, d := range v.shape {
		n *= d
	}
	return n
}

// stored is the type of the source; Invalid where it is not one only.
func (v *view) stored() dtype.Type {
	t := v.blocks[0].src.typ
	for _, b := range v.blocks {
		if b.src.typ != t {
			return dtype.Invalid
		}
	}
	return t
}

// unit is a part of a view that is converted at a time: some rows of a block, or all of it where they change places.
type unit struct {
	block
	cols int // of the result
}

// unitElements is about how many elements make a unit: enough to keep a worker busy, few enough to stay in its cache.
const unitElements = 1 << 16

// units cuts the view up, in order.
func (v *view) units() []unit {
	var us []unit
	for _, b := range v.blocks {
		if b.order != asStored {
			us = append(us, unit{b, len2(b)})
			continue
		}
		step := max(1, unitElements/max(1, b.src.cols))
		for at := 0; at < b.rows; at += step {
			us = append(us, unit{block{src: b.src, row: b.row + at, rows: min(step, b.rows-at)}, b.src.cols})
		}
	}
	return us
}

// len2 is the length of the rows that a block makes.
func len2(b block) int {
	if b.order == transposed {
		return b.rows
	}
	return b.src.cols
}

func (u unit) elements() int { return u.rows * u.src.cols }

// decode writes the unit's elements to dst.
func (u unit) decode(dst, scratch []float32) {
	switch cols := u.src.cols; u.order {
	case asStored:
		u.src.decode(dst, u.row, u.rows)
	case transposed:
		u.src.decode(scratch, u.row, u.rows)
		for r := range u.rows {
			for c, v := range scratch[r*cols:][:cols] {
				dst[c*u.rows+r] = v
			}
		}
	default:
		for i := range u.rows {
			u.src.decode(dst[i*cols:], u.from(i), 1)
		}
	}
}

// copyTo copies the unit's bytes as they are stored; false if that is not possible.
func (u unit) copyTo(dst []byte) bool {
	switch {
	case u.src.scales != nil || u.order == transposed:
		return false
	case u.order == asStored:
		copy(dst, u.src.bytes(u.row, u.rows))
	default:
		n := u.src.typ.RowBytes(u.src.cols)
		for i := range u.rows {
			copy(dst[i*n:], u.src.bytes(u.from(i), 1))
		}
	}
	return true
}

// at names an element of the unit in the source's terms.
func (u unit) at(i int) string {
	r, c := i/u.cols, i%u.cols
	if u.order == transposed {
		return fmt.Sprintf("row %d, column %d", u.row+c, r)
	}
	return fmt.Sprintf("row %d, column %d", u.from(r), c)
}
