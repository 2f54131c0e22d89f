package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Limits on what a file may claim. Files in use stay orders of magnitude below the counts.
const (
	maxKeys       = 1 << 16
	maxTensors    = 1 << 20
	maxKeyBytes   = 1<<16 - 1 // GGUF specification
	maxNameBytes  = 63        // llama.cpp: 64 with the closing NUL
	maxDims       = 4
	maxArrayDepth = 2 // arrays of arrays: legal by the specification, though no model is known to use them
	maxAlignment  = 1 << 24

	minKeyBytes    = 8 + 1 + 4 + 1     // key length, key, type, value
	minTensorBytes = 8 + 1 + 4 + 4 + 8 // name length, name, dimension count, type, offset

	defaultAlignment = 32
)

// part is the content of one file; a model may be split over several.
type part struct {
	version uint32
	meta    Meta
	tensors []Tensor
}

// parse reads a whole file's bytes. Tensor data in the result aliases data; everything else is copied or decoded on demand.
func parse(data []byte) (*part, error) {
	c := &cursor{data: data}
	p := &part{}
	if err := p.parseVersion(c); err != nil {
		return nil, err
	}
	numTensors := c.count("tensor count", maxTensors, minTensorBytes)
	numKeys := c.count("key count", maxKeys, minKeyBytes)
	if c.err != nil {
		return nil, c.err
	}
	p.meta.values = make(map[string]Value)
	for i := range numKeys {
		if err := p.parseKey(c); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
	}
	alignment, err := p.meta.alignment()
	if err != nil {
		return nil, err
	}
	return p, p.parseTensors(c, numTensors, alignment)
}

func (p *part) parseVersion(c *cursor) error {
	magic := c.take(4, "magic")
	if c.err == nil && !bytes.Equal(magic, []byte("GGUF")) {
		return fmt.Errorf("not a GGUF file: it starts with %q", magic)
	}
	p.version = c.u32("version")
	switch {
	case c.err != nil:
		return c.err
	case p.version&0xffff == 0 && p.version != 0:
		return fmt.Errorf("version: the file is big-endian; convert it to little-endian first")
	case p.version == 1:
		return fmt.Errorf("version 1 is no longer supported; convert the model again")
	case p.version != 2 && p.version != 3:
		return fmt.Errorf("version %d is unknown (this reads 2 and 3)", p.version)
	}
	return nil
}

// checkName refuses a key or tensor name that could be shown as, or mistaken for, another.
func checkName(name []byte, limit int) error {
	switch {
	case len(name) == 0:
		return fmt.Errorf("name is empty")
	case len(name) > limit:
		return fmt.Errorf("name has %d bytes, limit %d", len(name), limit)
	case bytes.IndexByte(name, 0) >= 0:
		return fmt.Errorf("name %q has a NUL byte", name)
	case !utf8.Valid(name):
		return fmt.Errorf("name %q is not UTF-8", name)
	}
	return nil
}

func (p *part) parseKey(c *cursor) error {
	name := c.str("name")
	if c.err != nil {
		return c.err
	}
	if err := checkName(name, maxKeyBytes); err != nil {
		return err
	}
	key := string(name)
	if _, dup := p.meta.values[key]; dup {
		return fmt.Errorf("%q: the key occurs twice", key)
	}
	v := c.value()
	if c.err != nil {
		return fmt.Errorf("%q: %w", key, c.err)
	}
	p.meta.keys = append(p.meta.keys, key)
	p.meta.values[key] = v
	return nil
}

// value reads a type and then a value of that type. Nothing is decoded yet, only its extent found and checked.
func (c *cursor) value() Value {
	v := Value{Type: ValueType(c.u32("value type")), Len: 1}
	start := c.off
	if v.Type == Array {
		v.Elem, v.Len = c.array(1)
	} else {
		c.skip(v.Type, 1, "value")
	}
	if c.err == nil {
		v.raw = c.data[start:c.off:c.off]
	}
	return v
}

// array walks an array from its element type on, down to maxArrayDepth.
func (c *cursor) array(depth int) (elem ValueType, n int) {
	elem = ValueType(c.u32("array element type"))
	count := c.u64("array length")
	if elem != Array {
		c.skip(elem, count, "array")
	} else if depth == maxArrayDepth {
		c.fail("arrays are nested deeper than %d levels", maxArrayDepth)
	} else if count > c.left()/12 { // an array takes at least its own head
		c.fail("array: length %d needs more than the %d bytes left in the file", count, c.left())
	} else {
		for i := uint64(0); i < count && c.err == nil; i++ {
			c.array(depth + 1)
		}
	}
	if c.err != nil {
		return elem, 0
	}
	return elem, int(count)
}

// skip passes n values of a type other than Array.
func (c *cursor) skip(t ValueType, n uint64, field string) {
	switch {
	case t >= numValueTypes:
		c.fail("%s: unknown value type %d", field, uint32(t))
	case t == String:
		if n > c.left()/8 {
			c.fail("%s: %d strings need more than the %d bytes left in the file", field, n, c.left())
		}
		c.strings(n, field)
	case t == Bool:
		for i, b := range c.items(n, 1, field) {
			if b > 1 {
				c.fail("%s: bool %d is %d, neither 0 nor 1", field, i, b)
				return
			}
		}
	default:
		c.items(n, valueTypes[t].size, field)
	}
}

