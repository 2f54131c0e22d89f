package qdot

import "github.com/pennyml/penny/internal/cpu"

// quantizeRow rounds one row at level l, into records from rec[0] on.
func quantizeRow(l cpu.Level, form Form, rec []byte, step int, x []float32) {
	if l == cpu.Generic || len(x) == 0 {
		quantizeReference(form, rec, step, x)
		return
	}
	if form == Block32 {
		quantize32AVX2(&rec[0], step, &x[0], len(x)/32)
	} else {
		quantize256AVX2(&rec[0], step, &x[0], len(x)/256)
	}
}

// The records of blocks of 32 and of 256 (Acts), step bytes apart, from x.

//go:noescape
func quantize32AVX2(rec *byte, step int, x *float32, blocks int)

//go:noescape
func quantize256AVX2(rec *byte, step int, x *float32, blocks int)
