package tensor

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
	"github.com/pennyml/penny/kernel/gemm"
	"github.com/pennyml/penny/kernel/qdot"
)

// Input is the activations of a product, M rows of K values, and the forms that products want them in. A form is made when the first product
// asks for it and shared by all that follow: q, k and v, gate and up. The zero value is ready for Set; buffers are kept from one use to the next.
type Input struct {
	X    []float32
	M, K int

	ready [numForms]bool
	f32   [numForms][]float32 // packed, of the forms that end as f32
	bf16  []uint16
	acts  [2]qdot.Acts // blocks of 32 and of 256
}

// Set makes in stand for x, m rows of k values, which must not change while products use it.
func (in *Input) Set(x []float32, m, k int) *Input {
	if m < 1 || k < 1 || len(x) != m*k {
		panic(fmt.Sprintf("tensor: input of %d values as %d rows of %d", len(x), m, k))
	}
	in.X, in.M, in.K = x, m, k
	in.ready = [numForms]bool{}
	return in
}

// reserve sizes the buffers of a form.
func (in *Input) reserve(f form) {
	switch f {
	case formQ32, formQ256:
		a, block := in.blocks(f)
		a.Resize(block, in.M, in.K)
	case formBF16:
		in.bf16 = atLeast(in.bf16, gemm.PackedLenBF16(in.M, in.K))
	default:
		in.f32[f] = atLeast(in.f32[f], gemm.PackedLenF32(in.M, in.K))
	}
}

func (in *Input) blocks(f form) (*qdot.Acts, qdot.Form) {
	if f == formQ256 {
		return &in.acts[1], qdot.Block256
	}
	return &in.acts[0], qdot.Block32
}

// fill brings rows lo to hi-1 into a form whose buffers are reserved. Workers may share the rows out; row is scratch of K values.
func (in *Input) fill(f form, lo, hi int, row []float32) {
	if f == formQ32 || f == formQ256 {
		a, _ := in.blocks(f)
		a.SetRows(in.X, lo, hi)
		return
	}
	for r := lo; r < hi; r++ {
		x := in.X[r*in.K:][:in.K]
		switch f {
		case formF32:
			gemm.PackF32Row(in.f32[f], x, r, in.M)
		case formBF16:
			gemm.PackBF16Row(in.bf16, x, r, in.M)
		case formRounded:
			for i, v := range x {
				row[i] = dtype.RoundBF16(v)
			}
			gemm.PackF32Row(in.f32[f], row, r, in.M)
		default:
			block := 32
			if f == formDecoded256 {
				block = 256
			}
			for k := 0; k < in.K; k += block {
				decodeQ8(row[k:min(k+block, in.K)], x[k:])
			}
			gemm.PackF32Row(in.f32[f], row, r, in.M)
		}
	}
}

// decodeQ8 writes the values that a block of activations has after rounding to 8 bits: d·q (docs/NUMERICS.md section 4). A last block may be short.
func decodeQ8(dst, x []float32) {
	var top uint32 // the bits of absolute values are in their order, infinity and NaN on top
	for _, v := range x[:len(dst)] {
		top = max(top, math.Float32bits(v)&0x7FFFFFFF)
	}
	greatest := math.Float32frombits(top)
	d, id := greatest/127, 127/greatest
	if top >= 0x7F800000 {
		d, id = fp.NaN, 0
	} else if id > math.MaxFloat32 {
		id = 0
	}
	for i := range dst {
		q := int32(0)
		if id != 0 {
			q = int32(math.RoundToEven(float64(float32(x[i] * id))))
		}
		dst[i] = fp.Canon(d * float32(q))
	}
}

// packed is the finished form for a float product.
func (in *Input) packed(f form) gemm.Packed {
	if f == formBF16 {
		return gemm.Packed{M: in.M, K: in.K, BF16: in.bf16[:gemm.PackedLenBF16(in.M, in.K)]}
	}
	return gemm.Packed{M: in.M, K: in.K, F32: in.f32[f][:gemm.PackedLenF32(in.M, in.K)]}
}

func atLeast[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
