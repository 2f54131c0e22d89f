package vec

import (
	"fmt"

	"github.com/pennyml/penny/kernel/fp"
)

// RopeHalves turns the pairs (x[i], x[i+n]), n = len(cos), of several heads: head h starts at x[h·stride]. To turn the last dimensions of a
// head rather than the first, pass x from the first dimension that turns. Llama and Qwen as published.
func RopeHalves(x []float32, heads, stride int, cos, sin []float32) {
	n := checkRope("RopeHalves", x, heads, stride, cos, sin)
	for h := range heads {
		lo := x[h*stride:][:n]
		hi := x[h*stride+n:][:n]
		for i := ropeHalvesFast(lo, hi, cos, sin); i < n; i++ {
			lo[i], hi[i] = turn(lo[i], hi[i], cos[i], sin[i])
		}
	}
}

// RopeAdjacent turns the pairs (x[2i], x[2i+1]), otherwise like RopeHalves. DeepSeek, and Llama as GGUF files permute it.
func RopeAdjacent(x []float32, heads, stride int, cos, sin []float32) {
	n := checkRope("RopeAdjacent", x, heads, stride, cos, sin)
	for h := range heads {
		p := x[h*stride:][:2*n]
		for i := ropeAdjacentFast(p, cos, sin); i < n; i++ {
			p[2*i], p[2*i+1] = turn(p[2*i], p[2*i+1], cos[i], sin[i])
		}
	}
}

func turn(x0, x1, c, s float32) (float32, float32) {
	return fp.Canon(fp.FMA32(x0, c, -(x1 * s))), fp.Canon(fp.FMA32(x0, s, x1*c))
}

func checkRope(what string, x []float32, heads, stride int, cos, sin []float32) int {
	n := len(cos)
	if len(sin) != n || heads < 0 || heads > 0 && (stride < 0 || len(x) < (heads-1)*stride+2*n || heads > 1 && stride < 2*n) {
		panic(fmt.Sprintf("vec: %s of %d elements as %d heads every %d, with %d cosines and %d sines", what, len(x), heads, stride, n, len(sin)))
	}
	return n
}
