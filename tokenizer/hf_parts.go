package tokenizer

import (
	"encoding/json"
	"fmt"
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
