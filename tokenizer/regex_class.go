package tokenizer

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class reads [...], with ranges, classes inside and intersections.
func (p *regexParser) class(fold bool) (runeSet, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("classes nested too deep")
	}
	defer func() { p.depth-- }()
	p.pos++
	not := p.eat("^")
	var set runeSet
	var all []runeSet // operands of &&
	for first := true; ; first = false {
		switch {
		case p.pos >= len(p.s):
			return nil, p.fail("missing ]")
		case !first && p.eat("]"):
			for _, o := range all {
				set = set.intersect(o)
			}
			if not {
				set = set.negate()
			}
			return set, nil
		case p.eat("&&"):
			all = append(all, set)
			set = nil
			continue
		}
		item, err := p.classItem(fold)
		if err != nil {
			return nil, err
		}
		set = set.union(item)
	}
}

// classItem reads a character, a range, an escape or a class within a class.
func (p *regexParser) classItem(fold bool) (runeSet, error) {
	if p.peek() == '[' {
		if strings.HasPrefix(p.s[p.pos:], "[:") {
			return nil, p.fail("POSIX classes are not supported")
		}
		return p.class(fold)
	}
	set, err := p.classChar()
	if err != nil {
		return nil, err
	}
	if len(set) == 1 && set[0].lo == set[0].hi && p.peek() == '-' && p.pos+1 < len(p.s) && p.s[p.pos+1] != ']' {
		p.pos++
		high, err := p.classChar()
		if err != nil {
			return nil, err
		}
		if len(high) != 1 || high[0].lo != high[0].hi || high[0].lo < set[0].lo {
			return nil, p.fail("a range that is none")
		}
		set = runeSet{{set[0].lo, high[0].hi}}
	}
	if fold {
		return p.folded(set)
	}
	return set, nil
}

func (p *regexParser) classChar() (runeSet, error) {
	if p.peek() == '\\' {
		return p.escape(false)
	}
	return runeSetOf(p.next()), nil
}

// folded is fold for sets small enough to be spelt out.
func (p *regexParser) folded(set runeSet) (runeSet, error) {
	if set.size() > 1<<12 {
		return nil, p.fail("a large class under (?i)")
	}
	return set.fold(), nil
}

// escape reads a backslash and what belongs to it.
func (p *regexParser) escape(fold bool) (runeSet, error) {
	p.pos++
	if p.pos >= len(p.s) {
		return nil, p.fail("\\ at the end")
	}
	c := p.next()
	switch c {
	case 'd', 'D', 's', 'S', 'w', 'W':
		set := map[rune]func() runeSet{'d': digitSet, 's': spaceSet, 'w': wordSet}[unicode.ToLower(c)]()
		if unicode.IsUpper(c) {
			set = set.negate()
		}
		return set, nil
	case 'p', 'P':
		return p.property(c == 'P')
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	}
	if i := strings.IndexRune("nrtfvae", c); i >= 0 {
		c = rune("\n\r\t\f\v\a\x1b"[i])
	} else if c < utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c)) {
		return nil, p.fail("escape \\%c is not supported", c)
	}
	if set := runeSetOf(c); fold {
		return set.fold(), nil
	}
	return runeSetOf(c), nil
}

// hex reads the digits of \xHH, \uHHHH or \x{...}.
func (p *regexParser) hex(digits int) (runeSet, error) {
	text := ""
	if p.eat("{") {
		text, _, _ = strings.Cut(p.s[p.pos:], "}")
		p.pos += len(text) + 1
	} else if p.pos+digits <= len(p.s) {
		text = p.s[p.pos : p.pos+digits]
		p.pos += digits
	}
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil || n > unicode.MaxRune || p.pos > len(p.s) {
		return nil, p.fail("not a code point in hexadecimal")
	}
	return runeSetOf(rune(n)), nil
}

// property reads the name of \p{...} or \pL: a general category or a script.
func (p *regexParser) property(not bool) (runeSet, error) {
	name := ""
	if p.eat("{") {
		end := strings.IndexByte(p.s[p.pos:], '}')
		if end < 0 {
			return nil, p.fail("missing }")
		}
		name = p.s[p.pos : p.pos+end]
		p.pos += end + 1
	} else if p.pos < len(p.s) {
		name = string(p.next())
	}
	if strings.HasPrefix(name, "^") {
		name, not = name[1:], !not
	}
	set := propertySet(name)
	if set == nil {
		return nil, p.fail("property %q is not known", name)
	}
	if not {
		set = set.negate()
	}
	return set, nil
}
