package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/pennyml/penny/internal/mmap"
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
	width   int
}{20240520: {1, 2}, 20240801: {7, 4}}

// openPart maps a token file.
func openPart(name string, width int, end int32) (part, error) {
	f, err := mmap.Open(name)
	if err != nil {
		return part{}, err
	}
	p := part{file: f}
	err = f.Guard(func() error {
		if b := f.Bytes(); len(b) >= len(tokenMagic) && string(b[:6]) == tokenMagic[:6] {
			return p.parse(b)
		}
		return p.parsePlain(f.Bytes(), width, end)
	})
	if err != nil {
		f.Close()
		return part{}, fmt.Errorf("%s: %w", name, err)
	}
	_ = f.Advise(f.Bytes(), mmap.Random) // only speed
	return p, nil
}

// parse takes a token file apart. The ends are checked when a document is read.
func (p *part) parse(b []byte) error {
	if len(b) < tokenHeader || string(b[:8]) != tokenMagic {
		return fmt.Errorf("a token file of another version (%d), or cut short", b[7])
	}
	le := binary.LittleEndian
	flags, tokens, docs := le.Uint32(b[12:]), le.Uint64(b[24:]), le.Uint64(b[32:])
	p.width, p.vocab = int(le.Uint32(b[8:])), int(le.Uint32(b[16:]))
	if p.width != 2 && p.width != 4 || flags > flagLearn {
		return fmt.Errorf("tokens of %d bytes, flags %#x: not known", p.width, flags)
	}
	if most := uint64(len(b)); tokens > most || docs > most {
		return fmt.Errorf("%d tokens, %d documents in %d bytes", tokens, docs, len(b))
	}
	sizes := []uint64{tokens * uint64(p.width), -(tokens * uint64(p.width)) % 8, 8 * docs, 8 * docs, 0}
	if flags&flagLearn != 0 {
		sizes[4] = (tokens + 7) / 8
	}
	total := uint64(tokenHeader)
	for _, n := range sizes {
		total += n
	}
	if total != uint64(len(b)) {
		return fmt.Errorf("%d bytes where %d tokens and %d documents take %d", len(b), tokens, docs, total)
	}
	b = b[tokenHeader:]
	next := func(n uint64) []byte {
		s := b[:n:n]
		b = b[n:]
		return s
	}
	p.tokens, _, p.ends, p.keys = next(sizes[0]), next(sizes[1]), next(sizes[2]), next(sizes[3])
	if flags&flagLearn != 0 {
		p.learn = next(sizes[4])
	}
	if docs == 0 || p.end(int(docs)-1) != int64(tokens) {
		return fmt.Errorf("its last document does not end at its last token (of %d)", tokens)
	}
	return nil
}

// parsePlain takes a file that is tokens only, but for the header of llm.c.
func (p *part) parsePlain(b []byte, width int, end int32) error {
	le := binary.LittleEndian
	if len(b) >= 1024 {
		if h, ok := header256[le.Uint32(b)]; ok && le.Uint32(b[4:]) == h.version {
			if n := uint64(le.Uint32(b[8:])) * uint64(h.width); n != uint64(len(b)-1024) {
				return fmt.Errorf("its header says %d bytes of tokens, it has %d", n, len(b)-1024)
			}
			width, b = h.width, b[1024:]
		}
	}
	if width == 0 {
		width = 2
	}
	if width != 2 && width != 4 {
		return fmt.Errorf("tokens of %d bytes: want 2 or 4", width)
	}
	if len(b) == 0 || len(b)%width != 0 {
		return fmt.Errorf("%d bytes are no whole number of tokens of %d", len(b), width)
	}
	p.width, p.tokens = width, b
	if end < 0 {
		return nil
	}
	for t := range p.len() {
		if id := p.appendTo(Sequence{}, t, t+1).IDs[0]; id == end || t == p.len()-1 {
			p.ends = le.AppendUint64(p.ends, uint64(t+1))
		}
	}
	return nil
}

// partWriter collects documents of one token file. Tokens go to the file as they come; with no file they stay in memory.
type partWriter struct {
	part
	count  int64
	file   *os.File
	out    *bufio.Writer
	buffer []byte
}

// newPart starts a token file, or with an empty name one in memory.
func newPart(name string, vocab int) (*partWriter, error) {
	w := &partWriter{part: part{width: 2, vocab: vocab}}
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
	for _, b := range [][]byte{make([]byte, -(w.count*int64(w.width))&7), w.ends, w.keys, w.learn} {
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
	done  []part
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
	w.done = append(w.done, p.part)
	return nil
}
