package attn

import "github.com/pennyml/penny/dtype"

func scores(s, q []float32, t dtype.Type, k []byte, rows, dim int) { scoresRef(s, q, t, k, rows, dim) }

func softmax(s, m, l, c []float32, mask []uint64, scale float32) {
	softmaxRef(s, m, l, c, mask, scale)
}

func weigh(o, p, c []float32, t dtype.Type, v []byte, pitch, rows, n int) {
	weighRef(o, p, c, t, v, pitch, rows, n)
}

func transpose(dst []float32, t dtype.Type, k []byte, dim, pitch int) {
	transposeRef(dst, t, k, dim, pitch)
}
