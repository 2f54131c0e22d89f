package gemm

import (
	"unsafe"

	"github.com/pennyml/penny/dtype"
)

// Products of many rows of f32 with W turned: its panels hold, lane by lane of K, the values of 32 rows side by side. The cores then add up one
// lane of 32 columns of Y at a time, and fold lanes by adding registers, where the others have to shuffle: dear where registers are small. What it
// takes to turn W is shared by the rows of X.

const (
	turnedCols  = 32
	turnedStep  = 4 * turnedCols    // bytes of a step of a lane
	turnedPanel = turnedCols * line // and of all lanes
	turnedMost  = 6                 // panels at a time
	turnedRoom  = 192               // steps of all of them together: they stay in the second cache

	// Of K, the fewest steps at which it pays, and the most: the first cache has to hold a tile of X.
	turnedLeast, turnedLast = 3, 48
)

// turns says whether the product goes by turned panels.
func (p *product) turns() bool {
	return p.f.turned[1] != nil && !p.few && p.x.F32 != nil && p.w.Type == dtype.F32 && p.steps >= turnedLeast && p.steps <= turnedLast
}

// turned computes the columns n0 to n1 of Y, whole panels.
func (p *product) turned(n0, n1 int) {
	p.rows, p.cols = p.x.M, min(turnedMost, turnedRoom/p.steps)*turnedCols
	for b := (block{0, p.rows, n0, min(p.cols, n1-n0)}); b.cols > 0; {
		next := p.after(b, n1)
		p.turn(b.col, b.cols)
		for r := 0; r < b.rows; r += tileRows {
			p.turnedTile(b, r, next)
		}
		b = next
	}
}

// turnedTile runs the core of the tile of X from row r of the block on.
func (p *product) turnedTile(b block, r int, next block) {
	rows, all := min(tileRows, b.rows-r), span{0, p.steps}
	p.t = tile{
		x: p.packedAt(r, rows, 0), w: ptr(p.s.panels), wRep: uintptr((turnedLane(p.steps) - p.steps) * turnedStep), steps: p.steps,
		reps: b.cols / turnedCols, rows: rows, y: unsafe.Pointer(&p.y[r*p.ldy+b.col]), ldy: uintptr(4 * p.ldy), pending: ptr(p.s.pending),
	}
	p.prefetch(b, r, all, next, 0)
	p.f.turned[rows](&p.t)
}

// turnedLane is how many steps apart two lanes of a panel are: an odd number, so that they do not fall into the same few sets of a cache.
func turnedLane(steps int) int { return steps | 1 }

// turn writes cols rows of W from row n on as turned panels: lane by lane in the order of the tree, and in a lane step by step, the values of 32
// rows.
func (p *product) turn(n, cols int) {
	whole, lane := p.w.K/lineF32, turnedLane(p.steps)
	for c := 0; c < cols; c += lineF32 {
		dst := unsafe.Add(ptr(p.s.panels), c/turnedCols*lane*turnedPanel+c%turnedCols*4)
		if whole > 0 {
			p.k.turn(dst, unsafe.Pointer(&p.w.Data[(n+c)*p.wRow]), whole, uintptr(p.wRow), lane)
		}
		if whole < p.steps { // what the rows lack of their last step is +0
			block := &p.s.edge
			clear(block[:lineF32*lineF32])
			for r := range lineF32 {
				copy(f32Bytes(block[r*lineF32:][:lineF32]), p.w.Data[(n+c+r)*p.wRow:][:p.wRow][whole*line:])
			}
			p.k.turn(unsafe.Add(dst, whole*turnedStep), unsafe.Pointer(block), 1, line, lane)
		}
	}
}
