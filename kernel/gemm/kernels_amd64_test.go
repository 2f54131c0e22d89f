package gemm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/fp"
)

func TestGenerated(t *testing.T) {
	testutil.Generated(t, []string{"run", "./_gen"}, "cores_avx2_amd64.s", "cores_avx512_amd64.s", "sweep_amd64.s", "cores_amd64.go")
}

// TestLevels fails if a level has no kernels of its own.
func TestLevels(t *testing.T) {
	if avx2 == &generic || avx512 == &generic || avx2 == avx512 {
		t.Error("a level runs another one's kernels")
	}
}

// coreCase is one call of a core, with memory of its own.
type coreCase struct {
	name     string
	run      func(*tile)
	t        tile
	lanes    []float32
	x, w     []byte
	y        []float32
	scales   []float32
	scaleRow int                                                 // scales a block of K; 0: all columns share one
	lane     func(acc float32, i, step int, x, w []byte) float32 // one step of lane i
	direct   bool
	size     int // bytes of a step of W
	xSize    int
}

// symbol is a function's name as the linker knows it.
func symbol(f any) string {
	s := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return s[strings.LastIndex(s, "/")+1:]
}

// coreCases makes calls of every core of a level.
func coreCases(l cpu.Level, f func(c *coreCase)) {
	k := tables[l]
	r := rand.New(rand.NewPCG(uint64(l), 1))
	for kind, forms := range [2]*[numSlots]form{&k.f32, &k.bf16} {
		seen := map[string]bool{}
		for i := range forms {
			for _, variant := range []string{"panel", "direct", "scaled", "scaledRow"} {
				for rows := 1; rows <= tileRows; rows++ {
					run := map[string]func(*tile){"panel": forms[i].core[rows], "direct": forms[i].direct[rows], "scaled": forms[i].scaled[rows]}[variant]
					if variant == "scaledRow" && rows == 1 {
						run = forms[i].scaledRow
					}
					if run == nil || seen[symbol(run)] {
						continue
					}
					seen[symbol(run)] = true
					for n := range 12 {
						c := newCoreCase(r, k, kind == 1, slotTypes[i], &forms[i], rows, variant, n, run)
						f(c)
					}
				}
			}
		}
	}
}

// newCoreCase makes call number n of a core.
func newCoreCase(r *rand.Rand, k *kernels, bf16 bool, typ dtype.Type, f *form, rows int, variant string, n int, run func(*tile)) *coreCase {
	steps, reps, s, direct := 1+n*n%11, 1+n%3, style(n%int(numStyles)), variant == "direct" || variant == "scaledRow"
	if variant == "scaledRow" {
		steps *= 2
	}
	cols := panelCols
	if direct && rows == 1 {
		cols = k.rowCols
	}
	c := &coreCase{run: run, direct: direct, size: panelStep, xSize: line * rows}
	c.t = tile{steps: steps, reps: reps, cont: n / 2 % 2, rows: rows}
	groups := reps * cols
	c.t.lanesRow = uintptr((groups + n%3) * line)
	wide := k.widenX != nil && bf16
	if direct {
		c.size = f.bytes
		c.t.wRow = uintptr(steps*f.bytes + 3*n)
		c.t.wRep = uintptr(cols) * c.t.wRow
		c.w = make([]byte, groups*int(c.t.wRow))
		for i := range groups {
			copy(c.w[i*int(c.t.wRow):], s.weights(r, typ, 1, steps*f.step).Data)
		}
		c.t.ahead, c.t.aheadStep = c.t.wRep, uintptr(f.bytes)
	} else {
		c.t.wRep = uintptr(steps * panelStep)
		c.w = lineBytes(s.values(r, reps*steps*panelStep/2), bf16, wide)[:reps*steps*panelStep]
		c.t.nextWLines, c.t.nextXLines, c.t.wRow = n%3, n%2, 100
	}
	lines := steps * rows
	if direct && wide {
		lines *= 2
		c.xSize *= 2
	}
	c.x = lineBytes(s.values(r, lines*32), bf16, wide)[:lines*line]
	c.lanes = s.values(r, rows*int(c.t.lanesRow)/4)
	switch variant {
	case "scaled":
		c.t.period, c.scaleRow = 1+n%5, blockCols
		c.scales = s.values(r, steps*blockCols)
	case "scaledRow":
		c.t.period, c.t.cont = 2+n%3*2, 0
		c.scales = s.values(r, ceil(steps, c.t.period))
	}
	if f.folds && n%4 >= 2 || variant == "scaledRow" {
		c.t.ldy = uintptr(4 * (groups + n%5))
		c.y = s.values(r, rows*int(c.t.ldy)/4)
	}
	c.name = fmt.Sprintf("%s steps=%d reps=%d cont=%d %v fold=%v", symbol(run), steps, reps, c.t.cont, s, c.y != nil)
	c.lane = laneOf(bf16, wide, direct, typ, rows)
	return c
}

