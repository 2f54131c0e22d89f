package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// hfDecoder is a decoder of a tokenizer.json, worked out into what each token stands for and a rule for the beginning of a text.
type hfDecoder struct {
	steps []func(string) (piece string, final bool) // applied to a token's name until one is final
	lead  leadRule
	bytes bool // the pieces are those of the byte-level alphabet
	fused bool
}

// parseDecoder reads a decoder. Without one, tokens are put together as they are, through the byte-level alphabet if the pre-tokenizer uses it.
func parseDecoder(raw string, byteLevel bool) (*hfDecoder, error) {
	d := &hfDecoder{}
	c, err := parseComponent(raw)
	if err != nil {
		return nil, err
	}
	if c == nil {
		d.bytes = byteLevel
		return d, nil
	}
	return d, d.add(c)
}

func (d *hfDecoder) add(c *component) error {
	if d.lead.text != "" || d.bytes {
		return fmt.Errorf("%s after what has to be last", c.Type)
	}
	switch c.Type {
	case "Sequence":
		for _, raw := range c.Decoders {
			sub, err := parseComponent(string(raw))
			if err != nil {
				return err
			}
			if sub == nil {
				return fmt.Errorf("an empty decoder")
			}
			if err := d.add(sub); err != nil {
				return err
			}
		}
	case "ByteLevel":
		d.bytes = true
		if len(d.steps) > 0 || d.fused {
			return fmt.Errorf("ByteLevel after another decoder")
		}
	case "Fuse":
		d.fused = true
	case "ByteFallback":
		d.steps = append(d.steps, byteFallback)
	case "Replace":
		return d.addReplace(c)
	case "Strip":
		return d.addStrip(c)
	case "Metaspace":
		m, err := c.metaspace()
		if err != nil {
			return err
		}
		if m.scheme != prependNever {
			d.lead = leadRule{text: " ", first: true}
		}
		d.steps = append(d.steps, func(s string) (string, bool) { return strings.ReplaceAll(s, m.replacement, " "), false })
	default:
		return fmt.Errorf("type %q is not supported", c.Type)
	}
	return nil
}

func (d *hfDecoder) addReplace(c *component) error {
	find, err := c.find()
	if err != nil {
		return err
	}
	if p := c.Pattern.String; d.fused && (p == nil || utf8.RuneCountInString(*p) != 1) {
		return fmt.Errorf("a Replace of more than one character after Fuse")
	}
	replace := replacePattern(find, or(c.Content, ""))
	d.steps = append(d.steps, func(s string) (string, bool) { return replace(s), false })
	return nil
}

// addStrip takes the form after Fuse, which strips the whole text at its beginning.
func (d *hfDecoder) addStrip(c *component) error {
	content := or(c.Content, "")
	if utf8.RuneCountInString(content) != 1 || !d.fused || c.Start < 0 || c.Start > maxID || c.Stop != 0 {
		return fmt.Errorf("a Strip of %q, start %d, stop %d is not supported (one character at the start, after Fuse, is)", content, c.Start, c.Stop)
	}
	if c.Start > 0 {
		d.lead = leadRule{text: content, times: int(c.Start)}
	}
	return nil
}

// byteFallback turns <0x41> into the byte.
func byteFallback(s string) (string, bool) {
	if b, ok := byteToken(s); ok {
		return string([]byte{b}), true
	}
	return s, false
}

// byteToken reads the name of a byte token, <0x00> to <0xFF>.
func byteToken(s string) (b byte, ok bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	for _, c := range []byte(s[3:5]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		b = b<<4 | c
	}
	return b, true
}

// pieces returns the bytes of every token.
func (d *hfDecoder) pieces(names []string) (texts, error) {
	if d.bytes {
		return bytesOf(names, make([]flag, len(names)))
	}
	return textsOf(names, func(_ int, s string) string {
		for _, step := range d.steps {
			var final bool
			if s, final = step(s); final {
				break
			}
		}
		return s
	})
}
