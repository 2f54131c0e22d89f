package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/internal/atomicfile"
)

// target is where the result goes.
type target struct {
	path  string
	gguf  bool
	split int64
}

// shardBytes is the size above which Hugging Face folders hold several files.
const shardBytes = 5e9

// newTarget checks that nothing is in the way.
func newTarget(in, out string, split int64) (*target, error) {
	t := &target{path: filepath.Clean(out), gguf: strings.EqualFold(filepath.Ext(out), ".gguf"), split: split}
	if split < 0 || split > 0 && !t.gguf {
		return nil, fmt.Errorf("only a GGUF file is split by size, into parts of at least a byte")
	}
	there, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	if from, err := os.Stat(in); err == nil && os.SameFile(from, there) {
		return nil, fmt.Errorf("%s would be written over itself", in)
	}
	if t.gguf {
		if !there.Mode().IsRegular() {
			return nil, fmt.Errorf("%s exists and is not a regular file", out)
		}
		return t, nil
	}
	entries, err := os.ReadDir(t.path)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("folder %s is not empty", out)
	}
	return t, nil
}

// folder makes a folder, complete or not at all, of what fill puts into it.
func (t *target) folder(fill func(dir string) error) error {
	dir, err := t.beside()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return err
	}
	if err := os.Remove(t.path); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty, or something was put there meanwhile
		return err
	}
	return os.Rename(dir, t.path)
}

// beside makes a temporary folder next to the target.
func (t *target) beside() (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(t.path), "."+filepath.Base(t.path)+".*.tmp")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// file writes a GGUF file, or several, complete or not at all.
func (t *target) file(w *gguf.Writer, bytes int64) (err error) {
	if t.split == 0 || bytes <= t.split {
		return w.WriteFile(t.path)
	}
	dir, err := t.beside()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	prefix := strings.TrimSuffix(filepath.Base(t.path), filepath.Ext(t.path))
	parts, err := w.WriteSplit(filepath.Join(dir, prefix), t.split)
	if err != nil {
		return err
	}
	for i := len(parts) - 1; i >= 0; i-- { // the first, without which the others are no model, comes last
		if err := os.Rename(parts[i], filepath.Join(filepath.Dir(t.path), filepath.Base(parts[i]))); err != nil {
			return err
		}
	}
	return nil
}

// writeGGUF adds the tensors to w and writes it.
func (j *job) writeGGUF(w *gguf.Writer, views []*view, types []dtype.Type) error {
	for i, v := range views {
		if t := types[i]; t != v.stored() && !t.CanEncode() {
			return fmt.Errorf("type %s: tensor %s would be %v, which cannot be made without an importance matrix", j.mix, v.name, t)
		}
	}
	for i, v := range views {
		w.Add(v.name, types[i], reversed(v.shape), func(to io.Writer) error { return j.write(to, v, types[i]) })
		j.count(v, types[i])
	}
	return j.target.file(w, j.result.Bytes)
}

// writeTensors writes the tensors into a Hugging Face folder.
func (j *job) writeTensors(dir string, views []*view, types []dtype.Type) error {
	w := &safetensors.Writer{Metadata: map[string]string{"format": "pt"}}
	for i, v := range views {
		w.Add(v.name, types[i], v.shape, func(to io.Writer) error { return j.write(to, v, types[i]) })
		j.count(v, types[i])
	}
	return w.WriteFolder(dir, shardBytes)
}

// count enters a tensor into the result, before it is written.
func (j *job) count(v *view, t dtype.Type) {
	n := v.size()
	j.total += int64(n)
	j.result.add(t, int64(t.RowBytes(n)))
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

func writeFile(path string, data []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(data); return err })
}