// lineBytes are values as the cores read them: f32, bf16, or f32 values that are exact in bf16.
func lineBytes(v []float32, bf16, wide bool) []byte {
	var b []byte
	for _, x := range v {
		switch {
		case wide:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(dtype.RoundBF16(x)))
		case bf16:
			b = binary.LittleEndian.AppendUint16(b, dtype.F32ToBF16(x))
		default:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

// laneOf is the definition of one step of one lane: x and w begin at the step's first line.
func laneOf(bf16, wide, direct bool, typ dtype.Type, rows int) func(acc float32, i, step int, x, w []byte) float32 {
	f32 := func(b []byte, i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])) }
	half := func(b []byte, i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	switch {
	case wide && direct: // X odd, then even; W pairs
		return func(acc float32, i, _ int, x, w []byte) float32 {
			odd, even := f32(x, i), f32(x[rows*line:], i)
			return fp.DotBF16(acc, dtype.F32ToBF16(even), dtype.F32ToBF16(odd), half(w, 2*i), half(w, 2*i+1))
		}
	case wide: // one flushed multiply-add a line; the other of the pair adds 0·-0, which changes nothing
		return func(acc float32, i, _ int, x, w []byte) float32 {
			return fp.DotBF16(acc, 0, dtype.F32ToBF16(f32(x, i)), 0x8000, dtype.F32ToBF16(f32(w, i)))
		}
	case bf16 && direct && typ != dtype.BF16:
		return func(acc float32, i, _ int, x, w []byte) float32 {
			var v [2]float32
			dtype.Decode(typ, v[:], w[2*i:][:2])
			return fp.DotBF16(acc, half(x, 2*i), half(x, 2*i+1), dtype.F32ToBF16(v[0]), dtype.F32ToBF16(v[1]))
		}
	case bf16:
		return func(acc float32, i, _ int, x, w []byte) float32 {
			return fp.DotBF16(acc, half(x, 2*i), half(x, 2*i+1), half(w, 2*i), half(w, 2*i+1))
		}
	}
	return func(acc float32, i, _ int, x, w []byte) float32 {
		var v [1]float32
		size := typ.RowBytes(1)
		if !direct {
			typ, size = dtype.F32, 4
		}
		dtype.Decode(typ, v[:], w[i*size:][:size])
		return fp.FMA32(f32(x, i), v[0], acc)
	}
}

