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
