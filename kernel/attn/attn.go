package attn

import (
	"fmt"
	"math"

	"github.com/pennyml/penny/kernel/fp"
	"github.com/pennyml/penny/kernel/vec"
)

// Problem is the attention of consecutive tokens of one sequence in one layer. The keys and values of the tokens themselves are in the cache
// already.
type Problem struct {
	Cache  Blocks
	Heads  int     // query heads: a multiple of the cache's heads; neighbouring query heads share one
	Scale  float32 // factor on the scores, usually 1/sqrt(key dimension)
	Pos    int     // absolute position of the first token
	Tokens int
	Q      []float32 // [Tokens][Heads][KeyDim]; for MLA the absorbed query and then its rotary part
	Out    []float32 // [Tokens][Heads][ValueDim]; for MLA the attended latent

	Window int       // a token sees itself and the Window-1 positions before it; 0 for all
	Sinks  []float32 // one score a head that takes part in the softmax and has no value (gpt-oss); nil for none

	// Max and Sum, [Tokens][Heads], if not nil, receive the maximum and the sum of each softmax: what Gradient needs to find the probabilities again.
	Max, Sum []float32

	tile int // query rows a unit
}

// Rows of queries that share a kv head are numbered token after token, and within a token head after head.

func (p *Problem) group() int { return p.Heads / p.Cache.KVHeads }
func (p *Problem) rows() int  { return p.Tokens * p.group() }

// The most rows of a unit: enough to pay for reading a block, few enough that their running outputs stay in the second-level cache.
const (
	maxTile       = 48
	maxTileLatent = 96
)

// Split cuts the work into units for this many workers and returns their number. Unit u is run by Forward(p, u, u+1, ...), in any order and on
// any worker; taking them in rising order starts with the longest. The cut changes no bit. It panics when the fields do not fit together.
func (p *Problem) Split(workers int) int {
	p.check()
	limit := maxTile
	if p.Cache.Latent {
		limit = maxTileLatent
	}
	want := workers
	if p.Tokens > 1 && workers > 1 {
		want *= 4 // causal units differ in length
	}
	perHead := (want + p.Cache.KVHeads - 1) / p.Cache.KVHeads
	p.tile = min(limit, (p.rows()+perHead-1)/max(perHead, 1))
	if p.tile > maxRows {
		p.tile = (p.tile + maxRows - 1) / maxRows * maxRows
	}
	p.tile = max(p.tile, 1)
	return p.Cache.KVHeads * p.tiles()
}

func (p *Problem) tiles() int { return (p.rows() + p.tile - 1) / p.tile }

func (p *Problem) check() {
	c := &p.Cache
	ok := c.Validate() == nil && p.Heads > 0 && p.Heads%c.KVHeads == 0 && p.Tokens > 0 && p.Pos >= 0 && p.Window >= 0 &&
		len(p.Q) == p.Tokens*p.Heads*c.KeyDim && len(p.Out) == p.Tokens*p.Heads*c.ValueDim &&
		(p.Sinks == nil || len(p.Sinks) == p.Heads) && (p.Max == nil && p.Sum == nil || len(p.Max) == p.Tokens*p.Heads && len(p.Sum) == len(p.Max)) &&
		(p.Pos+p.Tokens-1)/Block < len(c.Pages)
	if !ok {
		panic(fmt.Sprintf("attn: %d heads, %d tokens from position %d, window %d, q %d, out %d, %d sinks, max %d, sum %d over %d blocks of %+v",
			p.Heads, p.Tokens, p.Pos, p.Window, len(p.Q), len(p.Out), len(p.Sinks), len(p.Max), len(p.Sum), len(c.Pages), c.Layout))
	}
}

