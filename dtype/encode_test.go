package dtype

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// distributions are the inputs of testdata/encode.py, which uses integers only so that both sides have the same bits.
func distributions() map[string][]float32 {
	const n = 256 * 256
	bells := func(seed uint64) []int64 {
		raw, out := splitmix64(seed, 8*n), make([]int64, n)
		for i := range out {
			for k := range 4 {
				out[i] += int64(le.Uint16(raw[8*i+2*k:]))
			}
			out[i] -= 131070
		}
		return out
	}
	g, h, u := bells(1), bells(2), splitmix64(3, 8*n)
	d := map[string][]float32{}
	add := func(name string, scale float64, f func(i int) int64) {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(f(i)) * float32(scale)
		}
		d[name] = x
	}
	add("normal", 0x1p-21, func(i int) int64 { return g[i] })
	add("heavy", 0x1p-20, func(i int) int64 { return g[i] * h[i] >> 16 })
	add("positive", 0x1p-17, func(i int) int64 { return max(g[i], -g[i]) })
	add("sparse", 0x1p-19, func(i int) int64 {
		if u[8*i]%8 != 0 {
			return 0
		}
		return g[i]
	})
	add("uniform", 0x1p-19, func(i int) int64 { return int64(le.Uint64(u[8*i:])>>44) - 1<<19 })
	add("ramps", 0x1p-13, func(i int) int64 { return int64(i % 1021 * (i/700%5 - 2)) })
	return d
}

func encodeAll(t testing.TB, typ Type, x []float32) []byte {
	t.Helper()
	dst := make([]byte, typ.RowBytes(len(x)))
	if err := Encode(typ, dst, x); err != nil {
		t.Fatal(err)
	}
	return dst
}

// relativeError is the root mean square of y-x over that of x, plainly and weighted by the squares of x.
func relativeError(x, y []float32) (plain, weighted float64) {
	var e, ew, p, pw float64
	for i := range x {
		d, v := float64(y[i])-float64(x[i]), float64(x[i])*float64(x[i])
		e, ew, p, pw = e+d*d, ew+d*d*v, p+v, pw+v*v
	}
	return math.Sqrt(e / p), math.Sqrt(ew / pw)
}

// The simple formats give ggml's bytes; those with a search give no more error than ggml's quantisers.
func TestEncodeGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/encode.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct {
		Input string
		Bytes map[string]string
		RMSE  map[string][2]float64
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	hash := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	data := distributions()
	for name, want := range golden {
		x := data[name]
		if got := hash(encodeAll(t, F32, x)); got != want.Input {
			t.Fatalf("%s: the input differs from that of testdata/encode.py", name)
		}
		for s, sum := range want.Bytes {
			typ, err := Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := hash(encodeAll(t, typ, x)); got != sum {
				t.Errorf("%s as %v: not ggml's bytes", name, typ)
			}
		}
		for s, rmse := range want.RMSE {
			typ, err := Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			plain, weighted := relativeError(x, decodeAll(typ, encodeAll(t, typ, x)))
			t.Logf("%-8s %-6v error %.5f, of ggml's %.4f; weighted %.5f, of ggml's %.4f", name, typ, plain, plain/rmse[0], weighted, weighted/rmse[1])
			if plain > 1.002*rmse[0] || weighted > 1.05*rmse[1] {
				t.Errorf("%s as %v: error %g, weighted %g; ggml has %g, %g", name, typ, plain, weighted, rmse[0], rmse[1])
			}
		}
	}
}

func TestEncodePlain(t *testing.T) {
	for typ := Invalid + 1; typ < numTypes; typ++ {
		if typ.IsQuantized() {
			continue
		}
		x := []float32{0, 1, 0, 1, 1}
		if typ != Bool {
			x = append(x, 2, 100, 127)
		}
		if typ != Bool && typ != U8 {
			x = append(x, -1, -128)
		}
		if typ == F8E4M3 || typ == F8E5M2 {
			x = []float32{0, 1, -1, 2, 112, -128, 448}
		}
		if y := decodeAll(typ, encodeAll(t, typ, x)); !bytes.Equal(canonical(x), canonical(y)) {
			t.Errorf("%v: %v came back as %v", typ, x, y)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	block := func(n int, v float32) []float32 {
		x := make([]float32, n)
		x[n-1] = v
		return x
	}
	for _, c := range []struct {
		t    Type
		x    []float32
		want string
	}{
		{I8, []float32{0, 128}, "element 1 is 128"}, {I8, []float32{-129}, "is -129"}, {U8, []float32{-1}, "is -1"}, {U8, []float32{256}, "is 256"},
		{Bool, []float32{2}, "is 2"}, {I16, []float32{0.5}, "is 0.5"}, {I32, []float32{1 << 31}, "is 2.1474836e+09"}, {I64, []float32{nan}, "is NaN"},
		{Q4_0, block(64, nan), "element 63 is NaN"}, {Q8_0, block(32, inf), "element 31 is -Inf"}, {Q4_K, block(256, nan), "element 255 is NaN"},
		{Q8_0, block(64, 1e30), "elements 32 to 63: the scale for values up to 1e+30 overflows"},
		{Q4_1, block(32, -7e4), "overflows"}, {Q5_1, block(32, math.MaxFloat32), "overflows"}, {Q4_K, block(256, 1e8), "overflows"},
		{Q6_K, block(256, math.MaxFloat32), "overflows"}, {Q3_K, block(256, -1e30), "overflows"}, {IQ4_XS, block(256, 1e25), "overflows"},
		{IQ4_NL, block(32, math.MaxFloat32), "overflows"}, {IQ2_XS, block(256, 1), "there is no encoder for iq2_xs"},
	} {
		err := Encode(c.t, make([]byte, c.t.RowBytes(len(c.x))), c.x)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.t, err, c.want)
		}
	}
}

