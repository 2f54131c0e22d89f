package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/atomicfile"
)

// Writer collects tensors, then writes them to one file or to a checkpoint folder. The same tensors and metadata always make the same
// bytes, those that the official writer makes. What goes wrong in Add is kept, and returned by the writing methods.
type Writer struct {
	Metadata map[string]string // __metadata__; Hugging Face's loader wants "format": "pt"

	tensors []pending
	names   map[string]bool
	err     error
}

// pending is a tensor to be written; its data is made when its turn comes.
type pending struct {
	name  string
	shape []int
	rank  int // in elements
	bytes int
	write func(io.Writer) error
}

func (w *Writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("safetensors: "+format, args...)
	}
}

// Add appends a tensor whose bytes write produces, exactly as many as type and shape (slowest first) call for. The order in the file
// is the format's own, and so is the order in which the tensors' write functions are called.
func (w *Writer) Add(name string, typ dtype.Type, shape []int, write func(io.Writer) error) {
	rank, ok := rankOf(typ)
	switch {
	case !ok:
		w.fail("tensor %q: the format has no type for %v", name, typ)
		return
	case name == "__metadata__" || !utf8.ValidString(name):
		w.fail("tensor %q: the name is reserved or not UTF-8", name)
		return
	case w.names[name]:
		w.fail("tensor %q: added twice", name)
		return
	}
	size := typ.BlockBytes()
	for _, d := range shape {
		if d < 0 || d != 0 && size > math.MaxInt/8/d { // 8: the reader counts in bits
			w.fail("tensor %q: shape %d: %d is negative or too large", name, shape, d)
			return
		}
		size *= d
	}
	if w.names == nil {
		w.names = map[string]bool{}
	}
	w.names[name] = true
	w.tensors = append(w.tensors, pending{name, append([]int{}, shape...), rank, size, write})
}

// AddTensor appends a tensor whose bytes are at hand.
func (w *Writer) AddTensor(t Tensor) {
	w.Add(t.Name, t.Type, t.Shape, func(to io.Writer) error {
		_, err := to.Write(t.Data)
		return err
	})
}

// WriteFile writes one file. On failure nothing is left at path, or what was there before.
func (w *Writer) WriteFile(path string) error {
	if w.err != nil {
		return w.err
	}
	return writeShard(path, w.tensors, w.Metadata)
}

// WriteFolder writes the tensors into dir as Hugging Face's tools do: model.safetensors if they take at most maxBytes, else shards of
// at most that (a larger tensor stands alone), filled in the order of Add, and their index, which appears last.
func (w *Writer) WriteFolder(dir string, maxBytes int64) error {
	if w.err != nil {
		return w.err
	}
	shards := split(w.tensors, maxBytes)
	name, rival := singleName, indexName
	if len(shards) > 1 {
		name, rival = rival, name
	}
	if _, err := os.Stat(filepath.Join(dir, rival)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("safetensors: %s: already holds %s, which would stand beside the new %s", dir, rival, name)
	}
	if len(shards) == 1 {
		return w.WriteFile(filepath.Join(dir, name))
	}
	var index struct {
		Metadata struct {
			TotalSize int `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}
	index.WeightMap = map[string]string{}
	for i, shard := range shards {
		file := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := writeShard(filepath.Join(dir, file), shard, w.Metadata); err != nil {
			return err
		}
		for _, t := range shard {
			index.Metadata.TotalSize += t.bytes
			index.WeightMap[t.name] = file
		}
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", dir, err)
	}
	err = atomicfile.Write(filepath.Join(dir, name), func(to io.Writer) error {
		_, err := to.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

// split deals tensors out to shards; at least one, which may be empty.
func split(tensors []pending, maxBytes int64) [][]pending {
	var shards [][]pending
	start, used := 0, int64(0)
	for i, t := range tensors {
		if i > start && used+int64(t.bytes) > maxBytes {
			shards = append(shards, tensors[start:i])
			start, used = i, 0
		}
		used += int64(t.bytes)
	}
	return append(shards, tensors[start:])
}

// writeShard writes one file.
func writeShard(path string, tensors []pending, metadata map[string]string) error {
	err := atomicfile.Write(path, func(to io.Writer) error { return encodeShard(to, tensors, metadata) })
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return nil
}

// encodeShard writes the content of one file.
func encodeShard(to io.Writer, tensors []pending, metadata map[string]string) error {
	// The official order: falling alignment of the type, then name.
	tensors = slices.SortedFunc(slices.Values(tensors), func(a, b pending) int {
		if a.rank != b.rank {
			return b.rank - a.rank
		}
		return strings.Compare(a.name, b.name)
	})
	head, err := encodeHead(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := to.Write(head); err != nil {
		return err
	}
	for _, t := range tensors {
		c := &counter{to: to}
		if err := t.write(c); err != nil {
			return fmt.Errorf("tensor %q: %w", t.name, err)
		}
		if c.n != t.bytes {
			return fmt.Errorf("tensor %q: %d bytes were written, %d of %s takes %d", t.name, c.n, t.shape, elements[t.rank].name, t.bytes)
		}
	}
	return nil
}

// counter counts what passes through it.
type counter struct {
	to io.Writer
	n  int
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += n
	return n, err
}

// encodeHead is all of a file up to the tensor data, padded with spaces to a multiple of 8 bytes.
func encodeHead(tensors []pending, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, headerStart))
	separator := byte('{')
	member := func(key string, format string, args ...any) {
		b.WriteByte(separator)
		b.Write(quote(key))
		fmt.Fprintf(&b, ":"+format, args...)
		separator = ','
	}
	if len(metadata) > 0 {
		member("__metadata__", "")
		separator = '{'
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("__metadata__: %q: %q is not UTF-8", key, metadata[key])
			}
			member(key, "%s", quote(metadata[key]))
		}
		b.WriteByte('}')
	}
	at := 0
	for _, t := range tensors {
		shape, err := json.Marshal(t.shape)
		if err != nil {
			panic(err) // integers always encode
		}
		member(t.name, `{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, elements[t.rank].name, shape, at, at+t.bytes)
		if at += t.bytes; at < 0 {
			return nil, fmt.Errorf("tensors take more bytes than can be counted")
		}
	}
	if separator == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	head := b.Bytes()
	if len(head)-headerStart > maxHeaderBytes {
		return nil, fmt.Errorf("header has %d bytes, limit %d", len(head)-headerStart, maxHeaderBytes)
	}
	binary.LittleEndian.PutUint64(head, uint64(len(head)-headerStart))
	return head, nil
}

// quote is s as a JSON string.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // strings always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
