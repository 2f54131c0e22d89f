package qdot

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
)

// kernelsAt is the functions of a format at a level, and how many weight rows those that read rows take.
func kernelsAt(l cpu.Level, typ dtype.Type) (*kernels, int) {
	if l == cpu.AVX512 {
		return &kernelsAVX512[typ], 16
	}
	return &kernelsAVX2[typ], 8
}

// panelReference is the panel (_gen/unpack.go) of rows weight rows of k elements. What a level leaves unwritten is 0xEE.
func panelReference(l cpu.Level, typ dtype.Type, w []byte, rows, k int) []byte {
	p, _ := kernelsAt(l, typ)
	f, size := &formats[typ], typ.BlockSize()
	blocks := k / size
	panel := bytes.Repeat([]byte{0xEE}, blocks*p.record)
	var row rowBlocks
	row.resize(k)
	offset := 1 << p.offset
	if f.min || p.offset == 32 {
		offset = 0
	}
	for r := range rows {
		data, bytes := w[r*typ.RowBytes(k):], typ.BlockBytes()
		for b := range blocks {
			f.read(&row, b, data[b*bytes:(b+1)*bytes])
			rec := panel[b*p.record:]
			for i, c := range row.c[b*size : (b+1)*size] {
				rec[i/4*64+4*r+i%4] = byte(int(c) + offset)
			}
			floats := size * 16
			if size == 256 {
				floats = panelScales(l, rec[floats:], &row, f, b, r) + floats
			}
			le.PutUint32(rec[floats+4*r:], math.Float32bits(row.d[b]))
			if f.min {
				le.PutUint32(rec[floats+64+4*r:], math.Float32bits(row.m[b]))
			}
		}
	}
	return panel
}

// panelScales writes the integer scales and the pairs of row r, and says how many bytes they take.
func panelScales(l cpu.Level, rec []byte, row *rowBlocks, f *format, b, r int) int {
	n := 256 / f.sub
	for j := range n {
		sc := uint32(int32(row.sc[b*n+j]))
		if l == cpu.AVX2 {
			sc = sc&0xFFFF | sc<<16
		}
		le.PutUint32(rec[j*64+4*r:], sc)
		of := row.sc
		if f.min {
			of = row.mn
		}
		le.PutUint16(rec[n*64+pairAt(j)/4*64+4*r+pairAt(j)%4:], uint16(int16(of[b*n+j])))
	}
	return n * 96
}

func TestUnpack(t *testing.T) {
	eachLevel(t, func(t *testing.T, l cpu.Level, typ dtype.Type) {
		r := rand.New(rand.NewPCG(8, uint64(typ)))
		p, rows := kernelsAt(l, typ)
		k := 3 * typ.BlockSize()
		w := weights(r, typ, 16, k)
		got := bytes.Repeat([]byte{0xEE}, 3*p.record+64)
		got = got[-uintptr(unsafe.Pointer(&got[0]))%64:][:3*p.record]
		for i := 0; i < 16; i += rows {
			at := &w[i*typ.RowBytes(k)]
			p.unpack(&got[4*i], at, typ.RowBytes(k), 3, at)
		}
		if want := panelReference(l, typ, w, 16, k); !bytes.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("record %d, line %d, row %d, byte %d: %#x, want %#x", i/p.record, i%p.record/64, i%64/4, i%4, got[i], want[i])
				}
			}
		}
	})
}

// TestEmulated writes calls of the AVX-512 kernels for the emulator (ISAEMU_CASES).
func TestEmulated(t *testing.T) {
	e := testutil.Emulate(t)
	r := rand.New(rand.NewPCG(9, 9))
	for _, typ := range allTypes() {
		p, _ := kernelsAt(cpu.AVX512, typ)
		for _, blocks := range []int{3, 10} {
			k := blocks * typ.BlockSize()
			w := weights(r, typ, 16, k)
			panel := panelReference(cpu.AVX512, typ, w, 16, k)
			name, in := fmt.Sprintf("%v k=%d", typ, k), &testutil.Buffer{In: w}
			e.Call(symbol(p.unpack), name, &testutil.Buffer{In: bytes.Repeat([]byte{0xEE}, len(panel)), Want: panel}, in, typ.RowBytes(k), blocks, nil)
			for m := 1; m <= max(len(p.gemm), len(p.dot)); m++ {
				var a Acts
				Quantize(&a, FormOf(typ), activations(r, m*k), m, k)
				want := make([]float32, m*16)
				mulReference(want, 16, &a, typ, w, 0, 16, &Scratch{})
				y, acts := &testutil.Buffer{In: make([]float32, m*16), Want: want}, &testutil.Buffer{In: a.buf}
				if m < len(p.gemm) && p.gemm[m] != nil {
					e.Call(symbol(p.gemm[m]), name, y, 16, &testutil.Buffer{In: panel}, acts, a.group(), a.step(), blocks, p.offset)
				}
				if m < len(p.dot) && p.dot[m] != nil {
					e.Call(symbol(p.dot[m]), name, y, 16, in, typ.RowBytes(k), blocks, acts, a.group(), a.step(), nil)
				}
			}
		}
	}
}

// symbol is the name of an assembly function.
func symbol(f any) string { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() }
