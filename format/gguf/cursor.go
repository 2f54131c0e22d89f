package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// cursor walks a file's bytes. The first thing that goes wrong sticks in err; after it every read gives zero, so that callers
// check once for each group of fields.
type cursor struct {
	data []byte
	off  int
	err  error
}

func (c *cursor) left() uint64 { return uint64(len(c.data) - c.off) }

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// take returns the next n bytes of the file without copying them.
func (c *cursor) take(n uint64, field string) []byte {
	if c.err != nil {
		return nil
	}
	if n > c.left() {
		c.fail("%s: needs %d bytes at byte %d, but the file ends at %d", field, n, c.off, len(c.data))
		return nil
	}
	b := c.data[c.off : c.off+int(n) : c.off+int(n)]
	c.off += int(n)
	return b
}

// items takes n items of size bytes each; their product cannot overflow here.
func (c *cursor) items(n uint64, size int, field string) []byte {
	if c.err == nil && n > c.left()/uint64(size) {
		c.fail("%s: count %d needs more than the %d bytes left in the file", field, n, c.left())
	}
	return c.take(n*uint64(size), field)
}

func (c *cursor) u32(field string) uint32 {
	if b := c.take(4, field); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64(field string) uint64 {
	if b := c.take(8, field); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// str takes a string: its length as u64, then its bytes.
func (c *cursor) str(field string) []byte {
	return c.take(c.u64(field), field)
}

// strings passes n strings. Vocabularies have hundreds of thousands of them, so this is the one loop here written for speed.
func (c *cursor) strings(n uint64, field string) {
	if c.err != nil {
		return
	}
	b := c.data[c.off:]
	for i := range n {
		if len(b) < 8 {
			c.fail("%s: length of string %d of %d needs 8 bytes, but the file has %d left", field, i, n, len(b))
			return
		}
		size := binary.LittleEndian.Uint64(b)
		if b = b[8:]; size > uint64(len(b)) {
			c.fail("%s: string %d of %d has %d bytes, but the file has %d left", field, i, n, size, len(b))
			return
		}
		b = b[size:]
	}
	c.off = len(c.data) - len(b)
}

// count reads a number of things of which each takes at least size bytes, and refuses one above limit or beyond the file.
func (c *cursor) count(field string, limit uint64, size int) int {
	n := c.u64(field)
	if n > limit {
		c.fail("%s: %d is above the limit of %d", field, n, limit)
	}
	if n > c.left()/uint64(size) {
		c.fail("%s: %d need at least %d bytes each, but the file has %d left", field, n, size, c.left())
	}
	if c.err != nil {
		return 0
	}
	return int(n)
}

// mul multiplies two sizes; false where the product does not fit in an int64.
func mul(a, b uint64) (uint64, bool) {
	if a != 0 && b > math.MaxInt64/a {
		return 0, false
	}
	return a * b, true
}
