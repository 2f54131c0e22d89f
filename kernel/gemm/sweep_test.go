package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
)

// sweepShapes are rows of C, summed rows, columns.
var sweepShapes = [][3]int{{1, 1, 1}, {2, 3, 17}, {6, 4, 64}, {7, 97, 65}, {5, 100, 129}, {13, 5, 200}, {3, 0, 20}, {12, 193, 64}, {1, 7, 300}, {200, 9, 31}}

func TestMulNN(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for _, typ := range []dtype.Type{dtype.F32, dtype.BF16, dtype.F16} {
			for s := range numStyles {
				r := rand.New(rand.NewPCG(uint64(typ), uint64(s)))
				for _, c := range sweepShapes {
					m, n, k := c[0], c[1], c[2]
					dy, w, ldx := s.values(r, m*n), s.weights(r, typ, n, k), k+2
					dx, scratch := plain.values(r, m*ldx), NewScratch()
					before, cut := append([]float32(nil), dx...), k*2/3
					MulNN(dx, ldx, dy, m, n, w, cut, k, true, scratch)
					MulNN(dx, ldx, dy, m, n, w, 0, cut, false, scratch)
					for i := range m {
						for j := range ldx {
							want := before[i*ldx+j]
							if j < cut {
								want = RefNN(0, dy[i*n:(i+1)*n], w, j)
							} else if j < k && n > 0 {
								want = RefNN(want, dy[i*n:(i+1)*n], w, j)
							}
							checkBits(t, fmt.Sprintf("%v %v dx[%d,%d]", typ, c, i, j), dx[i*ldx+j], want)
						}
					}
				}
			}
		}
	})
}

func TestAccTN(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for s := range numStyles {
			r := rand.New(rand.NewPCG(7, uint64(s)))
			for _, c := range sweepShapes {
				n, rows, k := c[0], c[1], c[2]
				dy, x := s.values(r, rows*n), s.values(r, rows*k)
				dw, scratch := s.values(r, n*k), NewScratch()
				before, cut, half := append([]float32(nil), dw...), n/3, rows/2
				// In two micro-batches, as if in one.
				for _, b := range [2][2]int{{0, half}, {half, rows}} {
					AccTN(dw, dy[b[0]*n:], x[b[0]*k:], b[1]-b[0], n, k, 0, cut, scratch)
					AccTN(dw, dy[b[0]*n:], x[b[0]*k:], b[1]-b[0], n, k, cut, n, scratch)
				}
				for i := range n {
					for j := range k {
						want := before[i*k+j]
						if rows > 0 {
							want = RefTN(want, dy, x, rows, i, n, j, k)
						}
						checkBits(t, fmt.Sprintf("%v dw[%d,%d]", c, i, j), dw[i*k+j], want)
					}
				}
			}
		}
	})
}

func checkBits(t *testing.T, what string, got, want float32) {
	t.Helper()
	if math.Float32bits(got) != math.Float32bits(want) {
		t.Fatalf("%s = %v (%08x), want %v (%08x)", what, got, math.Float32bits(got), want, math.Float32bits(want))
	}
}

func rounded(x []float32) []uint16 {
	h := make([]uint16, len(x))
	for i, v := range x {
		h[i] = dtype.F32ToBF16(v)
	}
	return h
}

func TestMulNNBF16(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for s := range numStyles {
			r := rand.New(rand.NewPCG(8, uint64(s)))
			for _, c := range sweepShapes {
				m, n, k := c[0], c[1], c[2]
				dy, w, ldx := rounded(s.values(r, m*n)), s.weights(r, dtype.BF16, n, k), k+2
				dx, scratch := s.values(r, m*ldx), NewScratch()
				before, cut := append([]float32(nil), dx...), k*2/3
				MulNNBF16(dx, ldx, dy, m, n, w, cut, k, true, scratch)
				MulNNBF16(dx, ldx, dy, m, n, w, 0, cut, false, scratch)
				for i := range m {
					for j := range ldx {
						want := before[i*ldx+j]
						if j < cut {
							want = RefNNBF16(0, dy[i*n:(i+1)*n], w, j)
						} else if j < k && n > 0 {
							want = RefNNBF16(want, dy[i*n:(i+1)*n], w, j)
						}
						checkBits(t, fmt.Sprintf("%v %v dx[%d,%d]", s, c, i, j), dx[i*ldx+j], want)
					}
				}
			}
		}
	})
}

