package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

func (m *hfModel) read(p *scanner) error {
	small := strings.Builder{}
	seen := map[string]bool{}
	err := p.object(func(key string) error {
		if seen[key] {
			return p.fail("a second model.%s", key)
		}
		seen[key] = true
		switch {
		case key == "vocab" && p.peek() == '[':
			return p.array(func() error { return m.readScored(p) })
		case key == "vocab":
			n := (len(p.s) - p.pos) / 48 // about as many tokens as follow
			m.names, m.ids = make([]string, 0, n), make([]int32, 0, n)
			return p.object(func(name string) error {
				id, err := p.id()
				m.names = append(m.names, name)
				m.ids = append(m.ids, id)
				return err
			})
		case key == "merges":
			m.merges = make([][2]string, 0, min(len(m.names), (len(p.s)-p.pos)/8))
			return p.array(func() error { return m.readMerge(p) })
		}
		v, err := p.value()
		if err != nil {
			return err
		}
		name, _ := json.Marshal(key)
		if small.Len() > 0 {
			small.WriteByte(',')
		}
		fmt.Fprintf(&small, "%s:%s", name, v)
		return nil
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte("{"+small.String()+"}"), &m.set); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if m.set.Type == "" && seen["merges"] {
		m.set.Type = "BPE"
	}
	return nil
}

// readMerge reads "left right" or ["left", "right"].
func (m *hfModel) readMerge(p *scanner) error {
	if p.peek() == '"' {
		s, err := p.str()
		if err != nil {
			return err
		}
		left, right, ok := strings.Cut(s, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return p.fail("merge %q is not two tokens", s)
		}
		m.merges = append(m.merges, [2]string{left, right})
		return nil
	}
	var pair [2]string
	for i, before := range "[," {
		if err := p.expect(byte(before)); err != nil {
			return err
		}
		var err error
		if pair[i], err = p.str(); err != nil {
			return err
		}
	}
	if pair[0] == "" || pair[1] == "" {
		return p.fail("merge %d is not two tokens", len(m.merges))
	}
	m.merges = append(m.merges, pair)
	return p.expect(']')
}

// readScored reads one [piece, score] of a Unigram vocabulary.
func (m *hfModel) readScored(p *scanner) error {
	n := 0
	return p.array(func() error {
		p.peek()
		n++
		switch n {
		case 1:
			s, err := p.str()
			m.names = append(m.names, s)
			m.ids = append(m.ids, int32(len(m.ids)))
			return err
		case 2:
			s, err := p.number()
			if err != nil {
				return err
			}
			var f float64
			if err := json.Unmarshal([]byte(s), &f); err != nil {
				return p.fail("score %s", s)
			}
			m.scores = append(m.scores, f)
			return nil
		}
		return p.fail("more than a piece and a score")
	})
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

func (f *hfFile) buildModel(t *Tokenizer, names []string, pre preTokenizer) error {
	set := &f.model.set
	switch set.Type {
	case "BPE":
	case "Unigram":
		return f.buildUnigram(t, names)
	default:
		return fmt.Errorf("type %q is not supported (BPE and Unigram are)", set.Type)
	}
	if set.Dropout != nil && *set.Dropout != 0 {
		return fmt.Errorf("dropout %g: tokenisation would be random", *set.Dropout)
	}
	if len(f.model.scores) > 0 || len(f.model.names) == 0 {
		return fmt.Errorf("vocab is not an object of tokens and ids")
	}
	m := &bpe{whole: set.IgnoreMerges, unk: none, fuseUnk: set.FuseUnk, prefix: set.Prefix, suffix: set.Suffix}
	t.kind, t.model = "BPE", m
	var keys texts
	var err error
	if pre.bytes && set.Prefix == "" && set.Suffix == "" && !set.ByteFallback {
		t.kind = "byte-level BPE"
		m.bytes = new([256]int32)
		keys, err = bytesOf(names, t.flags)
	} else {
		pre.mapBytes()
		keys, err = textsOf(names, func(_ int, s string) string { return s })
	}
	if err == nil {
		m.vocab, err = newVocab(keys, t.flags, flagModel)
	}
	if err != nil {
		return err
	}
	m.start()
	if set.ByteFallback {
		m.byteIDs = byteTokens(m.vocab.id)
	}
	if set.UnkToken != nil {
		if m.unk = int32(slices.Index(names, *set.UnkToken)); m.unk == none {
			return fmt.Errorf("unk_token %q is not in the vocabulary", *set.UnkToken)
		}
		t.roles.UNK = m.unk
	}
	return f.buildMerges(m)
}

func (f *hfFile) buildMerges(m *bpe) error {
	b := mergeBuilder{m: m, check: true, last: none}
	for _, pair := range f.model.merges {
		if err := b.add(pair[0], pair[1]); err != nil {
			return err
		}
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
