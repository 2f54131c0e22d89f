package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// component is any part of a tokenizer.json with a type; each type uses some of the fields.
type component struct {
	Type          string            `json:"type"`
	Normalizers   []json.RawMessage `json:"normalizers"`
	PreTokenizers []json.RawMessage `json:"pretokenizers"`
	Decoders      []json.RawMessage `json:"decoders"`
	Processors    []json.RawMessage `json:"processors"`

	Pattern        *hfPattern `json:"pattern"`
	Content        *string    `json:"content"`
	Prepend        string     `json:"prepend"`
	StripLeft      bool       `json:"strip_left"`
	StripRight     bool       `json:"strip_right"`
	Charsmap       *string    `json:"precompiled_charsmap"`
	CleanText      *bool      `json:"clean_text"`
	ChineseChars   *bool      `json:"handle_chinese_chars"`
	StripAccents   *bool      `json:"strip_accents"`
	Lowercase      *bool      `json:"lowercase"`
	Behavior       *string    `json:"behavior"`
	Invert         bool       `json:"invert"`
	AddPrefixSpace *bool      `json:"add_prefix_space"`
	UseRegex       *bool      `json:"use_regex"`
	Individual     bool       `json:"individual_digits"`
	Replacement    string     `json:"replacement"`
	PrependScheme  *string    `json:"prepend_scheme"`
	Split          *bool      `json:"split"`
	Delimiter      string     `json:"delimiter"`
	Length         *int       `json:"length"`
	Start          int64      `json:"start"`
	Stop           int64      `json:"stop"`
	Single         []hfPiece  `json:"single"`
	Pair           []hfPiece  `json:"pair"`
	SpecialTokens  map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
	SEP []any `json:"sep"`
	CLS []any `json:"cls"`
}

type hfPattern struct {
	String *string
	Regex  *string
}

// hfPiece is one element of a post-processing template.
type hfPiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	}
	Sequence *struct {
		ID string `json:"id"`
	}
}

// parseComponent reads a part; nil without one.
func parseComponent(raw string) (*component, error) {
	var c *component
	if raw == "" {
		return nil, nil
	}
	err := json.Unmarshal([]byte(raw), &c)
	return c, err
}

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// find compiles the pattern of a component.
func (c *component) find() (pattern, error) {
	switch p := c.Pattern; {
	case p == nil:
		return pattern{}, fmt.Errorf("%s without a pattern", c.Type)
	case p.Regex != nil:
		return compilePattern(*p.Regex)
	case p.String != nil && *p.String != "":
		return pattern{hand: literal(*p.String)}, nil
	}
	return pattern{}, fmt.Errorf("%s with an empty pattern", c.Type)
}

func parseNormalizer(raw string) (normalizer, error) {
	c, err := parseComponent(raw)
	if c == nil || err != nil {
		return nil, err
	}
	switch c.Type {
	case "Sequence":
		var steps []normalizer
		for _, raw := range c.Normalizers {
			f, err := parseNormalizer(string(raw))
			if err != nil {
				return nil, err
			}
			if f != nil {
				steps = append(steps, f)
			}
		}
		return sequence(steps), nil
	case "NFC":
		return unicodeForm(norm.NFC), nil
	case "NFD":
		return unicodeForm(norm.NFD), nil
	case "NFKC":
		return unicodeForm(norm.NFKC), nil
	case "NFKD":
		return unicodeForm(norm.NFKD), nil
	case "Nmt":
		return nmt, nil
	case "Lowercase":
		return lowercase, nil
	case "StripAccents":
		return stripAccents, nil
	case "Strip":
		return strip(c.StripLeft, c.StripRight), nil
	case "Prepend":
		return prepend(c.Prepend), nil
	case "ByteLevel":
		return mapBytes, nil
	case "Replace":
		find, err := c.find()
		if err != nil {
			return nil, err
		}
		if c.Pattern.String != nil {
			return replaceAll(*c.Pattern.String, or(c.Content, "")), nil
		}
		return replacePattern(find, or(c.Content, "")), nil
	case "Precompiled":
		blob, err := base64.StdEncoding.DecodeString(or(c.Charsmap, ""))
		if err != nil {
			return nil, fmt.Errorf("precompiled_charsmap: %w", err)
		}
		m, err := parseCharsmap(blob)
		if err != nil {
			return nil, fmt.Errorf("precompiled_charsmap: %w", err)
		}
		return m.normalize, nil
	}
	return nil, fmt.Errorf("type %q is not supported", c.Type)
}

