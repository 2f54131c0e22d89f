// Package tokenizer turns text into token ids and back, exactly as the programs that made the vocabularies do.
//
// It reads Hugging Face tokenizer.json files, the vocabularies inside GGUF files, tiktoken rank files and SentencePiece models. A
// Tokenizer is immutable and safe for use by several goroutines. What a file asks for and this package does not know is an error when the
// file is opened, never skipped.
//
// Text that is not valid UTF-8 is taken as the reference of each kind takes it: tokenizer.json sees one U+FFFD for each maximal invalid
// part, GGUF what llama.cpp makes of it, tiktoken the bytes themselves, SentencePiece one U+FFFD a byte.
package tokenizer

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// Special says which of the added tokens (such as <|im_end|> or <think>) are recognised when they stand in a text.
type Special uint8

const (
	// SpecialParse recognises all of them: for rendered chat templates.
	SpecialParse Special = iota
	// SpecialText recognises none: the text is only text, whatever it says.
	SpecialText
	// SpecialUser recognises those that are not control tokens, as llama.cpp does with parse_special off and Hugging Face with
	// encode_special_tokens on.
	SpecialUser
)

// Options control AppendEncode. The zero value recognises added tokens and puts nothing around the text.
type Options struct {
	Special Special
	// AddSpecial puts the tokens around the text that the source asks for, such as BOS.
	AddSpecial bool
}

// Tokenizer is one vocabulary with its rules.
type Tokenizer struct {
	kind    string
	pieces  texts            // by id: the bytes a token stands for
	flags   []flag           // by id
	ids     map[string]int32 // every piece to its id, built on first use of ID
	idsOnce sync.Once

	added   added
	repair  func(string) string // makes text valid UTF-8; nil: the model takes it as it is
	bytes   bool                // text that is not UTF-8 is encoded without loss (tiktoken)
	norm    normalizer          // nil: none
	stages  []stage
	model   model
	prefix  []int32 // what AddSpecial puts before a text
	suffix  []int32 // and after
	lead    leadRule
	roles   Roles
	chat    string
	encoder sync.Pool
}

// Roles are the ids with a fixed part to play; -1 where the source names none.
type Roles struct {
	BOS, EOS, UNK, PAD int32
	// EOG are the ids that end a generation, EOS among them, ascending.
	EOG []int32
}

type flag uint8

const (
	flagSpecial flag = 1 << iota // control or unknown: not shown to users
	flagAdded                    // recognised in running text
	flagUsed                     // the id stands for a token
	flagModel                    // the model makes it from text
)

// model turns a piece into ids, appending to e.out.
type model interface {
	encode(e *encoder, piece string)
}

// encoder is the working memory of one call.
type encoder struct {
	t     *Tokenizer
	out   []int32
	last  int                              // where in out the tokens of the last piece begin
	sinks []func(piece string, start bool) // sinks[i] runs stage i and all after it
	cache pieceCache
	syms  []bpeSymbol
	links []link
	heap  pairHeap
}

func (t *Tokenizer) newEncoder() *encoder {
	e := &encoder{t: t, sinks: make([]func(string, bool), len(t.stages)+1)}
	e.sinks[len(t.stages)] = func(piece string, _ bool) {
		if piece != "" {
			e.last = len(e.out)
			t.model.encode(e, piece)
		}
	}
	for i, s := range t.stages {
		e.sinks[i] = func(piece string, start bool) { s.split(piece, start, e.sinks[i+1]) }
	}
	return e
}

// Encode returns the ids of text.
func (t *Tokenizer) Encode(text string, opt Options) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/4+8), text, opt)
}

// AppendEncode appends the ids of text to dst.
func (t *Tokenizer) AppendEncode(dst []int32, text string, opt Options) []int32 {
	e, _ := t.encoder.Get().(*encoder)
	if e == nil {
		e = t.newEncoder()
	}
	e.out = dst
	if opt.AddSpecial {
		e.out = append(e.out, t.prefix...)
	}
	if t.repair != nil {
		text = t.repair(text)
	}
	switch {
	case text == "":
	case t.bytes && !utf8.ValidString(text):
		t.encodeBytes(e, text)
	default:
		t.encodeText(e, text, opt.Special)
	}
	if opt.AddSpecial {
		e.out = append(e.out, t.suffix...)
	}
	dst, e.out = e.out, nil
	e.shrink()
	t.encoder.Put(e)
	return dst
}

// shrink drops working memory that only an unusually long piece needed.
func (e *encoder) shrink() {
	if cap(e.syms) > 1<<16 {
		e.syms, e.links, e.heap = nil, nil, nil
	}
}

// encodeText finds added tokens in the text as it stands, normalises what is between them, finds the added tokens that match normalised
// text, and hands the rest to the pre-tokenizer.
func (t *Tokenizer) encodeText(e *encoder, text string, special Special) {
	start := true
	t.added.raw.each(text, special, func(s string, id int32) {
		if id != none {
			e.out = append(e.out, id)
			start = false
			return
		}
		if t.norm != nil {
			s = t.norm(s)
		}
		t.added.normalized.each(s, special, func(s string, id int32) {
			if id != none {
				e.out = append(e.out, id)
			} else if s != "" {
				e.sinks[0](s, start)
			}
			start = false
		})
		start = false
	})
}

// VocabSize is one more than the highest id.
func (t *Tokenizer) VocabSize() int { return len(t.flags) }

// Kind names the sort of vocabulary, for people: "BPE", "SentencePiece BPE" and so on.
func (t *Tokenizer) Kind() string { return t.kind }

// Valid reports whether id stands for a token.
func (t *Tokenizer) Valid(id int32) bool {
	return id >= 0 && int(id) < len(t.flags) && t.flags[id]&flagUsed != 0
}

// TokenBytes returns the bytes that id stands for: for a special token its name, for an unknown id none.
func (t *Tokenizer) TokenBytes(id int32) []byte { return []byte(t.piece(id)) }

func (t *Tokenizer) piece(id int32) string {
	if id < 0 || int(id) >= len(t.flags) {
		return ""
	}
	return t.pieces.at(int(id))
}

// IsSpecial reports whether id is a control token (or the unknown token), which is not part of the text that a model writes.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.flags) && t.flags[id]&flagSpecial != 0
}

// ID returns the id of the token that stands for exactly these bytes (TokenBytes the other way round), special tokens by name.
func (t *Tokenizer) ID(piece string) (id int32, ok bool) {
	if m := t.added.find(piece); m != nil {
		return m.id, true
	}
	t.idsOnce.Do(func() {
		t.ids = map[string]int32{}
		for id := len(t.flags) - 1; id >= 0; id-- {
			if t.flags[id]&flagUsed != 0 {
				t.ids[t.pieces.at(id)] = int32(id)
			}
		}
	})
	id, ok = t.ids[piece]
	return id, ok
}

// Roles returns the ids of BOS, EOS and so on.
func (t *Tokenizer) Roles() Roles { return t.roles }

// ChatTemplate returns the Jinja chat template that came with the vocabulary, or "".
func (t *Tokenizer) ChatTemplate() string { return t.chat }

// CheckIDs returns an error that names the first id outside the vocabulary.
func (t *Tokenizer) CheckIDs(ids []int32) error {
	for i, id := range ids {
		if !t.Valid(id) {
			return fmt.Errorf("tokenizer: id %d at position %d is not in the vocabulary of %d tokens", id, i, len(t.flags))
		}
	}
	return nil
}
