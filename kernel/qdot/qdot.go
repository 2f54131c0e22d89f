// Package qdot multiplies block-quantised weights with activations rounded to 8 bits: y = x·Wᵀ on the integers as they are stored, one scale a
// block. What each result is, to the bit, is docs/NUMERICS.md section 4; the reference (reference.go) says it in Go, and the kernels of every
// instruction-set level equal it with == on bits.
//
// Activations are quantised once a product; then each worker calls Mul over its own range of weight rows. Weights are read where they lie, as
// GGUF rows of any alignment, and never kept in another layout.
//
// The kernels hold 16 weight rows side by side, one in each lane of a vector: loading turns a 4x4 of dwords at a time, so that a register has four
// codes of every row, and no product ends in a horizontal sum. For few rows of activations the codes go straight into the integer dot instruction
// (dot functions); for many they are written to a panel that stays in the cache, and tiles of activations pass over it (unpack, gemm). The
// assembly is written by _gen, where reading a format (formats*.go) is apart from what is done with its codes (unpack.go, dot.go).
package qdot

//go:generate go run ./_gen .

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// Form is how activations are cut into blocks, which has to match the weights: the number of elements that share a scale.
type Form int

// The forms.
const (
	Block32  Form = 32
	Block256 Form = 256
)

// Supported reports whether Mul takes weights of type t.
func Supported(t dtype.Type) bool { return int(t) < len(formats) && formats[t].read != nil }

// FormOf is the form of activations that weights of type t are multiplied with. It panics unless t is Supported.
func FormOf(t dtype.Type) Form {
	if !Supported(t) {
		panic(fmt.Sprintf("qdot: no integer product for weights of type %v", t))
	}
	return Form(t.BlockSize())
}

// Scratch is a worker's working memory. The zero value is ready; it grows to what the largest product needs and is then reused. One Scratch
// must not be used by two calls at once.
type Scratch struct {
	row    rowBlocks // the reference's: one weight row, unpacked
	panels []byte    // the kernels': weight rows, unpacked
	rows   []byte    // the last weight rows, filled up
	out    [12 * panelRows]float32
}

// panelRows is how many weight rows the kernels handle side by side.
const panelRows = 16

// Mul computes y[m*ldy+n] = Σ_k x[m,k]·w[n,k] for every row m of a and n0 <= n < n1. w holds rows of a.K() elements of type t, one after the
// other, from row 0 on; y is indexed by n as well, so that workers with disjoint ranges share both. Other elements of y are left alone. Ranges
// that begin at multiples of 16 are the fastest. It panics if t, the shapes and the lengths do not fit together.
func Mul(y []float32, ldy int, a *Acts, t dtype.Type, w []byte, n0, n1 int, s *Scratch) {
	checkMul(y, ldy, a, t, w, n0, n1)
	if n0 == n1 || a.m == 0 {
		return
	}
	mulAt(cpu.Current(), y, ldy, a, t, w, n0, n1, s)
}

func checkMul(y []float32, ldy int, a *Acts, t dtype.Type, w []byte, n0, n1 int) {
	if f := FormOf(t); f != a.form {
		panic(fmt.Sprintf("qdot: weights of type %v need activations in blocks of %d, got blocks of %d", t, f, a.form))
	}
	if n0 < 0 || n1 < n0 || n1 > ldy || len(w) < n1*t.RowBytes(a.k) {
		panic(fmt.Sprintf("qdot: rows %d:%d of %d columns, type %v: weights have %d bytes, a row takes %d, ldy is %d",
			n0, n1, a.k, t, len(w), t.RowBytes(a.k), ldy))
	}
	if a.m > 0 && len(y) < (a.m-1)*ldy+n1 {
		panic(fmt.Sprintf("qdot: result of %d rows of %d (%d:%d) does not fit in %d elements", a.m, ldy, n0, n1, len(y)))
	}
}
