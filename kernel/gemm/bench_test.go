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

// The benchmarks cut a product into pieces and take the best time of each, so that a busy machine disturbs them little, and report the share
// of the roof that bare loops reach on the same threads.

// pieces is a product cut into n pieces of equal work.
type pieces struct {
	n    int
	run  func(i int)
	best []time.Duration
}

func (p *pieces) again() {
	if p.best == nil {
		p.best = make([]time.Duration, p.n)
	}
	for i := range p.n {
		t := time.Now()
		p.run(i)
		if d := time.Since(t); p.best[i] == 0 || d < p.best[i] {
			p.best[i] = d
		}
	}
}

func (p *pieces) total() (sum float64) {
	for _, d := range p.best {
		sum += float64(d)
	}
	return sum
}

// eachSetting runs f for one and two threads at each level.
func eachSetting(b *testing.B, f func(b *testing.B, pool *par.Pool, l cpu.Level)) {
	was := cpu.Current()
	defer func() {
		if err := cpu.Use(was); err != nil {
			b.Error(err)
		}
	}()
	for _, threads := range []int{1, 2} {
		pool := par.New(threads)
		for _, l := range cpu.Levels[1:] {
			if cpu.Use(l) == nil && pool.Threads() == threads {
				b.Run(fmt.Sprintf("threads=%d/%v", threads, l), func(b *testing.B) { f(b, pool, l) })
			}
		}
		pool.Close()
	}
}

// columns cuts n columns of Y = X·Wᵀ into pieces; activations are in f32 if the weights are F32 or F16, else in bf16.
func columns(pool *par.Pool, typ dtype.Type, m, n, k, piece int) *pieces {
	x := make([]float32, m*k)
	for i := range x {
		x[i] = float32(i%17) - 8
	}
	w := Weights{Type: typ, Data: make([]byte, n*typ.RowBytes(k)), K: k}
	for i := range w.Data {
		w.Data[i] = byte(i%23) | 0x10
	}
	if typ == dtype.F8E4M3 {
		w.BlockN, w.BlockK, w.Scale = 128, 128, make([]float32, ceil(n, 128)*ceil(k, 128))
		for i := range w.Scale {
			w.Scale[i] = 1 + float32(i%3)
		}
	}
	f32, xp := packBoth(x, m, k)
	if typ == dtype.F32 || typ == dtype.F16 {
		xp = f32
	}
	y, scratch, from := make([]float32, m*n), make([]*Scratch, pool.Threads()), 0
	for i := range scratch {
		scratch[i] = NewScratch()
	}
	span := func(worker, lo, hi int) { Mul(y, n, xp, w, from+lo, from+hi, scratch[worker]) }
	return &pieces{n: ceil(n, piece), run: func(i int) {
		from = i * piece
		pool.Spans(min(piece, n-from), 16, span)
	}}
}

// measure runs p beside a measurement of the roof until the benchmark has enough.
func measure(b *testing.B, p *pieces, work float64, unit string, top func() float64) {
	roof := 0.0
	for b.Loop() {
		p.again()
		b.StopTimer()
		roof = max(roof, top())
		b.StartTimer()
	}
	b.ReportMetric(work/p.total(), unit)
	b.ReportMetric(100*work/p.total()/roof, "%roof")
}

// BenchmarkMul is prefill. At AVX2 f32 and bf16 have the same roof.
func BenchmarkMul(b *testing.B) {
	eachSetting(b, func(b *testing.B, pool *par.Pool, l cpu.Level) {
		for _, typ := range []dtype.Type{dtype.F32, dtype.BF16, dtype.F8E4M3} {
			for _, s := range [][3]int{{512, 2048, 2048}, {512, 2048, 8192}, {512, 1536, 576}} {
				m, n, k := s[0], s[1], s[2]
				b.Run(fmt.Sprintf("%v/m=%d/n=%d/k=%d", typ, m, n, k), func(b *testing.B) {
					measure(b, columns(pool, typ, m, n, k, 192), 2*float64(m)*float64(n)*float64(k), "GFLOP/s", func() float64 {
						if s := roof.Arithmetic(pool, l); typ == dtype.F32 {
							return s.F32.All
						} else {
							return s.BF16.All
						}
					})
				})
			}
		}
	})
}

// BenchmarkDecode is a few rows of activations over more weights than the caches hold: 10^9 bytes of weights a second, and their share of what
// memory gives.
func BenchmarkDecode(b *testing.B) {
	const k, bytes = 2048, 128 << 20
	eachSetting(b, func(b *testing.B, pool *par.Pool, l cpu.Level) {
		for _, typ := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3} {
			for _, m := range []int{1, 4, 8, 16} {
				b.Run(fmt.Sprintf("%v/m=%d", typ, m), func(b *testing.B) {
					n := bytes / typ.RowBytes(k)
					measure(b, columns(pool, typ, m, n, k, n/8), bytes, "GB/s", func() float64 { return roof.Read(pool).All })
				})
			}
		}
	})
}

// BenchmarkBackward is the two products of a backward pass, in f32.
func BenchmarkBackward(b *testing.B) {
	const m, n, k, piece = 512, 2048, 2048, 512
	eachSetting(b, func(b *testing.B, pool *par.Pool, l cpu.Level) {
		dy, w, x, c := make([]float32, m*n), make([]float32, n*k), make([]float32, m*k), make([]float32, n*k)
		for i := range w {
			w[i], dy[i%len(dy)], x[i%len(x)] = float32(i%5)-2, float32(i%7)-3, float32(i%3)-1
		}
		scratch := []*Scratch{NewScratch(), NewScratch()}
		weights := Weights{Type: dtype.F32, Data: f32Bytes(w), K: k}
		from := 0
		for name, span := range map[string]func(worker, lo, hi int){
			"MulNN": func(worker, lo, hi int) { MulNN(c, k, dy, m, n, weights, from+lo, from+hi, false, scratch[worker]) },
			"AccTN": func(worker, lo, hi int) { AccTN(c, dy, x, m, n, k, from+lo, from+hi, scratch[worker]) },
		} {
			b.Run(name, func(b *testing.B) {
				p := &pieces{n: k / piece, run: func(i int) { from = i * piece; pool.Spans(piece, 64, span) }}
				measure(b, p, 2*m*n*k, "GFLOP/s", func() float64 { return roof.Arithmetic(pool, l).F32.All })
			})
		}
	})
}
