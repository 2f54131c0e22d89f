package qdot

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/dtype"
)

// allTypes are the formats with an integer product.
func allTypes() []dtype.Type {
	var types []dtype.Type
	for t := range dtype.Type(len(formats)) {
		if Supported(t) {
			types = append(types, t)
		}
	}
	return types
}

// weights are n rows of k random elements: any bytes are valid codes, but scales are kept finite and moderate.
func weights(r *rand.Rand, t dtype.Type, n, k int) []byte {
	w := make([]byte, n*t.RowBytes(k))
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	eachScale(t, w, func(b []byte, isByte bool) {
		if isByte {
			b[0] = 118 + byte(r.Uint32N(12))
		} else {
			le.PutUint16(b, dtype.F32ToF16(float32(r.NormFloat64())*0.01))
		}
	})
	return w
}

// eachScale visits the float scales of every block.
func eachScale(t dtype.Type, w []byte, visit func(b []byte, isByte bool)) {
	at := map[dtype.Type][]int{dtype.Q4_1: {0, 2}, dtype.Q5_1: {0, 2}, dtype.Q4_K: {0, 2}, dtype.Q5_K: {0, 2}, dtype.Q2_K: {80, 82},
		dtype.Q3_K: {108}, dtype.Q6_K: {208}}[t]
	if at == nil {
		at = []int{0}
	}
	for ; len(w) > 0; w = w[t.BlockBytes():] {
		for _, i := range at {
			visit(w[i:], t == dtype.MXFP4)
		}
	}
}

func activations(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestReference holds the reference against a plain sum over the weights that package dtype decodes and the rounded activations.
func TestReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const m, n, k = 5, 7, 768
	for _, typ := range allTypes() {
		t.Run(typ.String(), func(t *testing.T) {
			x, w := activations(r, m*k), weights(r, typ, n, k)
			var a Acts
			Quantize(&a, FormOf(typ), x, m, k)
			y, wf := make([]float32, m*n), make([]float32, n*k)
			mulReference(y, n, &a, typ, w, 0, n, &Scratch{})
			dtype.Decode(typ, wf, w)
			for i := range m {
				for j := range n {
					var want, size float64
					for e := range k {
						p := float64(wf[j*k+e]) * dequantized(&a, i, e)
						want, size = want+p, size+math.Abs(p)
					}
					if got := float64(y[i*n+j]); math.Abs(got-want) > 1e-5*size {
						t.Fatalf("y[%d,%d] = %v, want %v", i, j, got, want)
					}
				}
			}
		})
	}
}

func dequantized(a *Acts, m, e int) float64 {
	size := int(a.form)
	q := int8(a.codes(m, e/size)[e%size])
	return float64(a.scale(m, e/size)) * float64(q)
}

func TestQuantize(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, form := range []Form{Block32, Block256} {
		size := int(form)
		for _, c := range []struct {
			name string
			x    []float32 // the rest of the block is zero
			d    float32
			q    []int8
		}{
			{"zero", nil, 0, nil},
			{"ties to even", []float32{127, 0.5, 1.5, 2.5, -0.5, -1.5, -127}, 1, []int8{127, 0, 2, 2, 0, -2, -127}},
			{"negative largest", []float32{-254, 1, 127}, 2, []int8{-127, 0, 64}},
			{"infinity", []float32{1, -inf}, nan, nil},
			{"NaN", []float32{1, nan, 2}, nan, nil},
			{"127/max overflows", []float32{0x1p-125}, 0x1p-125 / 127, nil},
			{"largest float", []float32{math.MaxFloat32}, math.MaxFloat32 / 127, []int8{127}},
		} {
			x := make([]float32, 3*size)
			copy(x[size:], c.x)
			var a Acts
			Quantize(&a, form, x, 1, 3*size)
			if d := a.scale(0, 1); math.Float32bits(d) != math.Float32bits(c.d) && c.d == c.d || c.d != c.d && d == d {
				t.Errorf("blocks of %d, %s: scale %v, want %v", size, c.name, d, c.d)
			}
			for e := range size {
				want := int8(0)
				if e < len(c.q) {
					want = c.q[e]
				}
				if got := int8(a.codes(0, 1)[e]); got != want {
					t.Errorf("blocks of %d, %s: q[%d] = %d, want %d", size, c.name, e, got, want)
				}
			}
		}
	}
}

