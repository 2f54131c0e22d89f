package qdot

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
)

// BenchmarkMul reports GOP/s (two operations a weight and row of activations) and GB/s of weights on all cores, and what share that is of the
// machine's roof: int8 arithmetic of the level for many rows, memory for one.
func BenchmarkMul(b *testing.B) {
	pool := par.New(0)
	defer pool.Close()
	read := roof.Read(pool).All
	for _, l := range cpu.Levels[1 : cpu.Best()+1] {
		int8Roof := roof.Arithmetic(pool, l).Int8.All
		for _, typ := range allTypes() {
			for _, c := range []struct{ m, n, k int }{{1, 1 << 15, 2048}, {4, 1 << 15, 2048}, {8, 1 << 13, 2048}, {512, 2048, 2048}} {
				b.Run(fmt.Sprintf("%v/%v/m=%d", l, typ, c.m), func(b *testing.B) {
					run, bytes := pooledMul(pool, l, typ, c.m, c.n, c.k)
					run()
					for b.Loop() {
						run()
					}
					ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
					gops, gbs := 2*float64(c.m*c.n*c.k)/ns, float64(bytes)/ns
					b.ReportMetric(gops, "GOP/s")
					b.ReportMetric(gops/int8Roof*100, "%int8")
					b.ReportMetric(gbs, "GB/s")
					b.ReportMetric(gbs/read*100, "%read")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// pooledMul is a product on all workers of the pool, and the size of its weights.
func pooledMul(pool *par.Pool, l cpu.Level, typ dtype.Type, m, n, k int) (run func(), bytes int) {
	r := rand.New(rand.NewPCG(1, 1))
	w := make([]byte, n*typ.RowBytes(k))
	for done := copy(w, weights(r, typ, 16, k)); done < len(w); done *= 2 {
		copy(w[done:], w[:done])
	}
	var a Acts
	Quantize(&a, FormOf(typ), activations(r, m*k), m, k)
	y, s := make([]float32, m*n), make([]Scratch, pool.Threads())
	const piece = 256
	return func() {
		pool.Do(n/piece, func(worker, i int) { mulAt(l, y, n, &a, typ, w, i*piece, (i+1)*piece, &s[worker]) })
	}, len(w)
}
