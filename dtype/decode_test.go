package dtype

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"testing"
)

// splitmix64 is the byte stream that testdata/fixtures.py draws blocks from.
func splitmix64(seed uint64, size int) []byte {
	out := make([]byte, 0, size+8)
	for len(out) < size {
		seed += 0x9E3779B97F4A7C15
		z := (seed ^ seed>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		out = binary.LittleEndian.AppendUint64(out, z^z>>31)
	}
	return out[:size]
}

// canonical returns the bits of x with every NaN as 7FC00000.
func canonical(x []float32) []byte {
	out := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b := math.Float32bits(v)
		if v != v {
			b = 0x7FC00000
		}
		out = binary.LittleEndian.AppendUint32(out, b)
	}
	return out
}

func decodeAll(t Type, src []byte) []float32 {
	dst := make([]float32, len(src)/t.BlockBytes()*t.BlockSize())
	Decode(t, dst, src)
	return dst
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// Every block format against the values that ggml's portable code gives (testdata/fixtures.py), bit by bit.
func TestDecodeGolden(t *testing.T) {
	blob := gunzip(t, "testdata/decode.bin.gz")
	seen := map[Type]bool{Q8_1: true} // ggml has no decoder for it; TestDecodeQ8_1
	next := func(n int) []byte {
		b := blob[:n]
		blob = blob[n:]
		return b
	}
	for len(blob) > 0 {
		typ, err := Parse(string(next(int(next(1)[0]))))
		if err != nil {
			t.Fatal(err)
		}
		seen[typ] = true
		sample := next(3 * typ.BlockBytes())
		want := next(3 * 4 * typ.BlockSize())
		if got := canonical(decodeAll(typ, sample)); !bytes.Equal(got, want) {
			for i := range len(got) / 4 {
				if g, w := le.Uint32(got[4*i:]), le.Uint32(want[4*i:]); g != w {
					t.Errorf("%v: element %d is %08x, want %08x", typ, i, g, w)
					break
				}
			}
		}
		hostile := next(int(le.Uint32(next(4))) * typ.BlockBytes())
		checkHash(t, fmt.Sprint(typ, " with hostile scales"), decodeAll(typ, hostile), next(32))
		checkHash(t, fmt.Sprint(typ, " of random blocks"), decodeAll(typ, splitmix64(1, 512*typ.BlockBytes())), next(32))
	}
	for typ := Invalid + 1; typ < numTypes; typ++ {
		if typ.IsQuantized() && !seen[typ] {
			t.Errorf("no golden values for %v", typ)
		}
	}
}

func checkHash(t *testing.T, what string, got []float32, want []byte) {
	t.Helper()
	if sum := sha256.Sum256(canonical(got)); !bytes.Equal(sum[:], want) {
		t.Errorf("%s: sha256 of the values is %s, want %s", what, hex.EncodeToString(sum[:4]), hex.EncodeToString(want[:4]))
	}
}

func TestDecodeQ8_1(t *testing.T) {
	b := make([]byte, 36)
	le.PutUint16(b, F32ToF16(0.25))
	b[4], b[35] = 0x80, 3
	x := decodeAll(Q8_1, b)
	if x[0] != -32 || x[1] != 0 || x[31] != 0.75 {
		t.Errorf("got %v", x)
	}
}

func TestDecodePlain(t *testing.T) {
	big := le.AppendUint64(nil, uint64(1<<53+1))
	for _, c := range []struct {
		t    Type
		src  []byte
		want float32
	}{
		{F32, []byte{1, 0, 0, 0x80}, -math.SmallestNonzeroFloat32},
		{F16, []byte{0, 0xC0}, -2}, {BF16, []byte{0x80, 0x3F}, 1}, {F8E4M3, []byte{0xFE}, -448}, {F8E5M2, []byte{0x7B}, 57344},
		{F64, le.AppendUint64(nil, math.Float64bits(1+0x1p-24)), 1}, // a tie, to even
		{I8, []byte{0x80}, -128}, {U8, []byte{0x80}, 128}, {I16, []byte{0, 0x80}, -32768}, {I32, []byte{0xFF, 0xFF, 0xFF, 0x7F}, 1 << 31},
		{I64, big, 1 << 53}, {Bool, []byte{0}, 0}, {Bool, []byte{2}, 1},
	} {
		if got := decodeAll(c.t, c.src); len(got) != 1 || math.Float32bits(got[0]) != math.Float32bits(c.want) {
			t.Errorf("%v % x = %v, want %v", c.t, c.src, got, c.want)
		}
	}
}

func TestDecodeWrongLength(t *testing.T) {
	for _, f := range []func(){
		func() { Decode(Q4_0, make([]float32, 32), make([]byte, 17)) },
		func() { Decode(Q4_0, make([]float32, 31), make([]byte, 18)) },
		func() { Decode(F32, make([]float32, 2), make([]byte, 9)) },
		func() { Decode(Invalid, nil, nil) },
		func() { Decode(200, nil, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		}()
	}
}

// Decode of any bytes of the right length returns.
func FuzzDecode(f *testing.F) {
	for typ := Invalid + 1; typ < numTypes; typ++ {
		f.Add(uint8(typ), splitmix64(uint64(typ), 2*typ.BlockBytes()))
	}
	f.Fuzz(func(t *testing.T, typ uint8, src []byte) {
		if T := Type(typ); T.Valid() && len(src)%T.BlockBytes() == 0 {
			decodeAll(T, src)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	const n = 1 << 14
	dst := make([]float32, n)
	for typ := Invalid + 1; typ < numTypes; typ++ {
		src := splitmix64(1, typ.RowBytes(n))
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(4 * n) // of floats made
			for b.Loop() {
				Decode(typ, dst, src)
			}
		})
	}
}
