package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/vec"
)

// chunk is the steps that are packed at a time. Step i takes row[i] of B; a step of pairs the row after that too, if both[i], or else a row of +0.
// A level without an instruction for pairs makes two steps of each, the second row first; there row -1 is that of +0.
type chunk struct {
	n       int
	row     [sweepSteps]int32
	both    [sweepSteps]bool
	started bool // there was a chunk before
}

// eachChunk calls f for all steps, chunk by chunk.
func (o *outer) eachChunk(s *Scratch, f func(c *chunk)) {
	c := &s.chunk
	c.n, c.started = 0, false
	flush := func(room int) {
		if c.n > sweepSteps-room && c.n > 0 {
			f(c)
			c.n, c.started = 0, true
		}
	}
	add := func(row int, both bool) {
		c.row[c.n], c.both[c.n] = int32(row), both
		c.n++
	}
	r := 0
	for _, end := range o.ends {
		for r < end {
			switch both := r+1 < end; {
			case o.f32 != nil:
				flush(1)
				add(r, false)
				r++
				continue
			case o.level.pairs:
				flush(1)
				add(r, both)
			default:
				flush(2)
				if both {
					add(r+1, false)
				} else {
					add(-1, false)
				}
				add(r, false)
			}
			r = min(r+2, end)
		}
	}
	flush(sweepSteps)
}

// zeros stand for a row of +0.
var zeros [sweepRows]uint16

// rowBF16 is a row of B that is bf16, from column k on; of +0 if r is -1.
func (o *outer) rowBF16(r, k, cols int) []uint16 {
	if r < 0 {
		return zeros[:cols]
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&o.b.Data[2*(r*o.b.K+k)])), cols)
}

// packAhead is how many rows ahead what is packed is prefetched: parts of rows, so the hardware does not see them coming.
const packAhead = 8

// packB copies the columns k to k+cols-1 of the chunk's rows of B to the scratch, as elements.
func (o *outer) packB(s *Scratch, c *chunk, k, cols int) {
	p := &s.product
	p.init(s, nil, 0, Packed{F32: []float32{}}, o.b)
	p.ahead = uintptr(packAhead * p.wRow)
	lines := span{0, ceil(cols, lineF32)}
	for i, r := range c.row[:c.n] {
		dst := unsafe.Add(ptr(s.panels), i/4*sweepBlock+i%4*line)
		switch {
		case o.bf16 == nil:
			p.convert(dst, o.b.Data[int(r)*p.wRow+o.b.Type.RowBytes(k):][:o.b.Type.RowBytes(cols)], lines, 1)
		case !o.level.pairs:
			row := o.rowBF16(int(r), k, cols)
			p.convert(dst, unsafe.Slice((*byte)(unsafe.Pointer(&row[0])), 2*cols), lines, 1)
		default:
			o.level.pairUp(dst, panelStep, packAhead*p.wRow, o.rowBF16(int(r), k, cols), o.rowBF16(c.second(i), k, cols))
		}
	}
}

// second is the second row of step i, -1 for none.
func (c *chunk) second(i int) int {
	if c.both[i] {
		return int(c.row[i]) + 1
	}
	return -1
}

// pairUp writes the pairs of two rows as lines that are step bytes apart.
func (k *kernels) pairUp(dst unsafe.Pointer, step, ahead int, even, odd []uint16) {
	whole := len(even) / lineF32
	if whole > 0 {
		k.interleave(dst, unsafe.Pointer(&even[0]), unsafe.Pointer(&odd[0]), whole, uintptr(step), uintptr(ahead))
	}
	for i := whole * lineF32; i < len(even); i++ {
		*at[uint32](dst, whole*step+i%lineF32*4) = uint32(even[i]) | uint32(odd[i])<<16
	}
}

// packA copies the elements of A for the rows i0 to i1 of C and the steps of the chunk to the scratch: if A's rows are rows of C, row by row; else
// tile by tile, and in a tile step by step the elements of its rows.
func (o *outer) packA(s *Scratch, c *chunk, i0, i1 int) {
	dst := s.sweepA()
	switch {
	case o.aStep == 1:
		for i := i0; i < i1; i++ {
			o.packRow(dst[(i-i0)*sweepSteps:][:sweepSteps], c, o.bf16[i*o.aRow:])
		}
	case o.f32 != nil:
		o.tiles(dst, unsafe.Pointer(&o.f32[int(c.row[0])*o.aStep+i0]), i1-i0, c.n, 4*o.aStep)
	default:
		elements := unsafe.Pointer(&s.elements)
		for j, r := range c.row[:c.n] {
			row := o.columnsOfA(int(r), i0, i1)
			if o.level.pairs {
				o.level.pairUp(elements, line, packAhead*2*o.aStep, row, o.columnsOfA(c.second(j), i0, i1))
			} else {
				vec.BF16ToF32(s.elements[:i1-i0], row)
			}
			o.tiles(dst[j*tileRows:], elements, i1-i0, 1, 0)
		}
	}
}

// packRow writes a row of A, for the chunk's steps.
func (o *outer) packRow(dst []float32, c *chunk, row []uint16) {
	if !o.level.pairs && c.row[c.n-2] >= 0 { // whole pairs, the second value first
		row = row[c.row[1]:][:c.n]
		whole := c.n &^ 7
		if whole > 0 {
			o.level.widenSwapped(unsafe.Pointer(&dst[0]), unsafe.Pointer(&row[0]), whole/8)
		}
		for i := whole; i < c.n; i++ {
			dst[i] = dtype.BF16ToF32(row[i^1])
		}
		return
	}
	value := func(r int) uint32 {
		if r < 0 {
			return 0
		}
		return uint32(row[r])
	}
	for j, r := range c.row[:c.n] {
		at := (*uint32)(unsafe.Pointer(&dst[j]))
		if o.level.pairs {
			*at = value(int(r)) | value(c.second(j))<<16
		} else {
			*at = value(int(r)) << 16
		}
	}
}

// columnsOfA are the values of A for row r of B and the rows i0 to i1 of C; +0 if r is -1.
func (o *outer) columnsOfA(r, i0, i1 int) []uint16 {
	if r < 0 {
		return zeros[:i1-i0]
	}
	return o.bf16[r*o.aStep+i0:][:i1-i0]
}

// tiles deals out steps rows of n elements, srcStep bytes apart, to the tiles.
func (o *outer) tiles(dst []float32, src unsafe.Pointer, n, steps, srcStep int) {
	whole := n / tileRows
	if whole > 0 {
		o.level.deal(unsafe.Pointer(&dst[0]), src, whole, steps, uintptr(srcStep))
	}
	rest := n % tileRows
	for j := range steps {
		if rest > 0 {
			from := unsafe.Slice((*float32)(unsafe.Add(src, j*srcStep+whole*tileRows*4)), rest)
			copy(dst[whole*sweepTile+j*tileRows:][:rest], from)
		}
	}
}

// sweepA is the part of the scratch that holds sweepRows rows of A.
func (s *Scratch) sweepA() []float32 {
	return unsafe.Slice((*float32)(ptr(s.wide)), sweepRows*sweepSteps)
}
