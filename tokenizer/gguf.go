package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/pennyml/penny/format/gguf"
)

// FromGGUF reads the vocabulary in a GGUF file's metadata: tokenizer.ggml.model "gpt2" with the pre-tokenizers that llama.cpp names, "llama"
// (SentencePiece BPE by scores) and "gemma4". The result holds no reference to the file.
//
// Where llama.cpp only approximates the expression of a model's own tokenizer, the model's own is followed.
func FromGGUF(m *gguf.Meta) (*Tokenizer, error) {
	g := &ggufVocab{meta: m}
	t, err := g.build()
	if err != nil {
		return nil, fmt.Errorf("tokenizer in GGUF: %w", err)
	}
	return t, nil
}

// Token types of tokenizer.ggml.token_type.
const (
	ggufNormal      = 1
	ggufUnknown     = 2
	ggufControl     = 3
	ggufUserDefined = 4
	ggufUnused      = 5
	ggufByte        = 6
)

type ggufVocab struct {
	meta   *gguf.Meta
	tokens []string
	types  []int64 // nil: all normal
	scores []float32
}

func (g *ggufVocab) build() (*Tokenizer, error) {
	const prefix = "tokenizer.ggml."
	kind, ok := g.meta.String(prefix + "model")
	if !ok {
		return nil, g.meta.Missing(prefix+"model", "a string")
	}
	if err := g.read(); err != nil {
		return nil, err
	}
	t := &Tokenizer{flags: make([]flag, len(g.tokens)), roles: Roles{-1, -1, -1, -1, nil}}
	g.setFlags(t.flags)
	var err error
	addBOS := false
	switch kind {
	case "gpt2", "gemma4":
		addBOS, err = g.buildBPE(t, kind)
	case "llama":
		addBOS, err = true, g.buildSPM(t)
	default:
		err = fmt.Errorf("%smodel %q is not supported (gpt2, llama and gemma4 are)", prefix, kind)
	}
	if err != nil {
		return nil, err
	}
	if err := g.buildSpecial(t); err != nil {
		return nil, err
	}
	t.chat, _ = g.meta.String("tokenizer.chat_template")
	return t, g.buildRoles(t, kind == "llama", addBOS)
}

// read reads and checks the arrays.
func (g *ggufVocab) read() error {
	const tokens, types, scores = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.scores"
	var ok bool
	if g.tokens, ok = g.meta.Strings(tokens); !ok {
		return g.meta.Missing(tokens, "an array of strings")
	}
	if len(g.tokens) == 0 {
		return fmt.Errorf("%s is empty", tokens)
	}
	for i, s := range g.tokens {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s: token %d, %q, is %w", tokens, i, s, errUTF8)
		}
	}
	if _, there := g.meta.Value(types); there {
		if g.types, ok = g.meta.Ints(types); !ok {
			return g.meta.Missing(types, "an array of integers")
		}
		if len(g.types) < len(g.tokens) {
			return fmt.Errorf("%s has %d entries for %d tokens", types, len(g.types), len(g.tokens))
		}
	}
	if v, there := g.meta.Value(scores); there {
		switch v.Elem {
		case gguf.Float32:
			g.scores, ok = g.meta.Floats(scores)
		case gguf.Int32:
			var ints []int64
			ints, ok = g.meta.Ints(scores)
			for _, n := range ints {
				g.scores = append(g.scores, float32(n))
			}
		default:
			ok = false
		}
		if !ok {
			return g.meta.Missing(scores, "an array of f32")
		}
		if len(g.scores) < len(g.tokens) {
			return fmt.Errorf("%s has %d entries for %d tokens", scores, len(g.scores), len(g.tokens))
		}
	}
	return nil
}

func (g *ggufVocab) typeOf(id int) int64 {
	if g.types == nil {
		return ggufNormal
	}
	return g.types[id]
}

// setFlags marks the tokens that the model makes from text.
func (g *ggufVocab) setFlags(flags []flag) {
	for i := range flags {
		flags[i] = flagUsed
		switch g.typeOf(i) {
		case ggufUnknown, ggufControl, ggufUserDefined, ggufByte:
		default:
			flags[i] |= flagModel
		}
	}
}

func (g *ggufVocab) buildBPE(t *Tokenizer, kind string) (addBOS bool, err error) {
	name, ok := g.meta.String("tokenizer.ggml.pre")
	if !ok {
		name = "default"
	}
	if kind == "gemma4" {
		name = kind
	}
	pre, err := findPre(name)
	if err != nil {
		return false, err
	}
	m := &bpe{whole: pre.whole, keep: true, unk: none}
	t.kind, t.model, t.repair, t.stages = "byte-level BPE", m, replaceLenient, pre.stages
	if pre.spm {
		t.kind, t.norm = "BPE", replaceAll(" ", spmSpace)
		m.newlines = pre.newlines
		err = g.spmTexts(t, m)
	} else {
		m.bytes = new([256]int32)
		t.pieces, err = g.byteTexts(t.flags)
		if err == nil {
			m.vocab, err = newVocab(t.pieces, t.flags, flagModel)
		}
	}
	if err != nil {
		return false, err
	}
	m.start()
	return pre.addBOS, g.buildMerges(m)
}

