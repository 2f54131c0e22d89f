// Package attn is causal attention over a cache of keys and values: grouped-query attention, and multi-head latent attention in its absorbed
// form. What it computes, bit for bit, is docs/NUMERICS.md section 7; the results do not depend on how a prompt is cut into chunks, how the
// work is split, or the instruction-set level.
package attn

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/vec"
)

// Block is the number of positions that lie together in the cache, aligned to absolute position, and the step in which keys are walked.
const Block = 64

// Layout says how one layer's keys and values of a block of positions lie in memory.
//
// Grouped-query: head after head, each its keys transposed, [KeyDim][64], so that 64 neighbouring positions share a vector, then its values,
// [64][ValueDim], rows padded to a multiple of 16 elements.
//
// Latent: one row a position, [64][KeyDim], rows padded likewise: the latent followed by the rotary key. The value is the row's first ValueDim.
type Layout struct {
	Type     dtype.Type // F32, F16 or BF16
	KVHeads  int        // 1 when Latent
	KeyDim   int
	ValueDim int
	Latent   bool
}

// Validate reports the first field that makes no sense.
func (l Layout) Validate() error {
	switch {
	case l.Type != dtype.F32 && l.Type != dtype.F16 && l.Type != dtype.BF16:
		return fmt.Errorf("attn: cache type %v, want f32, f16 or bf16", l.Type)
	case l.KVHeads < 1 || l.KeyDim < 1 || l.ValueDim < 1 || l.KVHeads > 1<<16 || l.KeyDim > 1<<16 || l.ValueDim > 1<<16:
		return fmt.Errorf("attn: cache of %d heads, key dimension %d, value dimension %d", l.KVHeads, l.KeyDim, l.ValueDim)
	case l.Latent && (l.KVHeads != 1 || l.ValueDim > l.KeyDim):
		return fmt.Errorf("attn: latent cache of %d heads with value dimension %d in a key of %d, want 1 head and a value no longer than its key",
			l.KVHeads, l.ValueDim, l.KeyDim)
	}
	return nil
}

// pad16 rounds up to a multiple of 16.
func pad16(n int) int { return (n + 15) &^ 15 }

func (l Layout) elem() int { return l.Type.BlockBytes() }

// valueRow is the distance between the values of neighbouring positions, in elements.
func (l Layout) valueRow() int {
	if l.Latent {
		return pad16(l.KeyDim)
	}
	return pad16(l.ValueDim)
}

// headBytes is the size of one head of a block.
func (l Layout) headBytes() int {
	n := Block * l.valueRow()
	if !l.Latent {
		n += Block * l.KeyDim
	}
	return n * l.elem()
}

// BlockBytes is the size of one block.
func (l Layout) BlockBytes() int { return l.KVHeads * l.headBytes() }

// head gives the keys and the values of one head of a block; when Latent both are the rows.
func (l Layout) head(block []byte, h int) (k, v []byte) {
	b := block[h*l.headBytes():][:l.headBytes()]
	if l.Latent {
		return b, b
	}
	n := Block * l.KeyDim * l.elem()
	return b[:n:n], b[n:]
}

// KeyElems and ValueElems are the elements that Put takes for one position.
func (l Layout) KeyElems() int { return l.KVHeads * l.KeyDim }

// ValueElems is 0 when Latent: the value is part of the key.
func (l Layout) ValueElems() int {
	if l.Latent {
		return 0
	}
	return l.KVHeads * l.ValueDim
}

// Put writes consecutive positions to a block from slot on, rounding to the cache's type: k is [n][KVHeads][KeyDim], v [n][KVHeads][ValueDim];
// when Latent, k is [n][KeyDim] and v nil.
func (l Layout) Put(block []byte, slot int, k, v []float32) {
	n := len(k) / l.KeyElems()
	if len(block) != l.BlockBytes() || slot < 0 || n == 0 || len(k) != n*l.KeyElems() || len(v) != n*l.ValueElems() || slot+n > Block {
		panic(fmt.Sprintf("attn: Put of %d key and %d value elements at slot %d of a block of %d bytes; a position has %d and %d, a block %d bytes",
			len(k), len(v), slot, len(block), l.KeyElems(), l.ValueElems(), l.BlockBytes()))
	}
	for h := range l.KVHeads { // head by head: its keys fit the first-level cache
		kb, vb := l.head(block, h)
		columns := 0 // of keys, that are written some side by side
		if wide := transposed / 4; l.Type == dtype.F32 && !l.Latent && l.KeyDim%16 == 0 && slot%wide == 0 && n >= wide {
			columns = n / wide * wide
			transpose(kb[slot*4:], 4, bytesOf(k[h*l.KeyDim:]), l.KeyDim, l.KeyElems(), columns)
		}
		for i := range n {
			row := (slot + i) * l.valueRow() * l.elem()
			key := k[(i*l.KVHeads+h)*l.KeyDim:][:l.KeyDim]
			if l.Latent {
				storeRow(l.Type, kb[row:], key)
				continue
			}
			if i >= columns {
				storeColumn(l.Type, kb, slot+i, key)
			}
			storeRow(l.Type, vb[row:], v[(i*l.KVHeads+h)*l.ValueDim:][:l.ValueDim])
		}
	}
}

// Copy writes the first n positions of the block src to dst.
func (l Layout) Copy(dst, src []byte, n int) {
	if len(dst) != l.BlockBytes() || len(src) != l.BlockBytes() || n < 0 || n > Block {
		panic(fmt.Sprintf("attn: Copy of %d positions from a block of %d bytes to one of %d, want %d", n, len(src), len(dst), l.BlockBytes()))
	}
	for h := range l.KVHeads {
		kd, vd := l.head(dst, h)
		ks, vs := l.head(src, h)
		copy(vd, vs[:n*l.valueRow()*l.elem()])
		if !l.Latent {
			row := Block * l.elem()
			for at := 0; at < len(ks); at += row {
				copy(kd[at:], ks[at:][:n*l.elem()])
			}
		}
	}
}

func storeRow(t dtype.Type, dst []byte, x []float32) {
	switch t {
	case dtype.F32:
		copy(as[float32](dst), x)
	case dtype.F16:
		vec.F32ToF16(as[uint16](dst)[:len(x)], x)
	case dtype.BF16:
		vec.F32ToBF16(as[uint16](dst)[:len(x)], x)
	}
}

// storeColumn writes x down the column slot of a matrix of 64 columns.
func storeColumn(t dtype.Type, dst []byte, slot int, x []float32) {
	if t == dtype.F32 {
		scatter(as[float32](dst)[slot:], x)
		return
	}
	var row [128]uint16
	for len(x) > 0 {
		r := row[:min(len(row), len(x))]
		if t == dtype.F16 {
			vec.F32ToF16(r, x[:len(r)])
		} else {
			vec.F32ToBF16(r, x[:len(r)])
		}
		scatter(as[uint16](dst)[slot:], r)
		x = x[len(r):]
		dst = dst[min(len(dst), 2*Block*len(r)):]
	}
}

func scatter[T any](dst, x []T) {
	for d, v := range x {
		dst[d*Block] = v
	}
}

// as views bytes of the cache as elements. Blocks are allocated aligned.
func as[T float32 | uint16](b []byte) []T {
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(t)))
}

// Blocks is one layer's part of a cache: block i, which holds positions 64i to 64i+63, is Pages[i][Offset:][:Layout.BlockBytes()].
type Blocks struct {
	Layout
	Pages  [][]byte
	Offset int
}

func (b *Blocks) block(i int) []byte { return b.Pages[i][b.Offset:][:b.BlockBytes()] }
