package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// noRank is the rank of a pair that is not joined.
const noRank = ^uint32(0)

// bpe joins neighbouring symbols of a piece, lowest rank first and leftmost among equals, until no pair has a rank. Two kinds of rule say
// which pairs join: a list of merges (Hugging Face, GGUF gpt2), or "whatever gives a token", ranked by that token (tiktoken, SentencePiece).
type bpe struct {
	vocab    *vocab
	pairs    *pairTable  // the list of merges; nil for the other kind of rule
	ranks    []uint32    // by id, without a list of merges; noRank for a token that no merge makes
	bytes    *[256]int32 // byte-level: the token of each byte, none where the vocabulary lacks it
	whole    bool        // a piece that is a token is that token, whatever the merges say (ignore_merges)
	missing  missing
	byteIDs  *[256]int32         // tokens <0x00> to <0xFF> for what has no token (byte_fallback); nil without
	unk      int32               // token for what has none; none drops it
	fuseUnk  bool                // one unk for a run of unknown characters
	prefix   string              // continuing_subword_prefix
	suffix   string              // end_of_word_suffix
	newlines bool                // a piece of newlines that is a token is not merged (Gemma 4)
	charLen  func(lead byte) int // length of a character by its first byte; nil is UTF-8
}

// index enters the tokens, which must differ.
func (m *bpe) index(keys []string) error {
	var second int32
	if m.vocab, second = newVocab(keys); second != none {
		return fmt.Errorf("token %q stands twice in the vocabulary, as %d and %d", keys[second], m.vocab.id(keys[second]), second)
	}
	if m.bytes != nil {
		for b := range m.bytes {
			m.bytes[b] = m.vocab.id(string([]byte{byte(b)}))
		}
	}
	return nil
}

// mergeBuilder fills the list of merges. Their texts are spelt as in the files: for a byte-level model in its alphabet.
type mergeBuilder struct {
	m   *bpe
	buf []byte
	n   uint32
}

func newMergeBuilder(m *bpe, n int) *mergeBuilder {
	m.pairs = newPairTable(n)
	return &mergeBuilder{m: m}
}

// add enters the next merge.
func (b *mergeBuilder) add(left, right string) error {
	cut, skip := 0, 0
	if b.m.bytes != nil {
		var ok1, ok2 bool
		b.buf, ok1 = appendUnmapped(b.buf[:0], left)
		cut = len(b.buf)
		b.buf, ok2 = appendUnmapped(b.buf, right)
		if !ok1 || !ok2 {
			return fmt.Errorf("merge %d, %q and %q: not in the byte-level alphabet", b.n, left, right)
		}
	} else {
		b.buf = append(append(b.buf[:0], left...), right...)
		cut = len(left)
		skip = len(right) - len(strings.TrimPrefix(right, b.m.prefix))
	}
	v := b.m.vocab
	l, r := v.bytesID(b.buf[:cut]), v.bytesID(b.buf[cut:])
	joined := v.bytesID(append(b.buf[:cut], b.buf[cut+skip:]...))
	if l == none || r == none || joined == none {
		return fmt.Errorf("merge %d, %q and %q: both and what they join to should be in the vocabulary", b.n, left, right)
	}
	b.m.pairs.add(l, r, b.n, joined)
	b.n++
	return nil
}

// missing says what becomes of a character without a token and without unk.
type missing uint8

const (
	// missingDropped leaves it out before merging, so that its neighbours may join (Hugging Face).
	missingDropped missing = iota
	// missingKept leaves it in place while merging and out of the result (llama.cpp).
	missingKept
)

// bpeSymbol is a token in the making. While merging, rank and joined belong to the pair of this symbol and the next.
type bpeSymbol struct {
	id     int32
	lo, hi uint32 // bytes of the piece
	rank   uint32
	joined int32
}

// shortPiece is the number of symbols up to which a plain scan for the lowest rank is faster than a heap.
const shortPiece = 48

// maxPiece bounds a piece: positions are kept in 32 bits. A longer one is cut.
const maxPiece = 1 << 30

func (m *bpe) encode(e *encoder, piece string) {
	for len(piece) > maxPiece {
		cut := maxPiece
		for !utf8.RuneStart(piece[cut]) {
			cut--
		}
		m.encode(e, piece[:cut])
		piece = piece[cut:]
	}
	key, cached := e.cache.key(piece)
	if cached {
		if ids, n, ok := e.cache.get(key); ok {
			e.out = append(e.out, ids[:n]...)
			return
		}
	}
	from := len(e.out)
	m.merge(e, piece)
	if cached {
		e.cache.put(key, e.out[from:])
	}
}

