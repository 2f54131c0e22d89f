package data

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sort"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// File is an input file by its content.
type File struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// hashFile reads a file through.
func hashFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, f, make([]byte, 1<<20))
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return File{path, n, hex.EncodeToString(h.Sum(nil))}, nil
}

// open opens a file for reading from front to back, unpacking .gz and .zst.
func open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return struct {
			io.Reader
			io.Closer
		}{z, f}, nil
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return struct {
			io.Reader
			io.Closer
		}{z, closers{z.IOReadCloser(), f}}, nil
	}
	return f, nil
}

type closers []io.Closer

func (c closers) Close() (err error) {
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}

func packed(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst")
}

// Bounds on what is held in memory at a time.
const (
	maxRecord = 64 << 20 // bytes of a record that cannot be read in parts
	blockSize = 1 << 20  // bytes of a part of a text
	stepSize  = 16 << 10 // bytes between the marks of an index
)

// stretchOf is a record of a delimited file.
type stretchOf struct {
	bytes  []byte // valid until the next one
	offset int64
	line   int64 // at which it begins, from 1
	more   bool  // the record goes on in the next stretch
}

// delimited is a file of records with a separator between them: JSONL, or documents of text. Records that are blank do not count.
type delimited struct {
	path      string
	separator string // "": the file is one record
	// cut finds a place at which a text may be read in parts, or -1; nil: a record is read whole.
	cut   func(text []byte) int
	block int // about the bytes of a part; 0: blockSize

	file    *os.File // of an indexed file
	marks   []mark
	records int
}

// mark is where a record begins.
type mark struct {
	record       int
	offset, line int64
}

// scan yields the records in order.
func (d *delimited) scan() iter.Seq2[stretchOf, error] {
	return func(yield func(stretchOf, error) bool) {
		r, err := open(d.path)
		if err != nil {
			yield(stretchOf{}, err)
			return
		}
		defer r.Close()
		s := scanner{delimited: d, r: r, step: cmp.Or(d.block, blockSize), at: stretchOf{line: 1}}
		for {
			part, err := s.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(stretchOf{}, fmt.Errorf("%s: line %d: %w", d.path, s.at.line, err))
				return
			}
			if !yield(part, nil) {
				return
			}
		}
	}
}

// scanner is the state of scan.
type scanner struct {
	*delimited
	r       io.Reader
	step    int    // bytes read at a time
	buf     []byte // read and not yet given out
	given   int    // of buf
	end     bool
	started bool      // a part of the record at hand was given out
	at      stretchOf // place of buf[given]
	looked  int       // buf[:looked] holds no separator that begins there
}

func (s *scanner) next() (stretchOf, error) {
	for {
		rest := s.buf[s.given:]
		if i := s.find(rest); i >= 0 {
			if p, ok := s.take(i, len(s.separator), false); ok {
				return p, nil
			}
			continue
		}
		if s.end {
			if len(rest) == 0 && !s.started {
				return stretchOf{}, io.EOF
			}
			if p, ok := s.take(len(rest), 0, false); ok {
				return p, nil
			}
			return stretchOf{}, io.EOF
		}
		if s.cut != nil && len(rest) >= 2*s.step {
			if i := s.cut(rest); i > 0 {
				if p, ok := s.take(i, 0, true); ok {
					return p, nil
				}
				continue
			}
		}
		if len(rest) > maxRecord {
			return stretchOf{}, fmt.Errorf("a record of more than %d MiB", maxRecord>>20)
		}
		if err := s.more(); err != nil {
			return stretchOf{}, err
		}
	}
}

// find is where the separator is in what was not given out, or -1.
func (s *scanner) find(rest []byte) int {
	if s.separator == "" {
		return -1
	}
	from := max(0, s.looked-s.given)
	i := bytes.Index(rest[from:], []byte(s.separator))
	if i >= 0 {
		return from + i
	}
	s.looked = max(s.looked, len(s.buf)-len(s.separator)+1)
	return -1
}

// take gives out n bytes and skips the separator. It does not give out blank records.
func (s *scanner) take(n, skip int, more bool) (stretchOf, bool) {
	p := s.at
	p.bytes, p.more = s.buf[s.given:s.given+n:s.given+n], more
	s.at.offset += int64(n + skip)
	s.at.line += int64(bytes.Count(s.buf[s.given:s.given+n+skip], []byte("\n")))
	s.given += n + skip
	blank := !more && !s.started && len(bytes.TrimSpace(p.bytes)) == 0
	s.started = more
	return p, !blank
}

// more reads on.
func (s *scanner) more() error {
	s.looked = max(0, s.looked-s.given)
	s.buf = append(s.buf[:0], s.buf[s.given:]...)
	s.given = 0
	have := len(s.buf)
	if cap(s.buf)-have < s.step {
		s.buf = append(make([]byte, 0, max(2*cap(s.buf), have+s.step)), s.buf...)
	}
	for end := have + s.step; have < end; {
		n, err := s.r.Read(s.buf[have:end])
		have += n
		s.buf = s.buf[:have]
		if err == io.EOF {
			s.end = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// index reads the file through once, so that any record can be read. It keeps a mark for every 16 KiB.
func (d *delimited) index() error {
	if packed(d.path) {
		return fmt.Errorf("%s: records of a packed file cannot be read one by one: unpack it, or let it be tokenised once", d.path)
	}
	if d.separator == "" {
		return fmt.Errorf("%s: a text without separator is one document: let it be tokenised once", d.path)
	}
	whole := &delimited{path: d.path, separator: d.separator}
	next := int64(0)
	for p, err := range whole.scan() {
		if err != nil {
			return err
		}
		if p.offset >= next {
			d.marks = append(d.marks, mark{d.records, p.offset, p.line})
			next = p.offset + stepSize
		}
		d.records++
	}
	var err error
	d.file, err = os.Open(d.path)
	return err
}

// buffers are those of read.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// read returns record i of an indexed file. It may be called by several goroutines.
func (d *delimited) read(i int) (stretchOf, error) {
	m := d.marks[sort.Search(len(d.marks), func(k int) bool { return d.marks[k].record > i })-1]
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	s := scanner{delimited: &delimited{separator: d.separator}, r: io.NewSectionReader(d.file, m.offset, 1<<62), step: stepSize,
		buf: (*buf)[:0], at: stretchOf{offset: m.offset, line: m.line}}
	for n := m.record; ; n++ {
		p, err := s.next()
		*buf = s.buf
		if err == io.EOF {
			err = errors.New("the file has changed: a record is gone")
		}
		if err != nil {
			return stretchOf{}, fmt.Errorf("%s: line %d: %w", d.path, s.at.line, err)
		}
		if n == i {
			p.bytes = bytes.Clone(p.bytes)
			return p, nil
		}
	}
}

func (d *delimited) close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}
