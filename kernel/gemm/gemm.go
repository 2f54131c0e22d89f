// Package gemm computes the float matrix products Y = X·Wᵀ of docs/NUMERICS.md, sections 2 and 3: activations X of m rows against the rows of a
// weight matrix as they lie in a file. The activations are packed once a product; then each worker calls Mul over its own range of columns of
// Y. Every instruction-set level gives the same bits, at any m, any split of the columns and any alignment of the weights.
package gemm

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
)

// Weights are rows of K weights each, row major. Data may lie at any address.
type Weights struct {
	Type dtype.Type // F32, F16, BF16, F8E4M3 or F8E5M2
	Data []byte
	K    int

	// Scale, for the 8-bit floats, multiplies blocks of BlockN rows by BlockK columns: the scale of the weight (n, k) is
	// Scale[n/BlockN*ceil(K/BlockK) + k/BlockK]. Nil: no scales. BlockK must be a multiple of 32 or cover the whole row.
	Scale          []float32
	BlockN, BlockK int
}

// Rows is the number of whole rows in Data.
func (w *Weights) Rows() int {
	if b := w.Type.RowBytes(w.K); b > 0 {
		return len(w.Data) / b
	}
	return 0
}

// Check reports what makes w unusable as a matrix of n rows: an unsupported type, a length that does not fit, a bad block shape.
func (w *Weights) Check(n int) error {
	if _, ok := slot(w.Type); !ok {
		return fmt.Errorf("gemm: no product over weights of type %v", w.Type)
	}
	if w.K < 0 || n < 0 || len(w.Data)/max(1, w.Type.RowBytes(w.K)) < n && w.K > 0 {
		return fmt.Errorf("gemm: %d rows of %d %v weights do not fit in %d bytes", n, w.K, w.Type, len(w.Data))
	}
	if w.Scale == nil {
		return nil
	}
	if w.Type != dtype.F8E4M3 && w.Type != dtype.F8E5M2 {
		return fmt.Errorf("gemm: weights of type %v take no block scales", w.Type)
	}
	if w.BlockN <= 0 || w.BlockK <= 0 || w.BlockK%32 != 0 && w.BlockK < w.K {
		return fmt.Errorf("gemm: scales over blocks of %d x %d: the second must be a multiple of 32 or the whole row of %d", w.BlockN, w.BlockK, w.K)
	}
	if need := ceil(n, w.BlockN) * ceil(w.K, w.BlockK); len(w.Scale) < need {
		return fmt.Errorf("gemm: %d x %d weights in blocks of %d x %d need %d scales, got %d", n, w.K, w.BlockN, w.BlockK, need, len(w.Scale))
	}
	return nil
}

// scale is the scale of the weight (n, k).
func (w *Weights) scale(n, k int) float32 { return w.Scale[n/w.BlockN*ceil(w.K, w.BlockK)+k/w.BlockK] }

// Mul writes the columns n0 ≤ n < n1 of Y = X·Wᵀ, for every row m of x: y[m*ldy+n]. Columns outside the range keep their values, so workers
// with disjoint ranges may share y. The activations decide the product: packed as f32, section 2 of docs/NUMERICS.md (weights enter as
// their exact f32 values, an 8-bit float with a scale as their rounded product); packed as bf16, section 3, which takes BF16 and 8-bit weights.
//
// It allocates nothing; scratch belongs to one worker. It panics when the shapes do not fit.
func Mul(y []float32, ldy int, x Packed, w Weights, n0, n1 int, scratch *Scratch) {
	if err := w.Check(n1); err != nil {
		panic(err)
	}
	if x.K != w.K || n0 < 0 || n0 > n1 || n1 > ldy || x.M > 0 && len(y) < (x.M-1)*ldy+n1 {
		panic(fmt.Sprintf("gemm: Y of %d values in rows of %d, columns %d to %d = X of %d x %d times W of rows of %d", len(y), ldy, n0, n1, x.M, x.K, w.K))
	}
	x.check()
	p := &scratch.product
	p.init(scratch, y, ldy, x, w)
	p.run(n0, n1)
	*p = product{} // keep no pointer into the caller's memory
}

// MulF32Panel is Mul over rows of weights that the caller has decoded: panel holds the rows n0 to n1, row major, x.K values each. It serves the
// weights of any other type: decode a few rows into a buffer that stays in the cache, multiply, go on to the next.
func MulF32Panel(y []float32, ldy int, x Packed, panel []float32, n0, n1 int, scratch *Scratch) {
	if n0 < 0 || n0 > n1 || n1 > ldy || len(panel) < (n1-n0)*x.K {
		panic(fmt.Sprintf("gemm: a panel of %d weights for columns %d to %d of %d, K %d", len(panel), n0, n1, ldy, x.K))
	}
	if x.M == 0 {
		return
	}
	Mul(y[n0:], ldy, x, Weights{Type: dtype.F32, Data: f32Bytes(panel), K: x.K}, 0, n1-n0, scratch)
}

func ceil(a, b int) int { return (a + b - 1) / b }
