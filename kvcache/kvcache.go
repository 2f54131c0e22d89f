// Package kvcache keeps the keys and values of one sequence, all layers, in pages of 64 positions.
//
// A page holds its positions for every layer, so that it is the unit to grow, share and drop. Pages come from the Go heap when a position
// first needs one, unless the cache has some to spare: between page boundaries nothing is allocated, and not at all after Reserve.
package kvcache

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/pennyml/penny/kernel/attn"
)

// PageLen is the number of positions of a page.
const PageLen = attn.Block

// Cache is the memory of one sequence. Its methods are not safe for concurrent use, but for Append to disjoint positions and for reading.
type Cache struct {
	layers []layer
	page   int // bytes of a page
	limit  int // most positions
	n      int // positions held
	pages  [][]byte
	shared []bool // page i may be seen by another cache: copy before writing
	spare  [][]byte
}

type layer struct {
	attn.Layout
	offset int
}

// New makes an empty cache of at most limit positions. A layer that keeps nothing is not allowed; layers may differ.
func New(layouts []attn.Layout, limit int) (*Cache, error) {
	if len(layouts) == 0 || limit < 1 {
		return nil, fmt.Errorf("kvcache: %d layers and a limit of %d positions, want at least one of each", len(layouts), limit)
	}
	c := &Cache{limit: limit}
	for i, l := range layouts {
		if err := l.Validate(); err != nil {
			return nil, fmt.Errorf("kvcache: layer %d: %w", i, err)
		}
		c.layers = append(c.layers, layer{l, c.page})
		size := (l.BlockBytes() + align - 1) &^ (align - 1)
		if c.page > math.MaxInt32-size {
			return nil, fmt.Errorf("kvcache: a page of %d layers of %+v is larger than 2 GiB", len(layouts), l)
		}
		c.page += size
	}
	return c, nil
}

// Len is the number of positions held.
func (c *Cache) Len() int { return c.n }

// Limit is the most positions that may be held.
func (c *Cache) Limit() int { return c.limit }

// Bytes is the memory in use, shared and spare pages included.
func (c *Cache) Bytes() int64 { return int64(len(c.pages)+len(c.spare)) * int64(c.page) }

// PositionBytes is the memory that one position costs.
func (c *Cache) PositionBytes() float64 { return float64(c.page) / PageLen }

// Reserve allocates the pages for n positions in all, so that Extend to there does not.
func (c *Cache) Reserve(n int) error {
	if n > c.limit {
		return fmt.Errorf("kvcache: %d positions exceed the context of %d", n, c.limit)
	}
	for len(c.pages)*PageLen < n {
		c.grow()
	}
	return nil
}

// grow adds a page.
func (c *Cache) grow() {
	c.pages, c.shared = append(c.pages, c.take()), append(c.shared, false)
}

// take is a page to write to, whatever it held.
func (c *Cache) take() []byte {
	if last := len(c.spare) - 1; last >= 0 {
		p := c.spare[last]
		c.spare = c.spare[:last]
		return p
	}
	return newPage(c.page)
}

// Extend lengthens the sequence by n positions and returns the first. Append then fills them, layer by layer, before they are read.
func (c *Cache) Extend(n int) (pos int, err error) {
	if n < 0 || n > c.limit-c.n {
		return 0, fmt.Errorf("kvcache: %d more positions after %d exceed the context of %d", n, c.n, c.limit)
	}
	if err := c.Reserve(c.n + n); err != nil {
		return 0, err
	}
	pos = c.n
	for i := pos / PageLen; i*PageLen < pos+n; i++ {
		if c.shared[i] {
			own := c.take()
			copy(own, c.pages[i])
			c.pages[i], c.shared[i] = own, false
		}
	}
	c.n += n
	return pos, nil
}

// Append writes the keys and values of consecutive positions from pos on, which Extend has added, in one layer: k is [n][KVHeads][KeyDim]
// and v [n][KVHeads][ValueDim]; for a latent layer k is [n][KeyDim], the latent and then the rotary key, and v nil.
func (c *Cache) Append(layer, pos int, k, v []float32) {
	l := &c.layers[layer]
	ke, ve := l.KeyElems(), l.ValueElems()
	n := len(k) / ke
	if len(k) != n*ke || len(v) != n*ve || pos < 0 || pos+n > c.n {
		panic(fmt.Sprintf("kvcache: Append of %d key and %d value elements at %d of %d positions; a position has %d and %d", len(k), len(v), pos, c.n, ke, ve))
	}
	for n > 0 {
		slot := pos % PageLen
		m := min(n, PageLen-slot)
		block := c.pages[pos/PageLen][l.offset:][:l.BlockBytes()]
		l.Put(block, slot, k[:m*ke], v[:m*ve])
		k, v = k[m*ke:], v[m*ve:]
		pos, n = pos+m, n-m
	}
}

// Layer is what attention reads. It is good until the next Extend.
func (c *Cache) Layer(layer int) attn.Blocks {
	l := c.layers[layer]
	return attn.Blocks{Layout: l.Layout, Pages: c.pages, Offset: l.offset}
}

// Truncate forgets all positions from n on. Their pages stay allocated for what comes next, unless another cache has them too.
func (c *Cache) Truncate(n int) {
	if n < 0 || n > c.n {
		panic(fmt.Sprintf("kvcache: Truncate to %d of %d positions", n, c.n))
	}
	c.n = n
	for last := len(c.pages) - 1; last*PageLen >= n && last >= 0 && c.shared[last]; last-- {
		c.pages, c.shared = c.pages[:last], c.shared[:last]
	}
}

// Fork makes a cache of the first n positions. Both go on from there on their own: whole pages are shared, what is left over is copied.
func (c *Cache) Fork(n int) *Cache {
	f := &Cache{layers: c.layers, page: c.page, limit: c.limit}
	c.ForkTo(f, n)
	return f
}

// ForkTo is Fork into a cache of the same network, whatever that held. Its own pages are used again, so that caches which take turns at sequences
// of like lengths soon allocate nothing.
func (c *Cache) ForkTo(f *Cache, n int) {
	if n < 0 || n > c.n || n > f.limit || f == c || f.page != c.page || len(f.layers) != len(c.layers) {
		panic(fmt.Sprintf("kvcache: Fork of %d of %d positions in pages of %d bytes to a cache of at most %d in pages of %d bytes", n, c.n, c.page, f.limit, f.page))
	}
	for i, p := range f.pages {
		if !f.shared[i] {
			f.spare = append(f.spare, p)
		}
	}
	whole, rest := n/PageLen, n%PageLen
	f.n, f.pages, f.shared = n, append(f.pages[:0], c.pages[:whole]...), f.shared[:0]
	for i := range whole {
		c.shared[i], f.shared = true, append(f.shared, true)
	}
	if rest > 0 {
		f.grow()
		from, to := c.pages[whole], f.pages[whole]
		for _, l := range c.layers {
			l.Copy(to[l.offset:][:l.BlockBytes()], from[l.offset:][:l.BlockBytes()], rest)
		}
	}
}

// align is a cache line: vector loads from blocks do not straddle one.
const align = 64

func newPage(n int) []byte {
	b := make([]byte, n+align)
	skip := -uintptr(unsafe.Pointer(&b[0])) & (align - 1)
	return b[skip:][:n:n]
}
