package data

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sort"
)

// Store is tokenised documents, one after the other: in token files, of which only what is asked for is read, or in memory. It may be read by several
// goroutines.
type Store struct {
	parts  []part
	tokens int64
	docs   int
}

// part is one token file.
type part struct {
	name  string
	file  *os.File // nil: in memory
	vocab int      // size of the vocabulary; 0: not told
	width int64    // bytes of a token: 2 or 4
	count int64    // tokens
	docs  int

	tokens section
	ends   section // end of each document in tokens, 8 bytes each; nil: the whole part is one document
	keys   section // content key of each document, 8 bytes each; nil: none
	learn  section // a bit for each token that is learnt; nil: all are

	firstToken int64 // of the store
	firstDoc   int
}

// section is a stretch of a file or of memory.
type section = *io.SectionReader

func inMemorySection(b []byte) section {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// read is the bytes [lo, hi) of a section.
func (p *part) read(s section, lo, hi int64) ([]byte, error) {
	b := make([]byte, hi-lo)
	if n, err := s.ReadAt(b, lo); n < len(b) {
		return nil, fmt.Errorf("%s: it has been cut short: %w", p.name, err)
	}
	return b, nil
}

// end is where document doc of the part ends; end(-1) is 0.
func (p *part) end(doc int) (int64, error) {
	switch {
	case doc < 0:
		return 0, nil
	case p.ends == nil:
		return p.count, nil
	}
	b, err := p.read(p.ends, 8*int64(doc), 8*int64(doc)+8)
	if err != nil {
		return 0, err
	}
	at := binary.LittleEndian.Uint64(b)
	if at > uint64(p.count) {
		return 0, fmt.Errorf("%s: document %d: ends at token %d of %d", p.name, doc, at, p.count)
	}
	return int64(at), nil
}

// newStore joins parts.
func newStore(parts []part) (*Store, error) {
	s := &Store{parts: parts}
	for i := range parts {
		p := &parts[i]
		p.firstToken, p.firstDoc = s.tokens, s.docs
		s.tokens += p.count
		s.docs += p.docs
	}
	if s.tokens == 0 {
		return nil, errors.New("no tokens")
	}
	return s, nil
}

// OpenStore opens a token file, a folder of token files or a glob pattern of them, in the order of their names: Penny's own files, or files of plain
// tokens as nanoGPT and llm.c write them (.bin), which hold one document each unless end >= 0, the token that ends every document. Width is the
// bytes of a token in a file that does not say; 0 is 2.
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
				p.close()
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
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return expand(path)
	}
	files, err := expand(filepath.Join(path, "*"+tokenExt))
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s: a folder without token files: name its files, as in %s", path, filepath.Join(path, "*.parquet"))
	}
	return files, err
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

// Close closes the files. Nothing of the store may be used afterwards.
func (s *Store) Close() error {
	var err error
	for _, p := range s.parts {
		err = errors.Join(err, p.close())
	}
	return err
}

func (p *part) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// Tokens is the number of tokens.
func (s *Store) Tokens() int64 { return s.tokens }

// Len is the number of documents.
func (s *Store) Len() int { return s.docs }

// Read returns document i.
func (s *Store) Read(i int) ([]Sequence, error) {
	p := &s.parts[sort.Search(len(s.parts), func(k int) bool { return s.parts[k].firstDoc > i })-1]
	lo, err := p.end(i - p.firstDoc - 1)
	if err != nil {
		return nil, err
	}
	hi, err := p.end(i - p.firstDoc)
	if err != nil {
		return nil, err
	}
	if lo > hi {
		return nil, fmt.Errorf("%s: document %d: from token %d to %d of %d", p.name, i-p.firstDoc, lo, hi, p.count)
	}
	out, err := p.appendTo(Sequence{}, lo, hi)
	return []Sequence{out}, err
}

