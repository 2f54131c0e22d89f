package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
)

// The sizes of the blocks that a product is cut into, chosen so that what a block touches stays in the first two caches.
const (
	maxRows    = 96        // X rows a block, a multiple of tileRows
	laneSets   = 96 * 24   // outputs a block: 64 bytes of lanes each
	chunkLines = 64        // lines of a panel row that stay in the first cache
	wideValues = 96 * 1024 // X values that widenX makes at a time
	directRows = tileRows  // up to so many X rows, W is read where it lies
)

// Scratch is what one worker needs to run Mul: about 700 KB.
type Scratch struct {
	lanes, outer []byte // lane sets; those of blocks under a scale and, with scales, their running sum
	panel        []byte
	wide         []byte // X widened to f32
	tail         [line]byte
	out          [panelCols]float32
	scales       [laneSets]float32
	product      product
}

// NewScratch makes the scratch of one worker.
func NewScratch() *Scratch {
	return &Scratch{
		lanes: aligned(laneSets * line), outer: aligned(laneSets * line),
		panel: aligned(2 * chunkLines * panelStep), wide: aligned(wideValues * 4),
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
	// Where W has scales and X is bf16, lanes are summed block by block into outer.
	outer bool
	wide  bool // X is widened chunk by chunk
	t     tile
}

// block is a rectangle of outputs that are computed together: rows of X from row, columns of Y from col.
type block struct{ row, rows, col, cols int }

func (p *product) init(s *Scratch, x Packed, w Weights) {
	i, _ := slot(w.Type)
	*p = product{s: s, k: tables[cpu.Current()], x: x, w: w, wRow: w.Type.RowBytes(w.K)}
	if x.BF16 != nil {
		p.f, p.xData, p.outer, p.wide = &p.k.bf16[i], unsafe.Pointer(unsafe.SliceData(x.BF16)), w.Scale != nil, p.k.widenX != nil
	} else {
		p.f, p.xData = &p.k.f32[i], unsafe.Pointer(unsafe.SliceData(x.F32))
	}
	if p.f.conv == nil {
		panic("gemm: no bf16 product over weights of type " + w.Type.String() + ": pack the activations with PackF32Rounded")
	}
	p.steps = ceil(w.K, p.f.step)
}

func (p *product) run(y []float32, ldy, n0, n1 int) {
	if p.x.M == 0 {
		return
	}
	mc := min(maxRows, p.x.M)
	nc := laneSets / mc &^ 7
	for col := n0; col < n1; col += nc {
		for row := 0; row < p.x.M; row += mc {
			b := block{row, min(mc, p.x.M-row), col, min(nc, n1-col)}
			p.sum(b)
			p.store(b, y, ldy)
		}
	}
}

// store folds the lanes of a block into y.
func (p *product) store(b block, y []float32, ldy int) {
	lanes := ptr(p.s.lanes)
	if p.outer {
		lanes = ptr(p.s.outer)
	}
	for r := range b.rows {
		out := y[(b.row+r)*ldy+b.col:][:b.cols]
		if p.steps == 0 {
			clear(out)
			continue
		}
		from, whole := unsafe.Add(lanes, r*lanesRow(b)), b.cols/panelCols
		if whole > 0 {
			p.k.fold(unsafe.Pointer(&out[0]), from, whole)
		}
		if rest := out[whole*panelCols:]; len(rest) > 0 {
			p.k.fold(unsafe.Pointer(&p.s.out[0]), unsafe.Add(from, whole*panelCols*line), 1)
			copy(rest, p.s.out[:])
		}
	}
}

// lanesRow is the distance in bytes between the lanes of two rows of a block: whole panels.
func lanesRow(b block) int { return ceil(b.cols, panelCols) * panelCols * line }

// sum fills the lanes of a block, chunk by chunk along K.
func (p *product) sum(b block) {
	direct := b.rows <= directRows && p.f.direct[min(b.rows, p.k.rows)] != nil
	chunk := chunkLines / p.f.lines
	switch {
	case direct && b.rows <= p.k.rows && !p.wide:
		chunk = p.steps
	case direct && b.rows <= p.k.rows:
		chunk = wideValues / p.f.step / b.rows
	}
	period := p.steps // of the scales
	if p.outer {
		period = ceil(min(p.w.BlockK, p.w.K), p.f.step)
	}
	for s0 := 0; s0 < p.steps; {
		end := min(s0-s0%period+period, p.steps)
		s1 := min(s0+chunk, end)
		p.chunk(b, s0, s1, s0%period == 0, direct)
		if p.outer && s1 == end {
			p.addScaled(b, s0/period)
		}
		s0 = s1
	}
}

// addScaled adds the lanes of block k of K, times the scale of their column, to the outer lanes.
func (p *product) addScaled(b block, k int) {
	for c := range b.cols {
		p.s.scales[c] = p.w.scale(b.col+c, k*p.w.BlockK)
	}
	cont := 0
	if k > 0 {
		cont = 1
	}
	for r := range b.rows {
		at := r * lanesRow(b)
		p.k.scaleAdd(unsafe.Pointer(&p.s.outer[at]), unsafe.Pointer(&p.s.lanes[at]), unsafe.Pointer(&p.s.scales), b.cols, cont)
	}
}

// chunk adds the steps s0 to s1 of K to the lanes of a block.
func (p *product) chunk(b block, s0, s1 int, first, direct bool) {
	t := &p.t
	*t = tile{steps: (s1 - s0) * p.f.lines, lanesRow: uintptr(lanesRow(b)), cont: 1}
	if first {
		t.cont = 0
	}
	x := p.activations(b, s0, s1)
	if direct {
		full := min(s1, p.w.K/p.f.step) // whole steps can be read in place
		done := 0
		if full > s0 {
			done = b.cols - b.cols%p.directCols(b)
			p.direct(b, x, s0, full, done)
		}
		p.packed(b, x, s0, s1, done, b.cols)
		if full < s1 && done > 0 {
			t.steps = p.f.lines
			if full > s0 {
				t.cont = 1
			}
			p.packed(b, x.skip((full-s0)*p.f.lines), full, s1, 0, done)
		}
		return
	}
	p.packed(b, x, s0, s1, 0, b.cols)
}

// rowsOfX are the X rows of a block over a chunk of K: tiles of tileRows rows, tile bytes apart.
type rowsOfX struct {
	p    unsafe.Pointer
	tile int
	at   int // lines of each row to skip
}

func (x rowsOfX) skip(lines int) rowsOfX { x.at += lines; return x }

// activations finds a block's rows of X, or makes them where the level wants them wider.
func (p *product) activations(b block, s0, s1 int) rowsOfX {
	x := rowsOfX{unsafe.Add(p.xData, b.row*p.steps*line), tileRows * p.steps * line, s0}
	if !p.wide {
		return x
	}
	w := rowsOfX{ptr(p.s.wide), tileRows * (s1 - s0) * 2 * line, 0}
	for r := 0; r < b.rows; r += tileRows {
		rows, i := min(tileRows, b.rows-r), r/tileRows
		p.k.widenX(unsafe.Add(w.p, i*w.tile), unsafe.Add(x.p, i*x.tile+s0*rows*line), s1-s0, rows)
	}
	return w
}

// directCols is the number of columns that a direct core takes at a time.
func (p *product) directCols(b block) int {
	if b.rows%p.k.rows == 1 {
		return p.k.rowCols
	}
	return panelCols
}

// direct runs the cores that read W where it lies, over the first cols columns of the block: a multiple of directCols.
func (p *product) direct(b block, x rowsOfX, s0, s1, cols int) {
	if cols == 0 {
		return
	}
	t := p.t
	p.t.steps = s1 - s0
	p.t.w, p.t.wRow, p.t.wStep = unsafe.Pointer(&p.w.Data[b.col*p.wRow+s0*p.f.bytes]), uintptr(p.wRow), uintptr(p.f.bytes)
	for r := 0; r < b.rows; r += p.k.rows {
		rows, each := min(p.k.rows, b.rows-r), panelCols
		if rows == 1 {
			each = p.k.rowCols
		}
		p.t.ahead = uintptr(each * p.wRow)
		p.t.wRep, p.t.lanesRep = p.t.ahead, uintptr(each*line)
		p.run1(&p.f.direct, x, r, rows, b.rows, cols/each)
	}
	p.t = t
}

// run1 runs a core over rows rows from row r of a tile of all rows.
func (p *product) run1(cores *[tileRows + 1]func(*tile), x rowsOfX, r, rows, all, reps int) {
	t := &p.t
	t.xStep = uintptr(all * line)
	t.x = unsafe.Add(x.p, (x.at*all+r)*line)
	t.lanes = unsafe.Add(ptr(p.s.lanes), r*int(t.lanesRow))
	t.rows, t.reps = rows, reps
	cores[rows](t)
}

// packed runs the columns c0 to c1 of a block panel by panel, each copied, or converted, to the scratch first.
func (p *product) packed(b block, x rowsOfX, s0, s1, c0, c1 int) {
	for c := c0; c < c1; c += panelCols {
		p.packPanel(b.col+c, min(panelCols, c1-c), s0, s1)
		p.tiles(b, x, c)
	}
}

// tiles runs a panel against every tile of X in the block.
func (p *product) tiles(b block, x rowsOfX, c int) {
	t := &p.t
	t.w, t.wRow, t.wStep = ptr(p.s.panel), line, panelStep
	lanes := unsafe.Add(ptr(p.s.lanes), c*line)
	full, rest := b.rows/tileRows, b.rows%tileRows
	t.xRep, t.lanesRep, t.wRep = uintptr(x.tile), tileRows*t.lanesRow, 0
	for _, part := range [2]struct{ row, rows, reps int }{{0, tileRows, full}, {full * tileRows, rest, 1}} {
		if part.reps == 0 {
			continue
		}
		t.xStep, t.reps = uintptr(part.rows*line), part.reps
		for r := 0; r < part.rows; r += p.k.rows {
			t.rows = min(p.k.rows, part.rows-r)
			t.x = unsafe.Add(x.p, part.row/tileRows*x.tile+(x.at*part.rows+r)*line)
			t.lanes = unsafe.Add(lanes, (part.row+r)*int(t.lanesRow))
			p.f.core[t.rows](t)
		}
	}
}

// packPanel copies the steps s0 to s1 of cols rows of W from row n on to the panel, converted to what the cores take. The panel's other rows,
// whose outputs nobody reads, hold what was there before.
func (p *product) packPanel(n, cols, s0, s1 int) {
	for c := range cols {
		dst := unsafe.Add(ptr(p.s.panel), c*line)
		row := p.w.Data[(n+c)*p.wRow:][:p.wRow]
		for s := s0; s < s1; {
			end, scale := s1, float32(1)
			if p.w.Scale != nil && !p.outer {
				blockSteps := p.w.BlockK / p.f.step
				if p.w.BlockK < p.w.K {
					end = min(s1, s-s%blockSteps+blockSteps)
				}
				scale = p.w.scale(n+c, min(s*p.f.step, p.w.K-1))
			}
			p.convert(unsafe.Add(dst, (s-s0)*p.f.lines*panelStep), row, s, end, scale)
			s = end
		}
	}
}

// convert writes the steps s0 to s1 of a row of W as lines of a panel. What the row lacks of its last step is +0.
func (p *product) convert(dst unsafe.Pointer, row []byte, s0, s1 int, scale float32) {
	full := min(s1, len(row)/p.f.bytes)
	if full > s0 {
		p.f.conv(dst, unsafe.Pointer(&row[s0*p.f.bytes]), full-s0, scale)
	}
	if full < s1 {
		clear(p.s.tail[copy(p.s.tail[:], row[full*p.f.bytes:]):])
		p.f.conv(unsafe.Add(dst, (full-s0)*p.f.lines*panelStep), unsafe.Pointer(&p.s.tail), 1, scale)
	}
}
