package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/kernel/fp"
)

func values(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// matrix stores random values as type t.
func matrix(t testing.TB, typ dtype.Type, rows, cols int) *Matrix {
	t.Helper()
	x := values(uint64(rows*cols), rows*cols)
	data := make([]byte, typ.RowBytes(rows*cols))
	var scales []float32
	switch typ {
	case dtype.F8E4M3:
		for i, v := range x {
			data[i] = dtype.F32ToF8E4M3(v)
		}
		scales = values(3, blocks(rows)*blocks(cols))
	case dtype.F16, dtype.BF16:
		for i, v := range x {
			h := dtype.F32ToF16(v)
			if typ == dtype.BF16 {
				h = dtype.F32ToBF16(v)
			}
			binary.LittleEndian.PutUint16(data[2*i:], h)
		}
	case dtype.F32:
		for i, v := range x {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
		}
	default:
		r := rand.New(rand.NewPCG(5, 5))
		for i := range data {
			data[i] = byte(r.Uint32()) & 0x3B // any bytes are a block; without the top exponent bits the scales stay finite
		}
	}
	m, err := NewMatrix(typ, rows, cols, data, scales)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// plain is docs/NUMERICS.md section 2, written out.
func plain(x, w []float32) float32 {
	var lane [16]float32
	for k := range x {
		lane[k%16] = fp.FMA32(x[k], w[k], lane[k%16])
	}
	return fp.Fold16(&lane)
}

// round8 is what rounding to 8 bits in blocks makes of a row, from the text of section 4.
func round8(x []float32, block int) []float32 {
	y := make([]float32, len(x))
	for b := 0; b < len(x); b += block {
		end := min(b+block, len(x))
		var a float32
		for _, v := range x[b:end] {
			a = max(a, float32(math.Abs(float64(v))))
		}
		for i := b; i < end && a > 0; i++ {
			y[i] = a / 127 * float32(math.RoundToEven(float64(x[i]*(127/a))))
		}
	}
	return y
}

// TestExactForms holds the products that are section 2 over some rounding of the activations to that definition, for every type of weight.
func TestExactForms(t *testing.T) {
	types := []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3, dtype.Q4_0, dtype.Q8_0, dtype.Q4_K, dtype.Q6_K, dtype.IQ2_XXS, dtype.IQ3_S}
	for _, typ := range types {
		const m = 5
		n, k := 37, 544
		if typ.BlockSize() == 256 {
			k = 512
		} else if !typ.IsQuantized() {
			k = 521
		}
		w, x := matrix(t, typ, n, k), values(9, m*k)
		for _, c := range []Compute{F32, BF16, Q8} {
			rows := make([][]float32, m)
			for r := range rows {
				row := x[r*k:][:k]
				switch f := formOf(c, typ); f {
				case formF32:
					rows[r] = row
				case formRounded:
					for _, v := range row {
						rows[r] = append(rows[r], dtype.RoundBF16(v))
					}
				case formDecoded32:
					rows[r] = round8(row, 32)
				case formDecoded256:
					rows[r] = round8(row, 256)
				}
			}
			if rows[0] == nil {
				continue // a product of its own, defined and tested in its kernel
			}
			e := NewExec(2, c)
			defer e.Close()
			var in Input
			y := make([]float32, m*n)
			e.MatMul(y, in.Set(x, m, k), w)
			wrow := make([]float32, k)
			for j := range n {
				w.DecodeRow(wrow, j)
				for i := range m {
					if want := plain(rows[i], wrow); y[i*n+j] != want {
						t.Fatalf("%v, %v: y[%d,%d] = %v, want %v", c, typ, i, j, y[i*n+j], want)
					}
				}
			}
		}
	}
}

func bits(x []float32) string {
	var b strings.Builder
	for _, v := range x {
		fmt.Fprintf(&b, "%08x", math.Float32bits(v))
	}
	return b.String()
}

// TestSameBits: threads, levels, batch and the company of other products change no bit, for any type and compute.
func TestSameBits(t *testing.T) {
	best := cpu.Best()
	defer func() { cpu.Use(best) }()
	for _, typ := range []dtype.Type{dtype.F32, dtype.BF16, dtype.F8E4M3, dtype.Q4_1, dtype.Q4_K, dtype.IQ4_NL, dtype.IQ2_S} {
		const m, n, k = 3, 300, 256
		w, x := matrix(t, typ, n, k), values(7, m*k)
		for _, c := range []Compute{Auto, F32, BF16, Q8} {
			want := ""
			for _, level := range cpu.Levels {
				if level > best {
					continue
				}
				if err := cpu.Use(level); err != nil {
					t.Fatal(err)
				}
				for _, threads := range []int{1, 2} {
					e := NewExec(threads, c)
					var in Input
					y, one, two := make([]float32, m*n), make([]float32, n), make([]float32, n)
					e.MatMul(y, in.Set(x, m, k), w)
					got := bits(y)
					if want == "" {
						want = got
					}
					if got != want {
						t.Errorf("%v, %v: other bits at %v with %d threads", typ, c, level, threads)
					}
					in.Set(x[k:2*k], 1, k)
					e.MatMuls([]Product{{In: &in, W: w, Y: one}, {In: &in, W: w, Y: two}})
					if bits(one) != bits(y[n:2*n]) || bits(two) != bits(one) {
						t.Errorf("%v, %v: other bits for a row alone at %v", typ, c, level)
					}
					e.Close()
				}
			}
		}
	}
}

func TestHeads(t *testing.T) {
	const heads, m, k, n = 3, 4, 32, 20
	e := NewExec(2, Auto)
	defer e.Close()
	x := values(2, m*heads*(k+6))
	y := make([]float32, m*heads*(n+5))
	p := Heads{M: m, X: x, XRow: heads * (k + 6), XHead: k + 6, Y: y, YRow: heads * (n + 5), YHead: n + 5}
	for range heads {
		p.W = append(p.W, matrix(t, dtype.Q8_0, n, k))
	}
	e.MatMulHeads(&p)
	for h := range heads {
		for r := range m {
			var in Input
			want := make([]float32, n)
			e.MatMul(want, in.Set(x[r*p.XRow+h*p.XHead:][:k:k], 1, k), p.W[h])
			if got := y[r*p.YRow+h*p.YHead:][:n]; bits(got) != bits(want) {
				t.Errorf("head %d row %d: %v, want %v", h, r, got, want)
			}
		}
	}
}

func TestSliceAndTranspose(t *testing.T) {
	for _, typ := range []dtype.Type{dtype.F32, dtype.BF16, dtype.F8E4M3, dtype.Q5_0} {
		m := matrix(t, typ, 300, 288)
		row, got := make([]float32, 288), make([]float32, 288)
		for _, s := range [][2]int{{0, 300}, {128, 128}, {256, 44}, {37, 5}, {120, 20}} {
			part := m.Slice(s[0], s[1])
			for r := range s[1] {
				m.DecodeRow(row, s[0]+r)
				part.DecodeRow(got, r)
				if bits(row) != bits(got) {
					t.Fatalf("%v: row %d of rows %v differs", typ, r, s)
				}
			}
		}
		tr := m.Transpose()
		if tr.Rows != m.Cols || tr.Cols != m.Rows {
			t.Fatalf("%v transposed is %v", m, tr)
		}
		col := make([]float32, 300)
		for r := range m.Rows {
			m.DecodeRow(row, r)
			for _, c := range []int{0, 1, 127, 128, 287} {
				if tr.DecodeRow(col, c); col[r] != row[c] {
					t.Fatalf("%v: element %d,%d is %v after transposing, was %v", typ, r, c, col[r], row[c])
				}
			}
		}
	}
}

func TestWrongShapesPanic(t *testing.T) {
	e := NewExec(1, Auto)
	defer e.Close()
	w := matrix(t, dtype.F32, 4, 8)
	for name, f := range map[string]func(){
		"columns": func() { e.MatMul(make([]float32, 4), new(Input).Set(make([]float32, 7), 1, 7), w) },
		"result":  func() { e.MatMul(make([]float32, 5), new(Input).Set(make([]float32, 8), 1, 8), w) },
		"rows":    func() { w.Slice(2, 3) },
	} {
		func() {
			defer func() {
				v := recover()
				if s, ok := v.(string); !ok || !strings.Contains(s, "4, 8") {
					t.Errorf("%s: panic %v, want one that names the shape [4, 8]", name, v)
				}
			}()
			f()
		}()
	}
}

func TestNewMatrixChecks(t *testing.T) {
	for _, c := range []struct {
		t          dtype.Type
		rows, cols int
		data       int
		scales     int
	}{{dtype.F32, 2, 3, 23, 0}, {dtype.Q4_0, 2, 33, 36, 0}, {dtype.F32, 0, 3, 0, 0}, {dtype.Invalid, 1, 1, 1, 0}, {dtype.F8E4M3, 130, 4, 520, 1},
		{dtype.BF16, 2, 2, 8, 1}} {
		var scales []float32
		if c.scales > 0 {
			scales = make([]float32, c.scales)
		}
		if m, err := NewMatrix(c.t, c.rows, c.cols, make([]byte, c.data), scales); err == nil {
			t.Errorf("%+v accepted as %v", c, m)
		}
	}
}

func TestArena(t *testing.T) {
	var a Arena
	pass := func() {
		a.Release(0)
		x := a.F32(100)
		mark := a.Mark()
		y := a.F32(50)
		a.Release(mark)
		z := a.F32(30)
		x[99], y[49], z[29] = 1, 2, 3
		if x[99] != 1 {
			t.Error("buffers overlap")
		}
	}
	pass()
	if n := testing.AllocsPerRun(10, pass); n != 0 {
		t.Errorf("%v allocations a pass", n)
	}
}
