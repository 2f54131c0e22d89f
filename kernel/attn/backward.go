package attn

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/vec"
)

// Gradient is the backward pass of attention for all the tokens of one sequence, positions 0 to Tokens-1, in one layer: what DOut, the gradient of
// the outputs, adds to the gradients of queries, keys and values (docs/NUMERICS.md section 8).
type Gradient struct {
	Heads    int // query heads: a multiple of KVHeads; neighbouring query heads share one
	KVHeads  int
	KeyDim   int
	ValueDim int
	Scale    float32
	Window   int // as in Problem
	Tokens   int

	Q    []float32 // [Tokens][Heads][KeyDim], as in Problem
	K    []float32 // [Tokens][KVHeads][KeyDim], the values that the forward pass saw: its cache was of type F32
	V    []float32 // [Tokens][KVHeads][ValueDim]; nil in the latent case: one kv head, a value is the first ValueDim of its key
	Out  []float32 // [Tokens][Heads][ValueDim], like Max and Sum as Forward left it
	Max  []float32 // [Tokens][Heads]
	Sum  []float32
	DOut []float32 // [Tokens][Heads][ValueDim]

	// The results, shaped as Q, K and V. In the latent case too DK and DV, [Tokens][ValueDim], are apart: the gradient of the latent is their sum.
	DQ, DK, DV []float32
	More       bool // they hold something to add to; otherwise they are taken as +0

	tokens  int // of a tile of queries
	inWaves bool
}

func (g *Gradient) group() int   { return g.Heads / g.KVHeads }
func (g *Gradient) latent() bool { return g.V == nil }
func (g *Gradient) blocks() int  { return (g.Tokens + Block - 1) / Block }
func (g *Gradient) tiles() int   { return (g.Tokens + g.tokens - 1) / g.tokens }

// oldest is the first position that the token at pos sees.
func (g *Gradient) oldest(pos int) int {
	if g.Window == 0 {
		return 0
	}
	return max(0, pos-g.Window+1)
}

// Slice is g for the rows of one sequence, n from first on, out of those of several that stand one after the other.
func (g *Gradient) Slice(first, n int) Gradient {
	s := *g
	s.Tokens = n
	cut := func(width int, xs ...*[]float32) {
		for _, x := range xs {
			if *x != nil {
				*x = (*x)[first*width:][:n*width]
			}
		}
	}
	cut(g.Heads*g.KeyDim, &s.Q, &s.DQ)
	cut(g.KVHeads*g.KeyDim, &s.K, &s.DK)
	cut(g.KVHeads*g.ValueDim, &s.V, &s.DV)
	cut(g.Heads*g.ValueDim, &s.Out, &s.DOut)
	cut(g.Heads, &s.Max, &s.Sum)
	return s
}

// The sums of a query run over the keys in order, those of a key over the queries in order. So the square of (block of 64 keys, tile of queries)
// can be walked tile by tile, each tile block by block, which is how one worker does a kv head. Or along its diagonals: what lies on one, the sum
// of block and tile being the same, is independent, and all that it needs lies on the diagonals before. Those are the waves.

// Split cuts the work into waves for this many workers and returns their number. The units of a wave (Units) are run by Backward in any order and
// on any worker, once all those of the wave before have ended. The cut changes no bit. It panics when the fields do not fit together.
func (g *Gradient) Split(workers int) (waves int) {
	g.check()
	g.inWaves = workers > 1 && g.KVHeads < 4*workers && g.KVHeads%workers != 0
	// As many queries as the second-level cache holds beside the block of keys.
	rows := min(192, max(48, 1<<17/(2*g.KeyDim+g.ValueDim+2*Block)))
	if g.inWaves {
		rows = min(rows, 96)
	}
	g.tokens = max(1, rows/g.group())
	if !g.inWaves {
		return 1
	}
	return g.blocks() + g.tiles() - 1
}

