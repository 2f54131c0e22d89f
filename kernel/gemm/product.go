package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
)

// A product is cut into blocks of Y, and a block's sums into chunks of K, so that the first cache holds a chunk of a tile of X and of a panel
// of W, and the second cache a chunk of all panels of the block and its lanes.
const (
	blockRows = 144  // a multiple of tileRows
	blockCols = 48   // a multiple of panelCols
	maxLines  = 64   // of a panel row, and of a row of X, in a chunk of K that is all of it
	wideLines = 2304 // of 16 values: what X is widened to, at a time

	directRows = 24 // up to so many rows of X, W is read where it lies,
	directCols = 8  // so many columns at a time

)

// Scratch is what one worker needs to run Mul: about 1.1 MB.
type Scratch struct {
	lanes, outer []byte // lane sets of a block; with block scales, their running sum
	panels       []byte
	pending      []byte // of a core
	wide         []byte // X widened to f32, or A packed
	tail         [line]byte
	out          [panelCols]float32
	scales       [maxLines * blockCols]float32 // of a chunk and the columns of a block
	edge         [tileRows * sweepCols]float32 // of C in a sweep
	product      product
	sweep        sweep
	chunk        chunk
	end          [1]int             // of the rows of a sweep that are one sequence
	elements     [sweepRows]float32 // of one row of A
}

// NewScratch makes the scratch of one worker.
func NewScratch() *Scratch {
	const sets = blockRows * blockCols
	return &Scratch{
		lanes: aligned(sets * line), outer: aligned(sets * line),
		panels: aligned((turnedRoom + turnedMost) * turnedPanel), wide: aligned(max(wideLines*line, sweepRows*sweepSteps*4)),
		pending: aligned(4 * tileRows * turnedStep),
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
	s          *Scratch
	k          *kernels
	f          *form
	x          Packed
	xData      unsafe.Pointer
	w          Weights
	wRow       int // bytes of a row of W
	steps      int // steps of K, the last perhaps partial
	rows, cols int // of a block, at most
	y          []float32
	ldy        int
	// Where W has scales and X is bf16, lanes are summed over a block of K, then added, scaled, to outer.
	scaled bool
	period int  // of the scales, in steps of K
	wide   bool // X is widened, chunk by chunk
	few    bool // X has few rows: each chunk of W is used once or a few times
	ahead  uintptr
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
		panic("gemm: no bf16 product over weights of type " + w.Type.String() + ": round the activations to bf16 and pack them as f32")
	}
	p.steps, p.few = ceil(w.K, p.f.step), x.M <= directRows
	if p.period = p.steps; p.scaled {
		p.period = ceil(min(w.BlockK, w.K), p.f.step)
	}
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
	switch {
	case p.turns():
		whole := n1 - (n1-n0)%turnedCols
		p.turned(n0, whole)
		n0 = whole
	case p.few && p.f.direct[1] != nil && !p.scaled:
		n0 = p.direct(n0, n1)
	case m == 1 && p.scaled && p.f.scaledRow != nil && p.steps%2 == 0 && p.period%2 == 0 && p.w.K%p.f.step == 0:
		n0 = p.scaledRow(n0, n1)
	}
	p.blocks(n0, n1)
}

// blocks computes columns block by block. Columns that do not fill a panel are a block of their own.
func (p *product) blocks(n0, n1 int) {
	m := p.x.M
	p.rows, p.cols = min(m, ceil(ceil(m, ceil(m, blockRows)), tileRows)*tileRows), blockCols
	if p.f.folds && !p.scaled && p.chunk() == p.steps { // no lanes to keep: as many panels as there is room for
		p.cols = min(4*blockCols, maxLines/(p.steps*p.f.lines)*blockCols)
	}
	if p.few && !p.wide {
		p.cols = directCols // a panel of these stays in the first cache
	}
	whole := n1 - (n1-n0)%panelCols
	for _, end := range [2]int{whole, n1} {
		for b := (block{0, p.rows, n0, min(p.cols, end-n0)}); b.cols > 0; {
			next := p.after(b, end)
			p.block(b, next)
			b = next
		}
		n0 = whole
	}
}

// scaledRow computes the columns from n0 on for one row of X, where groups of them share a row of scales, and returns where it left off.
func (p *product) scaledRow(n0, n1 int) int {
	for n0 < n1 {
		end := min(n1, n0-n0%p.w.BlockN+p.w.BlockN)
		if groups := (end - n0) / directCols; groups > 0 {
			p.t = tile{
				x: p.packedAt(0, 1, 0), w: unsafe.Pointer(&p.w.Data[n0*p.wRow]), wRow: uintptr(p.wRow), wRep: uintptr(directCols * p.wRow),
				ahead: uintptr(directCols * p.wRow), steps: p.steps, reps: groups, rows: 1, y: unsafe.Pointer(&p.y[n0]),
				scales: unsafe.Pointer(&p.w.Scale[n0/p.w.BlockN*ceil(p.w.K, p.w.BlockK)]), period: p.period,
			}
			p.f.scaledRow(&p.t)
			n0 += groups * directCols
		}
		p.blocks(n0, end)
		n0 = end
	}
	return n0
}

