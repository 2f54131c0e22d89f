package tokenizer

import (
	"fmt"
	"math"
	"slices"
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

// inModel reports whether the model can make the token from text.
func (g *ggufVocab) inModel(id int) bool {
	switch g.typeOf(id) {
	case ggufUnknown, ggufControl, ggufUserDefined, ggufByte:
		return false
	}
	return true
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
	keys := make([]string, len(g.tokens))
	for i, s := range g.tokens {
		if g.inModel(i) {
			keys[i] = s
		}
	}
	m := &bpe{whole: pre.whole, missing: missingKept, unk: none}
	t.kind, t.model, t.repair, t.stages = "byte-level BPE", m, replaceLenient, pre.stages
	if !pre.spm {
		keys = unmapAll(keys)
		m.bytes = new([256]int32)
	}
	if err := m.index(keys); err != nil {
		return false, err
	}
	t.pieces = slices.Clone(g.tokens)
	for i, s := range keys {
		if s != "" {
			t.pieces[i] = s
		}
	}
	if pre.spm {
		t.kind, t.norm = "BPE", replaceAll(" ", spmSpace)
		m.byteIDs = byteTokens(g.anyID())
		m.newlines = true
		err = g.spmPieces(t)
	}
	if err != nil {
		return false, err
	}
	return pre.addBOS, g.buildMerges(m)
}

// anyID finds tokens of any type by name.
func (g *ggufVocab) anyID() func(string) int32 {
	all, _ := newVocab(g.tokens)
	return all.id
}

func (g *ggufVocab) buildMerges(m *bpe) error {
	const key = "tokenizer.ggml.merges"
	merges, ok := g.meta.Strings(key)
	if !ok {
		return g.meta.Missing(key, "an array of strings")
	}
	b := newMergeBuilder(m, len(merges))
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
	keys := make([]string, len(g.tokens))
	ranks := make([]uint32, len(g.tokens))
	for i, s := range g.tokens {
		if g.inModel(i) {
			keys[i] = s
		}
		if math.IsNaN(float64(g.scores[i])) {
			return fmt.Errorf("tokenizer.ggml.scores: the score of token %d, %q, is not a number", i, s)
		}
		ranks[i] = scoreRank(g.scores[i])
	}
	m := &bpe{ranks: ranks, missing: missingKept, unk: none, charLen: leadLength}
	if err := m.index(keys); err != nil {
		return err
	}
	m.byteIDs = byteTokens(g.anyID())
	t.kind, t.model = "SentencePiece BPE", m
	if m.vocab.wordwise() {
		t.stages = []stage{spmWords{}}
	}
	steps := []normalizer{replaceAll(" ", spmSpace)}
	if space, ok := g.meta.Bool("tokenizer.ggml.add_space_prefix"); space || !ok {
		steps = append(steps, prepend(spmSpace))
		t.lead = leadRule{text: " ", times: 1}
	}
	t.norm = sequence(steps)
	t.pieces = slices.Clone(g.tokens)
	return g.spmPieces(t)
}

// spmPieces sets what tokens of a SentencePiece vocabulary stand for.
func (g *ggufVocab) spmPieces(t *Tokenizer) error {
	for i, s := range g.tokens {
		switch g.typeOf(i) {
		case ggufByte:
			b, ok := byteToken(s)
			if !ok {
				return fmt.Errorf("token %d, %q, is of type byte but not of the form <0x41>", i, s)
			}
			t.pieces[i] = string([]byte{b})
			t.flags[i] |= flagByte
		case ggufUnknown, ggufControl, ggufUserDefined:
		default:
			t.pieces[i] = strings.ReplaceAll(s, spmSpace, " ")
		}
	}
	return nil
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
		t.flags[i] |= flagUsed
		tok := addedToken{text: s, id: int32(i)}
		switch typ := g.typeOf(i); {
		case harmonyShown[s]:
		case typ == ggufControl || typ == ggufUnknown || endsGeneration[s]:
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