// merge appends the tokens of piece.
func (m *bpe) merge(e *encoder, piece string) {
	if m.whole || m.newlines && strings.Trim(piece, "\n") == "" {
		if id := m.vocab.id(piece); id != none {
			e.out = append(e.out, id)
			return
		}
	}
	e.syms = m.symbols(e.syms[:0], piece)
	syms := e.syms
	if len(syms) > shortPiece {
		m.mergeLong(e, piece)
		return
	}
	for i := 0; i+1 < len(syms); i++ {
		syms[i].joined, syms[i].rank = m.join(piece, &syms[i], &syms[i+1])
	}
	for {
		best, at := noRank, 0
		for i := 0; i+1 < len(syms); i++ {
			if syms[i].rank < best {
				best, at = syms[i].rank, i
			}
		}
		if best == noRank {
			break
		}
		s := &syms[at]
		s.id, s.hi = s.joined, syms[at+1].hi
		syms = append(syms[:at+1], syms[at+2:]...)
		if at+1 < len(syms) {
			s.joined, s.rank = m.join(piece, s, &syms[at+1])
		}
		if at > 0 {
			p := &syms[at-1]
			p.joined, p.rank = m.join(piece, p, s)
		}
	}
	for i := range syms {
		m.emit(e, piece, &syms[i])
	}
}

// join returns what joining two neighbours gives.
func (m *bpe) join(piece string, a, b *bpeSymbol) (id int32, rank uint32) {
	if a.id == none || b.id == none {
		return none, noRank
	}
	if m.pairs != nil {
		return m.pairs.find(a.id, b.id)
	}
	if id = m.vocab.id(piece[a.lo:b.hi]); id == none {
		return none, noRank
	}
	return id, m.ranks[id]
}

// symbols appends the symbols that merging starts from: bytes or characters.
func (m *bpe) symbols(syms []bpeSymbol, piece string) []bpeSymbol {
	fusing := false
	for i := 0; i < len(piece); {
		id, n := m.char(piece, i)
		s := bpeSymbol{id: id, lo: uint32(i), hi: uint32(i + n), rank: noRank}
		i += n
		switch {
		case s.id != none:
			fusing = false
			syms = append(syms, s)
		case m.byteIDs != nil && m.missing == missingDropped && m.hasBytes(piece[s.lo:s.hi]):
			fusing = false
			for k := s.lo; k < s.hi; k++ {
				syms = append(syms, bpeSymbol{id: m.byteIDs[piece[k]], lo: k, hi: k + 1, rank: noRank})
			}
		case m.missing == missingKept:
			syms = append(syms, s)
		case m.unk != none && fusing && m.fuseUnk:
			syms[len(syms)-1].hi = s.hi
		case m.unk != none:
			fusing = true
			s.id = m.unk
			syms = append(syms, s)
		}
	}
	return syms
}

// char returns the token of the first symbol at byte i of piece, or none, and its length.
func (m *bpe) char(piece string, i int) (id int32, n int) {
	switch {
	case m.bytes != nil:
		return m.bytes[piece[i]], 1
	case m.charLen != nil:
		n = min(m.charLen(piece[i]), len(piece)-i)
	default:
		_, n = utf8.DecodeRuneInString(piece[i:])
	}
	s := piece[i : i+n]
	if m.prefix != "" && i > 0 {
		s = m.prefix + s
	}
	if m.suffix != "" && i+n == len(piece) {
		s += m.suffix
	}
	return m.vocab.id(s), n
}

// hasBytes reports whether every byte of s has a byte token.
func (m *bpe) hasBytes(s string) bool {
	for i := 0; i < len(s); i++ {
		if m.byteIDs[s[i]] == none {
			return false
		}
	}
	return true
}

// emit appends the token of a finished symbol, or its bytes where it has none.
func (m *bpe) emit(e *encoder, piece string, s *bpeSymbol) {
	if s.id != none {
		e.out = append(e.out, s.id)
		return
	}
	if m.byteIDs == nil {
		return
	}
	for _, b := range []byte(piece[s.lo:s.hi]) {
		if id := m.byteIDs[b]; id != none {
			e.out = append(e.out, id)
		} else if m.unk != none {
			e.out = append(e.out, m.unk)
			return
		}
	}
}