// after is the block that follows b: the next rows of X, or back to the first for the next columns; empty at the end.
func (p *product) after(b block, n1 int) block {
	if row := b.row + b.rows; row < p.x.M {
		return block{row, min(p.rows, p.x.M-row), b.col, b.cols}
	}
	col := b.col + b.cols
	return block{0, p.rows, col, min(p.cols, n1-col)}
}

// direct computes columns from n0 on with cores that read W in place, and returns where it left off. A group of columns is done at a time,
// chunk by chunk of K and tile by tile of X, so that W is read from memory once.
func (p *product) direct(n0, n1 int) int {
	m := p.x.M
	n1 -= (n1 - n0) % directCols
	whole := p.w.K / p.f.step // the steps that can be read in place
	chunk, cols := p.chunk(), directCols
	switch {
	case m == 1 && !p.wide:
		chunk = max(1, whole)
	case m == 1:
		chunk = wideLines / 2
	}
	if m <= tileRows && p.f.folds && chunk >= p.steps {
		cols = n1 - n0 // nothing but outputs to store
	} else if p.wide {
		cols = 128 // the work of widening X is shared
	}
	for col := n0; col < n1; col += cols {
		b := block{0, m, col, min(cols, n1-col)}
		for from := 0; from < whole; from += chunk {
			p.directChunk(b, span{from, min(from+chunk, whole)})
		}
		if whole < p.steps {
			rest := span{whole, p.steps}
			p.pack(col, b.cols, rest)
			for r := 0; r < m; r += tileRows {
				p.tile(b, r, rest)
				p.runTile(b, r, p.f.core[p.t.rows], true)
			}
		}
	}
	return n1
}

// directChunk adds a span of K to the lanes of a block, and where it is the last, folds them into Y.
func (p *product) directChunk(b block, s span) {
	// What comes next: the same rows of W, or the next group. The tiles of more than one row share the work of prefetching it.
	bytes := (s.to - s.from) * p.f.bytes
	next, tiles := bytes, (b.rows+tileRows-2)/tileRows
	if s.to == p.w.K/p.f.step {
		next = b.cols*p.wRow - s.from*p.f.bytes
	}
	for r := 0; r < b.rows; r += tileRows {
		rows := min(tileRows, b.rows-r)
		p.t = tile{
			lanes: unsafe.Add(ptr(p.s.lanes), r*b.lanesRow()), lanesRow: uintptr(b.lanesRow()), x: p.activations(r, rows, s),
			w: unsafe.Pointer(&p.w.Data[b.col*p.wRow+s.from*p.f.bytes]), wRow: uintptr(p.wRow), wRep: uintptr(panelCols * p.wRow),
			steps: s.to - s.from, reps: b.cols / panelCols, cont: s.from, rows: rows,
		}
		if rows == 1 {
			p.t.wRep, p.t.reps = uintptr(p.k.rowCols*p.wRow), b.cols/p.k.rowCols
		}
		if b.rows == 1 {
			p.t.ahead = p.t.wRep
		} else if rows > 1 {
			p.t.aheadStep = uintptr(p.f.bytes / tiles)
			p.t.ahead = uintptr(next + r/tileRows*bytes/tiles)
		}
		p.runTile(b, r, p.f.direct[rows], s.to == p.steps)
	}
}

// chunk is the number of steps of K that are done at a time: all of them if the first cache can do with that, else about equal parts.
func (p *product) chunk() int {
	lines := p.steps * p.f.lines
	if lines <= p.k.mostLines {
		return p.steps
	}
	return ceil(p.steps, ceil(lines, p.k.chunkLines))
}

// block computes a block, its columns of W copied, or converted, to panels chunk by chunk.
func (p *product) block(b, next block) {
	chunk, period := p.chunk(), p.period
	if p.scaled {
		chunk = max(chunk/period*period, min(chunk, period)) // whole periods, or parts of one
	}
	for from := 0; from < p.steps; {
		s := span{from, min(from+chunk, p.steps)}
		if period > chunk {
			s.to = min(s.to, from-from%period+period)
		}
		if p.ahead = 0; p.few { // packing is most of the work, so it prefetches; else the cores do
			p.ahead = uintptr((s.to - s.from) * p.f.bytes)
			if s.to == p.steps {
				p.ahead = uintptr(b.cols*p.wRow - s.from*p.f.bytes)
			}
		}
		if b.row == 0 || s.to-s.from < p.steps { // else the panels are still those of the rows above
			p.pack(b.col, b.cols, s)
			if p.scaled {
				p.gatherScales(b, s, period)
			}
		}
		then, thenAt := b, s.to
		if s.to == p.steps {
			then, thenAt = next, 0
		}
		for r := 0; r < b.rows; r += tileRows {
			p.tile(b, r, s)
			p.prefetch(b, r, s, then, thenAt)
			rows, last := p.t.rows, s.to == p.steps
			switch {
			case !p.scaled:
				p.runTile(b, r, p.f.core[rows], last)
			case period <= chunk && p.f.scaled[rows] != nil:
				p.t.scales, p.t.period = unsafe.Pointer(&p.s.scales), period
				p.runTile(b, r, p.f.scaled[rows], last)
			default:
				p.scaledTile(b, r, s, period)
			}
		}
		from = s.to
	}
}

