package tokenizer

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

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
			return nil, fmt.Errorf("a CharDelimiterSplit with delimiter %q", c.Delimiter)
		}
		return &splitter{find: pattern{hand: literal(c.Delimiter)}, behavior: removed}, nil
	case "FixedLength":
		n := or(c.Length, 5)
		if n < 1 {
			return nil, fmt.Errorf("a FixedLength of %d", n)
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
		return nil, fmt.Errorf("a Metaspace with replacement %q", c.Replacement)
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
		return nil, fmt.Errorf("a Metaspace with prepend_scheme %q", s)
	}
	return m, nil
}