// TestSums checks the sums that kernels use instead of adding codes up.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const m, k = 6, 512
	x := activations(r, m*k)
	var a32, a256 Acts
	Quantize(&a32, Block32, x, m, k)
	Quantize(&a256, Block256, x, m, k)
	for i := range m {
		for b := range k / 32 {
			_, want := dotCodes(make([]int8, 32), a32.codes(i, b))
			if got := -int32(le.Uint32(a32.buf[a32.at(i, b)+negAt32:])); got != want {
				t.Fatalf("row %d, block %d: sum %d, want %d", i, b, got, want)
			}
		}
		for s := range k / 16 {
			b, j := s/16, s%16
			rec, codes := a256.buf[a256.at(i, b):], a256.codes(i, b)
			_, want := dotCodes(make([]int8, 16), codes[j*16:])
			if got := int32(int16(le.Uint16(rec[sum16At256+pairAt(j):]))); got != want {
				t.Fatalf("row %d, block %d, sixteen %d: sum %d, want %d", i, b, j, got, want)
			}
			_, want = dotCodes(make([]int8, 32), codes[j/2*32:])
			if got := int32(int16(le.Uint16(rec[sum32At256+pairAt(j/2):]))); got != want {
				t.Fatalf("row %d, block %d, thirty-two %d: sum %d, want %d", i, b, j/2, got, want)
			}
		}
	}
}

func TestShapesThatDoNotFit(t *testing.T) {
	var a, b Acts
	Quantize(&a, Block32, make([]float32, 2*64), 2, 64)
	y, w, s := make([]float32, 8), make([]byte, 4*68), &Scratch{}
	for i, f := range []func(){
		func() { Mul(y, 4, &a, dtype.F32, w, 0, 4, s) },
		func() { Mul(y, 4, &a, dtype.Q4_K, w, 0, 4, s) },
		func() { Mul(y, 4, &a, dtype.Q8_0, w, 0, 5, s) },
		func() { Mul(y, 4, &a, dtype.Q8_0, w[1:], 0, 4, s) },
		func() { Mul(y[1:], 4, &a, dtype.Q8_0, w, 0, 4, s) },
		func() { Mul(y, 4, &a, dtype.Q8_0, w, 2, 1, s) },
		func() { Mul(y, 4, &a, dtype.Q8_0, w, -1, 1, s) },
		func() { Quantize(&b, Block32, make([]float32, 33), 1, 33) },
		func() { Quantize(&b, Block256, make([]float32, 255), 1, 256) },
		func() { Quantize(&b, 3, make([]float32, 96), 1, 96) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("call %d did not panic", i)
				}
			}()
			f()
		}()
	}
	Mul(y, 4, &a, dtype.Q8_0, w, 0, 4, s)
}

func TestQuantizeReusesMemory(t *testing.T) {
	var a Acts
	x := make([]float32, 8*512)
	Quantize(&a, Block32, x, 8, 512)
	if n := testing.AllocsPerRun(10, func() { Quantize(&a, Block256, x, 4, 512); Quantize(&a, Block32, x, 7, 512) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestMulReusesMemory(t *testing.T) {
	const n, k = 35, 512
	for _, m := range []int{1, 20} {
		var a Acts
		Quantize(&a, Block256, make([]float32, m*k), m, k)
		y, w, s := make([]float32, m*n), make([]byte, n*dtype.Q4_K.RowBytes(k)), &Scratch{}
		if n := testing.AllocsPerRun(5, func() { Mul(y, n, &a, dtype.Q4_K, w, 0, n, s) }); n != 0 {
			t.Errorf("%d rows of activations: %v allocations a call", m, n)
		}
	}
}
