package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
)

// A product is cut into blocks of Y, and a block's sums into chunks of K, so that the first cache holds a chunk of a tile of X and of a panel
// of W, and the second cache a chunk of all panels of the block and its lanes.
const (
	blockRows = 96   // a multiple of tileRows
	blockCols = 48   // a multiple of panelCols
	maxLines  = 64   // of a chunk
	wideLines = 2048 // of 16 values: what X is widened to, at a time
)

// Scratch is what one worker needs to run Mul: about 900 KB.
type Scratch struct {
	lanes, outer []byte // lane sets of a block; with block scales, their running sum
	panels       []byte
	wide         []byte // X widened to f32
	tail         [line]byte
	out          [panelCols]float32
	scales       [blockCols]float32 // of the columns of a block
	product      product
}

// NewScratch makes the scratch of one worker.
func NewScratch() *Scratch {
	const sets = blockRows * blockCols
	return &Scratch{
		lanes: aligned(sets * line), outer: aligned(sets * line),
		panels: aligned(blockCols / panelCols * maxLines * panelStep), wide: aligned(wideLines * line),
	}
}

// aligned allocates n bytes that begin at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+line-1)
	off := int(-uintptr(unsafe.Pointer(&b[0])) & (line - 1))
	return b[off : off+n]
}

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// product is one call of Mul.
type product struct {
	s     *Scratch
	k     *kernels
	f     *form
	x     Packed
	xData unsafe.Pointer
	w     Weights
	wRow  int // bytes of a row of W
	steps int // steps of K, the last perhaps partial
	y     []float32
	ldy   int
	// Where W has scales and X is bf16, lanes are summed over a block of K, then added, scaled, to outer.
	scaled bool
	wide   bool // X is widened, chunk by chunk
	t      tile
}

// block is a rectangle of Y: rows rows from row on, cols columns from col on.
type block struct{ row, rows, col, cols int }

// lanesRow is the distance in bytes between the lanes of two rows of a block: whole panels.
func (b block) lanesRow() int { return ceil(b.cols, panelCols) * panelCols * line }

// span is a range of steps of K.
type span struct{ from, to int }

func (p *product) init(s *Scratch, y []float32, ldy int, x Packed, w Weights) {
	i, _ := slot(w.Type)
	*p = product{s: s, k: tables[cpu.Current()], x: x, w: w, wRow: w.Type.RowBytes(w.K), y: y, ldy: ldy}
	if x.BF16 != nil {
		p.f, p.xData, p.scaled, p.wide = &p.k.bf16[i], unsafe.Pointer(unsafe.SliceData(x.BF16)), w.Scale != nil, p.k.widenX != nil
	} else {
		p.f, p.xData = &p.k.f32[i], unsafe.Pointer(unsafe.SliceData(x.F32))
	}
	if p.f.conv == nil {
		panic("gemm: no bf16 product over weights of type " + w.Type.String() + ": pack the activations with PackF32Rounded")
	}
	p.steps = ceil(w.K, p.f.step)
}

// run computes the columns n0 to n1 of Y: few rows of X against W where it lies, as far as there is a core for that, the rest in blocks. Columns
// that do not fill a panel are a block of their own.
func (p *product) run(n0, n1 int) {
	m := p.x.M
	if p.steps == 0 {
		for r := range m {
			clear(p.y[r*p.ldy+n0 : r*p.ldy+n1])
		}
		return
	}
	if m <= tileRows && p.f.direct[m] != nil && !p.scaled {
		n0 = p.direct(n0, n1)
	}
	whole := n1 - (n1-n0)%panelCols
	for _, end := range [2]int{whole, n1} {
		for b := (block{0, min(blockRows, m), n0, min(blockCols, end-n0)}); b.cols > 0; {
			next := p.after(b, end)
			p.block(b, next)
			b = next
		}
		n0 = whole
	}
}

// after is the block that follows b: the next rows of X, or back to the first for the next columns; empty at the end.
func (p *product) after(b block, n1 int) block {
	if row := b.row + b.rows; row < p.x.M {
		return block{row, min(blockRows, p.x.M-row), b.col, b.cols}
	}
	col := b.col + b.cols
	return block{0, min(blockRows, p.x.M), col, min(blockCols, n1-col)}
}

