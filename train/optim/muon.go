package optim

import (
	"math"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/gemm"
	"github.com/pennyml/penny/kernel/vec"
)

// Adjust says how far Muon moves a matrix of a given shape.
type Adjust string

const (
	Original Adjust = "original"        // lr·√max(1, rows/cols): Jordan et al. 2024
	MatchRMS Adjust = "match_rms_adamw" // lr·0.2·√max(rows, cols), about what AdamW moves: 2502.16982
)

func (a Adjust) factor(rows, cols int) float64 {
	if a == Original {
		return math.Sqrt(max(1, float64(rows)/float64(cols)))
	}
	return 0.2 * math.Sqrt(float64(max(rows, cols)))
}

// spread calls f for spans of 0 ≤ i < n that together are all of it: on one worker or on several.
type spread func(n, grain int, f func(worker, lo, hi int))

// wide is the arithmetic from which on a matrix is worth cutting up between the workers. Smaller ones go to one worker each.
const wide = 1 << 27

// stepMuon updates the matrices that Muon is for: each moves along the nearest orthogonal matrix to its momentum.
func (o *Optimizer) stepMuon(lr float64, clip float32) {
	var small []*parameter
	for i := range o.params {
		if p := &o.params[i]; p.kind == Muon {
			if r, c := p.Shape[0], p.Shape[1]; float64(r)*float64(c)*float64(min(r, c)) < wide {
				small = append(small, p)
			} else {
				o.moveMuon(p, lr, clip, &o.muon[0], o.pool.Spans)
			}
		}
	}
	o.pool.Do(len(small), func(worker, i int) {
		alone := func(n, _ int, f func(worker, lo, hi int)) { f(worker, 0, n) }
		o.moveMuon(small[i], lr, clip, &o.muon[worker], alone)
	})
}

// moveMuon is one step of torch.optim.Muon but for its bf16: b = μ·b + (1-μ)·g, u = (1-μ)·g + μ·b with
// Nesterov's step ahead or else b, p = p·(1 - lr·decay) - lr·factor·O(u).
func (o *Optimizer) moveMuon(p *parameter, lr float64, clip float32, z *orthogonalizer, each spread) {
	z.sized(p.Shape[0], p.Shape[1])
	momentum, fresh := float32(o.config.Momentum), float32(float64(clip)*(1-o.config.Momentum))
	g, b, u := p.Grad, p.state[0], z.u
	each(len(u), pieceLen, func(_, lo, hi int) {
		vec.Scale(u[lo:hi], g[lo:hi], fresh)
		vec.Scale(b[lo:hi], b[lo:hi], momentum)
		vec.Add(b[lo:hi], b[lo:hi], u[lo:hi])
		if o.config.Nesterov {
			vec.Axpy(u[lo:hi], b[lo:hi], momentum)
		} else {
			copy(u[lo:hi], b[lo:hi])
		}
	})
	z.orthogonalize(o.muon, each)
	lr *= p.scale
	decay, rate := shrink(lr, p.decay), float32(-lr*o.config.Adjust.factor(p.Shape[0], p.Shape[1]))
	each(len(u), pieceLen, func(_, lo, hi int) {
		vec.Scale(p.Value[lo:hi], p.Value[lo:hi], decay)
		vec.Axpy(p.Value[lo:hi], u[lo:hi], rate)
		p.refresh(lo, hi)
	})
}

// muonFLOPs is the arithmetic of making a matrix orthogonal: products whose result is symmetric count once what lies on and below the diagonal.
func muonFLOPs(rows, cols int) int64 {
	r, c := int64(min(rows, cols)), int64(max(rows, cols))
	return newtonSteps * (r*(r+1)*c + r*(r+1)*r + 2*r*r*c)
}

// orthogonalizer is the working memory of Newton and Schulz's iteration on one matrix.
type orthogonalizer struct {
	rows, cols int       // of the matrix that is iterated: the flatter of u and its transpose
	tall       bool      // it is the transpose
	u          []float32 // the matrix to be made orthogonal, and the result
	x, y       []float32 // rows × cols
	a, b       []float32 // rows × rows
	packed     []float32
	scratch    *gemm.Scratch
}

func (z *orthogonalizer) sized(rows, cols int) {
	z.tall = rows > cols
	z.rows, z.cols = min(rows, cols), max(rows, cols)
	for _, b := range []*[]float32{&z.u, &z.x, &z.y} {
		*b = resized(*b, rows*cols)
	}
	for _, b := range []*[]float32{&z.a, &z.b} {
		*b = resized(*b, z.rows*z.rows)
	}
	z.packed = resized(z.packed, max(gemm.PackedLenF32(z.rows, z.cols), gemm.PackedLenF32(z.rows, z.rows)))
}

