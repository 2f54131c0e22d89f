package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sort"

	"github.com/pennyml/penny/internal/mmap"
)

// Store is tokenised documents, one after the other: token files mapped into memory, or the same in memory. It may be read by several goroutines.
type Store struct {
	parts  []part
	tokens int64
	docs   int
}

// part is one token file.
type part struct {
	file   *mmap.File // nil: in memory
	width  int        // bytes of a token: 2 or 4
	vocab  int        // size of the vocabulary; 0: not told
	tokens []byte
	ends   []byte // end of each document in tokens, 8 bytes each; nil: the whole part is one document
	keys   []byte // content key of each document, 8 bytes each; nil: none
	learn  []byte // a bit for each token that is learnt; nil: all are

	firstToken int64 // of the store
	firstDoc   int
}

func (p *part) len() int64 { return int64(len(p.tokens) / p.width) }

func (p *part) docs() int {
	if p.ends == nil {
		return 1
	}
	return len(p.ends) / 8
}

// end is where document doc of the part ends; end(-1) is 0.
func (p *part) end(doc int) int64 {
	switch {
	case doc < 0:
		return 0
	case p.ends == nil:
		return p.len()
	}
	return int64(binary.LittleEndian.Uint64(p.ends[8*doc:]))
}

func (p *part) key(doc int) uint64 {
	if p.keys == nil {
		return mix(uint64(p.firstDoc + doc))
	}
	return binary.LittleEndian.Uint64(p.keys[8*doc:])
}

// guard runs read, which reads the part.
func (p *part) guard(read func() error) error {
	if p.file == nil {
		return read()
	}
	return p.file.Guard(read)
}

// newStore joins parts.
func newStore(parts []part) (*Store, error) {
	s := &Store{parts: parts}
	for i := range parts {
		p := &parts[i]
		p.firstToken, p.firstDoc = s.tokens, s.docs
		s.tokens += p.len()
		s.docs += p.docs()
	}
	if s.tokens == 0 {
		return nil, errors.New("no tokens")
	}
	return s, nil
}

// OpenStore opens a token file, a folder of token files or a glob pattern of them, in the order of their names: Penny's own files (see
// WriteStore), or files of plain tokens as nanoGPT and llm.c write them (.bin), which hold one document each unless end >= 0, the token that ends every
// document. Width is the bytes of a token in a file that does not say; 0 is 2.
func OpenStore(path string, width int, end int32) (*Store, error) {
	files, err := tokenFiles(path)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, name := range files {
		p, err := openPart(name, width, end)
		if err != nil {
			for _, p := range parts {
				p.file.Close()
			}
			return nil, err
		}
		parts = append(parts, p)
	}
	s, err := newStore(parts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// tokenFiles lists the token files that a path names.
func tokenFiles(path string) ([]string, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "*"+tokenExt)
	}
	return expand(path)
}

// expand lists the files of a path or glob pattern, sorted.
func expand(pattern string) ([]string, error) {
	if _, err := os.Stat(pattern); err == nil {
		return []string{pattern}, nil
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", pattern, os.ErrNotExist)
	}
	sort.Strings(files)
	return files, nil
}

// Close unmaps the files. Nothing of the store may be used afterwards.
func (s *Store) Close() error {
	var err error
	for _, p := range s.parts {
		if p.file != nil {
			err = errors.Join(err, p.file.Close())
		}
	}
	return err
}

// Tokens is the number of tokens.
func (s *Store) Tokens() int64 { return s.tokens }

// Len is the number of documents.
func (s *Store) Len() int { return s.docs }

// Read returns document i.
func (s *Store) Read(i int) ([]Sequence, error) {
	p := &s.parts[sort.Search(len(s.parts), func(k int) bool { return s.parts[k].firstDoc > i })-1]
	var out Sequence
	err := p.guard(func() error {
		lo, hi := p.end(i-p.firstDoc-1), p.end(i-p.firstDoc)
		if lo > hi || hi > p.len() {
			return fmt.Errorf("%s: document %d: from token %d to %d of %d", p.name(), i-p.firstDoc, lo, hi, p.len())
		}
		out = p.appendTo(Sequence{}, lo, hi)
		return nil
	})
	return []Sequence{out}, err
}

func (p *part) name() string {
	if p.file == nil {
		return "tokens in memory"
	}
	return p.file.Path()
}

// Keys yields the content key of each document.
func (s *Store) Keys() iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		for i := range s.parts {
			p := &s.parts[i]
			for d := range p.docs() {
				var key uint64
				err := p.guard(func() error { key = p.key(d); return nil })
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// Slice returns the tokens [lo, hi) of the store as one sequence, whatever documents they are of.
func (s *Store) Slice(lo, hi int64) (Sequence, error) {
	if lo < 0 || hi < lo || hi > s.tokens {
		return Sequence{}, fmt.Errorf("tokens %d to %d of %d", lo, hi, s.tokens)
	}
	out := Sequence{IDs: make([]int32, 0, hi-lo)}
	for i := s.partAt(lo); i < len(s.parts) && s.parts[i].firstToken < hi; i++ {
		p := &s.parts[i]
		err := p.guard(func() error {
			out = p.appendTo(out, max(lo-p.firstToken, 0), min(hi-p.firstToken, p.len()))
			return nil
		})
		if err != nil {
			return Sequence{}, err
		}
	}
	return out, nil
}

func (s *Store) partAt(token int64) int {
	return sort.Search(len(s.parts), func(k int) bool { return s.parts[k].firstToken > token }) - 1
}

// cuts returns where documents end strictly between tokens lo and hi of the store.
func (s *Store) cuts(lo, hi int64) (cuts []int64, err error) {
	last := lo
	for i := s.partAt(lo); i < len(s.parts) && s.parts[i].firstToken < hi; i++ {
		p := &s.parts[i]
		err = p.guard(func() error {
			for d := sort.Search(p.docs(), func(d int) bool { return p.firstToken+p.end(d) > lo }); d < p.docs(); d++ {
				at := p.firstToken + p.end(d)
				if at < last {
					return fmt.Errorf("%s: document %d ends before it begins", p.name(), d)
				}
				if at >= hi {
					break
				}
				if at > last {
					cuts = append(cuts, at)
				}
				last = at
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return cuts, nil
}

// appendTo appends the part's tokens [lo, hi) to a sequence.
func (p *part) appendTo(s Sequence, lo, hi int64) Sequence {
	first := len(s.IDs)
	if p.width == 2 {
		for b := p.tokens[2*lo : 2*hi]; len(b) > 0; b = b[2:] {
			s.IDs = append(s.IDs, int32(binary.LittleEndian.Uint16(b)))
		}
	} else {
		for b := p.tokens[4*lo : 4*hi]; len(b) > 0; b = b[4:] {
			s.IDs = append(s.IDs, int32(binary.LittleEndian.Uint32(b)))
		}
	}
	if p.learn == nil && s.Labels == nil {
		return s
	}
	if s.Labels == nil {
		s.Labels = append([]int32{}, s.IDs[:first]...)
	}
	for i, id := range s.IDs[first:] {
		if at := lo + int64(i); p.learn != nil && p.learn[at/8]>>(at%8)&1 == 0 {
			id = Ignore
		}
		s.Labels = append(s.Labels, id)
	}
	return s
}