func (g *Gradient) check() {
	q, o, values := g.Tokens*g.Heads*g.KeyDim, g.Tokens*g.Heads*g.ValueDim, g.Tokens*g.KVHeads*g.ValueDim
	ok := g.KVHeads > 0 && g.Heads > 0 && g.Heads%g.KVHeads == 0 && g.KeyDim > 0 && g.ValueDim > 0 && g.Tokens > 0 && g.Window >= 0 &&
		len(g.Q) == q && len(g.K) == g.Tokens*g.KVHeads*g.KeyDim && len(g.DQ) == q && len(g.DK) == len(g.K) && len(g.DV) == values &&
		len(g.Out) == o && len(g.DOut) == o && len(g.Max) == g.Tokens*g.Heads && len(g.Sum) == g.Tokens*g.Heads
	if g.latent() {
		ok = ok && g.KVHeads == 1 && g.ValueDim <= g.KeyDim
	} else {
		ok = ok && len(g.V) == values
	}
	if !ok {
		panic(fmt.Sprintf("attn: gradient of %d tokens, %dx%d heads of %d and %d, window %d: q %d, k %d, v %d, out %d, max %d, sum %d, dout %d, dq %d, dk %d, dv %d",
			g.Tokens, g.Heads, g.KVHeads, g.KeyDim, g.ValueDim, g.Window, len(g.Q), len(g.K), len(g.V), len(g.Out), len(g.Max), len(g.Sum),
			len(g.DOut), len(g.DQ), len(g.DK), len(g.DV)))
	}
}

// Units is the number of units of a wave, 0 beyond the last: a kv head each, or the cells of a diagonal for each kv head.
func (g *Gradient) Units(wave int) int {
	switch {
	case !g.inWaves && wave == 0:
		return g.KVHeads
	case !g.inWaves:
		return 0
	}
	first, end := g.diagonal(wave)
	return g.KVHeads * (end - first)
}

// diagonal is the range of blocks that have a cell in a wave.
func (g *Gradient) diagonal(wave int) (first, end int) {
	first = max(0, wave-g.tiles()+1)
	for end = first; end < g.blocks() && end <= wave && g.meets(end, wave-end); {
		end++
	}
	for first < end && !g.sees(first, wave-first) {
		first++
	}
	return first, end
}

// meets is whether a tile reaches a block or goes beyond it, sees whether its window does not begin after it.
func (g *Gradient) meets(block, tile int) bool {
	return block*Block < min((tile+1)*g.tokens, g.Tokens)
}

func (g *Gradient) sees(block, tile int) bool {
	return g.oldest(tile*g.tokens) < (block+1)*Block
}

// Backward computes the units lo to hi-1 of a wave of g, which Split has cut. Workers with disjoint ranges and their own scratch may run at once.
func Backward(g *Gradient, wave, lo, hi int, s *Scratch) {
	if g.tokens == 0 || lo < 0 || hi > g.Units(wave) {
		panic(fmt.Sprintf("attn: units %d to %d of wave %d of a gradient cut into tiles of %d tokens", lo, hi, wave, g.tokens))
	}
	s.back.grow(g)
	for u := lo; u < hi; u++ {
		w := cells{Gradient: g, s: &s.back, head: u % g.KVHeads}
		if !g.inWaves {
			w.all()
			continue
		}
		first, _ := g.diagonal(wave)
		b := first + u/g.KVHeads
		w.loadTile(wave-b, b)
		w.loadBlock(b, 0, wave-b)
		w.cell(b, 0)
		w.storeBlock(b, 0)
		w.storeTile()
	}
}

// backScratch is a worker's memory of a backward pass. Rows of keys, values and their gradients are padded to a multiple of 16; what the padding
// holds does not matter. A block of keys is in a slot.
type backScratch struct {
	q, dq   []float32 // [rows][KeyDim] of a tile
	do      []float32 // [rows][ValueDim]
	m, r, d []float32 // [rows]: the maximum, one over the sum, dOut·out
	p, ds   []float32 // [rows][64]
	mask    []uint64  // [rows]

	k, dk  []float32 // [slots*64][KeyDim]
	v, dv  []float32 // [slots*64][ValueDim]
	kt, vt []float32 // [slots][dimension][64]; latent: values are part of kt
}

func (s *backScratch) grow(g *Gradient) {
	rows, slots := g.tokens*g.group(), 1
	if !g.inWaves {
		slots = g.blocks()
	}
	kp, vp := pad16(g.KeyDim), pad16(g.ValueDim)
	atLeast(&s.q, rows*kp)
	atLeast(&s.dq, rows*kp)
	atLeast(&s.do, rows*vp)
	for _, x := range []*[]float32{&s.m, &s.r, &s.d} {
		atLeast(x, rows)
	}
	atLeast(&s.p, rows*Block)
	atLeast(&s.ds, rows*Block)
	atLeast(&s.mask, rows)
	for _, x := range []*[]float32{&s.k, &s.dk, &s.kt} {
		atLeast(x, slots*Block*kp)
	}
	atLeast(&s.dv, slots*Block*vp)
	if !g.latent() {
		atLeast(&s.v, Block*vp)
		atLeast(&s.vt, slots*Block*vp)
	}
}