// byteTexts makes the table of what tokens stand for: those of the model are in the byte-level alphabet.
func (g *ggufVocab) byteTexts(flags []flag) (texts, error) {
	size := 0
	for _, s := range g.tokens {
		size += len(s)
	}
	b := newTexts(len(g.tokens), size)
	for id, s := range g.tokens {
		if flags[id]&flagModel == 0 {
			b.add(s)
		} else if !b.addBytes(s) {
			flags[id] &^= flagModel
		}
	}
	return b.done()
}

func (g *ggufVocab) buildMerges(m *bpe) error {
	const key = "tokenizer.ggml.merges"
	merges, ok := g.meta.Strings(key)
	if !ok {
		return g.meta.Missing(key, "an array of strings")
	}
	b := mergeBuilder{m: m, last: none}
	for i, s := range merges {
		cut := strings.IndexByte(s[min(1, len(s)):], ' ') + 1
		if cut < 1 {
			return fmt.Errorf("%s: merge %d, %q, is not two tokens", key, i, s)
		}
		if err := b.add(s[:cut], s[cut+1:]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// spmSpace is what SentencePiece writes for a space.
const spmSpace = "▁"

func (g *ggufVocab) buildSPM(t *Tokenizer) error {
	if g.scores == nil {
		return g.meta.Missing("tokenizer.ggml.scores", "an array of f32")
	}
	for i, score := range g.scores[:len(g.tokens)] {
		if math.IsNaN(float64(score)) {
			return fmt.Errorf("tokenizer.ggml.scores: the score of token %d, %q, is not a number", i, g.tokens[i])
		}
	}
	m := &bpe{keep: true, unk: none, charLen: leadLength}
	t.kind, t.model = "SentencePiece BPE", m
	if err := g.spmTexts(t, m); err != nil {
		return err
	}
	m.start()
	m.rankAll(func(id int) uint32 { return scoreRank(g.scores[id]) })
	if m.vocab.wordwise(t.flags) {
		t.stages = []stage{spmWords{}}
	}
	steps := []normalizer{replaceAll(" ", spmSpace)}
	if space, ok := g.meta.Bool("tokenizer.ggml.add_space_prefix"); space || !ok {
		steps = append(steps, prepend(spmSpace))
		t.lead = leadRule{text: " ", times: 1}
	}
	t.norm = sequence(steps)
	return nil
}

// spmTexts makes the tables of a vocabulary with ▁ for spaces and tokens for bytes.
func (g *ggufVocab) spmTexts(t *Tokenizer, m *bpe) error {
	m.byteIDs = new([256]int32)
	for b := range m.byteIDs {
		m.byteIDs[b] = none
	}
	keys, err := textsOf(g.tokens, func(_ int, s string) string { return s })
	if err != nil {
		return err
	}
	if m.vocab, err = newVocab(keys, t.flags, flagModel); err != nil {
		return err
	}
	var bad error
	t.pieces, err = textsOf(g.tokens, func(id int, s string) string {
		b, ok := byteToken(s)
		if ok {
			m.byteIDs[b] = int32(id)
		}
		switch g.typeOf(id) {
		case ggufByte:
			if !ok {
				bad = fmt.Errorf("token %d, %q, is of type byte but not of the form <0x41>", id, s)
			}
			return string([]byte{b})
		case ggufUnknown, ggufControl, ggufUserDefined:
			return s
		}
		return strings.ReplaceAll(s, spmSpace, " ")
	})
	return errors.Join(bad, err)
}

// scoreRank orders scores: the higher, the lower the rank.
func scoreRank(score float32) uint32 {
	b := math.Float32bits(score + 0) // -0 is 0
	if b>>31 == 0 {
		return 1<<31 - 1 - b
	}
	return b
}

// leadLength is the length of a character by the first half of its first byte.
func leadLength(lead byte) int {
	switch lead >> 4 {
	case 0xC, 0xD:
		return 2
	case 0xE:
		return 3
	case 0xF:
		return 4
	}
	return 1
}

// buildSpecial enters the tokens recognised in running text.
func (g *ggufVocab) buildSpecial(t *Tokenizer) error {
	name, _ := g.meta.String("general.name")
	name = strings.ToLower(name)
	phi3 := strings.Contains(name, "phi-3") || strings.Contains(name, "phi3")
	var tokens []addedToken
	for i, s := range g.tokens {
		tok := addedToken{text: s, id: int32(i)}
		named := len(s) > 0 && strings.IndexByte("<[_", s[0]) >= 0 // as all names in the two lists are
		switch typ := g.typeOf(i); {
		case named && harmonyShown[s]:
		case typ == ggufControl || typ == ggufUnknown || named && endsGeneration[s]:
			tok.special = true
			t.flags[i] |= flagSpecial
		case typ != ggufUserDefined:
			continue
		}
		if s == "" {
			continue
		}
		tok.rightStrip = phi3 && s != "<unk>" && s != "<s>" && s != "<|endoftext|>"
		t.flags[i] |= flagAdded
		tokens = append(tokens, tok)
	}
	var err error
	t.added.raw, err = newMatcher(tokens)
	return err
}
