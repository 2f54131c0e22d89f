package data

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// storeIndex is index.json beside token files: where they are from.
type storeIndex struct {
	Version   int    `json:"version"`
	Key       string `json:"key"` // of the cache
	Files     []File `json:"files"`
	Tokens    int64  `json:"tokens"`
	Documents int    `json:"documents"`
	Vocab     int    `json:"vocab_size"`
}

const storeVersion = 1

// build tokenises files once: into dir, or in memory where dir is "". What is in dir already is used.
func build(readers []reader, e *encoder, dir string, key string, files []File, threads int) (*Store, error) {
	if dir == "" {
		w := storeWriter{vocab: e.Tokenizer.VocabSize()}
		if err := w.write(readers, e, threads); err != nil {
			return nil, err
		}
		return newStore(w.done)
	}
	dir = filepath.Join(dir, key[:32])
	if s, err := reopen(dir, key); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "writing-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	w := storeWriter{dir: temp, vocab: e.Tokenizer.VocabSize()}
	if err := w.write(readers, e, threads); err != nil {
		return nil, err
	}
	index, err := json.MarshalIndent(storeIndex{storeVersion, key, files, w.tokens, w.docs, w.vocab}, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(temp, "index.json"), append(index, '\n'), 0o644); err != nil {
		return nil, err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) { // another run may have been faster
		return nil, err
	}
	return reopen(dir, key)
}

// reopen opens the store that was built in dir.
func reopen(dir, key string) (*Store, error) {
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var index storeIndex
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("%s: index.json: %w", dir, err)
	}
	if index.Version != storeVersion || index.Key != key {
		return nil, fmt.Errorf("%s: index.json is of another version or key: remove the folder", dir)
	}
	s, err := OpenStore(dir, 0, -1)
	if err != nil {
		return nil, err
	}
	if s.tokens != index.Tokens || s.docs != index.Documents {
		s.Close()
		return nil, fmt.Errorf("%s: %d tokens in %d documents where index.json says %d in %d: remove the folder", dir, s.tokens, s.docs,
			index.Tokens, index.Documents)
	}
	return s, nil
}

// write tokenises the records of files.
func (w *storeWriter) write(readers []reader, e *encoder, threads int) error {
	for _, r := range readers {
		var key uint64
		begun := false
		err := e.encodeAll(r, threads, func(x encoded) error {
			if begun {
				x.key ^= mix(key)
			}
			key, begun = x.key, x.more
			for _, s := range x.sequences {
				if err := w.add(s, key, !x.more); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return w.finish()
}

// digest is a SHA-256 over the JSON of values, in hexadecimal.
func digest(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // plain values only
		}
		fmt.Fprintf(h, "%d\n%s\n", len(b), b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
