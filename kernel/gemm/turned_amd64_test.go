package gemm

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
)

// TestTurn: lane l of 16 rows stands at the place of a panel that is l with its bits in reverse, which is the order of fold16.
func TestTurn(t *testing.T) {
	if cpu.Best() < cpu.AVX2 {
		t.Skip("no AVX2")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, steps := range []int{1, 2, 5, 8} {
		for _, wider := range []int{0, 3} {
			row, lane := steps*lineF32+wider, turnedLane(steps)
			src := plain.values(r, 16*row)
			got := make([]float32, 16*lane*turnedCols)
			want := slices.Clone(got)
			for s := range steps {
				for l := range lineF32 {
					place := int(bits.Reverse8(uint8(l)) >> 4)
					for c := range 16 {
						want[(place*lane+s)*turnedCols+c] = src[c*row+s*lineF32+l]
					}
				}
			}
			turnAVX2(unsafe.Pointer(&got[0]), unsafe.Pointer(&src[0]), steps, uintptr(4*row), lane)
			if !slices.Equal(got, want) {
				t.Errorf("%d steps of rows of %d are not as they should", steps, row)
			}
		}
	}
}