const keyAlignment = "general.alignment"

// alignment is the multiple on which tensor data lies.
func (m *Meta) alignment() (uint64, error) {
	v, ok := m.Value(keyAlignment)
	if !ok {
		return defaultAlignment, nil
	}
	if v.Type != Uint32 {
		return 0, fmt.Errorf("key %q: type is %v, want u32", keyAlignment, v.Type)
	}
	a := uint64(binary.LittleEndian.Uint32(v.raw))
	if a == 0 || a%8 != 0 || a&(a-1) != 0 || a > maxAlignment {
		return 0, fmt.Errorf("key %q: %d is not a power of two from 8 to %d", keyAlignment, a, maxAlignment)
	}
	return a, nil
}

// extent is where a tensor's bytes lie, counted from the start of the data section.
type extent struct {
	offset, size uint64
	index        int
}

func (p *part) parseTensors(c *cursor, n int, alignment uint64) error {
	if n == 0 {
		return nil
	}
	p.tensors = make([]Tensor, n)
	extents := make([]extent, n)
	for i := range p.tensors {
		t := &p.tensors[i]
		e, err := t.parse(c, alignment)
		if err != nil && t.Name != "" {
			return fmt.Errorf("tensor %d %q: %w", i, t.Name, err)
		} else if err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		e.index = i
		extents[i] = e
	}
	c.take(-uint64(c.off)&(alignment-1), "padding before the tensor data")
	if c.err != nil {
		return c.err
	}
	return p.place(c.data[c.off:], extents)
}

// parse reads the description of one tensor.
func (t *Tensor) parse(c *cursor, alignment uint64) (e extent, err error) {
	name := c.str("name")
	if c.err != nil {
		return e, c.err
	}
	if err := checkName(name, maxNameBytes); err != nil {
		return e, err
	}
	t.Name = string(name)
	numDims := c.u32("dimension count")
	if numDims > maxDims {
		return e, fmt.Errorf("dimension count: %d is above %d", numDims, maxDims)
	}
	t.Dims = make([]int, numDims)
	for i := range t.Dims {
		d := c.u64("dimension")
		if d > math.MaxInt {
			return e, fmt.Errorf("dimension %d: %d is negative or too large", i, int64(d))
		}
		t.Dims[i] = int(d)
	}
	id := c.u32("type")
	e.offset = c.u64("offset")
	if c.err != nil {
		return e, c.err
	}
	if t.Type, err = tensorType(id); err != nil {
		return e, err
	}
	if e.size, err = t.size(); err != nil {
		return e, err
	}
	if e.offset%alignment != 0 {
		return e, fmt.Errorf("offset: %d is not a multiple of the alignment %d", e.offset, alignment)
	}
	return e, nil
}

// size is the number of bytes that a tensor of t's type and dimensions takes, or why there is no such tensor.
func (t *Tensor) size() (uint64, error) {
	elements := uint64(1)
	for i, d := range t.Dims {
		var ok bool
		if elements, ok = mul(elements, uint64(d)); d <= 0 || !ok {
			return 0, fmt.Errorf("dimension %d of %v: %d is zero, negative or too large", i, t.Dims, d)
		}
	}
	block := t.Type.BlockSize()
	if t.Cols()%block != 0 {
		return 0, fmt.Errorf("dimensions: rows of %d elements are not whole blocks of %v (%d)", t.Cols(), t.Type, block)
	}
	size, ok := mul(elements/uint64(block), uint64(t.Type.BlockBytes()))
	if !ok || size > math.MaxInt {
		return 0, fmt.Errorf("dimensions: %v of %v are more bytes than can be addressed", t.Dims, t.Type)
	}
	return size, nil
}

// place gives each tensor its bytes of the data section and refuses tensors that reach outside it or share bytes.
func (p *part) place(data []byte, extents []extent) error {
	for _, e := range extents {
		t := &p.tensors[e.index]
		if e.offset > uint64(len(data)) || e.size > uint64(len(data))-e.offset {
			return fmt.Errorf("tensor %q: offset %d and %d bytes reach beyond the %d bytes of tensor data in the file; is it complete?",
				t.Name, e.offset, e.size, len(data))
		}
		t.Data = data[e.offset : e.offset+e.size : e.offset+e.size]
	}
	slices.SortFunc(extents, func(a, b extent) int {
		if a.offset < b.offset {
			return -1
		} else if a.offset > b.offset {
			return 1
		}
		return a.index - b.index
	})
	for i, e := range extents[1:] {
		if before := extents[i]; before.offset+before.size > e.offset {
			return fmt.Errorf("tensor %q: offset %d lies inside tensor %q", p.tensors[e.index].Name, e.offset, p.tensors[before.index].Name)
		}
	}
	return nil
}
