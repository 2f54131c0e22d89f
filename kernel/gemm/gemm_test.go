package gemm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
)

// style is how test values are drawn.
type style int

const (
	plain style = iota // around 1
	tiny               // products and sums near the denormals
	wild               // any bits: infinities, NaNs, denormals, zeros of both signs among ordinary values
	numStyles
)

func (s style) String() string { return [...]string{"plain", "tiny", "wild"}[s] }

func (s style) value(r *rand.Rand) float32 {
	switch {
	case s == tiny:
		return float32(r.NormFloat64() * math.Exp2(float64(-62-r.IntN(5))))
	case s == wild && r.IntN(40) == 0:
		return [...]float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.Float32frombits(0xFFA00001), 0,
			float32(math.Copysign(0, -1)), math.Float32frombits(r.Uint32() & 0x807FFFFF), math.Float32frombits(r.Uint32())}[r.IntN(8)]
	}
	return float32(r.NormFloat64())
}

func (s style) values(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	special := s != wild || r.IntN(2) == 0 // half of the wild rows hold no special value that would drown the rest
	for i := range x {
		if special {
			x[i] = s.value(r)
		} else {
			x[i] = plain.value(r)
		}
	}
	return x
}

// weights makes n rows of k weights at an odd address.
func (s style) weights(r *rand.Rand, t dtype.Type, n, k int) Weights {
	data := make([]byte, 1, n*t.RowBytes(k)+1)
	for range n {
		for _, v := range s.values(r, k) {
			switch t {
			case dtype.F32:
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			case dtype.F16:
				if s == tiny {
					v *= 0x1p48
				}
				data = binary.LittleEndian.AppendUint16(data, dtype.F32ToF16(v))
			case dtype.BF16:
				data = binary.LittleEndian.AppendUint16(data, dtype.F32ToBF16(v))
			default:
				data = append(data, byte(r.Uint32()))
				if b := &data[len(data)-1]; s == plain && (t == dtype.F8E4M3 && *b&0x7F == 0x7F || t == dtype.F8E5M2 && *b&0x7C == 0x7C) {
					*b = 1
				}
			}
		}
	}
	return Weights{Type: t, Data: data[1:], K: k}
}

func (s style) scales(r *rand.Rand, w *Weights, n, blockN, blockK int) {
	w.BlockN, w.BlockK, w.Scale = blockN, blockK, s.values(r, ceil(n, blockN)*ceil(w.K, blockK))
}

// checkMul compares Mul, over a split of the columns, with the definition on bits, and looks that nothing else in y was touched.
func checkMul(t *testing.T, x Packed, raw []float32, w Weights, n int, ref func([]float32, Weights, int) float32) {
	t.Helper()
	const untouched = 12345
	ldy := n + 3
	y := make([]float32, x.M*ldy)
	for i := range y {
		y[i] = untouched
	}
	s, cut := NewScratch(), n/3
	Mul(y, ldy, x, w, 0, cut, s)
	Mul(y, ldy, x, w, cut, n, s)
	for m := range x.M {
		for c := range ldy {
			want := float32(untouched)
			if c < n {
				want = ref(raw[m*x.K:][:x.K], w, c)
			}
			if got := y[m*ldy+c]; math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("m=%d n=%d k=%d: y[%d,%d] = %v (%08x), want %v (%08x)", x.M, n, x.K, m, c, got, math.Float32bits(got), want, math.Float32bits(want))
			}
		}
	}
}

func packBoth(x []float32, m, k int) (f32, bf16 Packed) {
	return PackF32(make([]float32, PackedLenF32(m, k)), x, m, k), PackBF16(make([]uint16, PackedLenBF16(m, k)), x, m, k)
}

// shapes are m, n, k.
var shapes = [][3]int{
	{1, 1, 1}, {1, 9, 0}, {1, 8, 16}, {1, 13, 31}, {1, 37, 129}, {1, 5, 2049}, {2, 3, 5}, {2, 16, 64}, {3, 11, 33}, {4, 9, 100}, {5, 12, 47},
	{6, 24, 96}, {6, 7, 17}, {7, 10, 65}, {8, 4, 255}, {12, 6, 32}, {13, 21, 130}, {31, 5, 70}, {97, 3, 40}, {100, 26, 33}, {198, 2, 5}, {7, 9, 1100}, {13, 5, 4131}, {13, 58, 6}, {25, 101, 7},
	{25, 49, 64}, {31, 51, 40}, {26, 69, 70}, {27, 51, 100}, {28, 112, 300}, {29, 50, 768}, {30, 50, 767}, {37, 48, 130},
}

