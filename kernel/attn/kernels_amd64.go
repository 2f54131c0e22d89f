package attn

import "unsafe"

type (
	scoresFunc = func(s, q *float32, k, ahead unsafe.Pointer, rows, dim, pitch, n int)
	weighFunc  = func(o, p, c *float32, v, ahead unsafe.Pointer, dim, pitch, rows, n int)
)

var avx2 = kernels{
	scores:      [3]scoresFunc{scoresF32AVX2, scoresF16AVX2, scoresBF16AVX2},
	softmax:     softmaxAVX2,
	weigh:       [3]weighFunc{weighF32AVX2, weighF16AVX2, weighBF16AVX2},
	transpose16: transpose16AVX2,
	transpose32: transpose32AVX2,
	softmaxBack: softmaxBackAVX2,
	gain:        gainAVX2,
	copyRows:    copyRowsAVX2,
}

var avx512 = kernels{
	scores:      [3]scoresFunc{scoresF32AVX512, scoresF16AVX512, scoresBF16AVX512},
	softmax:     softmaxAVX512,
	weigh:       [3]weighFunc{weighF32AVX512, weighF16AVX512, weighBF16AVX512},
	transpose16: transpose16AVX512,
	transpose32: transpose32AVX512,
	softmaxBack: softmaxBackAVX512,
	gain:        gainAVX512,
	copyRows:    copyRowsAVX512,
}
