package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/tensor"
	"github.com/pennyml/penny/tokenizer"
)

// computeFlags are the flags of every verb that runs a network.
type computeFlags struct {
	Compute   string `enum:"auto,f32,bf16,q8" default:"auto" help:"Precision of activations: auto is the fast path of each weight type; f32 keeps them whole; bf16, q8 force one."`
	Threads   int    `short:"t" default:"0" help:"Worker threads (0: one for each core). Any number gives the same bits."`
	CacheType string `name:"cache-type" enum:"auto,f32,f16,bf16" default:"auto" help:"How keys and values are kept; auto is f32 with --compute f32, else f16."`
}

// options turns the flags into the network's options.
func (f computeFlags) options() (model.Options, error) {
	c, err := tensor.ParseCompute(f.Compute)
	if err != nil {
		return model.Options{}, err
	}
	o := model.Options{Threads: f.Threads, Compute: c}
	if f.CacheType != "auto" {
		o.CacheType, err = dtype.Parse(f.CacheType)
	}
	return o, err
}

// open opens the checkpoint at path, or of that name in the cache folder.
func (f computeFlags) open(name string) (*loaded, error) {
	if f.Threads < 0 {
		return nil, fmt.Errorf("--threads %d: want 0 or more", f.Threads)
	}
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	path, err := findModel(name)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l, err := zoo.Open(path, o)
	if err != nil {
		return nil, err
	}
	f32 := o.CacheType == dtype.F32 || o.CacheType == dtype.Invalid && o.Compute == tensor.F32
	return &loaded{Loaded: l, f32Cache: f32, took: time.Since(start)}, nil
}

// loaded is an open checkpoint, with its tokenizer once asked for.
type loaded struct {
	*zoo.Loaded
	f32Cache bool
	took     time.Duration
	tok      *tokenizer.Tokenizer
}

// tokenizer reads the vocabulary that came with the checkpoint.
func (l *loaded) tokenizer() (*tokenizer.Tokenizer, error) {
	if l.tok != nil {
		return l.tok, nil
	}
	start := time.Now()
	var err error
	if l.GGUF != nil {
		l.tok, err = tokenizer.FromGGUF(&l.GGUF.Meta)
	} else {
		l.tok, err = tokenizer.Open(l.Path)
	}
	l.took += time.Since(start)
	if err != nil {
		return nil, hinted{fmt.Errorf("no usable tokenizer in %s: %w", l.Path, err), "give the prompt as token ids with --ids 1,2,3"}
	}
	return l.tok, nil
}

// sequence makes an empty sequence of limit tokens; 0 means need, within what the network was made for.
func (l *loaded) sequence(limit, need int) (*engine.Sequence, error) {
	if limit < 0 {
		return nil, fmt.Errorf("--ctx %d: want 0 or more", limit)
	}
	if limit == 0 {
		limit = max(min(need, l.Config().Context), 1)
	}
	if most := l.Config().Context; limit > most {
		return nil, hinted{fmt.Errorf("--ctx %d: the model was made for %d tokens", limit, most), fmt.Sprintf("use --ctx %d or less", most)}
	}
	return engine.NewSequence(l.Model, limit)
}

// home is the cache folder: models by name, chat history.
func home() (string, error) {
	if h := os.Getenv("PENNY_HOME"); h != "" {
		return h, nil
	}
	c, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w (set PENNY_HOME)", err)
	}
	return filepath.Join(c, "penny"), nil
}

// findModel resolves a MODEL argument: a path, or a name in the cache folder (NAME, NAME.gguf).
func findModel(name string) (string, error) {
	_, err := os.Stat(name)
	if err == nil {
		return name, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	h, err := home()
	if err != nil {
		return "", err
	}
	if !strings.ContainsRune(name, filepath.Separator) {
		for _, p := range []string{filepath.Join(h, name), filepath.Join(h, name+".gguf")} {
			if _, err := os.Stat(p); err == nil {
				return p, nil
			}
		}
	}
	return "", hinted{fmt.Errorf("no model %q: not a file, not a folder, and not in %s", name, h), "give the path of a .gguf file or of a Hugging Face folder"}
}

// parseIDs reads 1,2,3.
func parseIDs(s string) ([]int32, error) {
	var ids []int32
	for i, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' }) {
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("--ids: entry %d is %q, want a token id", i+1, f)
		}
		ids = append(ids, int32(n))
	}
	if len(ids) == 0 {
		return nil, errors.New("--ids: no ids")
	}
	return ids, nil
}