// gatherScales fills the table of scales: a row for each block of K in the span, a column for each of the block's.
func (p *product) gatherScales(b block, s span, period int) {
	for c := range b.cols {
		row := p.w.Scale[(b.col+c)/p.w.BlockN*ceil(p.w.K, p.w.BlockK):]
		for i, k := 0, s.from/period; k*period < s.to; i, k = i+1, k+1 {
			p.s.scales[i*blockCols+c] = row[k]
		}
	}
}

// scaledTile runs p.t over a span of K with the plain cores, period by period of the scales, and adds up the outer lanes.
func (p *product) scaledTile(b block, r int, s span, period int) {
	t := p.t
	for from := s.from; from < s.to; {
		end := min(from-from%period+period, p.steps)
		to := min(end, s.to)
		p.t = t
		p.t.w, p.t.x = unsafe.Add(t.w, (from-s.from)*p.f.lines*panelStep), unsafe.Add(t.x, (from-s.from)*p.f.lines*t.rows*line)
		p.t.steps, p.t.cont = (to-from)*p.f.lines, from%period
		p.f.core[t.rows](&p.t)
		t.nextWLines, t.nextXLines = 0, 0
		if to == end {
			p.addScaled(b, r, t.rows, (from-s.from)/period, end > period)
		}
		from = to
	}
	if s.to == p.steps {
		p.store(b, r, t.rows, ptr(p.s.outer))
	}
}

// addScaled adds the lanes of rows rows, times the scales of their columns, to the outer lanes. The scales are in row k of the table.
func (p *product) addScaled(b block, r, rows, k int, cont bool) {
	more := 0
	if cont {
		more = 1
	}
	for ; rows > 0; r, rows = r+1, rows-1 {
		at := r * b.lanesRow()
		p.k.scaleAdd(unsafe.Pointer(&p.s.outer[at]), unsafe.Pointer(&p.s.lanes[at]), unsafe.Pointer(&p.s.scales[k*blockCols]), b.cols, more)
	}
}

// runTile runs a core on p.t, a tile from row r of the block on; last says that its lanes are then complete.
func (p *product) runTile(b block, r int, core func(*tile), last bool) {
	folds := last && p.f.folds && b.cols%panelCols == 0
	if folds {
		if p.t.cont == 0 { // the lanes are not needed afterwards: let them stay in the first cache
			p.t.lanes = ptr(p.s.lanes)
		}
		p.t.y, p.t.ldy, p.t.pending = unsafe.Pointer(&p.y[(b.row+r)*p.ldy+b.col]), uintptr(4*p.ldy), ptr(p.s.pending)
	}
	core(&p.t)
	if last && !folds {
		p.store(b, r, p.t.rows, ptr(p.s.lanes))
	}
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
	if p.few || then.row > 0 && steps == p.steps {
		return
	}
	share := ceil(ceil(steps*p.f.bytes, line), ceil(b.rows, tileRows))
	p.t.nextW = uintptr(unsafe.Pointer(&p.w.Data[then.col*p.wRow+at*p.f.bytes])) + uintptr(r/tileRows*share*line)
	p.t.nextWLines, p.t.wRow = share, uintptr(p.wRow)
}

// tile makes p.t the tile of X from row r of the block on, over a span of K, against the panels of the block's columns.
func (p *product) tile(b block, r int, s span) {
	rows, steps := min(tileRows, b.rows-r), (s.to-s.from)*p.f.lines
	lanes := ptr(p.s.lanes)
	if at := r * b.lanesRow(); at < len(p.s.lanes) { // else the block is one whose tiles fold at once; but a pointer must not lie outside
		lanes = unsafe.Add(lanes, at)
	}
	p.t = tile{
		lanes: lanes, lanesRow: uintptr(b.lanesRow()), x: p.activations(b.row+r, rows, s),
		w: ptr(p.s.panels), wRep: uintptr(steps * panelStep), steps: steps, reps: ceil(b.cols, panelCols), rows: rows, cont: s.from,
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

// store folds the lanes of rows rows of a block into y.
func (p *product) store(b block, r, rows int, lanes unsafe.Pointer) {
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
		p.f.conv(dst, unsafe.Pointer(&row[s.from*p.f.bytes]), whole-s.from, scale, p.ahead)
	}
	if whole < s.to {
		clear(p.s.tail[copy(p.s.tail[:], row[whole*p.f.bytes:]):])
		p.f.conv(unsafe.Add(dst, (whole-s.from)*p.f.lines*panelStep), unsafe.Pointer(&p.s.tail), 1, scale, 0)
	}
}