// Keys yields the content key of each document; of files that hold none, a hash of its tokens.
func (s *Store) Keys() iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		for i := range s.parts {
			p := &s.parts[i]
			next := p.hashes()
			if p.keys != nil {
				next = p.storedKeys()
			}
			for range p.docs {
				key, err := next()
				if err != nil {
					err = fmt.Errorf("%s: %w", p.name, err)
				}
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// storedKeys reads one key after the other.
func (p *part) storedKeys() func() (uint64, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(p.keys, 0, p.keys.Size()), 1<<16)
	var b [8]byte
	return func() (uint64, error) {
		_, err := io.ReadFull(r, b[:])
		return binary.LittleEndian.Uint64(b[:]), err
	}
}

// hashes hashes one document after the other.
func (p *part) hashes() func() (uint64, error) {
	doc, lo := 0, int64(0)
	return func() (uint64, error) {
		hi, err := p.end(doc)
		if err != nil {
			return 0, err
		}
		h := sha256.New()
		_, err = io.Copy(h, io.NewSectionReader(p.tokens, p.width*lo, p.width*(hi-lo)))
		doc, lo = doc+1, hi
		return binary.LittleEndian.Uint64(h.Sum(nil)), err
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
		var err error
		if out, err = p.appendTo(out, max(lo-p.firstToken, 0), min(hi-p.firstToken, p.count)); err != nil {
			return Sequence{}, err
		}
	}
	return out, nil
}

func (s *Store) partAt(token int64) int {
	return sort.Search(len(s.parts), func(k int) bool { return s.parts[k].firstToken > token }) - 1
}

// cuts returns where documents end strictly between tokens lo and hi of the store.
func (s *Store) cuts(lo, hi int64) ([]int64, error) {
	var cuts []int64
	last := lo
	for i := s.partAt(lo); i < len(s.parts) && s.parts[i].firstToken < hi; i++ {
		p := &s.parts[i]
		d, err := p.after(lo - p.firstToken)
		if err != nil {
			return nil, err
		}
		for ; d < p.docs; d++ {
			end, err := p.end(d)
			if err != nil {
				return nil, err
			}
			at := p.firstToken + end
			if at < last {
				return nil, fmt.Errorf("%s: document %d ends before it begins", p.name, d)
			}
			if at >= hi {
				break
			}
			if at > last {
				cuts = append(cuts, at)
			}
			last = at
		}
	}
	return cuts, nil
}

// after is the first document of the part that ends behind a token.
func (p *part) after(token int64) (int, error) {
	var failed error
	d := sort.Search(p.docs, func(d int) bool {
		end, err := p.end(d)
		if err != nil {
			failed = err
		}
		return end > token
	})
	return d, failed
}

// appendTo appends the part's tokens [lo, hi) to a sequence.
func (p *part) appendTo(s Sequence, lo, hi int64) (Sequence, error) {
	b, err := p.read(p.tokens, p.width*lo, p.width*hi)
	if err != nil {
		return s, err
	}
	first := len(s.IDs)
	if p.width == 2 {
		for ; len(b) > 0; b = b[2:] {
			s.IDs = append(s.IDs, int32(binary.LittleEndian.Uint16(b)))
		}
	} else {
		for ; len(b) > 0; b = b[4:] {
			s.IDs = append(s.IDs, int32(binary.LittleEndian.Uint32(b)))
		}
	}
	if p.learn == nil && s.Labels == nil {
		return s, nil
	}
	if s.Labels == nil {
		s.Labels = append([]int32{}, s.IDs[:first]...)
	}
	s.Labels = append(s.Labels, s.IDs[first:]...)
	if p.learn == nil || lo == hi {
		return s, nil
	}
	bits, err := p.read(p.learn, lo/8, (hi+7)/8)
	if err != nil {
		return s, err
	}
	for t := lo; t < hi; t++ {
		if bits[t/8-lo/8]>>(t%8)&1 == 0 {
			s.Labels[int64(first)+t-lo] = Ignore
		}
	}
	return s, nil
}