// want is what lanes and y hold after the call, and the memory for folding late: that of the last group but one.
func (c *coreCase) want() (lanes, y, pending []float32) {
	lanes, y, pending = append([]float32(nil), c.lanes...), append([]float32(nil), c.y...), make([]float32, tileRows*panelCols*8)
	cols := c.cols()
	for g := range c.t.reps {
		for row := range c.t.rows {
			for col := range cols {
				at := row*int(c.t.lanesRow)/4 + (g*cols+col)*16
				l := [16]float32{}
				if c.t.cont != 0 {
					l = [16]float32(c.lanes[at:])
				}
				wCol := line
				if c.direct {
					wCol = int(c.t.wRow)
				}
				w := c.w[g*int(c.t.wRep)+col*wCol:]
				outer := l
				if c.scales != nil {
					l = [16]float32{}
				}
				for s := range c.t.steps {
					for i := range l {
						l[i] = c.lane(l[i], i, s, c.x[s*c.xSize+row*line:], w[s*c.size:])
					}
					if c.scales != nil && ((s+1)%c.t.period == 0 || s+1 == c.t.steps) {
						for i := range l {
							at := s / c.t.period
							if c.scaleRow > 0 {
								at = at*c.scaleRow + g*panelCols + col
							}
							outer[i] = fp.FMA32(c.scales[at], l[i], outer[i])
						}
						l = [16]float32{}
					}
				}
				if c.scales != nil {
					l = outer
				}
				if y != nil && g == c.t.reps-2 && c.t.steps >= 4 && !c.direct && c.scales == nil {
					for i := range 8 {
						pending[(row*panelCols+col)*8+i] = l[i] + l[i+8]
					}
				}
				if y != nil {
					y[row*int(c.t.ldy)/4+g*cols+col] = fp.Canon(fp.Fold16(&l))
				} else {
					copy(lanes[at:], l[:])
				}
			}
		}
	}
	for row := range c.t.rows { // where the last two sets of a row stood, the sums that are left of both
		l := pending[row*panelCols*8+16:]
		for i := range 4 {
			r := l[i/2*8+i%2:]
			l[i] = (r[0] + r[4]) + (r[2] + r[6])
		}
	}
	return lanes, y, pending
}

func (c *coreCase) cols() int {
	if c.direct {
		return int(c.t.wRep / c.t.wRow)
	}
	return panelCols
}

// sameLanes compares lanes, in which any NaN equals any other: they are made one after the fold.
func sameLanes(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) && (a[i] == a[i] || b[i] == b[i]) {
			return false
		}
	}
	return true
}

func TestCores(t *testing.T) {
	testutil.EachLevel(t, func(t *testing.T, l cpu.Level) {
		if l == cpu.Generic {
			return // it has the definition's own loops, and TestMul
		}
		coreCases(l, func(c *coreCase) {
			lanes, y, _ := c.want()
			call, wait := c.t, make([]float32, tileRows*panelCols*8)
			call.pending = unsafe.Pointer(&wait[0])
			call.lanes, call.x, call.w = unsafe.Pointer(&c.lanes[0]), unsafe.Pointer(&c.x[0]), unsafe.Pointer(&c.w[0])
			if y != nil {
				call.y = unsafe.Pointer(&c.y[0])
			}
			if c.scales != nil {
				call.scales = unsafe.Pointer(&c.scales[0])
			}
			c.run(&call)
			if y == nil && !sameLanes(c.lanes, lanes) || !bytes.Equal(f32Bytes(c.y), f32Bytes(y)) {
				t.Errorf("%s: wrong", c.name)
			}
		})
	})
}

// TestEmulated writes calls of the AVX-512 kernels for the emulator.
func TestEmulated(t *testing.T) {
	e := testutil.Emulate(t)
	coreCases(cpu.AVX512, func(c *coreCase) {
		lanes, y, pending := c.want()
		if y == nil && hasNaN(lanes) || hasNaN(pending) {
			return // which NaN a lane holds is left open
		}
		e.Call(symbol(c.run), c.name, c.emulated(lanes, y, pending))
	})
	emulateSweeps(e)
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range []struct {
		conv convFunc
		typ  dtype.Type
		ref  convFunc
		step int
	}{
		{copyAVX512, dtype.F32, convF32(dtype.F32), 16},
		{e4m3ToBF16AVX512, dtype.F8E4M3, convBF16(dtype.F8E4M3), 32},
		{e5m2ToBF16AVX512, dtype.F8E5M2, convBF16(dtype.F8E5M2), 32},
	} {
		const steps = 9
		w := plain.weights(r, f.typ, 1, steps*f.step)
		dst := make([]byte, (steps-1)*panelStep+line)
		want := append([]byte(nil), dst...)
		f.ref(unsafe.Pointer(&want[0]), unsafe.Pointer(&w.Data[0]), steps, 1, 0)
		e.Call(symbol(f.conv), f.typ.String(), &testutil.Buffer{In: dst, Want: want}, &testutil.Buffer{In: w.Data[:f.typ.RowBytes(steps*f.step)]}, steps, float32(1), uintptr(99))
	}
}

func hasNaN(x []float32) bool {
	for _, v := range x {
		if v != v {
			return true
		}
	}
	return false
}

