package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ParseJSON reads a Hugging Face tokenizer.json. A model other than BPE or Unigram, and any other component this package does not know, is
// an error. Truncation and padding settings are checked and not applied.
func ParseJSON(data []byte) (*Tokenizer, error) {
	t, err := parseJSON(string(data))
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func parseJSON(s string) (*Tokenizer, error) {
	if !utf8.ValidString(s) {
		return nil, errUTF8
	}
	f, err := readHF(s)
	if err != nil {
		return nil, err
	}
	return f.build()
}

// hfFile is a tokenizer.json: the model read out, the other parts as JSON text ("" or "null" where absent).
type hfFile struct {
	model hfModel
	added []hfAdded
	parts map[string]string
}

type hfAdded struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type hfModel struct {
	names  []string // by position in the file
	ids    []int32
	scores []float64 // Unigram
	merges [][2]string
	set    struct {
		Type         string   `json:"type"`
		Dropout      *float64 `json:"dropout"`
		UnkToken     *string  `json:"unk_token"`
		UnkID        *int64   `json:"unk_id"`
		Prefix       string   `json:"continuing_subword_prefix"`
		Suffix       string   `json:"end_of_word_suffix"`
		FuseUnk      bool     `json:"fuse_unk"`
		ByteFallback bool     `json:"byte_fallback"`
		IgnoreMerges bool     `json:"ignore_merges"`
	}
}

func readHF(s string) (*hfFile, error) {
	f := &hfFile{parts: map[string]string{}}
	p := &scanner{s: s}
	seen := map[string]bool{}
	err := p.object(func(key string) error {
		if seen[key] {
			return p.fail("a second %q", key)
		}
		seen[key] = true
		if key == "model" {
			return f.model.read(p)
		}
		v, err := p.value()
		f.parts[key] = v
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if !seen["model"] {
		return nil, fmt.Errorf("no model")
	}
	return f, f.part("added_tokens", &f.added)
}

// part reads one of the small parts; an absent one leaves v as it is.
func (f *hfFile) part(key string, v any) error {
	s := f.parts[key]
	if s == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// names returns the token texts by id, of the model and of the added tokens, and marks the used ids.
func (f *hfFile) names() ([]string, []flag, error) {
	top := int32(-1)
	for _, id := range f.model.ids {
		top = max(top, id)
	}
	for _, a := range f.added {
		if a.ID < 0 || a.ID > maxID {
			return nil, nil, fmt.Errorf("added token %q has id %d", a.Content, a.ID)
		}
		top = max(top, int32(a.ID))
	}
	n := len(f.model.ids) + len(f.added)
	if int(top) > 4*n+1<<16 {
		return nil, nil, fmt.Errorf("id %d in a vocabulary of %d tokens", top, n)
	}
	names, flags := make([]string, top+1), make([]flag, top+1)
	for i, id := range f.model.ids {
		if flags[id] != 0 {
			return nil, nil, fmt.Errorf("tokens %q and %q both have id %d", names[id], f.model.names[i], id)
		}
		names[id], flags[id] = f.model.names[i], flagUsed|flagModel
	}
	for _, a := range f.added {
		if flags[a.ID]&flagAdded != 0 || flags[a.ID] != 0 && names[a.ID] != a.Content {
			return nil, nil, fmt.Errorf("tokens %q and %q both have id %d", names[a.ID], a.Content, a.ID)
		}
		names[a.ID] = a.Content
		flags[a.ID] |= flagUsed | flagAdded
		if a.Special {
			flags[a.ID] |= flagSpecial
		}
	}
	return names, flags, nil
}

func (f *hfFile) build() (*Tokenizer, error) {
	names, flags, err := f.names()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{flags: flags, repair: replaceInvalid, roles: Roles{-1, -1, -1, -1, nil}}
	norm, err := parseNormalizer(f.parts["normalizer"])
	if err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	t.norm = norm
	pre, err := parsePreTokenizer(f.parts["pre_tokenizer"])
	if err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	t.stages = pre.stages
	if err := f.buildModel(t, names, pre); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	shown, err := f.buildAdded(t, names)
	if err != nil {
		return nil, err
	}
	dec, err := parseDecoder(f.parts["decoder"], pre.bytes)
	if err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	t.lead = dec.lead
	if m, ok := t.model.(*bpe); ok && m.bytes != nil && dec.bytes && &shown[0] == &names[0] {
		t.pieces = m.vocab.keys
	} else if t.pieces, err = dec.pieces(shown); err != nil {
		return nil, err
	}
	if t.prefix, t.suffix, err = parsePostProcessor(f.parts["post_processor"], t.VocabSize()); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	return t, f.checkTruncation()
}

// buildAdded enters the added tokens. The text that some are looked for by, and shown as, is their name normalised.
func (f *hfFile) buildAdded(t *Tokenizer, names []string) (shown []string, err error) {
	var raw, normalized []addedToken
	shown = names
	for _, a := range f.added {
		tok := addedToken{text: a.Content, name: a.Content, id: int32(a.ID), special: a.Special,
			singleWord: a.SingleWord, leftStrip: a.LStrip, rightStrip: a.RStrip}
		if !a.Normalized {
			raw = append(raw, tok)
			continue
		}
		if t.norm != nil {
			tok.text = t.norm(tok.text)
		}
		if tok.text != tok.name {
			if &shown[0] == &names[0] {
				shown = slices.Clone(names)
			}
			shown[tok.id] = tok.text
		}
		normalized = append(normalized, tok)
	}
	if t.added.raw, err = newMatcher(raw); err == nil {
		t.added.normalized, err = newMatcher(normalized)
	}
	if err != nil {
		err = fmt.Errorf("added_tokens: %w", err)
	}
	return shown, err
}

// checkTruncation refuses settings that no encoder could follow, although they are not applied here.
func (f *hfFile) checkTruncation() error {
	var tr *struct {
		MaxLength int64 `json:"max_length"`
		Stride    int64 `json:"stride"`
	}
	if err := f.part("truncation", &tr); err != nil {
		return err
	}
	if tr != nil && (tr.MaxLength < 0 || tr.Stride < 0 || tr.Stride > 0 && tr.Stride >= tr.MaxLength) {
		return fmt.Errorf("truncation: stride %d with max_length %d", tr.Stride, tr.MaxLength)
	}
	return nil
}

// byteTokens returns the tokens <0x00> to <0xFF>.
func byteTokens(id func(string) int32) *[256]int32 {
	var ids [256]int32
	for b := range ids {
		ids[b] = id(fmt.Sprintf("<0x%02X>", b))
	}
	return &ids
}

// bytesOf makes the table of what byte-level tokens stand for. A name outside the alphabet stands for itself, and the model cannot make it.
func bytesOf(names []string, flags []flag) (texts, error) {
	size := 0
	for _, s := range names {
		size += len(s)
	}
	b := newTexts(len(names), size)
	for id, s := range names {
		if !b.addBytes(s) {
			flags[id] &^= flagModel
		}
	}
	return b.done()
}
