package gemm

import (
	"fmt"
	"testing"
	"time"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
)

// BenchmarkMul reports each product's speed and its share of the roof that the same instructions reach in a bare loop, measured just before. A
// product in f32 at AVX2 and one in bf16 there have the same roof.
func BenchmarkMul(b *testing.B) {
	for _, threads := range []int{1, 2} {
		pool := par.New(threads)
		if pool.Threads() < threads {
			b.Skip("one CPU")
		}
		for _, l := range cpu.Levels[1:] {
			for _, typ := range []dtype.Type{dtype.F32, dtype.BF16, dtype.F8E4M3} {
				for _, s := range [][3]int{{512, 2048, 2048}, {512, 2048, 8192}, {512, 1536, 576}} {
					b.Run(fmt.Sprintf("threads=%d/%v/%v/m=%d/n=%d/k=%d", threads, l, typ, s[0], s[1], s[2]), func(b *testing.B) {
						benchMul(b, pool, l, typ, s[0], s[1], s[2])
					})
				}
			}
		}
		pool.Close()
	}
}

// product sets up Y = X·Wᵀ over weights of typ, with activations in f32 if the weights are, else in bf16.
func benchProduct(b *testing.B, pool *par.Pool, l cpu.Level, typ dtype.Type, m, n, k int) (run func(), done func()) {
	was := cpu.Current()
	if err := cpu.Use(l); err != nil {
		b.Skip(err)
	}
	x := make([]float32, m*k)
	for i := range x {
		x[i] = float32(i%17) - 8
	}
	w := Weights{Type: typ, Data: make([]byte, n*typ.RowBytes(k)), K: k}
	for i := range w.Data {
		w.Data[i] = byte(i%23) | 0x10
	}
	f32, bf16 := packBoth(x, m, k)
	xp := bf16
	if typ == dtype.F32 || typ == dtype.F16 {
		xp = f32
	}
	y := make([]float32, m*n)
	scratch := make([]*Scratch, pool.Threads())
	for i := range scratch {
		scratch[i] = NewScratch()
	}
	span := func(worker, lo, hi int) { Mul(y, n, xp, w, lo, hi, scratch[worker]) }
	return func() { pool.Spans(n, 32, span) }, func() { cpu.Use(was) }
}

func benchMul(b *testing.B, pool *par.Pool, l cpu.Level, typ dtype.Type, m, n, k int) {
	run, done := benchProduct(b, pool, l, typ, m, n, k)
	defer done()
	run()
	best, top := time.Hour, 0.0
	for b.Loop() {
		t := time.Now()
		run()
		best = min(best, time.Since(t))
		top = max(top, roofOf(b, pool, l, typ != dtype.F32))
	}
	speed := 2 * float64(m) * float64(n) * float64(k) / float64(best)
	b.ReportMetric(speed, "GFLOP/s")
	b.ReportMetric(100*speed/top, "%roof")
}

// roofOf is the arithmetic roof of a level on all threads of the pool, taken for a few milliseconds.
func roofOf(b *testing.B, pool *par.Pool, l cpu.Level, bf16 bool) float64 {
	b.Helper()
	b.StopTimer()
	defer b.StartTimer()
	s := roof.Arithmetic(pool, l)
	if bf16 {
		return s.BF16.All
	}
	return s.F32.All
}

// BenchmarkDecode is one row of activations over more weights than the caches hold: bytes of weights a second, and their share of the memory
// read bandwidth measured beside it.
func BenchmarkDecode(b *testing.B) {
	for _, threads := range []int{1, 2} {
		pool := par.New(threads)
		for _, l := range cpu.Levels[1:] {
			for _, typ := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3} {
				for _, m := range []int{1, 4, 8} {
					const k, bytes = 2048, 128 << 20
					n := bytes / typ.RowBytes(k)
					b.Run(fmt.Sprintf("threads=%d/%v/%v/m=%d", threads, l, typ, m), func(b *testing.B) {
						run, done := benchProduct(b, pool, l, typ, m, n, k)
						defer done()
						best, top := time.Hour, 0.0
						for b.Loop() {
							t := time.Now()
							run()
							best = min(best, time.Since(t))
							b.StopTimer()
							top = max(top, roof.Read(pool).All)
							b.StartTimer()
						}
						b.ReportMetric(bytes/float64(best), "GB/s")
						b.ReportMetric(100*bytes/float64(best)/top, "%roof")
					})
				}
			}
		}
		pool.Close()
	}
}