// emulated is the tile of a call, whose pointers lead to the other buffers.
func (c *coreCase) emulated(lanes, y, pending []float32) *testutil.Buffer {
	lanesBuf := &testutil.Buffer{In: c.lanes}
	var t tile
	b := &testutil.Buffer{Ptrs: []testutil.Pointer{
		{Off: int(unsafe.Offsetof(t.lanes)), To: lanesBuf},
		{Off: int(unsafe.Offsetof(t.x)), To: &testutil.Buffer{In: c.x}},
		{Off: int(unsafe.Offsetof(t.w)), To: &testutil.Buffer{In: c.w}},
	}}
	if c.scales != nil {
		b.Ptrs = append(b.Ptrs, testutil.Pointer{Off: int(unsafe.Offsetof(t.scales)), To: &testutil.Buffer{In: c.scales}})
	}
	if y != nil {
		wait := &testutil.Buffer{In: make([]float32, len(pending)), Want: pending}
		b.Ptrs = append(b.Ptrs, testutil.Pointer{Off: int(unsafe.Offsetof(t.y)), To: &testutil.Buffer{In: c.y, Want: y}},
			testutil.Pointer{Off: int(unsafe.Offsetof(t.pending)), To: wait})
	} else {
		lanesBuf.Want = lanes
	}
	t = c.t
	b.In = append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&t)), unsafe.Sizeof(t))...)
	return b
}

// emulateSweeps writes calls of the cores of the backward products.
func emulateSweeps(e *testutil.Emulator) {
	emulateSweep(e, func(rows int) func(*sweep) { return avx512.sweep[rows] }, sweepGeneric)
	emulateSweep(e, func(rows int) func(*sweep) { return avx512.sweepPairs[rows] }, sweepPairsGeneric)
	r := rand.New(rand.NewPCG(3, 5))
	for _, lines := range []int{1, 3} {
		even, odd, dst := rounded(plain.values(r, 16*lines)), rounded(plain.values(r, 16*lines)), make([]byte, 80*lines)
		want := append([]byte(nil), dst...)
		interleave(unsafe.Pointer(&want[0]), unsafe.Pointer(&even[0]), unsafe.Pointer(&odd[0]), lines, 80, 0)
		e.Call("gemm.interleaveAVX512", fmt.Sprintf("lines=%d", lines), &testutil.Buffer{In: dst, Want: want}, &testutil.Buffer{In: even},
			&testutil.Buffer{In: odd}, lines, 80, uintptr(99))
	}
}

func emulateSweep(e *testutil.Emulator, core func(rows int) func(*sweep), ref func(*sweep)) {
	r := rand.New(rand.NewPCG(3, 4))
	for rows := 1; rows <= tileRows; rows++ {
		for i, steps := range []int{1, 2, 4, 7, 11, 5, 8, 9} {
			s, lines := style(steps%int(numStyles)), 4-i%4
			t := sweep{cRow: 4 * (sweepCols + 3), aRow: uintptr(4 * (steps + rows)), aStep: 4, bNext: sweepBlock, steps: steps, cont: steps % 2, lines: lines, rows: rows}
			c, a, b := s.values(r, (rows-1)*(sweepCols+3)+lines*lineF32), s.values(r, (rows-1)*(steps+rows)+steps), s.values(r, ceil(steps, 4)*sweepBlock/4)
			want := append([]float32(nil), c...)
			call := t
			call.c, call.a, call.b = unsafe.Pointer(&want[0]), unsafe.Pointer(&a[0]), unsafe.Pointer(&b[0])
			ref(&call)
			e.Call(symbol(core(rows)), fmt.Sprintf("rows=%d steps=%d lines=%d", rows, steps, lines), &testutil.Buffer{
				In: append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&t)), unsafe.Sizeof(t))...),
				Ptrs: []testutil.Pointer{
					{Off: int(unsafe.Offsetof(t.c)), To: &testutil.Buffer{In: c, Want: want}},
					{Off: int(unsafe.Offsetof(t.a)), To: &testutil.Buffer{In: a}},
					{Off: int(unsafe.Offsetof(t.b)), To: &testutil.Buffer{In: b}},
				},
			})
		}
	}
}
