package tokenizer

import (
	"fmt"
	"slices"
)

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