// direct computes columns from n0 on with a core that reads W in place, and returns where it left off.
func (p *product) direct(n0, n1 int) int {
	m, each := p.x.M, panelCols
	if m == 1 {
		each = p.k.rowCols
	}
	n1 -= (n1 - n0) % each
	most := blockRows * blockCols / m / each * each
	whole := p.w.K / p.f.step // the steps that can be read in place
	chunk := max(whole, 1)
	if p.wide {
		chunk = wideLines / 2 / m
	}
	for col := n0; col < n1; col += most {
		b := block{0, m, col, min(most, n1-col)}
		folds := false
		for from := 0; from < whole; from += chunk {
			folds = p.directChunk(b, span{from, min(from+chunk, whole)}, each)
		}
		for c := 0; c < b.cols && whole < p.steps; c += blockCols {
			rest := span{whole, p.steps}
			p.pack(col+c, min(blockCols, b.cols-c), rest)
			p.tile(b, 0, c, min(blockCols, b.cols-c), rest, whole > 0)
			p.f.core[m](&p.t)
		}
		if !folds {
			p.store(b, 0, m)
		}
	}
	return n1
}

// directChunk adds a span of K to the lanes of a block, each columns at a time, and says whether it has also folded them into Y.
func (p *product) directChunk(b block, s span, each int) (folds bool) {
	group := uintptr(each * p.wRow)
	p.t = tile{
		lanes: ptr(p.s.lanes), lanesRow: uintptr(b.lanesRow()), x: p.activations(0, b.rows, s),
		w: unsafe.Pointer(&p.w.Data[b.col*p.wRow+s.from*p.f.bytes]), wRow: uintptr(p.wRow), wRep: group, ahead: group,
		steps: s.to - s.from, reps: b.cols / each, cont: s.from, rows: b.rows,
	}
	folds = s.to == p.steps && p.foldInto(b, 0)
	p.f.direct[b.rows](&p.t)
	return folds
}

// block computes a block, its columns of W copied, or converted, to panels chunk by chunk.
func (p *product) block(b, next block) {
	chunk, period := p.k.lines/p.f.lines, p.steps
	if p.scaled {
		period = ceil(min(p.w.BlockK, p.w.K), p.f.step)
	}
	for from := 0; from < p.steps; {
		end := min(from-from%period+period, p.steps) // of this block of scales
		s := span{from, min(from+chunk, end)}
		p.pack(b.col, b.cols, s)
		if p.scaled && s.to == end {
			for c := range b.cols {
				p.s.scales[c] = p.w.scale(b.col+c, from*p.f.step)
			}
		}
		then, thenAt := b, s.to
		if s.to == p.steps {
			then, thenAt = next, 0
		}
		for r := 0; r < b.rows; r += tileRows {
			p.tile(b, r, 0, b.cols, s, from%period > 0)
			p.prefetch(b, r, s, then, thenAt)
			folds := s.to == p.steps && p.foldInto(b, r)
			p.f.core[p.t.rows](&p.t)
			if p.scaled && s.to == end {
				p.addScaled(b, r, p.t.rows, end > period)
			}
			if s.to == p.steps && !folds {
				p.store(b, r, p.t.rows)
			}
		}
		from = s.to
	}
}

// foldInto has the core fold the lanes of a tile into Y, if it can.
func (p *product) foldInto(b block, r int) bool {
	if !p.f.folds || p.scaled || b.cols%panelCols != 0 {
		return false
	}
	p.t.y, p.t.ldy = unsafe.Pointer(&p.y[(b.row+r)*p.ldy+b.col]), uintptr(4*p.ldy)
	return true
}

// prefetch has the core that works on a tile bring its share of what follows to the second cache: the tile of X below, or the first one of the
// block then from the step at on; and the same steps of that block's columns of W.
func (p *product) prefetch(b block, r int, s span, then block, at int) {
	if then.cols <= 0 {
		return
	}
	steps, x := s.to-s.from, p.packedAt(then.row, min(tileRows, then.rows), at)
	if r+tileRows < b.rows {
		x = p.packedAt(b.row+r+tileRows, min(tileRows, b.rows-r-tileRows), s.from)
	}
	p.t.nextX, p.t.nextXLines = uintptr(x), ceil(steps*tileRows, p.t.reps)
	share := ceil(ceil(steps*p.f.bytes, line), ceil(b.rows, tileRows))
	p.t.nextW = uintptr(unsafe.Pointer(&p.w.Data[then.col*p.wRow+at*p.f.bytes])) + uintptr(r/tileRows*share*line)
	p.t.nextWLines, p.t.wRow = share, uintptr(p.wRow)
}