// Scratch is the working memory of one worker. The zero value is ready; it grows to the largest problem it has met.
type Scratch struct {
	q    []float32 // [tile][KeyDim], the unit's queries
	o    []float32 // [tile][padded ValueDim], their running outputs
	s    []float32 // [maxRows][64], scores and then probabilities
	keys []byte    // [padded KeyDim][64], a latent block transposed
	m, l []float32 // [tile], running maximum and sum
	c    [maxRows]float32
	mask [maxRows]uint64
	back backScratch
}

func (s *Scratch) grow(p *Problem) {
	c := &p.Cache
	atLeast(&s.q, p.tile*c.KeyDim)
	atLeast(&s.o, p.tile*pad16(c.ValueDim))
	atLeast(&s.s, maxRows*Block)
	atLeast(&s.m, p.tile)
	atLeast(&s.l, p.tile)
	if c.Latent {
		atLeast(&s.keys, pad16(c.KeyDim)*Block*c.elem())
	}
}

func atLeast[T any](s *[]T, n int) {
	if len(*s) < n {
		*s = make([]T, n)
	}
}

// Forward computes the units lo to hi-1 of p, which Split has cut. Workers with disjoint ranges and their own scratch may run at once.
func Forward(p *Problem, lo, hi int, s *Scratch) {
	if p.tile == 0 || lo < 0 || hi > p.Cache.KVHeads*p.tiles() {
		panic(fmt.Sprintf("attn: units %d to %d of a problem cut into tiles of %d rows", lo, hi, p.tile))
	}
	s.grow(p)
	for u := lo; u < hi; u++ {
		w := p.unit(u, s)
		if w.then = w.firstKeys(); u+1 < hi {
			next := p.unit(u+1, s)
			w.then = next.firstKeys()
		}
		w.run()
	}
}

// ForwardWhole computes all of p on one worker. While it is at its end the keys of next, the problem that follows if any, are fetched.
func ForwardWhole(p, next *Problem, s *Scratch) {
	units := p.Split(1)
	s.grow(p)
	for u := range units {
		w := p.unit(u, s)
		after := w
		switch {
		case u+1 < units:
			after = p.unit(u+1, s)
		case next != nil:
			next.Split(1)
			after = next.unit(0, s)
		}
		w.then = after.firstKeys()
		w.run()
	}
}

// unit is unit u of the problem.
func (p *Problem) unit(u int, s *Scratch) unit {
	first := (p.tiles() - 1 - u/p.Cache.KVHeads) * p.tile
	return unit{Problem: p, s: s, head: u % p.Cache.KVHeads, first: first, n: min(p.tile, p.rows()-first)}
}

// unit is the attention of n query rows from first on over one kv head.
type unit struct {
	*Problem
	s        *Scratch
	head     int
	first, n int
	then     []byte // what is read after it
}

// firstKeys are the keys that the unit begins with.
func (w *unit) firstKeys() []byte {
	k, _ := w.Cache.head(w.Cache.block(w.oldest(0)/Block), w.head)
	return k
}

// pos is the position of a row of the unit, the last one that it sees.
func (w *unit) pos(row int) int { return w.Pos + (w.first+row)/w.group() }

// oldest is the first position that a row sees.
func (w *unit) oldest(row int) int {
	if w.Window == 0 {
		return 0
	}
	return max(0, w.pos(row)-w.Window+1)
}

// index numbers the (token, query head) of a row.
func (w *unit) index(row int) int {
	g := w.group()
	t, i := (w.first+row)/g, (w.first+row)%g
	return t*w.Heads + w.head*g + i
}

func (w *unit) run() {
	w.start()
	c := &w.Cache
	from, to := 0, 0 // the rows that see a key of the block at hand
	last := w.pos(w.n-1) / Block
	for b := w.oldest(0) / Block; b <= last; b++ {
		for w.pos(from) < b*Block {
			from++
		}
		for to < w.n && w.oldest(to) < (b+1)*Block {
			to++
		}
		k, v := c.head(c.block(b), w.head)
		next := w.then
		if b < last {
			next, _ = c.head(c.block(b+1), w.head)
		}
		if c.Latent {
			transpose(w.s.keys, c.elem(), k, pad16(c.KeyDim), c.valueRow(), min(Block, w.pos(w.n-1)-b*Block+1))
			k = w.s.keys
		}
		for r := from; r < to; r += maxRows {
			w.attend(b*Block, r, min(r+maxRows, to), k, v, next)
		}
	}
	w.finish()
}

