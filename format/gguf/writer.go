package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/atomicfile"
)

// Writer collects metadata and tensors, then writes them as GGUF version 3. The zero value is ready for use. What goes wrong in Set or
// Add is kept, and returned by the writing methods.
type Writer struct {
	meta    Meta
	tensors []pending
	names   map[string]bool
	err     error
}

// pending is a tensor to be written; its data is made when its turn comes.
type pending struct {
	Tensor
	bytes uint64
	write func(io.Writer) error
}

func (w *Writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("gguf: "+format, args...)
	}
}

// Set gives key a value: a Go number of stated size, a bool, a string, a slice of those, a []any of such slices, or a Value from
// another file, which must stay open until this one is written. Keys are written in the order in which they were first set.
func (w *Writer) Set(key string, value any) {
	if err := checkName([]byte(key), maxKeyBytes); err != nil {
		w.fail("key: %w", err)
		return
	}
	v, err := encode(value)
	if err != nil {
		w.fail("key %q: %w", key, err)
		return
	}
	w.meta.set(key, v)
}

func (m *Meta) set(key string, v Value) {
	if m.values == nil {
		m.values = map[string]Value{}
	}
	if _, present := m.values[key]; !present {
		m.keys = append(m.keys, key)
	}
	m.values[key] = v
}

// Copy sets all of another file's metadata, except what says how that file was laid out.
func (w *Writer) Copy(from *Meta) {
	for _, key := range from.Keys() {
		if key != keyAlignment && !strings.HasPrefix(key, "split.") {
			w.Set(key, from.values[key])
		}
	}
}

// Add appends a tensor whose bytes write produces, exactly as many as type and dims (fastest first) call for. Tensors stand in the
// file in the order in which they were added; when write is called is not promised.
func (w *Writer) Add(name string, typ dtype.Type, dims []int, write func(io.Writer) error) {
	t := Tensor{Name: name, Type: typ, Dims: append([]int(nil), dims...)}
	if err := checkName([]byte(name), maxNameBytes); err != nil {
		w.fail("tensor: %w", err)
		return
	}
	if w.names[name] {
		w.fail("tensor %q: added twice", name)
		return
	}
	if _, ok := typeID(typ); !ok {
		w.fail("tensor %q: GGUF has no type for %v", name, typ)
		return
	}
	if len(dims) > maxDims {
		w.fail("tensor %q: %d dimensions, limit %d", name, len(dims), maxDims)
		return
	}
	size, err := t.size()
	if err != nil {
		w.fail("tensor %q: %w", name, err)
		return
	}
	if w.names == nil {
		w.names = map[string]bool{}
	}
	w.names[name] = true
	w.tensors = append(w.tensors, pending{t, size, write})
}

// AddTensor appends a tensor whose bytes are at hand.
func (w *Writer) AddTensor(t Tensor) {
	w.Add(t.Name, t.Type, t.Dims, func(to io.Writer) error {
		_, err := to.Write(t.Data)
		return err
	})
}

// WriteFile writes one file. On failure nothing is left at path, or what was there before.
func (w *Writer) WriteFile(path string) error {
	if w.err != nil {
		return w.err
	}
	return writePart(path, &w.meta, w.tensors)
}

// WriteSplit writes the model to files named prefix-00001-of-0000N.gguf and so on, and returns their paths. A file takes tensors until
// the next would bring its tensor data above maxBytes; a larger tensor stands alone. The first file, without which the others are not
// a model, appears last.
func (w *Writer) WriteSplit(prefix string, maxBytes int64) ([]string, error) {
	if w.err != nil {
		return nil, w.err
	}
	alignment, err := w.meta.alignment()
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	parts := split(w.tensors, uint64(max(maxBytes, 0)), alignment)
	if len(parts) > 1<<16-1 {
		return nil, fmt.Errorf("gguf: %s: parts of %d bytes make %d files, limit 65535", prefix, maxBytes, len(parts))
	}
	paths := make([]string, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		paths[i] = prefix + splitSuffix(uint64(i), uint64(len(parts)))
		meta := w.splitMeta(i, len(parts))
		if err := writePart(paths[i], &meta, parts[i]); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// split deals tensors out to files.
func split(tensors []pending, maxBytes, alignment uint64) [][]pending {
	var parts [][]pending
	start, used := 0, uint64(0)
	for i, t := range tensors {
		size := padded(t.bytes, alignment)
		if i > start && used+size > maxBytes {
			parts = append(parts, tensors[start:i])
			start, used = i, 0
		}
		used += size
	}
	return append(parts, tensors[start:])
}

// splitMeta is the metadata of part i of n: everything in the first, in the others only what is needed to read them.
func (w *Writer) splitMeta(i, n int) Meta {
	var m Meta
	for _, key := range w.meta.keys {
		if i == 0 || key == keyAlignment {
			m.set(key, w.meta.values[key])
		}
	}
	set := func(key string, value any) {
		v, err := encode(value)
		if err != nil {
			panic(err)
		}
		m.set(key, v)
	}
	set(keySplitNo, uint16(i)) // the types that llama.cpp requires
	set(keySplitCount, uint16(n))
	set(keySplitTensors, int32(len(w.tensors)))
	return m
}

func padded(n, alignment uint64) uint64 { return (n + alignment - 1) &^ (alignment - 1) }

// writePart writes one file.
func writePart(path string, meta *Meta, tensors []pending) error {
	err := atomicfile.Write(path, func(to io.Writer) error { return encodePart(to, meta, tensors) })
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", path, err)
	}
	return nil
}

// encodePart writes the content of one file.
func encodePart(to io.Writer, meta *Meta, tensors []pending) error {
	alignment, err := meta.alignment()
	if err != nil {
		return err
	}
	if _, err := to.Write(encodeHead(meta, tensors, alignment)); err != nil {
		return err
	}
	padding := make([]byte, alignment)
	for _, t := range tensors {
		c := &counter{to: to}
		if err := t.write(c); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if c.n != t.bytes {
			return fmt.Errorf("tensor %q: %d bytes were written, %v of %v takes %d", t.Name, c.n, t.Dims, t.Type, t.bytes)
		}
		if _, err := to.Write(padding[:padded(t.bytes, alignment)-t.bytes]); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what passes through it.
type counter struct {
	to io.Writer
	n  uint64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += uint64(n)
	return n, err
}

// encodeHead is all of a file up to the tensor data, padding included.
func encodeHead(meta *Meta, tensors []pending, alignment uint64) []byte {
	le := binary.LittleEndian
	str := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
	b := le.AppendUint32([]byte("GGUF"), 3)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(meta.keys)))
	for _, key := range meta.keys {
		v := meta.values[key]
		b = le.AppendUint32(str(b, key), uint32(v.Type))
		b = append(b, v.raw...)
	}
	offset := uint64(0)
	for _, t := range tensors {
		id, ok := typeID(t.Type)
		if !ok {
			panic(fmt.Sprintf("gguf: type %v passed Add", t.Type))
		}
		b = le.AppendUint32(str(b, t.Name), uint32(len(t.Dims)))
		for _, d := range t.Dims {
			b = le.AppendUint64(b, uint64(d))
		}
		b = le.AppendUint64(le.AppendUint32(b, id), offset)
		offset += padded(t.bytes, alignment)
	}
	return append(b, bytes.Repeat([]byte{0}, int(padded(uint64(len(b)), alignment))-len(b))...)
}
