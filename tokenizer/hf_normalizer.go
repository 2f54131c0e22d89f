package tokenizer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// parseNormalizer reads a normalizer; nil without one.
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

// lowercase maps each character by itself; İ is the one that becomes two.
func lowercase(s string) string {
	if strings.Contains(s, "İ") {
		s = strings.ReplaceAll(s, "İ", "i̇")
	}
	return strings.Map(unicode.ToLower, s)
}