// preTokenizer is a sequence of stages. bytes: a byte-level stage makes bytes of the text.
type preTokenizer struct {
	stages []stage
	bytes  bool
}

// mapBytes makes every byte-level stage write its alphabet, for a model that has its tokens spelt in it.
func (p preTokenizer) mapBytes() {
	for i, s := range p.stages {
		switch s := s.(type) {
		case *byteLevel:
			s.mapped = true
		case unmapped:
			p.stages[i] = pass{}
		}
	}
}

// pass is a stage that changes nothing.
type pass struct{}

func (pass) split(piece string, start bool, next func(string, bool)) { next(piece, start) }

// unmapped turns the byte-level alphabet back to bytes, after stages that looked at its characters.
type unmapped struct{}

func (unmapped) split(piece string, start bool, next func(string, bool)) {
	b, _ := appendUnmapped(make([]byte, 0, len(piece)), piece)
	next(string(b), start)
}

func parsePreTokenizer(raw string) (p preTokenizer, err error) {
	if err := p.add(raw); err != nil {
		return p, err
	}
	for i, s := range p.stages {
		if b, ok := s.(*byteLevel); ok {
			if p.bytes {
				return p, fmt.Errorf("a second ByteLevel")
			}
			p.bytes = true
			b.mapped = i+1 < len(p.stages)
		}
	}
	if last := len(p.stages) - 1; p.bytes {
		if _, ok := p.stages[last].(*byteLevel); !ok {
			p.stages = append(p.stages, unmapped{})
		}
	}
	return p, nil
}

// add appends the stages of one component.
func (p *preTokenizer) add(raw string) error {
	c, err := parseComponent(raw)
	if c == nil || err != nil {
		return err
	}
	if c.Type == "Sequence" {
		for _, raw := range c.PreTokenizers {
			if err := p.add(string(raw)); err != nil {
				return err
			}
		}
		return nil
	}
	s, err := c.stage()
	if err == nil {
		p.stages = append(p.stages, s)
	}
	return err
}

func (c *component) stage() (stage, error) {
	switch c.Type {
	case "ByteLevel":
		return &byteLevel{prefixSpace: or(c.AddPrefixSpace, true), regex: or(c.UseRegex, true)}, nil
	case "Split":
		find, err := c.find()
		if err != nil {
			return nil, err
		}
		b, err := parseBehavior(or(c.Behavior, ""))
		return &splitter{find, b, c.Invert}, err
	case "Digits":
		if c.Individual {
			return &splitter{find: pattern{hand: numbers(1)}}, nil
		}
		return &splitter{find: pattern{hand: numbers(0)}}, nil
	case "Punctuation":
		b, err := parseBehavior(or(c.Behavior, "Isolated"))
		return &splitter{find: pattern{hand: single(isPunctuation)}, behavior: b}, err
	case "Whitespace":
		return &splitter{find: pattern{hand: words}, behavior: removed, invert: true}, nil
	case "WhitespaceSplit":
		return &splitter{find: pattern{hand: single(unicode.IsSpace)}, behavior: removed}, nil
	case "CharDelimiterSplit":
		if utf8.RuneCountInString(c.Delimiter) != 1 {
			return nil, fmt.Errorf("CharDelimiterSplit with delimiter %q", c.Delimiter)
		}
		return &splitter{find: pattern{hand: literal(c.Delimiter)}, behavior: removed}, nil
	case "FixedLength":
		n := or(c.Length, 5)
		if n < 1 {
			return nil, fmt.Errorf("FixedLength of %d", n)
		}
		return fixedLength{n}, nil
	case "Metaspace":
		return c.metaspace()
	}
	return nil, fmt.Errorf("type %q is not supported", c.Type)
}

