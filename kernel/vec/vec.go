// Package vec holds the elementwise and reducing kernels on rows of float32: exp, softmax, SwiGLU, RMSNorm, RoPE and the like. What each
// computes, rounding and order included, is docs/NUMERICS.md sections 1, 2 and 6.
//
// Every function is defined by the pure-Go code that stands in the same file. The assembly takes as many whole groups of 16 elements as there
// are and the Go code the rest; both give the same bits, so which of them ran cannot be seen. No function allocates. A destination may be the
// same slice as a source, but must not overlap it in part. Lengths that do not fit are a mistake of the caller and panic.
package vec

//go:generate go run ../_asm vec .

import (
	"fmt"

	"github.com/pennyml/penny/kernel/fp"
)

// lanes is the number of virtual lanes of a sum.
const lanes = 16

func sameLen(what string, n int, others ...int) {
	for _, m := range others {
		if m != n {
			panic(fmt.Sprintf("vec: %s of %d and %d elements", what, n, m))
		}
	}
}

// Add writes a + b to dst. It is the residual connection.
func Add(dst, a, b []float32) {
	sameLen("Add", len(dst), len(a), len(b))
	for i := addFast(dst, a, b); i < len(dst); i++ {
		dst[i] = fp.Canon(a[i] + b[i])
	}
}

// Scale writes x·s to dst.
func Scale(dst, x []float32, s float32) {
	sameLen("Scale", len(dst), len(x))
	for i := scaleFast(dst, x, s); i < len(dst); i++ {
		dst[i] = fp.Canon(x[i] * s)
	}
}

// Axpy adds w·x to acc by fused multiply-add. It is how the outputs of experts are summed.
func Axpy(acc, x []float32, w float32) {
	sameLen("Axpy", len(acc), len(x))
	for i := axpyFast(acc, x, w); i < len(acc); i++ {
		acc[i] = fp.Canon(fp.FMA32(w, x[i], acc[i]))
	}
}
