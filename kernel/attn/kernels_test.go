package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/fp"
)

// call is one kernel call: what goes in, and what the reference makes of it.
type call struct {
	kernel string // as in kernels
	t      dtype.Type
	rows   int
	dim    int
	n      int // positions of weigh
	pitch  int // elements

	aRow, aStep int // of gain, which has s for a and q for b

	s, q, m, l, c, o []float32
	mask             []uint64
	k                []byte // keys, values or rows to transpose
	scale            float32
}

func (c call) String() string {
	return fmt.Sprintf("%s/%v/rows%d/dim%d/n%d", c.kernel, c.t, c.rows, c.dim, c.n)
}

func encode(t dtype.Type, x []float32) []byte {
	b := make([]byte, t.RowBytes(len(x)))
	storeRow(t, b, x)
	return b
}

// calls covers each kernel with every number of rows, and dimensions that use each width of tile.
func calls(r *rand.Rand, wild bool) (list []call) {
	for rows := 1; rows <= maxRows; rows++ {
		for _, t := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16} {
			for _, dim := range []int{1, 19, 64} {
				pitch := dim + r.IntN(3)
				list = append(list, call{kernel: "scores", t: t, rows: rows, dim: dim, n: 1 + r.IntN(Block), pitch: pitch, s: random(r, rows*Block, false),
					q: random(r, rows*pitch, wild), k: encode(t, random(r, dim*Block, wild))})
			}
			for _, dim := range []int{16, 80, 144} {
				n := []int{1, 2, 13, 64}[r.IntN(4)]
				pitch := dim + 16*r.IntN(3)
				list = append(list, call{kernel: "weigh", t: t, rows: rows, dim: dim, n: n, pitch: pitch, o: random(r, rows*dim, wild),
					s: random(r, (rows-1)*Block+n, wild), c: random(r, rows, wild), k: encode(t, random(r, (n-1)*pitch+dim, wild))})
			}
		}
		list = append(list, softmaxCall(r, rows))
		back := softmaxCall(r, rows)
		back.kernel, back.o = "softmaxBack", random(r, rows*Block, wild)
		if wild {
			back.s, back.m, back.l, back.c = random(r, rows*Block, true), random(r, rows, true), random(r, rows, true), random(r, rows, true)
		}
		for i := range back.s {
			if row := i / Block; back.mask[row]>>(i%Block)&1 == 1 {
				back.m[row] = max(back.m[row], back.s[i]*back.scale)
			}
		}
		list = append(list, back)
		for _, dim := range []int{16, 80, 144} {
			n := []int{1, 2, 13, 200}[r.IntN(4)]
			for _, stride := range [][2]int{{1, Block}, {Block, 1}, {5, 7}} {
				a := random(r, (rows-1)*stride[0]+(n-1)*stride[1]+1, wild)
				list = append(list, call{kernel: "gain", rows: rows, dim: dim, n: n, aRow: stride[0], aStep: stride[1], s: a, q: random(r, n*dim, wild),
					o: random(r, rows*dim, wild)})
			}
		}
	}
	for _, t := range []dtype.Type{dtype.F32, dtype.BF16} {
		for _, dim := range []int{16, 48} {
			pitch := dim + 16*r.IntN(2)
			list = append(list, call{kernel: "transpose", t: t, dim: dim, n: 1 + r.IntN(Block), pitch: pitch, k: encode(t, random(r, (Block-1)*pitch+dim, true))})
		}
	}
	return list
}

// softmaxCall has rows that see all keys, one key or any; infinities come without NaN, which need only agree in the end.
func softmaxCall(r *rand.Rand, rows int) call {
	c := call{kernel: "softmax", rows: rows, s: random(r, rows*Block, false), m: random(r, rows, false), l: random(r, rows, false), c: random(r, rows, false),
		scale: 3, mask: make([]uint64, rows)}
	for i := range rows {
		c.mask[i] = []uint64{^uint64(0), 1 << r.IntN(64), r.Uint64() | 1}[r.IntN(3)]
		switch r.IntN(4) {
		case 0:
			c.m[i], c.l[i] = float32(math.Inf(-1)), 0
		case 1:
			c.m[i] = 100
		}
		for j := range Block {
			if r.IntN(10) == 0 && c.mask[i] != 1<<j {
				c.s[i*Block+j] = []float32{-1000, -1e30, 1e-42, float32(math.Copysign(0, -1))}[r.IntN(4)]
			}
		}
	}
	return c
}

// run calls the kernel of the level in use and returns what it wrote.
func (c call) run() (s, m, l, cc, o []float32, keys []byte) {
	s, m, l, cc, o = slices.Clone(c.s), slices.Clone(c.m), slices.Clone(c.l), slices.Clone(c.c), slices.Clone(c.o)
	switch c.kernel {
	case "scores":
		scores(s, c.q, c.pitch, c.t, c.k, nil, c.rows, c.dim, c.n)
		for i := range c.rows { // what is beyond may be anything
			clear(s[i*Block:][c.n:Block])
		}
	case "weigh":
		weigh(o, s, cc, c.t, c.k, nil, c.pitch, c.rows, c.n)
	case "softmax":
		softmax(s, m, l, cc, c.mask, c.scale)
	case "softmaxBack":
		softmaxBack(s, o, m, l, cc, c.mask, c.scale)
	case "gain":
		gain(o, s, c.q, c.dim, c.aRow, c.aStep, c.rows, c.n)
	case "transpose":
		keys = make([]byte, c.dim*Block*c.t.BlockBytes())
		transpose(keys, c.t.BlockBytes(), c.k, c.dim, c.pitch, c.n)
		for i := range c.dim {
			clear(keys[(i*Block+c.n)*c.t.BlockBytes() : (i+1)*Block*c.t.BlockBytes()])
		}
	}
	return s, m, l, cc, o, keys
}

