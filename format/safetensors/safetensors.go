// Package safetensors reads and writes Hugging Face's safetensors files, single or sharded.
//
// Reading trusts nothing: the header is held against the official reader's rules before any tensor is accessed, and what breaks them
// is an error that names file, tensor and field. Tensor data is never copied.
package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/mmap"
)

// File is an open set of tensors: one file, or all shards of a checkpoint.
type File struct {
	Path     string
	Metadata map[string]string // __metadata__ of the file; of the first shard that has any
	Tensors  []Tensor          // in file order, shard after shard

	index  map[string]int
	shards []*mmap.File
}

// Tensor describes one tensor.
type Tensor struct {
	Name  string
	DType string     // element type as the file names it, such as "BF16"
	Type  dtype.Type // the same as our type; dtype.Invalid for those we do not compute with, such as "U16"
	Shape []int      // slowest first, so a weight is [rows, cols]; empty for a scalar
	Data  []byte     // row-major, little-endian, in the mapping: read-only, a fault after File.Close; may lie at an odd address
}

// Names in a checkpoint folder, as Hugging Face's tools write them.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// Open opens a safetensors file, an index of shards (.json), or a folder that holds model.safetensors or its index.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if info.IsDir() {
		if path, err = inFolder(path); err != nil {
			return nil, err
		}
	}
	f := &File{Path: path, index: map[string]int{}}
	if filepath.Ext(path) == ".json" {
		err = f.openIndex(path)
	} else {
		err = f.openShard(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// inFolder finds the file to open in a checkpoint folder. As in Hugging Face's loader, a single file comes before an index.
func inFolder(dir string) (string, error) {
	for _, name := range []string{singleName, indexName} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("safetensors: %w", err)
		}
	}
	return "", fmt.Errorf("safetensors: %s: has neither %s nor %s", dir, singleName, indexName)
}

// openShard maps one file and adds its tensors.
func (f *File) openShard(path string) error {
	m, err := mmap.Open(path)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	f.shards = append(f.shards, m)
	var tensors []Tensor
	var metadata map[string]string
	err = m.Guard(func() (err error) {
		tensors, metadata, err = parse(m.Bytes())
		return err
	})
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	if f.Metadata == nil {
		f.Metadata = metadata
	}
	for _, t := range tensors {
		if _, dup := f.index[t.Name]; dup {
			return fmt.Errorf("safetensors: %s: tensor %q stands in another shard too", path, t.Name)
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

// Shards is the number of files that hold the tensors.
func (f *File) Shards() int { return len(f.shards) }

// Size is the length of all shards in bytes.
func (f *File) Size() int64 {
	var n int64
	for _, m := range f.shards {
		n += int64(len(m.Bytes()))
	}
	return n
}

// Advise tells the system how all tensors are going to be read.
func (f *File) Advise(a mmap.Advice) error {
	for _, m := range f.shards {
		if err := m.Advise(m.Bytes(), a); err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
	}
	return nil
}

// Close unmaps all shards. Tensor data must not be used afterwards.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.shards {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
