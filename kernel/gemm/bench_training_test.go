package gemm

import (
	"fmt"
	"testing"
	"time"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/roof"
	"github.com/pennyml/penny/kernel/vec"
)

// trainingShapes are products of learning, rows of activations by outputs by inputs: of an expert, and of dense networks of about 1, 10 and 100
// million weights.
var trainingShapes = []struct {
	name    string
	m, n, k int
}{
	{"expert", 32, 64, 128}, {"expert", 64, 128, 64}, {"expert", 200, 128, 128},
	{"1M", 768, 128, 128}, {"1M", 768, 512, 128}, {"1M", 768, 128, 512}, {"1M", 256, 2048, 128},
	{"10M", 2048, 384, 384}, {"10M", 2048, 1024, 384}, {"10M", 2048, 384, 1024},
	{"100M", 2048, 768, 768}, {"100M", 2048, 2048, 768}, {"100M", 2048, 768, 2048}, {"100M", 256, 16384, 768},
}

// BenchmarkTraining is each product of a step of learning, forward (with the packing of its activations) and backward.
func BenchmarkTraining(b *testing.B) {
	eachSetting(b, func(b *testing.B, pool *par.Pool, l cpu.Level) {
		var top [2]float64 // f32 and bf16, the best of all
		for range 20 {
			r := roof.Arithmetic(pool, l)
			top[0], top[1] = max(top[0], r.F32.All), max(top[1], r.BF16.All)
		}
		for _, s := range trainingShapes {
			c := newStep(pool, s.m, s.n, s.k)
			for _, p := range []struct {
				name string
				bf16 bool
				run  func()
			}{
				{"f32/Y", false, func() { c.forward(dtype.F32) }},
				{"f32/dX", false, c.dX},
				{"f32/dW", false, c.dW},
				{"bf16/Y", true, func() { c.forward(dtype.BF16) }},
				{"bf16/dX", true, func() { c.round(c.yh, c.y, c.n); c.dXBF16() }},
				{"bf16/dW", true, func() { c.round(c.xh, c.x, c.k); c.dWBF16() }}, // dY has been rounded for dX
			} {
				b.Run(fmt.Sprintf("%s/%dx%dx%d/%s", s.name, s.m, s.n, s.k, p.name), func(b *testing.B) {
					best, i := time.Duration(0), 0
					for b.Loop() {
						t := time.Now()
						d := testutil.CPUTime(p.run)
						if pool.Threads() > 1 {
							d = time.Since(t)
						}
						if best == 0 || d < best {
							best = d
						}
						if i%50 == 0 { // measured beside it: the machine may be busy now and idle then
							b.StopTimer()
							r := roof.Arithmetic(pool, l)
							top[0], top[1] = max(top[0], r.F32.All), max(top[1], r.BF16.All)
							b.StartTimer()
						}
						i++
					}
					rate := 2 * float64(s.m) * float64(s.n) * float64(s.k) / float64(best)
					b.ReportMetric(rate, "GFLOP/s")
					kind := 0
					if p.bf16 {
						kind = 1
					}
					b.ReportMetric(100*rate/top[kind], "%roof")
				})
			}
		}
	})
}

// step is one product and its backward.
type step struct {
	pool            *par.Pool
	m, n, k         int
	x, w, y, dx, dw []float32
	half            []byte // w
	xh, yh          []uint16
	packed          []float32
	packedHalf      []uint16
	scratch         []*Scratch
}

func newStep(pool *par.Pool, m, n, k int) *step {
	c := &step{pool: pool, m: m, n: n, k: k, x: make([]float32, m*k), w: make([]float32, n*k), y: make([]float32, m*n), dx: make([]float32, m*k),
		dw: make([]float32, n*k), half: make([]byte, 2*n*k), packed: make([]float32, PackedLenF32(m, k)), packedHalf: make([]uint16, PackedLenBF16(m, k))}
	c.xh, c.yh = make([]uint16, m*k), make([]uint16, m*n)
	for i := range c.x {
		c.x[i] = float32(i%17) - 8
	}
	for i := range c.w {
		c.w[i] = float32(i%13) - 6
		c.half[2*i+1] = byte(0x3C + i%7)
	}
	for range pool.Threads() {
		c.scratch = append(c.scratch, NewScratch())
	}
	return c
}

func (c *step) forward(t dtype.Type) {
	x, w := Packed{M: c.m, K: c.k}, Weights{Type: t, Data: f32Bytes(c.w), K: c.k}
	if t == dtype.BF16 {
		x.BF16, w.Data = c.packedHalf, c.half
	} else {
		x.F32 = c.packed
	}
	c.pool.Spans(c.m, 6, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			if t == dtype.BF16 {
				PackBF16Row(c.packedHalf, c.x[r*c.k:][:c.k], r, c.m)
			} else {
				PackF32Row(c.packed, c.x[r*c.k:][:c.k], r, c.m)
			}
		}
	})
	c.pool.Spans(c.n, 16, func(worker, lo, hi int) { Mul(c.y, c.n, x, w, lo, hi, c.scratch[worker]) })
}

func (c *step) dX() {
	w := Weights{Type: dtype.F32, Data: f32Bytes(c.w), K: c.k}
	c.pool.Spans(c.k, 64, func(worker, lo, hi int) { MulNN(c.dx, c.k, c.y, c.m, c.n, w, lo, hi, false, c.scratch[worker]) })
}

// round rounds rows of n values.
func (c *step) round(dst []uint16, src []float32, n int) {
	c.pool.Spans(c.m, 1, func(_, lo, hi int) { vec.F32ToBF16(dst[lo*n:hi*n], src[lo*n:hi*n]) })
}

func (c *step) dXBF16() {
	w := Weights{Type: dtype.BF16, Data: c.half, K: c.k}
	c.pool.Spans(c.k, 64, func(worker, lo, hi int) { MulNNBF16(c.dx, c.k, c.yh, c.m, c.n, w, lo, hi, false, c.scratch[worker]) })
}

func (c *step) dWBF16() {
	ends := []int{c.m / 2, c.m}
	c.pool.Spans(c.n, 6, func(worker, lo, hi int) { AccTNBF16(c.dw, c.yh, c.xh, ends, c.n, c.k, lo, hi, c.scratch[worker]) })
}

func (c *step) dW() {
	c.pool.Spans(c.n, 6, func(worker, lo, hi int) { AccTN(c.dw, c.y, c.x, c.m, c.n, c.k, lo, hi, c.scratch[worker]) })
}