// oneNaN forgets payloads: they are made one only at the end of Forward.
func oneNaN(x []float32) []float32 {
	for i, v := range x {
		if v != v {
			x[i] = fp.NaN
		}
	}
	return x
}

func TestKernels(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(11, 0))
		for i, c := range append(calls(r, false), calls(r, true)...) {
			if err := cpu.Use(cpu.Generic); err != nil {
				t.Fatal(err)
			}
			s, m, sum, cc, o, keys := c.run()
			if err := cpu.Use(l); err != nil {
				t.Fatal(err)
			}
			gs, gm, gl, gc, g, gkeys := c.run()
			for _, x := range []struct {
				what      string
				got, want []float32
			}{{"s", gs, s}, {"m", gm, m}, {"l", gl, sum}, {"c", gc, cc}, {"o", g, o}} {
				if err := same(oneNaN(x.got), oneNaN(x.want)); err != nil {
					t.Fatalf("call %d, %v: %s: %v", i, c, x.what, err)
				}
			}
			if !slices.Equal(keys, gkeys) {
				t.Fatalf("call %d, %v: columns differ", i, c)
			}
		}
	})
}

// TestEmulated writes the calls for the emulator (ISAEMU_CASES). NaNs are left out: their payloads are free inside Forward.
func TestEmulated(t *testing.T) {
	e := testutil.Emulate(t)
	defer cpu.Use(cpu.Current())
	if err := cpu.Use(cpu.Generic); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls(rand.New(rand.NewPCG(12, 0)), false) {
		// These kernels go on to the end of a register.
		switch width := 64; c.kernel {
		case "scores":
			c.n = (c.n + 15) &^ 15
			for i := range c.rows {
				clear(c.s[i*Block:][c.n:Block])
			}
		case "transpose":
			width /= c.t.BlockBytes()
			c.n = (c.n + width - 1) / width * width
		}
		s, m, l, cc, o, keys := c.run()
		in := func(x any) *testutil.Buffer { return &testutil.Buffer{In: x} }
		out := func(before, after any) *testutil.Buffer { return &testutil.Buffer{In: before, Want: after} }
		fn, elem := "attn."+c.kernel, 4
		if c.k != nil {
			elem = c.t.BlockBytes()
		}
		switch c.kernel {
		case "scores":
			e.Call(fn+typeNames[c.t]+"AVX512", c.String(), out(c.s, s), in(c.q), in(c.k), nil, c.rows, c.dim, 4*c.pitch, c.n)
		case "weigh":
			e.Call(fn+typeNames[c.t]+"AVX512", c.String(), out(c.o, o), in(c.s), in(c.c), in(c.k), nil, c.dim, c.pitch*elem, c.rows, c.n)
		case "softmax":
			e.Call(fn+"AVX512", c.String(), out(c.s, s), out(c.m, m), out(c.l, l), out(c.c, cc), in(c.mask), c.rows, c.scale)
		case "softmaxBack":
			e.Call(fn+"AVX512", c.String(), out(c.s, s), out(c.o, o), in(c.m), in(c.l), in(c.c), in(c.mask), c.rows, c.scale)
		case "gain":
			e.Call(fn+"AVX512", c.String(), out(c.o, o), in(c.s), in(c.q), c.dim, 4*c.aRow, 4*c.aStep, c.rows, c.n)
		case "transpose":
			e.Call(fmt.Sprintf("%s%dAVX512", fn, 8*elem), c.String(), out(make([]byte, len(keys)), keys), in(c.k), c.dim, c.pitch*elem, c.n)
		}
	}
}

var typeNames = map[dtype.Type]string{dtype.F32: "F32", dtype.F16: "F16", dtype.BF16: "BF16"}

// TestCopyRows: rows are copied, NaNs as the one NaN, and what lies between them stays.
func TestCopyRows(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 0))
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		for _, dim := range []int{1, 8, 20, 24, 48, 65} {
			const rows = 5
			src, dst := make([]float32, rows*(dim+9)), make([]float32, rows*(dim+3))
			for i := range src {
				src[i] = math.Float32frombits(r.Uint32())
			}
			src[dim/2] = math.Float32frombits(0xFFC12345)
			want := slices.Clone(dst)
			copyRowsRef(want, src, dim, dim+3, dim+9, rows)
			copyRows(dst, src, dim, dim+3, dim+9, rows)
			if err := same(dst, want); err != nil {
				t.Errorf("rows of %d: %v", dim, err)
			}
		}
	})
}
