package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// noRank is the rank of a pair that is not joined.
const noRank = ^uint32(0)

// bpe joins neighbouring symbols of a piece, lowest rank first and leftmost among equals, until no pair has a rank.
//
// A symbol is a token and the text it covers is that token's key, so the pair of two symbols is known by the text of both together and by
// where it is cut. That makes the table of merges a few numbers for each token.
type bpe struct {
	vocab    *vocab
	merges   []mergeRule         // by id of the joined token; further merges that give the same token follow after the last id
	bytes    *[256]int32         // byte-level: the token of each byte, none where the vocabulary lacks it
	whole    bool                // a piece that is a token is that token, whatever the merges say (ignore_merges)
	keep     bool                // a character without a token and without unk stays in place while merging (llama.cpp), else it is left out before (Hugging Face)
	byteIDs  *[256]int32         // tokens <0x00> to <0xFF> for what has no token (byte_fallback); nil without
	unk      int32               // token for what has none; none drops it
	fuseUnk  bool                // one unk for a run of unknown characters
	prefix   string              // continuing_subword_prefix
	suffix   string              // end_of_word_suffix
	newlines bool                // a piece of newlines that is a token is not merged (Gemma 4)
	charLen  func(lead byte) int // length of a character by its first byte; nil is UTF-8
	joins    bool                // some pair is joined
}

// mergeRule says that a token is made by joining two others.
type mergeRule struct {
	rank uint32
	left uint32 // bytes of the left one's key; anyCut where every cut into two tokens will do (tiktoken, SentencePiece)
	more int32  // index of another rule that gives the same token, 0 without
}

const anyCut = ^uint32(0)

// start readies the model once its vocab is set: the bytes' tokens, and no merges yet.
func (m *bpe) start() {
	if m.bytes != nil {
		for b := range m.bytes {
			m.bytes[b] = m.vocab.id(string([]byte{byte(b)}))
		}
	}
	m.merges = make([]mergeRule, m.vocab.keys.size())
	for i := range m.merges {
		m.merges[i].rank = noRank
	}
}

// rankAll lets every token be made by any cut, in the order of ranks.
func (m *bpe) rankAll(rank func(id int) uint32) {
	m.joins = true
	for id := range m.merges {
		m.merges[id] = mergeRule{rank: rank(id), left: anyCut}
	}
}

// addMerge enters the next rule for joined. Of two equal rules the later counts if lastWins.
func (m *bpe) addMerge(joined int32, left int, rank uint32, lastWins bool) {
	m.joins = true
	r := &m.merges[joined]
	if r.rank == noRank {
		*r = mergeRule{rank: rank, left: uint32(left)}
		return
	}
	for {
		if r.left == uint32(left) {
			if lastWins {
				r.rank = rank
			}
			return
		}
		if r.more == 0 {
			break
		}
		r = &m.merges[r.more]
	}
	r.more = int32(len(m.merges))
	m.merges = append(m.merges, mergeRule{rank: rank, left: uint32(left)})
}

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

// apart reports whether the characters of a piece know nothing of each other, as in a vocabulary of characters.
func (m *bpe) apart() bool {
	return !m.joins && !m.whole && !m.newlines && !m.fuseUnk && m.prefix == "" && m.suffix == ""
}

func (m *bpe) encode(e *encoder, piece string) {
	most := maxPiece
	if m.apart() {
		most = 1 << 10 // so that a text without splits takes no memory beyond its tokens
	}
	for len(piece) > most {
		cut := most
		for !utf8.RuneStart(piece[cut]) {
			cut--
		}
		m.encode(e, piece[:cut])
		piece = piece[cut:]
	}
	key, cached := e.cache.key(piece)
	if cached {
		if hit := e.cache.get(key); hit != nil {
			e.out = append(e.out, hit.ids[:hit.n]...)
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
	if len(piece) <= m.vocab.longest && (m.whole || m.newlines && strings.Trim(piece, "\n") == "") {
		if id := m.vocab.id(piece); id != none {
			e.out = append(e.out, id)
			return
		}
	}
	e.syms, piece = m.symbols(e.syms[:0], piece)
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
	if a.id == none || b.id == none || a.id == m.unk || b.id == m.unk {
		return none, noRank
	}
	key, left := piece[a.lo:b.hi], a.hi-a.lo
	if len(key) > m.vocab.longest {
		return none, noRank
	}
	if m.prefix != "" && a.lo > 0 {
		key = m.prefix + key
		left += uint32(len(m.prefix))
	}
	if m.suffix != "" && int(b.hi) == len(piece) {
		key += m.suffix
	}
	if id = m.vocab.id(key); id == none {
		return none, noRank
	}
	r := &m.merges[id]
	for r.left != left && r.left != anyCut {
		if r.more == 0 {
			return none, noRank
		}
		r = &m.merges[r.more]
	}
	return id, r.rank
}

// symbols returns the symbols that merging starts from, bytes or characters, and the piece without those that are dropped.
func (m *bpe) symbols(syms []bpeSymbol, piece string) ([]bpeSymbol, string) {
	fusing, dropped := false, false
	for i := 0; i < len(piece); {
		id, n := m.char(piece, i)
		s := bpeSymbol{id: id, lo: uint32(i), hi: uint32(i + n), rank: noRank}
		i += n
		switch {
		case s.id != none:
			fusing = false
			syms = append(syms, s)
		case m.keep:
			syms = append(syms, s)
		case m.byteIDs != nil && m.hasBytes(piece[s.lo:s.hi]):
			fusing = false
			for k := s.lo; k < s.hi; k++ {
				syms = append(syms, bpeSymbol{id: m.byteIDs[piece[k]], lo: k, hi: k + 1, rank: noRank})
			}
		case m.unk == none:
			dropped = true
		case fusing && m.fuseUnk:
			syms[len(syms)-1].hi = s.hi
		default:
			fusing = true
			s.id = m.unk
			syms = append(syms, s)
		}
	}
	if dropped {
		piece = closeUp(syms, piece)
	}
	return syms, piece
}

// closeUp moves the symbols together, as if what was dropped between them had not been there. A byte that belongs to no symbol stands for
// what was dropped at either end, so that what is left there does not become the beginning or the end of the piece.
func closeUp(syms []bpeSymbol, piece string) string {
	buf := make([]byte, 0, len(piece)+2)
	if len(syms) > 0 && syms[0].lo > 0 {
		buf = append(buf, 0)
	}
	last := uint32(0)
	for i := range syms {
		s := &syms[i]
		lo := len(buf)
		buf = append(buf, piece[s.lo:s.hi]...)
		last = s.hi
		s.lo, s.hi = uint32(lo), uint32(len(buf))
	}
	if int(last) < len(piece) {
		buf = append(buf, 0)
	}
	return string(buf)
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
