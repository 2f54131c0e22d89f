package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// A token file is, in little endian:
//
//	 0   8  "PNYTOK" 0, then the version: 1
//	 8   4  bytes of a token: 2 or 4
//	12   4  flags: 1 where bits say which tokens are learnt
//	16   4  size of the vocabulary: every token is below
//	20   4  0
//	24   8  number of tokens
//	32   8  number of documents
//	40  24  0
//	64      tokens, then zeros up to a multiple of 8
//	        for each document, 8 bytes: the token at which it ends, counted from the start of the file
//	        for each document, 8 bytes: the key of its content (see Record)
//	        learnt bits: token t is learnt where bit t%8 of byte t/8 is set; only with the flag
const (
	tokenMagic  = "PNYTOK\x00\x01"
	tokenHeader = 64
	tokenExt    = ".tokens"
	flagLearn   = 1
)

// A file ends after the document that reaches one of these. They bound the memory that writing needs.
const (
	maxFileTokens = 1 << 27
	maxFileDocs   = 1 << 22
)

// header256 are the headers of 256 int32 that llm.c and its relatives put before tokens: magic, version, number of tokens.
var header256 = map[uint32]struct {
	version uint32
	width   int64
}{20240520: {1, 2}, 20240801: {7, 4}}

// openPart opens a token file.
func openPart(name string, width int, end int32) (part, error) {
	f, err := os.Open(name)
	if err != nil {
		return part{}, err
	}
	p := part{name: name, file: f, docs: 1}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		err = p.parse(f, info.Size(), int64(width), end)
	}
	if err != nil {
		f.Close()
		return part{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func (p *part) parse(f *os.File, size, width int64, end int32) error {
	head := make([]byte, min(size, 1024))
	if _, err := io.ReadFull(f, head); err != nil {
		return err
	}
	if len(head) >= len(tokenMagic) && string(head[:6]) == tokenMagic[:6] {
		return p.parseOwn(f, head, size)
	}
	return p.parsePlain(f, head, size, width, end)
}

// parseOwn takes one of our files apart. The ends are checked when a document is read.
func (p *part) parseOwn(f *os.File, head []byte, size int64) error {
	if len(head) < tokenHeader || string(head[:8]) != tokenMagic {
		return fmt.Errorf("a token file of another version (%d), or cut short", head[7])
	}
	le := binary.LittleEndian
	flags, tokens, docs := le.Uint32(head[12:]), le.Uint64(head[24:]), le.Uint64(head[32:])
	p.width, p.vocab = int64(le.Uint32(head[8:])), int(le.Uint32(head[16:]))
	if p.width != 2 && p.width != 4 || flags > flagLearn {
		return fmt.Errorf("tokens of %d bytes, flags %#x: not known", p.width, flags)
	}
	if tokens > uint64(size) || docs > uint64(size) {
		return fmt.Errorf("%d tokens, %d documents in %d bytes", tokens, docs, size)
	}
	p.count, p.docs = int64(tokens), int(docs)
	at := int64(tokenHeader)
	next := func(n int64) section {
		s := io.NewSectionReader(f, at, n)
		at += n
		return s
	}
	p.tokens = next(p.count * p.width)
	at += -at & 7
	p.ends, p.keys = next(8*int64(docs)), next(8*int64(docs))
	if flags&flagLearn != 0 {
		p.learn = next((p.count + 7) / 8)
	}
	if at != size {
		return fmt.Errorf("%d bytes where %d tokens and %d documents take %d", size, tokens, docs, at)
	}
	if last, err := p.end(p.docs - 1); err != nil || docs == 0 || last != p.count {
		return fmt.Errorf("its last document does not end at its last token (of %d)", tokens)
	}
	return nil
}

// parsePlain takes a file that is tokens only, but for the header of llm.c.
func (p *part) parsePlain(f *os.File, head []byte, size, width int64, end int32) error {
	le := binary.LittleEndian
	start := int64(0)
	if len(head) == 1024 {
		if h, ok := header256[le.Uint32(head)]; ok && le.Uint32(head[4:]) == h.version {
			if n := int64(le.Uint32(head[8:])) * h.width; n != size-1024 {
				return fmt.Errorf("its header says %d bytes of tokens, it has %d", n, size-1024)
			}
			start, width = 1024, h.width
		}
	}
	if width == 0 {
		width = 2
	}
	if width != 2 && width != 4 {
		return fmt.Errorf("tokens of %d bytes: want 2 or 4", width)
	}
	if size == start || (size-start)%width != 0 {
		return fmt.Errorf("%d bytes are no whole number of tokens of %d", size-start, width)
	}
	p.width, p.count, p.tokens = width, (size-start)/width, io.NewSectionReader(f, start, size-start)
	if end < 0 {
		return nil
	}
	return p.findEnds(end)
}

// findEnds reads the tokens through for the one that ends documents.
func (p *part) findEnds(end int32) error {
	var ends []byte
	for lo := int64(0); lo < p.count; lo += 1 << 16 {
		s, err := p.appendTo(Sequence{}, lo, min(lo+1<<16, p.count))
		if err != nil {
			return err
		}
		for i, id := range s.IDs {
			if t := lo + int64(i) + 1; id == end || t == p.count {
				ends = binary.LittleEndian.AppendUint64(ends, uint64(t))
			}
		}
	}
	p.ends, p.docs = inMemorySection(ends), len(ends)/8
	return nil
}

// partWriter collects documents of one token file. Tokens go to the file as they come; with no file they stay in memory.
type partWriter struct {
	name   string
	vocab  int
	width  int64
	count  int64
	tokens []byte // in memory
	ends   []byte
	keys   []byte
	learn  []byte
	file   *os.File
	out    *bufio.Writer
	buffer []byte
}

// newPart starts a token file, or with an empty name one in memory.
func newPart(name string, vocab int) (*partWriter, error) {
	w := &partWriter{name: name, vocab: vocab, width: 2}
	if vocab > math.MaxUint16+1 {
		w.width = 4
	}
	if name == "" {
		return w, nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	w.file, w.out = f, bufio.NewWriterSize(f, 1<<20)
	_, err = w.out.Write(make([]byte, tokenHeader))
	return w, err
}

// add appends a sequence; last says that a document ends with it.
func (w *partWriter) add(s Sequence, key uint64, last bool) error {
	b := w.buffer[:0]
	if w.file == nil {
		b = w.tokens
	}
	for _, id := range s.IDs {
		if uint32(id) >= uint32(w.vocab) {
			return fmt.Errorf("token %d in a vocabulary of %d", id, w.vocab)
		}
		if w.width == 2 {
			b = binary.LittleEndian.AppendUint16(b, uint16(id))
		} else {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
	}
	w.mark(s)
	if last {
		w.ends = binary.LittleEndian.AppendUint64(w.ends, uint64(w.count))
		w.keys = binary.LittleEndian.AppendUint64(w.keys, key)
	}
	if w.file == nil {
		w.tokens = b
		return nil
	}
	w.buffer = b
	_, err := w.out.Write(b)
	return err
}

// mark notes which tokens are learnt. Nothing is kept as long as all are: text takes no memory for it.
func (w *partWriter) mark(s Sequence) {
	if w.learn == nil && s.Learnt() >= len(s.IDs)-1 && (s.Labels == nil || len(s.IDs) == 0 || s.Labels[0] != Ignore) {
		w.count += int64(len(s.IDs))
		return
	}
	if w.learn == nil {
		w.learn = bytes.Repeat([]byte{0xff}, int(w.count+7)/8)
		if w.count%8 != 0 {
			w.learn[w.count/8] = 1<<(w.count%8) - 1
		}
	}
	for t := range s.IDs {
		if w.count%8 == 0 {
			w.learn = append(w.learn, 0)
		}
		if s.Labels == nil || s.Labels[t] != Ignore {
			w.learn[w.count/8] |= 1 << (w.count % 8)
		}
		w.count++
	}
}

// full says that the next document belongs in another file.
func (w *partWriter) full() bool { return w.count >= maxFileTokens || len(w.ends)/8 >= maxFileDocs }

// finish completes the file.
func (w *partWriter) finish() (err error) {
	if w.file == nil {
		return nil
	}
	defer func() {
		if e := w.file.Close(); err == nil {
			err = e
		}
	}()
	for _, b := range [][]byte{make([]byte, -(w.count*w.width)&7), w.ends, w.keys, w.learn} {
		if _, err := w.out.Write(b); err != nil {
			return err
		}
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.header(), 0); err != nil {
		return err
	}
	return w.file.Sync()
}

// part is what was written in memory.
func (w *partWriter) part() part {
	p := part{name: "tokens in memory", vocab: w.vocab, width: w.width, count: w.count, docs: len(w.ends) / 8,
		tokens: inMemorySection(w.tokens), ends: inMemorySection(w.ends), keys: inMemorySection(w.keys)}
	if w.learn != nil {
		p.learn = inMemorySection(w.learn)
	}
	return p
}

func (w *partWriter) header() []byte {
	le := binary.LittleEndian
	h := append(make([]byte, 0, tokenHeader), tokenMagic...)
	h = le.AppendUint32(h, uint32(w.width))
	flags := uint32(0)
	if w.learn != nil {
		flags = flagLearn
	}
	h = le.AppendUint32(h, flags)
	h = le.AppendUint32(h, uint32(w.vocab))
	h = le.AppendUint32(h, 0)
	h = le.AppendUint64(h, uint64(w.count))
	h = le.AppendUint64(h, uint64(len(w.ends)/8))
	return append(h, make([]byte, tokenHeader-len(h))...)
}

// storeWriter writes a store: token files in a folder, or parts in memory.
type storeWriter struct {
	dir   string // "": in memory
	vocab int
	now   *partWriter
	done  []part // in memory
	files int

	tokens int64
	docs   int
}

func (w *storeWriter) add(s Sequence, key uint64, last bool) error {
	if w.now == nil {
		name := ""
		if w.dir != "" {
			name = filepath.Join(w.dir, fmt.Sprintf("%05d%s", w.files, tokenExt))
		}
		var err error
		if w.now, err = newPart(name, w.vocab); err != nil {
			return err
		}
		w.files++
	}
	if err := w.now.add(s, key, last); err != nil {
		return err
	}
	w.tokens += int64(len(s.IDs))
	if last {
		w.docs++
	}
	if last && w.now.full() {
		return w.finish()
	}
	return nil
}

// finish completes the file at hand.
func (w *storeWriter) finish() error {
	if w.now == nil {
		return nil
	}
	p := w.now
	w.now = nil
	if err := p.finish(); err != nil {
		return err
	}
	if w.dir == "" {
		w.done = append(w.done, p.part())
	}
	return nil
}
