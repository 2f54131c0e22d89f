package qdot

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// eachLevel runs f at every level of this machine but the reference, and for every format.
func eachLevel(t *testing.T, f func(t *testing.T, l cpu.Level, typ dtype.Type)) {
	for _, l := range cpu.Levels[1:] {
		t.Run(l.String(), func(t *testing.T) {
			if l > cpu.Best() {
				t.Skipf("this CPU has no %v", l)
			}
			for _, typ := range allTypes() {
				t.Run(typ.String(), func(t *testing.T) { f(t, l, typ) })
			}
		})
	}
}

// compare runs rows n0 to n1 of a product at level l and holds every element of y, also those that must not change, against the reference.
func compare(t *testing.T, l cpu.Level, typ dtype.Type, a *Acts, w []byte, n, n0, n1 int) {
	t.Helper()
	ldy := n + 3
	want, got := make([]float32, a.m*ldy), make([]float32, a.m*ldy)
	for i := range want {
		want[i], got[i] = 42, 42
	}
	mulReference(want, ldy, a, typ, w, n0, n1, &Scratch{})
	mulAt(l, got, ldy, a, typ, w, n0, n1, &Scratch{})
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("m=%d k=%d rows %d:%d of %d: y[%d,%d] = %v (%08x), want %v (%08x)", a.m, a.k, n0, n1, n, i/ldy, i%ldy,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func TestLevelsEqualReference(t *testing.T) {
	eachLevel(t, func(t *testing.T, l cpu.Level, typ dtype.Type) {
		r := rand.New(rand.NewPCG(3, uint64(typ)))
		size := typ.BlockSize()
		for _, m := range []int{1, 2, 3, 4, 5, 7, 8, 12, 13, 23} {
			for _, blocks := range []int{1, 2, 7, 8, 9, 19} {
				if size == 256 && blocks > 4 && m > 4 {
					continue
				}
				k := blocks * size
				var a Acts
				Quantize(&a, FormOf(typ), activations(r, m*k), m, k)
				n := 16 + int(r.Uint32N(40))
				w := weights(r, typ, n, k)
				compare(t, l, typ, &a, w, n, 0, n)
				n0 := int(r.Uint32N(uint32(n)))
				compare(t, l, typ, &a, w, n, n0, n0+int(r.Uint32N(uint32(n-n0+1))))
			}
		}
	})
}
