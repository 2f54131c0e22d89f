package qdot

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// BenchmarkMul reports GOP/s (two operations a weight and row of activations) and GB/s of weights, on two workers.
func BenchmarkMul(b *testing.B) {
	const workers = 2
	for _, l := range cpu.Levels[1 : cpu.Best()+1] {
		for _, typ := range []dtype.Type{dtype.Q8_0, dtype.Q4_0, dtype.Q4_K, dtype.Q6_K, dtype.Q5_K, dtype.MXFP4} {
			for _, c := range []struct{ m, n, k int }{{512, 2048, 2048}, {1, 1 << 16, 2048}, {2, 1 << 15, 2048}, {4, 1 << 15, 2048}, {8, 1 << 14, 2048}, {16, 1 << 14, 2048}} {
				b.Run(fmt.Sprintf("%v/%v/m=%d", l, typ, c.m), func(b *testing.B) {
					r := rand.New(rand.NewPCG(1, 1))
					w := make([]byte, c.n*typ.RowBytes(c.k))
					copy(w, weights(r, typ, 16, c.k))
					for n := 16 * typ.RowBytes(c.k); n < len(w); n *= 2 {
						copy(w[n:], w[:n])
					}
					var a Acts
					Quantize(&a, FormOf(typ), activations(r, c.m*c.k), c.m, c.k)
					y, s := make([]float32, c.m*c.n), make([]Scratch, workers)
					run := func() {
						var wg sync.WaitGroup
						for i := range workers {
							wg.Go(func() { mulAt(l, y, c.n, &a, typ, w, c.n/workers*i, c.n/workers*(i+1), &s[i]) })
						}
						wg.Wait()
					}
					run()
					for b.Loop() {
						run()
					}
					sec := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(2*float64(c.m*c.n*c.k)/sec/1e9, "GOP/s")
					b.ReportMetric(float64(len(w))/sec/1e9, "GB/s")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}
