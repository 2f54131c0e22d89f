package tokenizer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pennyml/penny/format/gguf"
)

// ErrNeedsKind is what Open gives for a rank file.
var ErrNeedsKind = errors.New("a rank file does not say how text is split: its kind is needed")

// Open reads a tokenizer from a file or folder: a tokenizer.json (also gzipped; settings are read from the files beside it), a Hugging Face
// folder, a GGUF file, a SentencePiece .model, Moonshot's tiktoken.model. Other rank files say too little on their own: see OpenRanks.
func Open(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(path)
	}
	name := strings.TrimSuffix(strings.ToLower(path), ".gz")
	switch filepath.Ext(name) {
	case ".gguf":
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return wrap(path)(FromGGUF(&f.Meta))
	case ".tiktoken":
		return nil, fmt.Errorf("%s: %w", path, ErrNeedsKind)
	}
	if filepath.Base(name) == "tiktoken.model" {
		return wrap(path)(openMoonshot(path))
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(name) == ".model" {
		return wrap(path)(ParseSentencePiece(data))
	}
	t, err := ParseJSON(data)
	if err == nil {
		err = t.configure(filepath.Dir(path))
	}
	return wrap(path)(t, err)
}

// OpenRanks reads a tiktoken rank file, also gzipped, of one of RankKinds.
func OpenRanks(path, kind string) (*Tokenizer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return wrap(path)(ParseRanks(data, kind))
}

// wrap puts the path before an error.
func wrap(path string) func(*Tokenizer, error) (*Tokenizer, error) {
	return func(t *Tokenizer, err error) (*Tokenizer, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
}

// openFolder opens what a checkpoint's folder holds.
func openFolder(dir string) (*Tokenizer, error) {
	for _, name := range []string{"tokenizer.json", "tokenizer.json.gz", "tiktoken.model", "tokenizer.model"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		t, err := Open(path)
		if err == nil && name == "tokenizer.model" { // as Hugging Face has it: chat templates need the control tokens
			if err = t.parseControl(); err == nil {
				err = t.configure(dir)
			}
		}
		return t, err
	}
	return nil, fmt.Errorf("%s: no tokenizer.json, tokenizer.model or tiktoken.model in this folder", dir)
}

// Bounds on what is read: the largest published tokenizers have some 35 MB, and text shrinks about sixfold.
const (
	maxFile  = 256 << 20
	maxRatio = 64
)

// readFile reads a file, unpacking gzip.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are too many for a tokenizer", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	limit := min(maxFile, 1<<16+maxRatio*int64(len(data)))
	out, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(out)) > limit {
		return nil, fmt.Errorf("%s: unpacks to more than %d bytes", path, limit)
	}
	return out, nil
}