// What has been through a format once goes through it again unchanged, where the scale is a normal half.
func TestEncodeIdempotent(t *testing.T) {
	for _, typ := range []Type{F16, BF16, F8E4M3, F8E5M2, Q4_0, Q5_0, Q8_0, Q8_1, MXFP4, TQ1_0, TQ2_0} {
		rapid.Check(t, func(t *rapid.T) {
			x := rapid.SliceOfN(rapid.Float32Range(-8, 8), typ.BlockSize(), typ.BlockSize()).Draw(t, "x")
			if m := maxAbs(x); m < 0x1p-5 && m > 0 {
				t.Skip("scale below the normal halves")
			}
			b := make([]byte, typ.RowBytes(len(x)))
			if err := Encode(typ, b, x); err != nil {
				t.Fatal(err)
			}
			once := decodeAll(typ, b)
			if err := Encode(typ, b, once); err != nil {
				t.Fatal(err)
			}
			if twice := decodeAll(typ, b); !bytes.Equal(canonical(once), canonical(twice)) {
				t.Fatalf("%v: %v, then %v", typ, once, twice)
			}
		})
	}
}

// No element is further from what was encoded than half a step of the format allows.
func TestEncodeHalfStep(t *testing.T) {
	// Half a step, relative to the largest magnitude; the formats with a minimum span up to twice that.
	bound := map[Type]float32{Q4_0: 1. / 8, Q4_1: 1. / 15, Q5_0: 1. / 16, Q5_1: 1. / 31, Q8_0: 1. / 254, Q8_1: 1. / 254, MXFP4: 1. / 4}
	for typ, r := range bound {
		rapid.Check(t, func(t *rapid.T) {
			x := rapid.SliceOfN(rapid.Float32Range(-100, 100), 32, 32).Draw(t, "x")
			b := make([]byte, typ.RowBytes(len(x)))
			if err := Encode(typ, b, x); err != nil {
				t.Fatal(err)
			}
			limit := maxAbs(x)*(r+0x1p-10) + 1e-5 // the scale and the minimum are rounded to halves
			for i, y := range decodeAll(typ, b) {
				if abs(y-x[i]) > limit {
					t.Fatalf("%v: element %d is %v, was %v; the largest is %v", typ, i, y, x[i], maxAbs(x))
				}
			}
		})
	}
}

// Encode returns on any values: an error, or blocks whose values are finite (and near, which other tests look at).
func FuzzEncode(f *testing.F) {
	for typ := Invalid + 1; typ < numTypes; typ++ {
		f.Add(uint8(typ), splitmix64(uint64(typ), 4*typ.BlockSize()))
	}
	f.Add(uint8(Q2_K), make([]byte, 1024))
	f.Fuzz(func(t *testing.T, code uint8, raw []byte) {
		typ := Type(code)
		if !typ.Valid() || len(raw)%(4*typ.BlockSize()) != 0 {
			return
		}
		check := func(x []float32) {
			b := make([]byte, typ.RowBytes(len(x)))
			if err := Encode(typ, b, x); err != nil || !typ.IsQuantized() {
				return
			}
			for i, y := range decodeAll(typ, b) {
				if y-y != 0 {
					t.Fatalf("%v: element %d was %v and is %v", typ, i, x[i], y)
				}
			}
		}
		x := decodeAll(F32, raw)
		check(x)
		for i, v := range x { // the same with exponents that a half can take
			bits := math.Float32bits(v)
			x[i] = math.Float32frombits(bits&0x807FFFFF | (95+bits>>23%48)<<23)
		}
		check(x)
	})
}

func BenchmarkEncode(b *testing.B) {
	x := distributions()["normal"][:1<<14]
	for typ := Invalid + 1; typ < numTypes; typ++ {
		if !typ.CanEncode() || typ >= I8 && typ <= Bool {
			continue
		}
		dst := make([]byte, typ.RowBytes(len(x)))
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(x))) // of floats taken
			for b.Loop() {
				if err := Encode(typ, dst, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
