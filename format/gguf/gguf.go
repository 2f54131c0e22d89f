// Package gguf reads and writes GGUF model files, versions 2 and 3, single or split, as specified in ggml's docs/gguf.md.
//
// Reading trusts nothing: every count, length, offset, type and name is checked against the file before anything is allocated or
// accessed, and a bad one is an error that names file, key or tensor, and field. Tensor data is never copied.
package gguf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/mmap"
)

// File is an open model: one file, or all parts of a split one.
type File struct {
	Path    string
	Version uint32   // 2 or 3
	Meta    Meta     // of the first part; further parts carry only their own split keys
	Tensors []Tensor // in file order, all parts

	index map[string]int
	parts []*mmap.File
}

// Tensor describes one tensor.
type Tensor struct {
	Name string
	Type dtype.Type
	Dims []int  // GGUF order, fastest first: a weight of [rows, cols] has Dims {cols, rows}
	Data []byte // the tensor's bytes in the mapping: read-only, a fault after File.Close
}

// Cols is the number of elements in a row, the fastest dimension; 1 for a scalar.
func (t Tensor) Cols() int {
	if len(t.Dims) == 0 {
		return 1
	}
	return t.Dims[0]
}

// Rows is the number of rows, the product of all dimensions but the fastest.
func (t Tensor) Rows() int {
	n := 1
	for i := 1; i < len(t.Dims); i++ {
		n *= t.Dims[i]
	}
	return n
}

// Open maps a GGUF file. Given the first part of a split model (NAME-00001-of-0000N.gguf) it opens the other parts too.
func Open(path string) (*File, error) {
	f := &File{Path: path, index: map[string]int{}}
	first, err := f.openPart(path)
	if err == nil {
		f.Version, f.Meta = first.version, first.meta
		err = f.openSplits()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openPart maps and parses one file and adds its tensors.
func (f *File) openPart(path string) (p *part, err error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	f.parts = append(f.parts, m)
	err = m.Guard(func() (err error) {
		p, err = parse(m.Bytes())
		return err
	})
	if err == nil {
		err = f.add(p.tensors)
	}
	if err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", path, err)
	}
	return p, nil
}

// add appends the tensors of a part.
func (f *File) add(tensors []Tensor) error {
	for _, t := range tensors {
		if _, dup := f.index[t.Name]; dup {
			return fmt.Errorf("tensor %q: the name occurs twice", t.Name)
		}
		f.index[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Parts is the number of files the model is split over.
func (f *File) Parts() int { return len(f.parts) }

// Size is the length of all parts in bytes.
func (f *File) Size() int64 {
	var n int64
	for _, m := range f.parts {
		n += int64(len(m.Bytes()))
	}
	return n
}

// Advise tells the system how the whole model is going to be read.
func (f *File) Advise(a mmap.Advice) error {
	for _, m := range f.parts {
		if err := m.Advise(m.Bytes(), a); err != nil {
			return fmt.Errorf("gguf: %w", err)
		}
	}
	return nil
}

// Close unmaps the model. Data of its tensors and Meta must not be used afterwards; strings and arrays got from Meta may be.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.parts {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Keys of the split files, as llama.cpp's gguf-split writes them.
const (
	keySplitNo      = "split.no"            // this part, from 0
	keySplitCount   = "split.count"         // parts
	keySplitTensors = "split.tensors.count" // tensors in all parts
)

func splitSuffix(no, count uint64) string { return fmt.Sprintf("-%05d-of-%05d.gguf", no+1, count) }

// openSplits opens the parts after the first, if the metadata says that there are any.
func (f *File) openSplits() error {
	no, count, err := splitOf(&f.Meta)
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", f.Path, err)
	}
	if count <= 1 {
		return nil
	}
	base, ok := strings.CutSuffix(f.Path, splitSuffix(no, count))
	if !ok {
		return fmt.Errorf("gguf: %s: part %d of %d must have a name that ends in %s", f.Path, no+1, count, splitSuffix(no, count))
	}
	if no != 0 {
		return fmt.Errorf("gguf: %s: this is part %d of %d; open the first, %s", f.Path, no+1, count, base+splitSuffix(0, count))
	}
	want, hasWant := f.Meta.Uint(keySplitTensors)
	for i := uint64(1); i < count; i++ {
		path := base + splitSuffix(i, count)
		p, err := f.openPart(path)
		if err != nil {
			return fmt.Errorf("part %d of %d: %w", i+1, count, err)
		}
		switch gotNo, gotCount, err := splitOf(&p.meta); {
		case err != nil:
			return fmt.Errorf("gguf: %s: %w", path, err)
		case gotNo != i || gotCount != count:
			return fmt.Errorf("gguf: %s: keys %q and %q are %d and %d, want %d and %d", path, keySplitNo, keySplitCount, gotNo, gotCount, i, count)
		}
	}
	if hasWant && want != uint64(len(f.Tensors)) {
		return fmt.Errorf("gguf: %s: key %q is %d, but the %d parts have %d tensors", f.Path, keySplitTensors, want, count, len(f.Tensors))
	}
	return nil
}

// splitOf reads which part of how many a file is; 0 of 0 if it does not say.
func splitOf(m *Meta) (no, count uint64, err error) {
	if _, present := m.Value(keySplitCount); !present {
		return 0, 0, nil
	}
	count, ok := m.Uint(keySplitCount)
	if !ok || count > 1<<16-1 {
		return 0, 0, fmt.Errorf("key %q: want an integer from 0 to 65535", keySplitCount)
	}
	if no, ok = m.Uint(keySplitNo); !ok && count > 1 {
		return 0, 0, m.Missing(keySplitNo, "an integer")
	}
	if count > 0 && no >= count {
		return 0, 0, fmt.Errorf("key %q: %d is not below %q, %d", keySplitNo, no, keySplitCount, count)
	}
	return no, count, nil
}
