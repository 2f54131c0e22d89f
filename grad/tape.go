package grad

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/tensor"
)

// Tape is what a network notes while it runs, to run back: for each operation a func that turns the gradient of its result into those of what
// it read. Notes are made in regions, one a layer. While a region is run back, a buffer that was taken from the arena in it has a twin, which
// holds its gradient; twins are made when first asked for, and reused by the next region. The residual stream goes through all regions: its
// gradient is given from outside.
//
// An operation that reads parameters must be one operation for all rows of the batch, so that their gradients add up in the order of rows.
type Tape struct {
	Params *Params

	arena *tensor.Arena
	mark  int // of the arena, where the region begins
	back  []func()
	links []link
	first int // of the region's links

	twins   [][]float32 // by place from mark on
	touched []bool      // the twin holds something
}

// Region is a part of a tape.
type Region struct{ mark, back, links int }

// link says that the gradient of a buffer is another's: one outside, or that of a place in the region.
type link struct {
	from, end uintptr
	outside   []float32
	place     int
}

// NewTape makes an empty tape over the buffers of an arena.
func NewTape(p *Params, a *tensor.Arena) *Tape { return &Tape{Params: p, arena: a} }

// Reset forgets all regions.
func (t *Tape) Reset() {
	clear(t.back)
	t.back, t.links, t.first = t.back[:0], t.links[:0], 0
}

// Begin starts a region. What was taken from the arena before lies outside.
func (t *Tape) Begin() Region {
	r := Region{t.arena.Mark(), len(t.back), len(t.links)}
	t.mark, t.first = r.mark, r.links
	return r
}

// Push notes an operation.
func (t *Tape) Push(back func()) { t.back = append(t.back, back) }

// Outside gives x, a buffer from outside the region, a gradient to add to.
func (t *Tape) Outside(x, gradient []float32) {
	if len(x) != len(gradient) {
		panic(fmt.Sprintf("grad: a gradient of %d values for %d", len(gradient), len(x)))
	}
	t.link(x, link{outside: gradient})
}

// Alias makes the gradient of x serve for y too: y = x + something, and whatever else reads x came before.
func (t *Tape) Alias(y, x []float32) {
	if l := t.find(x); l != nil {
		if l.from != address(x) || len(x) != len(y) {
			panic(fmt.Sprintf("grad: alias of %d values to %d, a part of a buffer", len(y), len(x)))
		}
		t.link(y, *l)
		return
	}
	place, size, offset := t.arena.Find(t.mark, x)
	if place < 0 || offset != 0 || size != len(x) || len(x) != len(y) {
		panic(fmt.Sprintf("grad: alias of %d values to %d at %d of a buffer of %d", len(y), len(x), offset, size))
	}
	t.link(y, link{place: place})
}

func address(x []float32) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(x))) }

func (t *Tape) link(x []float32, l link) {
	l.from = address(x)
	l.end = l.from + 4*uintptr(len(x))
	t.links = append(t.links, l)
}

func (t *Tape) find(x []float32) *link {
	at := address(x)
	for i := len(t.links) - 1; i >= t.first; i-- {
		if l := &t.links[i]; at >= l.from && at < l.end {
			return l
		}
	}
	return nil
}

// Grad is the gradient of x, a buffer of the region that is run back or part of one, to be read or added to. It starts at 0.
func (t *Tape) Grad(x []float32) []float32 {
	g, more := t.GradTo(x)
	if !more {
		clear(g)
	}
	return g
}

// GradTo is Grad for an operation that can as well overwrite: it must where more is false, and add where it is true.
func (t *Tape) GradTo(x []float32) (g []float32, more bool) {
	var place, size, offset int
	if l := t.find(x); l != nil {
		offset = int(address(x)-l.from) / 4
		if l.outside != nil {
			return l.outside[offset:][:len(x)], true
		}
		place, size = l.place, int(l.end-l.from)/4
	} else if place, size, offset = t.arena.Find(t.mark, x); place < 0 {
		panic(fmt.Sprintf("grad: no gradient of %d values that are not the region's", len(x)))
	}
	twin := t.twin(place-t.mark, size)
	if i := place - t.mark; !t.touched[i] {
		t.touched[i] = true
		if len(x) == size {
			return twin, false
		}
		clear(twin)
	}
	return twin[offset:][:len(x)], true
}

func (t *Tape) twin(i, size int) []float32 {
	for len(t.twins) <= i {
		t.twins, t.touched = append(t.twins, nil), append(t.touched, false)
	}
	if cap(t.twins[i]) < size {
		t.twins[i] = nil
		t.twins[i] = make([]float32, size)
	}
	return t.twins[i][:size]
}

// Backward runs a region back, the last that is left, and gives its buffers back to the arena.
func (t *Tape) Backward(r Region) {
	t.mark, t.first = r.mark, r.links
	clear(t.touched)
	for i := len(t.back) - 1; i >= r.back; i-- {
		t.back[i]()
		t.back[i] = nil
	}
	t.back, t.links = t.back[:r.back], t.links[:r.links]
	t.arena.Release(r.mark)
}