// cells is the work on one kv head: a tile of queries, rows numbered token after token and within a token head after head, against blocks of keys.
type cells struct {
	*Gradient
	s          *backScratch
	head       int
	first, end int // tokens of the tile
}

// all does every cell of the kv head.
func (w *cells) all() {
	for b := range w.blocks() {
		w.loadBlock(b, b, b*Block/w.tokens)
	}
	for t := range w.tiles() {
		first := w.oldest(t*w.tokens) / Block
		w.loadTile(t, first)
		for b := first; b*Block < w.end; b++ {
			w.cell(b, b)
		}
		w.storeTile()
	}
	for b := range w.blocks() {
		w.storeBlock(b, b)
	}
}

// index numbers the (token, query head) of a row of the tile.
func (w *cells) index(row int) int {
	g := w.group()
	return (w.first+row/g)*w.Heads + w.head*g + row%g
}

// loadTile brings tile t together, before its cell with block b.
func (w *cells) loadTile(t, b int) {
	w.first, w.end = t*w.tokens, min((t+1)*w.tokens, w.Tokens)
	s, dk, dv := w.s, w.KeyDim, w.ValueDim
	kp, vp := pad16(dk), pad16(dv)
	fresh := !w.More && b == w.oldest(w.first)/Block
	if fresh {
		clear(s.dq[:(w.end-w.first)*w.group()*kp])
	}
	w.eachRun(func(row, n, at, pitch int) {
		copyRows(s.q[row*kp:], w.Q[at*dk:], dk, kp, pitch*dk, n)
		if !fresh {
			copyRows(s.dq[row*kp:], w.DQ[at*dk:], dk, kp, pitch*dk, n)
		}
		copyRows(s.do[row*vp:], w.DOut[at*dv:], dv, vp, pitch*dv, n)
	})
	for r := range (w.end - w.first) * w.group() {
		i := w.index(r)
		s.m[r], s.r[r], s.d[r] = w.Max[i], 1/w.Sum[i], vec.Dot(w.DOut[i*dv:][:dv], w.Out[i*dv:][:dv])
	}
}

func (w *cells) storeTile() {
	kp, dk := pad16(w.KeyDim), w.KeyDim
	w.eachRun(func(row, n, at, pitch int) { copyRows(w.DQ[at*dk:], w.s.dq[row*kp:], dk, pitch*dk, kp, n) })
}

// eachRun calls f for the rows of the tile, n from row on, those of whose (token, query head) are numbered from at on and pitch apart.
func (w *cells) eachRun(f func(row, n, at, pitch int)) {
	switch g, n := w.group(), w.end-w.first; g {
	case 1:
		f(0, n, w.index(0), w.Heads)
	case w.Heads:
		f(0, n*g, w.index(0), 1)
	default:
		for r := 0; r < n*g; r += g {
			f(r, g, w.index(r), 1)
		}
	}
}

// loadBlock brings a block of keys, their values and gradients to a slot, before its cell with tile t. What stands beyond the last token does not
// matter.
func (w *cells) loadBlock(b, slot, t int) {
	s, kp, vp := w.s, pad16(w.KeyDim), pad16(w.ValueDim)
	fresh := !w.More && t == b*Block/w.tokens
	if fresh {
		clear(s.dk[slot*Block*kp:][:Block*kp])
		clear(s.dv[slot*Block*vp:][:Block*vp])
	}
	n, i, at := min(Block, w.Tokens-b*Block), b*Block*w.KVHeads+w.head, slot*Block
	load := func(dst, src []float32, padded, dim int) { copyRows(dst, src[i*dim:], dim, padded, w.KVHeads*dim, n) }
	load(s.k[at*kp:], w.K, kp, w.KeyDim)
	if !fresh {
		load(s.dk[at*kp:], w.DK, kp, w.KeyDim)
		load(s.dv[at*vp:], w.DV, vp, w.ValueDim)
	}
	if !w.latent() {
		load(s.v, w.V, vp, w.ValueDim)
	}
	transpose(bytesOf(s.kt[slot*Block*kp:]), 4, bytesOf(s.k[slot*Block*kp:]), kp, kp, Block)
	if !w.latent() {
		transpose(bytesOf(s.vt[slot*Block*vp:]), 4, bytesOf(s.v), vp, vp, Block)
	}
}

