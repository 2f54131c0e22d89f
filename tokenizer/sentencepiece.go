package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// spmModel is a SentencePiece ModelProto, as far as encoding needs it.
type spmModel struct {
	pieces []spmPiece

	kind               int32 // 1 Unigram, 2 BPE, 3 words, 4 characters
	byteFallback       bool
	spaceSuffix        bool // treat_whitespace_as_suffix
	unk, bos, eos, pad int32
	charsmap           []byte
	dummyPrefix        bool
	removeSpaces       bool // remove_extra_whitespaces
	escape             bool // escape_whitespaces
	denormalizer       []byte
}

type spmPiece struct {
	text  string
	score float32
	typ   int32 // the types of GGUF are these
}

// ParseSentencePiece reads a SentencePiece .model file of type BPE or Unigram. Control tokens are never recognised in text, as SentencePiece
// has it; user-defined symbols are.
func ParseSentencePiece(data []byte) (*Tokenizer, error) {
	m, err := readSPM(data)
	var t *Tokenizer
	if err == nil {
		t, err = m.build()
	}
	if err != nil {
		return nil, fmt.Errorf("SentencePiece model: %w", err)
	}
	return t, nil
}

func readSPM(data []byte) (*spmModel, error) {
	m := &spmModel{kind: 1, unk: 0, bos: 1, eos: 2, pad: -1, dummyPrefix: true, removeSpaces: true, escape: true}
	err := eachField(data, func(p protoField) error {
		switch p.num {
		case 1:
			return m.readPiece(p)
		case 2:
			return eachField(p.bytes, m.readTrainer)
		case 3:
			return eachField(p.bytes, m.readNormalizer)
		case 5:
			return eachField(p.bytes, func(p protoField) error {
				if p.num == 2 {
					return p.read(&m.denormalizer)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && len(m.pieces) == 0 {
		err = fmt.Errorf("no pieces")
	}
	return m, err
}

func (m *spmModel) readPiece(p protoField) error {
	if p.wire != 2 {
		return errProto
	}
	piece := spmPiece{typ: ggufNormal}
	err := eachField(p.bytes, func(p protoField) error {
		switch p.num {
		case 1:
			return p.read(&piece.text)
		case 2:
			return p.read(&piece.score)
		case 3:
			return p.read(&piece.typ)
		}
		return nil
	})
	m.pieces = append(m.pieces, piece)
	return err
}

func (m *spmModel) readTrainer(p protoField) error {
	switch p.num {
	case 3:
		return p.read(&m.kind)
	case 24:
		return p.read(&m.spaceSuffix)
	case 35:
		return p.read(&m.byteFallback)
	case 40:
		return p.read(&m.unk)
	case 41:
		return p.read(&m.bos)
	case 42:
		return p.read(&m.eos)
	case 43:
		return p.read(&m.pad)
	}
	return nil
}

func (m *spmModel) readNormalizer(p protoField) error {
	switch p.num {
	case 2:
		return p.read(&m.charsmap)
	case 3:
		return p.read(&m.dummyPrefix)
	case 4:
		return p.read(&m.removeSpaces)
	case 5:
		return p.read(&m.escape)
	}
	return nil
}

// check looks at everything that could not be encoded with later.
func (m *spmModel) check() error {
	unknown := false
	for i, p := range m.pieces {
		switch {
		case p.text == "":
			return fmt.Errorf("piece %d is empty", i)
		case !utf8.ValidString(p.text):
			return fmt.Errorf("piece %d, %q, is %w", i, p.text, errUTF8)
		case math.IsNaN(float64(p.score)) || math.IsInf(float64(p.score), 0):
			return fmt.Errorf("piece %d, %q, has score %v", i, p.text, p.score)
		case p.typ < ggufNormal || p.typ > ggufByte:
			return fmt.Errorf("piece %d, %q, is of unknown type %d", i, p.text, p.typ)
		case p.typ == ggufByte:
			if _, ok := byteToken(p.text); !ok {
				return fmt.Errorf("piece %d, %q, is of type byte but not of the form <0x41>", i, p.text)
			}
		}
		unknown = unknown || p.typ == ggufUnknown && int(m.unk) == i
	}
	if !unknown {
		return fmt.Errorf("unk_id is %d, which is not the unknown piece", m.unk)
	}
	for _, r := range []struct {
		name string
		id   *int32
	}{{"bos_id", &m.bos}, {"eos_id", &m.eos}, {"pad_id", &m.pad}} {
		if *r.id < 0 {
			*r.id = none
		} else if int(*r.id) >= len(m.pieces) {
			return fmt.Errorf("%s is %d of %d pieces", r.name, *r.id, len(m.pieces))
		}
	}
	if len(m.denormalizer) > 0 {
		return fmt.Errorf("a denormalizer is not supported")
	}
	return nil
}

func (m *spmModel) build() (*Tokenizer, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	t := &Tokenizer{repair: replaceBytes, roles: Roles{m.bos, m.eos, m.unk, m.pad, nil}}
	user, err := m.tokens(t)
	if err != nil {
		return nil, err
	}
	keys := newTexts(len(m.pieces), 0)
	for _, p := range m.pieces {
		keys.add(p.text)
	}
	table, err := keys.done()
	if err != nil {
		return nil, err
	}
	v, err := newVocab(table, t.flags, flagModel)
	if err != nil {
		return nil, err
	}
	byteIDs, err := m.byteTokens()
	if err != nil {
		return nil, err
	}
	switch m.kind {
	case 1:
		t.kind = "SentencePiece Unigram"
		u := newUnigram(v, m.unk, byteIDs)
		for id, p := range m.pieces {
			if t.flags[id]&flagModel != 0 {
				u.score(int32(id), p.score, p.typ == ggufUserDefined)
			}
		}
		t.model = u
	case 2:
		t.kind = "SentencePiece BPE"
		t.model = m.bpe(v, byteIDs)
	default:
		return nil, fmt.Errorf("model_type %d is not supported (1, Unigram, and 2, BPE, are)", m.kind)
	}
	if v.wordwise(t.flags) {
		t.stages = []stage{spmWords{}}
	}
	t.norm, err = m.normalizer(user)
	return t, err
}

func (m *spmModel) bpe(v *vocab, byteIDs *[256]int32) *bpe {
	b := &bpe{vocab: v, unk: m.unk, fuseUnk: true, byteIDs: byteIDs}
	b.start()
	if byteIDs != nil {
		b.keep = true
	}
	b.rankAll(func(id int) uint32 { return scoreRank(m.pieces[id].score) })
	return b
}

// parseControl makes control tokens recognised in text, each part between them normalised by itself.
func (t *Tokenizer) parseControl() error {
	var tokens []addedToken
	for id := range int32(len(t.flags)) {
		if t.IsSpecial(id) && id != t.roles.UNK {
			tokens = append(tokens, addedToken{text: t.piece(id), id: id, special: true})
			t.flags[id] |= flagAdded
		}
	}
	var err error
	t.added.raw, err = newMatcher(tokens)
	return err
}

// byteTokens finds the pieces of a byte fallback; nil without one.
func (m *spmModel) byteTokens() (*[256]int32, error) {
	if !m.byteFallback {
		return nil, nil
	}
	ids := new([256]int32)
	for b := range ids {
		ids[b] = none
	}
	for i, p := range m.pieces {
		if b, ok := byteToken(p.text); ok && p.typ == ggufByte {
			ids[b] = int32(i)
		}
	}
	if slices.Contains(ids[:], none) {
		return nil, fmt.Errorf("byte_fallback without all the pieces <0x00> to <0xFF>")
	}
	return ids, nil
}

// tokens sets what the pieces stand for, and what is recognised, left out and put around. It returns the user-defined symbols.
func (m *spmModel) tokens(t *Tokenizer) (user []addedToken, err error) {
	t.flags = make([]flag, len(m.pieces))
	pieces := newTexts(len(m.pieces), 0)
	for i, p := range m.pieces {
		t.flags[i] = flagUsed
		switch p.typ {
		case ggufByte:
			b, _ := byteToken(p.text)
			pieces.add(string([]byte{b}))
			continue
		case ggufControl, ggufUnknown:
			pieces.add(p.text)
			t.flags[i] |= flagSpecial
			continue
		case ggufUserDefined:
			t.flags[i] |= flagAdded | flagModel
			user = append(user, addedToken{text: p.text, id: int32(i)})
		case ggufNormal:
			t.flags[i] |= flagModel
		}
		pieces.add(strings.ReplaceAll(p.text, spmSpace, " "))
	}
	if t.pieces, err = pieces.done(); err != nil {
		return nil, err
	}
	if m.kind == 2 { // in a Unigram model their scores see to it
		if t.added.normalized, err = newMatcher(user); err != nil {
			return nil, err
		}
	}
	if m.removeSpaces {
		t.lead = leadRule{text: " ", times: -1}
	} else if m.dummyPrefix {
		t.lead = leadRule{text: " ", times: 1}
	}
	if m.bos != none {
		t.prefix = []int32{m.bos}
	}
	names := make([]string, len(m.pieces))
	for i, p := range m.pieces {
		if p.typ == ggufControl || p.typ == ggufUserDefined {
			names[i] = p.text
		}
	}
	t.roles.EOG = endOfGeneration(names, m.eos)
	return user, nil
}