func TestMul(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for _, typ := range slotTypes {
			for s := range numStyles {
				t.Run(fmt.Sprintf("%v/%v", typ, s), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(typ), uint64(s)))
					for _, c := range shapes {
						m, n, k := c[0], c[1], c[2]
						x, w := s.values(r, m*k), s.weights(r, typ, n, k)
						f32, bf16 := packBoth(x, m, k)
						checkMul(t, f32, x, w, n, RefF32)
						if typ == dtype.F32 || typ == dtype.F16 {
							continue
						}
						checkMul(t, bf16, x, w, n, RefBF16)
					}
				})
			}
		}
	})
}

func TestMulScaled(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for _, typ := range []dtype.Type{dtype.F8E4M3, dtype.F8E5M2} {
			for s := range numStyles {
				r := rand.New(rand.NewPCG(uint64(typ), uint64(s)))
				for _, c := range [][5]int{
					{1, 9, 300, 4, 128}, {1, 5, 128, 128, 128}, {3, 10, 256, 8, 128}, {5, 7, 130, 2, 64}, {8, 9, 97, 3, 32}, {1, 6, 77, 1, 77}, {20, 6, 1025, 1, 4096}, {2, 3, 640, 2, 512}, {1, 12, 2500, 8, 128},
					{7, 9, 2208, 2, 96}, {2, 5, 4300, 1, 2080}, {1, 30, 256, 16, 128}, {1, 50, 1984, 20, 64}, {1, 20, 640, 128, 640},
					{1, 17, 192, 128, 128},
				} {
					m, n, k := c[0], c[1], c[2]
					x, w := s.values(r, m*k), s.weights(r, typ, n, k)
					s.scales(r, &w, n, c[3], c[4])
					f32, bf16 := packBoth(x, m, k)
					checkMul(t, f32, x, w, n, RefF32)
					checkMul(t, bf16, x, w, n, RefBF16)
				}
			}
		}
	})
}

func TestMulF32Panel(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		const m, n, k = 7, 40, 75
		r := rand.New(rand.NewPCG(1, 1))
		x, w := plain.values(r, m*k), plain.values(r, n*k)
		f32, _ := packBoth(x, m, k)
		want, got, s := make([]float32, m*n), make([]float32, m*n), NewScratch()
		Mul(want, n, f32, Weights{Type: dtype.F32, Data: f32Bytes(w), K: k}, 0, n, s)
		for n0 := 0; n0 < n; n0 += 16 {
			n1 := min(n, n0+16)
			MulF32Panel(got, n, f32, w[n0*k:n1*k], n0, n1, s)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("y[%d] = %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		w    Weights
		n    int
		fits bool
	}{
		{Weights{Type: dtype.BF16, Data: make([]byte, 40), K: 5}, 4, true},
		{Weights{Type: dtype.BF16, Data: make([]byte, 39), K: 5}, 4, false},
		{Weights{Type: dtype.Q8_0, Data: make([]byte, 34), K: 32}, 1, false},
		{Weights{Type: dtype.BF16, Data: make([]byte, 40), K: 5, Scale: make([]float32, 4), BlockN: 1, BlockK: 5}, 4, false},
		{Weights{Type: dtype.F8E4M3, Data: make([]byte, 512), K: 256, Scale: make([]float32, 2), BlockN: 128, BlockK: 128}, 2, true},
		{Weights{Type: dtype.F8E4M3, Data: make([]byte, 512), K: 256, Scale: make([]float32, 1), BlockN: 128, BlockK: 128}, 2, false},
		{Weights{Type: dtype.F8E4M3, Data: make([]byte, 512), K: 256, Scale: make([]float32, 99), BlockN: 128, BlockK: 100}, 2, false},
	} {
		if err := c.w.Check(c.n); (err == nil) != c.fits {
			t.Errorf("%v x %d: %v", c.w.Type, c.n, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	const m, n, k = 9, 20, 200
	x, s := make([]float32, m*k), NewScratch()
	xp, y := make([]uint16, PackedLenBF16(m, k)), make([]float32, m*n)
	w := Weights{Type: dtype.BF16, Data: make([]byte, n*k*2), K: k}
	if a := testing.AllocsPerRun(10, func() { Mul(y, n, PackBF16(xp, x, m, k), w, 0, n, s) }); a != 0 {
		t.Errorf("%v allocations a product", a)
	}
}