// start gathers the queries and sets the running maximum, sum and output of each row to those of no keys.
func (w *unit) start() {
	c, s := &w.Cache, w.s
	switch first := w.Q[w.index(0)*c.KeyDim:]; w.group() {
	case 1:
		copyRows(s.q, first, c.KeyDim, c.KeyDim, w.Heads*c.KeyDim, w.n)
	case w.Heads:
		copyRows(s.q, first, c.KeyDim, c.KeyDim, c.KeyDim, w.n)
	default:
		for r := range w.n {
			copy(s.q[r*c.KeyDim:][:c.KeyDim], w.Q[w.index(r)*c.KeyDim:])
		}
	}
	for r := range w.n {
		i := w.index(r)
		s.m[r], s.l[r] = float32(math.Inf(-1)), 0
		if w.Sinks != nil {
			s.m[r], s.l[r] = w.Sinks[i%w.Heads], 1
		}
	}
	clear(s.o[:w.n*pad16(c.ValueDim)])
}

// attend takes rows lo to hi-1 through the block of keys k and values v whose first position is base. Every row sees a key of it.
func (w *unit) attend(base, lo, hi int, k, v, next []byte) {
	c, s, n := &w.Cache, w.s, hi-lo
	var first, end [maxRows]int // of the keys that each row sees
	for i := range n {
		first[i], end[i] = max(0, w.oldest(lo+i)-base), min(Block, w.pos(lo+i)-base+1)
		s.mask[i] = (uint64(1)<<end[i] - 1) &^ (uint64(1)<<first[i] - 1)
	}
	scores(s.s, s.q[lo*c.KeyDim:hi*c.KeyDim], c.KeyDim, c.Type, k, v, n, c.KeyDim, end[n-1])
	softmax(s.s, s.m[lo:hi], s.l[lo:hi], s.c[:n], s.mask[:n], w.Scale)

	// Values in rising order of position: those that only some rows see before and after those that all see. Rows are in order of position,
	// so the last row starts last and the first row ends first.
	a, z := first[n-1], end[0]
	if a >= z {
		a, z = Block, Block
	}
	for i := range n {
		if first[i] < a {
			w.values(v, next, lo+i, i, 1, first[i], min(a, end[i]))
			s.c[i] = 1
		}
	}
	if a < z {
		w.values(v, next, lo, 0, n, a, z)
	}
	for i := range n {
		if z < end[i] {
			s.c[i] = 1
			w.values(v, next, lo+i, i, 1, z, end[i])
		}
	}
}

// values adds the positions from a to z-1 of the block to the outputs of n rows from row on, which stand at i and on in the probabilities.
func (w *unit) values(v, next []byte, row, i, n, a, z int) {
	c, s := &w.Cache, w.s
	pitch := c.valueRow()
	dim := pad16(c.ValueDim)
	weigh(s.o[row*dim:][:n*dim], s.s[i*Block+a:], s.c[i:][:n], c.Type, v[a*pitch*c.elem():], next, pitch, n, z-a)
}

func (w *unit) finish() {
	c, s := &w.Cache, w.s
	for r := range w.n {
		i, o := w.index(r), s.o[r*pad16(c.ValueDim):][:c.ValueDim]
		vec.Scale(w.Out[i*c.ValueDim:][:c.ValueDim], o, 1/s.l[r])
		if w.Max != nil {
			w.Max[i], w.Sum[i] = s.m[r], s.l[r]
			if s.l[r] != s.l[r] { // the maximum then depends on the level
				w.Max[i], w.Sum[i] = fp.NaN, fp.NaN
			}
		}
	}
}
