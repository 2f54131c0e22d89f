package main

import "fmt"

// Registers of the functions that read weight rows. Row r is at rowBase[r/4] + r%4 strides.
var rowBase = []string{"R8", "R9", "R10", "R11"}

const stride, stride3 = "R12", "R13"

func row(r, off int) string {
	switch b := rowBase[r/4]; r % 4 {
	case 0:
		return fmt.Sprintf("%d(%s)", off, b)
	case 3:
		return fmt.Sprintf("%d(%s)(%s*1)", off, b, stride3)
	default:
		return fmt.Sprintf("%d(%s)(%s*%d)", off, b, stride, r%4)
	}
}

// rowPointers sets the bases from R8 = row 0 and the stride.
func (f *fn) rowPointers() {
	for i := 1; i < f.rows/4; i++ {
		f.op("LEAQ", fmt.Sprintf("(%s)(%s*4)", rowBase[i-1], stride), rowBase[i])
	}
	f.op("LEAQ", fmt.Sprintf("(%s)(%s*2)", stride, stride), stride3)
}

// forward moves on along the rows.
func (f *fn) forward(bytes int) {
	for i := range f.rows / 4 {
		f.op("ADDQ", bytes, rowBase[i])
	}
}

// ahead begins the prefetching of n bytes at SI, to the second-level cache; prefetch issues the next few; behind the rest, and moves SI on.
func (f *fn) ahead(n int) {
	for off := 0; off < n; off += 64 {
		f.prefetching = append(f.prefetching, off)
	}
}

func (f *fn) prefetch(few int) {
	few = min(few, len(f.prefetching))
	for _, off := range f.prefetching[:few] {
		f.op("PREFETCHT1", fmt.Sprintf("%d(SI)", off))
	}
	f.prefetching = f.prefetching[few:]
}

func (f *fn) behind(n int) {
	f.prefetch(len(f.prefetching))
	f.op("ADDQ", n, "SI")
}

// loadX loads 16 bytes into the lowest quarter of r, insertX puts 16 bytes (memory or a register) into quarter i.
func (f *fn) loadX(mem string, r vec) {
	if r < 16 {
		f.op("VMOVDQU", mem, r.x())
	} else {
		f.op("VMOVDQU32", mem, r.x())
	}
}

func (f *fn) insertX(i int, src string, r vec) {
	switch {
	case i > 1:
		f.op("VINSERTI32X4", i, src, r, r)
	case r < 16:
		f.op("VINSERTI128", i, src, r.y(), r.y())
	default:
		f.op("VINSERTI32X4", i, src, r.y(), r.y())
	}
}

// gather16 loads 16 bytes at off of every row and turns them: register i of the result holds dword i of each row.
func (f *fn) gather16(off int) [4]vec {
	// Rows 0 4 8 12, then 1 5 9 13, ...: the 4x4 transposition of dwords inside each quarter then leaves the rows in order.
	var l [4]vec
	for j := range l {
		l[j] = f.alloc()
		f.loadX(row(j, off), l[j])
		f.insertX(1, row(4+j, off), l[j])
		if f.rows == 16 {
			t := f.alloc()
			f.loadX(row(8+j, off), t)
			f.insertX(1, row(12+j, off), t)
			f.op("VINSERTI64X4", 1, t.y(), l[j], l[j])
			f.release(t)
		}
	}
	f.prefetch(4)
	t := f.alloc()
	f.op("VPUNPCKLDQ", l[1], l[0], t)
	f.op("VPUNPCKHDQ", l[1], l[0], l[0])
	f.op("VPUNPCKLDQ", l[3], l[2], l[1])
	f.op("VPUNPCKHDQ", l[3], l[2], l[2])
	f.op("VPUNPCKLQDQ", l[1], t, l[3])
	f.op("VPUNPCKHQDQ", l[1], t, t)
	f.op("VPUNPCKLQDQ", l[2], l[0], l[1])
	f.op("VPUNPCKHQDQ", l[2], l[0], l[0])
	f.release(l[2])
	return [4]vec{l[3], t, l[1], l[0]}
}

// gather collects a scalar of 1, 2 or 4 bytes from every row, in row order and packed at the lower end of a register.
func (f *fn) gather(off, bytes int) vec {
	insert := map[int]string{1: "VPINSRB", 2: "VPINSRW", 4: "VPINSRD"}[bytes]
	const chain = 8 // insertions one after the other
	var r vec
	for first := 0; first < f.rows; {
		x, n := f.alloc(), min(16/bytes, chain, f.rows-first)
		f.op("VPXOR", x.x(), x.x(), x.x())
		for i := range n {
			f.op(insert, first%(16/bytes)+i, row(first+i, off), x.x(), x.x())
		}
		switch quarter := first * bytes / 16; {
		case first == 0:
			r = x
		case first*bytes%16 > 0:
			f.op("VPOR", x.x(), r.x(), r.x())
		default:
			f.insertX(quarter, x.x(), r)
		}
		if first > 0 {
			f.release(x)
		}
		first += n
	}
	return r
}

// halves widens 16-bit floats: those that gather(off, 2) finds.
func (f *fn) halves(off int) vec {
	r := f.gather(off, 2)
	f.widen(r)
	return r
}

// widen turns packed 16-bit floats into float32 in place.
func (f *fn) widen(r vec) {
	if f.rows == 16 {
		f.op("VCVTPH2PS", r.y(), r)
	} else {
		f.op("VCVTPH2PS", r.x(), r)
	}
}

// lowHalves widens the 16-bit floats in the lower words of the dwords of r, which it keeps; highHalves those in the upper words.
func (f *fn) lowHalves(r vec) vec {
	d := f.alloc()
	if f.rows == 16 {
		f.op("VPMOVDW", r, d.y())
	} else {
		f.op("AND", f.dwords(0xFFFF), r, d)
		f.op("VPACKUSDW", d, d, d)
		f.op("VPERMQ", 8, d, d)
	}
	f.widen(d)
	return d
}

func (f *fn) highHalves(r vec) vec {
	t := f.alloc()
	f.op("VPSRLD", 16, r, t)
	d := f.lowHalves(t)
	f.release(t)
	return d
}