// tile makes p.t the tile of X from row r of the block on, over a span of K, against panels that stand for cols columns of the block from c on.
func (p *product) tile(b block, r, c, cols int, s span, cont bool) {
	rows, steps := min(tileRows, b.rows-r), (s.to-s.from)*p.f.lines
	p.t = tile{
		lanes: unsafe.Add(ptr(p.s.lanes), r*b.lanesRow()+c*line), lanesRow: uintptr(b.lanesRow()), x: p.activations(b.row+r, rows, s),
		w: ptr(p.s.panels), wRep: uintptr(steps * panelStep), steps: steps, reps: ceil(cols, panelCols), rows: rows,
	}
	if cont {
		p.t.cont = 1
	}
}

// packedAt is where the lines of a tile of X from some step on stand; row is the tile's first.
func (p *product) packedAt(row, rows, step int) unsafe.Pointer {
	return unsafe.Add(p.xData, (row*p.steps+step*rows)*line)
}

// activations finds a span of K of the tile of X that begins at row, or makes it where the level wants it wider.
func (p *product) activations(row, rows int, s span) unsafe.Pointer {
	x := p.packedAt(row, rows, s.from)
	if !p.wide {
		return x
	}
	p.k.widenX(ptr(p.s.wide), x, s.to-s.from, rows)
	return ptr(p.s.wide)
}

// addScaled adds the lanes of rows rows, times the scales of their columns, to the outer lanes.
func (p *product) addScaled(b block, r, rows int, cont bool) {
	more := 0
	if cont {
		more = 1
	}
	for ; rows > 0; r, rows = r+1, rows-1 {
		at := r * b.lanesRow()
		p.k.scaleAdd(unsafe.Pointer(&p.s.outer[at]), unsafe.Pointer(&p.s.lanes[at]), unsafe.Pointer(&p.s.scales[0]), b.cols, more)
	}
}

// store folds the lanes of rows rows of a block into y.
func (p *product) store(b block, r, rows int) {
	lanes := ptr(p.s.lanes)
	if p.scaled {
		lanes = ptr(p.s.outer)
	}
	whole := b.cols / panelCols
	for ; rows > 0; r, rows = r+1, rows-1 {
		out, from := p.y[(b.row+r)*p.ldy+b.col:][:b.cols], unsafe.Add(lanes, r*b.lanesRow())
		if whole > 0 {
			p.k.fold(unsafe.Pointer(&out[0]), from, whole)
		}
		if rest := out[whole*panelCols:]; len(rest) > 0 {
			p.k.fold(unsafe.Pointer(&p.s.out[0]), unsafe.Add(from, whole*panelCols*line), 1)
			copy(rest, p.s.out[:])
		}
	}
}

// pack writes a span of K of cols rows of W from row n on as panels, one after the other, converted to what the cores take. Rows that the last
// panel lacks, whose outputs nobody reads, hold what was there before.
func (p *product) pack(n, cols int, s span) {
	panel := (s.to - s.from) * p.f.lines * panelStep
	for c := range cols {
		dst := unsafe.Add(ptr(p.s.panels), c/panelCols*panel+c%panelCols*line)
		row := p.w.Data[(n+c)*p.wRow:][:p.wRow]
		if p.w.Scale == nil || p.scaled {
			p.convert(dst, row, s, 1)
			continue
		}
		for from := s.from; from < s.to; { // scales go into the panel
			k := from * p.f.step
			to := min(s.to, ceil((k/p.w.BlockK+1)*p.w.BlockK, p.f.step))
			p.convert(unsafe.Add(dst, (from-s.from)*p.f.lines*panelStep), row, span{from, to}, p.w.scale(n+c, k))
			from = to
		}
	}
}

// convert writes a span of a row of W as lines of a panel. What the row lacks of its last step is +0.
func (p *product) convert(dst unsafe.Pointer, row []byte, s span, scale float32) {
	whole := min(s.to, len(row)/p.f.bytes)
	if whole > s.from {
		p.f.conv(dst, unsafe.Pointer(&row[s.from*p.f.bytes]), whole-s.from, scale)
	}
	if whole < s.to {
		clear(p.s.tail[copy(p.s.tail[:], row[whole*p.f.bytes:]):])
		p.f.conv(unsafe.Add(dst, (whole-s.from)*p.f.lines*panelStep), unsafe.Pointer(&p.s.tail), 1, scale)
	}
}