func resized(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}

// The quintic a·x + b·x³ + c·x⁵ that Muon's iteration drives singular values to about 1 with (Jordan et al. 2024), so many times.
const (
	newtonA, newtonB, newtonC = 3.4445, -4.7750, 2.0315
	newtonSteps               = 5
)

// orthogonalize replaces u by an approximation of the nearest matrix with orthonormal rows, or columns if it is tall: X = u / max(‖u‖, 1e-7), then
// five times A = X·Xᵀ, X = a·X + (b·A + c·A·A)·X. ‖u‖ is taken as Norm takes it. A is symmetric to the bit, as its products commute.
func (z *orthogonalizer) orthogonalize(workers []orthogonalizer, each spread) {
	r, c := z.rows, z.cols
	inverse := float32(1 / max(norm(z.u), 1e-7))
	vec.Scale(z.u, z.u, inverse)
	z.turn(z.x, z.u, each)
	for range newtonSteps {
		z.mulT(z.a, z.x, c, workers, each)
		z.mulT(z.b, z.a, r, workers, each)
		each(r*r, pieceLen, func(_, lo, hi int) {
			vec.Scale(z.b[lo:hi], z.b[lo:hi], newtonC)
			vec.Axpy(z.b[lo:hi], z.a[lo:hi], newtonB)
		})
		w := gemm.Weights{Type: dtype.F32, Data: bytesOf(z.x), K: c}
		each(c, 64, func(worker, lo, hi int) { gemm.MulNN(z.y, c, z.b, r, r, w, lo, hi, false, workers[worker].gemm()) })
		each(r*c, pieceLen, func(_, lo, hi int) { vec.Axpy(z.y[lo:hi], z.x[lo:hi], newtonA) })
		z.x, z.y = z.y, z.x
	}
	z.turn(z.u, z.x, each)
}

// How mulT divides its work: blocks of columns, and the tiles of rows of packed activations.
const (
	blockCols = 96
	tileRows  = 6
)

// mulT writes m·mᵀ to y, m of z.rows rows and k columns: what lies on and below the diagonal is multiplied, and then mirrored.
func (z *orthogonalizer) mulT(y, m []float32, k int, workers []orthogonalizer, each spread) {
	rows := z.rows
	packed := z.packed[:gemm.PackedLenF32(rows, k)]
	each(rows, tileRows, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			gemm.PackF32Row(packed, m[r*k:][:k], r, rows)
		}
	})
	w := gemm.Weights{Type: dtype.F32, Data: bytesOf(m), K: k}
	each((rows+blockCols-1)/blockCols, 1, func(worker, lo, hi int) {
		for b := lo; b < hi; b++ {
			from := b * blockCols // a whole number of tiles
			x := gemm.Packed{M: rows - from, K: k, F32: packed[gemm.PackedLenF32(from, k):]}
			gemm.Mul(y[from*rows:], rows, x, w, from, min(from+blockCols, rows), workers[worker].gemm())
		}
	})
	each(rows, 16, func(_, lo, hi int) {
		for r := lo; r < hi; r++ {
			for c := r + 1; c < rows; c++ {
				y[r*rows+c] = y[c*rows+r]
			}
		}
	})
}

// turn copies src to dst; of a tall matrix it copies the transpose, there and back.
func (z *orthogonalizer) turn(dst, src []float32, each spread) {
	if !z.tall {
		copy(dst, src)
		return
	}
	// One of the two is rows × cols, the other cols × rows; dst is written row by row.
	n, m := z.rows, z.cols
	if unsafe.SliceData(dst) == unsafe.SliceData(z.u) {
		n, m = m, n
	}
	each(n, 16, func(_, lo, hi int) {
		for j := range m {
			for i := lo; i < hi; i++ {
				dst[i*m+j] = src[j*n+i]
			}
		}
	})
}

// gemm is the scratch of a worker, made when it is first needed.
func (z *orthogonalizer) gemm() *gemm.Scratch {
	if z.scratch == nil {
		z.scratch = gemm.NewScratch()
	}
	return z.scratch
}

func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

func norm(x []float32) float64 {
	sum := 0.0
	for lo := 0; lo < len(x); lo += pieceLen {
		run := x[lo:min(lo+pieceLen, len(x))]
		sum += float64(vec.Dot(run, run))
	}
	return math.Sqrt(sum)
}
