package qdot

import (
	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
)

// mulReference is the definition: docs/NUMERICS.md section 4, one output at a time.
func mulReference(y []float32, ldy int, a *Acts, t dtype.Type, w []byte, n0, n1 int, s *Scratch) {
	f, rowBytes := &formats[t], t.RowBytes(a.k)
	s.row.resize(a.k)
	for n := n0; n < n1; n++ {
		row, size := w[n*rowBytes:], t.BlockBytes()
		for b := range a.blocks() {
			f.read(&s.row, b, row[b*size:(b+1)*size])
		}
		for m := range a.m {
			if a.form == Block32 {
				y[m*ldy+n] = dot32(a, m, f, &s.row)
			} else {
				y[m*ldy+n] = dot256(a, m, f, &s.row)
			}
		}
	}
}

func dot32(a *Acts, m int, f *format, w *rowBlocks) float32 {
	var lane [8]float32
	for b := range a.blocks() {
		d := a.scale(m, b)
		isum, qsum := dotCodes(w.c[b*32:(b+1)*32], a.codes(m, b))
		lane[b%8] = fp.FMA32(w.d[b]*d, float32(isum), lane[b%8])
		if f.min {
			lane[b%8] = fp.FMA32(w.m[b], d*float32(qsum), lane[b%8])
		}
	}
	return fp.Canon(fp.Fold8(&lane))
}

func dot256(a *Acts, m int, f *format, w *rowBlocks) float32 {
	var acc float32
	per := 256 / f.sub
	for b := range a.blocks() {
		d := a.scale(m, b)
		var isum, msum int32
		for j := range per {
			at := j * f.sub
			i, s := dotCodes(w.c[b*256+at:][:f.sub], a.codes(m, b)[at:])
			isum += int32(w.sc[b*per+j]) * i
			if f.min {
				msum += int32(w.mn[b*per+j]) * s
			}
		}
		acc = fp.FMA32(w.d[b]*d, float32(isum), acc)
		if f.min {
			acc = fp.FMA32(-(w.m[b] * d), float32(msum), acc)
		}
	}
	return fp.Canon(acc)
}

// dotCodes returns Σ c·q and Σ q.
func dotCodes(c []int8, q []byte) (isum, qsum int32) {
	for i, c := range c {
		isum += int32(c) * int32(int8(q[i]))
		qsum += int32(int8(q[i]))
	}
	return isum, qsum
}
