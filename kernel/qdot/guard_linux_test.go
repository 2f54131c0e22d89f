package qdot

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// guarded is n bytes with an unmapped page right behind them, or right before.
func guarded(t *testing.T, n int, behind bool) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	for _, p := range [][]byte{mem[:page], mem[page+size:]} {
		if err := syscall.Mprotect(p, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if behind {
		return mem[page+size-n : page+size]
	}
	return mem[page : page+n]
}

// TestNoStrayReads multiplies weights that border on unmapped memory, as the last tensor of a mapped file does.
func TestNoStrayReads(t *testing.T) {
	eachLevel(t, func(t *testing.T, l cpu.Level, typ dtype.Type) {
		r := rand.New(rand.NewPCG(7, uint64(typ)))
		for _, behind := range []bool{false, true} {
			for _, m := range []int{1, 2, 3, 4, 5, 13} {
				for _, n := range []int{1, 16, 21, 32} {
					k := typ.BlockSize() * (1 + int(r.Uint32N(9)))
					var a Acts
					Quantize(&a, FormOf(typ), activations(r, m*k), m, k)
					a.buf = append(guarded(t, len(a.buf), behind)[:0], a.buf...)
					w := append(guarded(t, n*typ.RowBytes(k), behind)[:0], weights(r, typ, n, k)...)
					compare(t, l, typ, &a, w, n, 0, n)
				}
			}
		}
	})
}
