package qdot

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
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

// TestHostile takes weights of any bits at all, infinite, NaN and denormal scales among them, extreme codes, and blocks of activations that are
// zero, infinite, NaN, or as large as they get.
func TestHostile(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	fill := map[string]func(r *rand.Rand) byte{
		"random":   func(r *rand.Rand) byte { return byte(r.Uint32()) },
		"zeros":    func(*rand.Rand) byte { return 0 },
		"ones":     func(*rand.Rand) byte { return 0xFF },
		"lowest":   func(*rand.Rand) byte { return 0x80 },
		"denormal": func(r *rand.Rand) byte { return byte(r.Uint32N(2)) },
		"extremes": func(r *rand.Rand) byte { return []byte{0, 0x7C, 0xFF, 0x80, 0x7F, 0x88, 0xFC}[r.Uint32N(7)] },
	}
	acts := map[string]func(r *rand.Rand) float32{
		"normal":  func(r *rand.Rand) float32 { return float32(r.NormFloat64()) },
		"largest": func(r *rand.Rand) float32 { return []float32{-1, 1}[r.Uint32N(2)] },
		"same":    func(*rand.Rand) float32 { return -1 },
		"huge":    func(r *rand.Rand) float32 { return float32(r.NormFloat64()) * 0x1p120 },
		"tiny":    func(r *rand.Rand) float32 { return float32(r.NormFloat64()) * 0x1p-130 },
		"special": func(r *rand.Rand) float32 {
			if r.Uint32N(40) > 0 {
				return float32(r.NormFloat64())
			}
			return []float32{inf, -inf, nan}[r.Uint32N(3)]
		},
		"sparse": func(r *rand.Rand) float32 { return float32(max(0, int(r.Uint32N(80))-78)) },
	}
	eachLevel(t, func(t *testing.T, l cpu.Level, typ dtype.Type) {
		r := rand.New(rand.NewPCG(6, uint64(typ)))
		for weights, byteOf := range fill {
			for name, x := range acts {
				const n = 18
				m, k := 1+int(r.Uint32N(5)), 3*typ.BlockSize()
				xs, w := make([]float32, m*k), make([]byte, n*typ.RowBytes(k))
				for i := range xs {
					xs[i] = x(r)
				}
				for i := range w {
					w[i] = byteOf(r)
				}
				var a Acts
				Quantize(&a, FormOf(typ), xs, m, k)
				t.Run(weights+"/"+name, func(t *testing.T) { compare(t, l, typ, &a, w, n, 0, n) })
			}
		}
	})
}

// FuzzMul holds the levels to the reference over weights and activations of any bits.
func FuzzMul(f *testing.F) {
	f.Add(uint8(0), uint8(1), uint8(1), []byte{1, 2, 3})
	f.Add(uint8(9), uint8(5), uint8(9), []byte("weights and activations"))
	types := allTypes()
	f.Fuzz(func(t *testing.T, typ, m, blocks uint8, data []byte) {
		if len(data) == 0 {
			t.Skip("nothing to make weights of")
		}
		ty := types[int(typ)%len(types)]
		rows, k := 1+int(m)%9, (1+int(blocks)%5)*ty.BlockSize()
		const n = 17
		w, x := make([]byte, n*ty.RowBytes(k)), make([]float32, rows*k)
		for i := range w {
			w[i] = data[i%len(data)] + byte(i/len(data))
		}
		for i := range x {
			x[i] = math.Float32frombits(uint32(data[i%len(data)]+byte(i/len(data))) * 0x01000193 * uint32(i+1))
		}
		var a Acts
		Quantize(&a, FormOf(ty), x, rows, k)
		for _, l := range cpu.Levels[1 : cpu.Best()+1] {
			compare(t, l, ty, &a, w, n, 0, n)
		}
	})
}

// TestQuantizeEqualsReference compares every byte of the records.
func TestQuantizeEqualsReference(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	special := []float32{0, float32(math.Copysign(0, -1)), inf, -inf, nan, 0x1p-149, 0x1p-126, 0x1p-120, -0x1p-119, math.MaxFloat32, 0.5, 1.5, 127, -127}
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(4, 4))
		for _, form := range []Form{Block32, Block256} {
			for try := range 200 {
				m, k := 1+int(r.Uint32N(6)), int(form)*(1+int(r.Uint32N(5)))
				x := activations(r, m*k)
				for range try % 8 * 3 {
					x[r.Uint32N(uint32(len(x)))] = special[r.Uint32N(uint32(len(special)))]
				}
				for i := range x { // scales from far below to far above what is usual, and ties
					switch try % 5 {
					case 1:
						x[i] *= math.Float32frombits(r.Uint32N(0x70) << 23)
					case 2:
						x[i] = float32(r.Int32N(255)-127) / 2
					case 3:
						x[i] *= float32(math.Ldexp(1, -100-try/4))
					}
				}
				var a Acts
				Quantize(&a, form, x, m, k)
				for i := range m {
					for b := range k / int(form) {
						want := make([]byte, form.record())
						quantizeReference(form, want, len(want), x[i*k+b*int(form):][:form])
						if got := a.buf[a.at(i, b):][:len(want)]; !bytes.Equal(got, want) {
							t.Fatalf("try %d, form %d, row %d, block %d:\n%x, want\n%x", try, form, i, b, got, want)
						}
					}
				}
			}
		}
	})
}

func BenchmarkQuantize(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	const m, k = 64, 2048
	x := activations(r, m*k)
	for _, form := range []Form{Block32, Block256} {
		b.Run(fmt.Sprint(int(form)), func(b *testing.B) {
			var a Acts
			b.SetBytes(4 * m * k)
			for b.Loop() {
				Quantize(&a, form, x, m, k)
			}
		})
	}
}