func (w *cells) storeBlock(b, slot int) {
	s, kp, vp := w.s, pad16(w.KeyDim), pad16(w.ValueDim)
	n, i, at := min(Block, w.Tokens-b*Block), b*Block*w.KVHeads+w.head, slot*Block
	copyRows(w.DK[i*w.KeyDim:], s.dk[at*kp:], w.KeyDim, w.KVHeads*w.KeyDim, kp, n)
	copyRows(w.DV[i*w.ValueDim:], s.dv[at*vp:], w.ValueDim, w.KVHeads*w.ValueDim, vp, n)
}

func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// cell takes the tile through the block of keys b, which is in a slot.
func (w *cells) cell(b, slot int) {
	s, g, base := w.s, w.group(), b*Block
	kp, vp := pad16(w.KeyDim), pad16(w.ValueDim)
	kt := s.kt[slot*Block*kp:][:Block*kp]
	vt := kt
	if !w.latent() {
		vt = s.vt[slot*Block*vp:][:Block*vp]
	}
	k := s.k[slot*Block*kp:][:Block*kp]
	from, to := g*(w.from(base)-w.first), g*(w.to(base+Block-1)-w.first)
	for r := from; r < to; r += maxRows {
		n := min(maxRows, to-r)
		keys := min(Block, w.first+(r+n-1)/g-base+1) // that the last of these rows sees
		scores(s.p[r*Block:], s.q[r*kp:], kp, dtype.F32, bytesOf(kt), bytesOf(vt), n, w.KeyDim, keys)
		scores(s.ds[r*Block:], s.do[r*vp:], vp, dtype.F32, bytesOf(vt), bytesOf(k), n, w.ValueDim, keys)
		var lo, hi [maxRows]int // the keys that each row sees
		for i := range n {
			pos := w.first + (r+i)/g
			lo[i], hi[i] = max(0, w.oldest(pos)-base), min(Block, pos-base+1)
			s.mask[r+i] = (uint64(1)<<hi[i] - 1) &^ (uint64(1)<<lo[i] - 1)
		}
		softmaxBack(s.p[r*Block:], s.ds[r*Block:], s.m[r:], s.r[r:], s.d[r:], s.mask[r:r+n], w.Scale)
		gains{c: s.dq[r*kp:], a: s.ds[r*Block:], b: k, dim: kp, aRow: Block, aStep: 1}.ragged(lo[:n], hi[:n])
	}
	for j := 0; j < min(Block, w.Tokens-base); j += maxRows {
		n := min(maxRows, w.Tokens-base-j, Block-j)
		var lo, hi [maxRows]int // the rows that see each key
		for i := range n {
			lo[i], hi[i] = g*(w.from(base+j+i)-w.first), g*(w.to(base+j+i)-w.first)
		}
		at := slot*Block + j
		gains{c: s.dv[at*vp:], a: s.p[j:], b: s.do, dim: vp, aRow: 1, aStep: Block}.ragged(lo[:n], hi[:n])
		gains{c: s.dk[at*kp:], a: s.ds[j:], b: s.q, dim: kp, aRow: 1, aStep: Block}.ragged(lo[:n], hi[:n])
	}
}

// from and to are the tokens of the tile that see the key at pos, if any do.
func (w *cells) from(pos int) int { return min(max(w.first, pos), w.end) }

func (w *cells) to(pos int) int {
	if w.Window == 0 {
		return w.end
	}
	return max(w.first, min(w.end, pos+w.Window))
}

// gains is a sum of outer products, as gainRef has it.
type gains struct {
	c, a, b     []float32
	dim         int
	aRow, aStep int
}

// ragged adds to row i of c the steps lo[i] to hi[i]-1, in rising order; lo and hi do not fall from row to row. The steps that all rows take
// are done together.
func (g gains) ragged(lo, hi []int) {
	a, z := lo[len(lo)-1], hi[0]
	if a >= z { // there are none
		for i := range lo {
			g.add(i, 1, lo[i], hi[i])
		}
		return
	}
	for i := range lo {
		g.add(i, 1, lo[i], a)
	}
	g.add(0, len(lo), a, z)
	for i := range lo {
		g.add(i, 1, z, hi[i])
	}
}

// add adds the steps from to to-1 to n rows from i on.
func (g gains) add(i, n, from, to int) {
	if from < to {
		gain(g.c[i*g.dim:], g.a[i*g.aRow+from*g.aStep:], g.b[from*g.dim:], g.dim, g.aRow, g.aStep, n, to-from)
	}
}
