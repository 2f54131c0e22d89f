package gemm

import (
	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
)

// RefF32 is the definition of an f32 product (docs/NUMERICS.md, section 2): one output, from a row of activations and the row n of w.
func RefF32(x []float32, w Weights, n int) float32 {
	row := decodeRow(w, n)
	var lane [16]float32
	for k0 := 0; k0 < w.K; k0 += 16 {
		for i := range lane {
			lane[i] = fp.FMA32(valueAt(x, k0+i), valueAt(row, k0+i), lane[i])
		}
	}
	return fp.Canon(fp.Fold16(&lane))
}

// RefBF16 is the definition of a bf16 product (section 3): the activations are rounded to bf16; the weights are BF16 or 8-bit floats.
func RefBF16(x []float32, w Weights, n int) float32 {
	scale := w.Scale
	w.Scale = nil
	row := decodeRow(w, n)
	var lane, outer [16]float32
	for k0 := 0; k0 < w.K; k0 += 32 {
		for i := range lane {
			k := k0 + 2*i
			lane[i] = fp.DotBF16(lane[i], bf16At(x, k), bf16At(x, k+1), bf16At(row, k), bf16At(row, k+1))
		}
		if scale == nil || k0+32 < w.K && (k0+32)%w.BlockK != 0 {
			continue
		}
		w.Scale = scale
		for i := range outer {
			outer[i] = fp.FMA32(w.scale(n, k0), lane[i], outer[i])
		}
		lane = [16]float32{}
	}
	if scale == nil {
		outer = lane
	}
	return fp.Canon(fp.Fold16(&outer))
}

// decodeRow is row n of w as exact f32 values, an 8-bit float times its scale, if any, rounded once.
func decodeRow(w Weights, n int) []float32 {
	row, size := make([]float32, w.K), w.Type.RowBytes(w.K)
	dtype.Decode(w.Type, row, w.Data[n*size:][:size])
	if w.Scale != nil {
		for k := range row {
			row[k] *= w.scale(n, k)
		}
	}
	return row
}

// valueAt reads a row as if it went on with +0.
func valueAt(row []float32, k int) float32 {
	if k < len(row) {
		return row[k]
	}
	return 0
}

func bf16At(row []float32, k int) uint16 { return dtype.F32ToBF16(valueAt(row, k)) }

// RefNN is the definition of one value of dX += dY·W (section 8): dx before, then column k, from a row of dY over the rows of w.
func RefNN(dx float32, dy []float32, w Weights, k int) float32 {
	acc := dx
	var v [1]float32
	size := w.Type.RowBytes(1)
	for n, g := range dy {
		dtype.Decode(w.Type, v[:], w.Data[(n*w.K+k)*size:][:size])
		acc = fp.FMA32(g, v[0], acc)
	}
	return fp.Canon(acc)
}

// RefTN is the definition of one value of dW += dYᵀ·X (section 8): dw before, then row n of dYᵀ against column k of X, over t rows of N and K.
func RefTN(dw float32, dy, x []float32, t, n, N, k, K int) float32 {
	for i := range t {
		dw = fp.FMA32(dy[i*N+n], x[i*K+k], dw)
	}
	return fp.Canon(dw)
}

// RefNNBF16 is RefNN under bf16.
func RefNNBF16(dx float32, dy []uint16, w Weights, k int) float32 {
	at := func(n int) uint16 { // of column k
		if n == len(dy) {
			return 0
		}
		return uint16(w.Data[2*(n*w.K+k)]) | uint16(w.Data[2*(n*w.K+k)+1])<<8
	}
	for n := 0; n < len(dy); n += 2 {
		var odd uint16
		if n+1 < len(dy) {
			odd = dy[n+1]
		}
		dx = fp.DotBF16(dx, dy[n], odd, at(n), at(n+1))
	}
	return fp.Canon(dx)
}

// RefTNBF16 is RefTN under bf16, over sequences of rows that end at ends.
func RefTNBF16(dw float32, dy, x []uint16, ends []int, n, N, k, K int) float32 {
	t := 0
	for _, end := range ends {
		for ; t < end; t += 2 {
			var dy1, x1 uint16
			if t+1 < end {
				dy1, x1 = dy[(t+1)*N+n], x[(t+1)*K+k]
			}
			dw = fp.DotBF16(dw, dy[t*N+n], dy1, x[t*K+k], x1)
		}
		t = end
	}
	return fp.Canon(dw)
}