func (c *component) metaspace() (*metaspace, error) {
	m := &metaspace{replacement: c.Replacement, cut: or(c.Split, true)}
	if utf8.RuneCountInString(m.replacement) != 1 {
		return nil, fmt.Errorf("Metaspace with replacement %q", c.Replacement)
	}
	switch s := or(c.PrependScheme, ""); s {
	case "always":
	case "first":
		m.scheme = prependFirst
	case "never":
		m.scheme = prependNever
	case "":
		if !or(c.AddPrefixSpace, true) {
			m.scheme = prependNever
		}
	default:
		return nil, fmt.Errorf("Metaspace with prepend_scheme %q", s)
	}
	return m, nil
}

// parsePostProcessor returns the ids put before and after a single text.
func parsePostProcessor(raw string, size int) (prefix, suffix []int32, err error) {
	c, err := parseComponent(raw)
	if c == nil || err != nil {
		return nil, nil, err
	}
	switch c.Type {
	case "ByteLevel":
		return nil, nil, nil
	case "Sequence":
		for _, raw := range c.Processors {
			p, s, err := parsePostProcessor(string(raw), size)
			if err != nil {
				return nil, nil, err
			}
			prefix, suffix = append(slices.Clone(p), prefix...), append(suffix, s...)
		}
		return prefix, suffix, nil
	case "TemplateProcessing":
		return c.template(size)
	case "BertProcessing", "RobertaProcessing":
		cls, err := pairID(c.CLS, size)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: cls: %w", c.Type, err)
		}
		sep, err := pairID(c.SEP, size)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: sep: %w", c.Type, err)
		}
		return []int32{cls}, []int32{sep}, nil
	}
	return nil, nil, fmt.Errorf("type %q is not supported", c.Type)
}

// pairID reads ["[SEP]", 102].
func pairID(v []any, size int) (int32, error) {
	if len(v) == 2 {
		if id, ok := v[1].(float64); ok && id >= 0 && id < float64(size) && id == float64(int32(id)) {
			return int32(id), nil
		}
	}
	return 0, fmt.Errorf("%v is not a token and its id", v)
}

func (c *component) template(size int) (prefix, suffix []int32, err error) {
	ids := func(p hfPiece) ([]int32, error) {
		tok, ok := c.SpecialTokens[p.SpecialToken.ID]
		if !ok {
			return nil, fmt.Errorf("template names %q, which is not in special_tokens", p.SpecialToken.ID)
		}
		var out []int32
		for _, id := range tok.IDs {
			if id < 0 || id >= int64(size) {
				return nil, fmt.Errorf("special token %q has id %d of %d", p.SpecialToken.ID, id, size)
			}
			out = append(out, int32(id))
		}
		return out, nil
	}
	for _, p := range c.Pair {
		if p.SpecialToken != nil {
			if _, err := ids(p); err != nil {
				return nil, nil, err
			}
		}
	}
	texts := 0
	for _, p := range c.Single {
		switch {
		case p.Sequence != nil:
			texts++
		case p.SpecialToken != nil:
			add, err := ids(p)
			if err != nil {
				return nil, nil, err
			}
			if texts == 0 {
				prefix = append(prefix, add...)
			} else {
				suffix = append(suffix, add...)
			}
		default:
			return nil, nil, fmt.Errorf("template with an element that is neither a token nor a sequence")
		}
	}
	if texts != 1 {
		return nil, nil, fmt.Errorf("template with %d sequences for a single text", texts)
	}
	return prefix, suffix, nil
}

// lowercase maps each character by itself; İ is the one that becomes two.
func lowercase(s string) string {
	if strings.Contains(s, "İ") {
		s = strings.ReplaceAll(s, "İ", "i̇")
	}
	return strings.Map(unicode.ToLower, s)
}