// TestAccTNBF16: sequences of any lengths, and in two micro-batches as if in one.
func TestAccTNBF16(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for s := range numStyles {
			r := rand.New(rand.NewPCG(9, uint64(s)))
			for _, c := range sweepShapes {
				n, rows, k := c[0], c[1], c[2]
				var ends []int
				for at := 0; at < rows; at = ends[len(ends)-1] {
					ends = append(ends, min(rows, at+r.IntN(rows+1)))
				}
				dy, x := rounded(s.values(r, rows*n)), rounded(s.values(r, rows*k))
				dw, scratch := s.values(r, n*k), NewScratch()
				before, cut := append([]float32(nil), dw...), n/3
				half := len(ends) / 2
				parts, first := [][]int{ends[:half], nil}, 0
				if half > 0 {
					first = ends[half-1]
				}
				for _, e := range ends[half:] {
					parts[1] = append(parts[1], e-first)
				}
				for i, part := range parts {
					at := i * first
					AccTNBF16(dw, dy[at*n:], x[at*k:], part, n, k, 0, cut, scratch)
					AccTNBF16(dw, dy[at*n:], x[at*k:], part, n, k, cut, n, scratch)
				}
				for i := range n {
					for j := range k {
						want := before[i*k+j]
						if rows > 0 {
							want = RefTNBF16(want, dy, x, ends, i, n, j, k)
						}
						checkBits(t, fmt.Sprintf("%v %v %v dw[%d,%d]", s, c, ends, i, j), dw[i*k+j], want)
					}
				}
			}
		}
	})
}

func TestBackwardAllocatesNothing(t *testing.T) {
	s, dy, w, ends := NewScratch(), make([]float32, 200*200), make([]float32, 200*200), []int{7, 200}
	h, c := make([]uint16, 200*200), make([]float32, 200*200)
	f32, bf16 := Weights{Type: dtype.F32, Data: f32Bytes(w), K: 200}, Weights{Type: dtype.BF16, Data: f32Bytes(w), K: 200}
	if n := testing.AllocsPerRun(2, func() {
		MulNN(c, 200, dy, 200, 200, f32, 0, 200, true, s)
		MulNNBF16(c, 200, h, 200, 200, bf16, 0, 200, true, s)
		AccTN(c, dy, w, 200, 200, 200, 0, 200, s)
		AccTNBF16(c, h, h, ends, 200, 200, 0, 200, s)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBackwardWrongShapesPanic(t *testing.T) {
	s, x, h := NewScratch(), make([]float32, 100), make([]uint16, 100)
	w := Weights{Type: dtype.BF16, Data: make([]byte, 200), K: 10}
	for name, f := range map[string]func(){
		"dx":       func() { MulNNBF16(x[:99], 10, h, 10, 10, w, 0, 10, false, s) },
		"dy":       func() { MulNNBF16(x, 10, h[:99], 10, 10, w, 0, 10, false, s) },
		"type":     func() { MulNNBF16(x, 10, h, 10, 5, Weights{Type: dtype.F32, Data: w.Data, K: 10}, 0, 10, false, s) },
		"x":        func() { AccTNBF16(x, h, h[:99], []int{10}, 10, 10, 0, 10, s) },
		"sequence": func() { AccTNBF16(x, h, h, []int{7, 3}, 10, 10, 0, 10, s) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("wrong %s is taken", name)
				}
			}()
			f()
		}()
	}
}
