package expr

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// parsed are commands that the parser itself understands.
var parsed = wordSet(`frac dfrac tfrac cfrac binom tbinom dbinom choose sqrt int iint oint sum prod lim overline emptyset varnothing pmod infty pi overset underset stackrel
 exponentialE imaginaryunit over`)

// command reads what starts with a backslash.
func (l *lexer) command() error {
	name := l.commandName()
	if name == "" {
		return errors.New("a backslash with nothing after it")
	}
	switch {
	case name == `\`:
		l.emit(tOp, `\\`)
	case opNames[name] != "":
		l.emit(tOp, opNames[name])
	case spaces[name]:
		if (name == "left" || name == "right") && l.pos < len(l.src) && l.src[l.pos] == '.' {
			l.pos++
		}
	case strings.Contains("$#_- \n\t", name):
	case texts[name]:
		return l.text()
	case name == "mathit" || name == "variable":
		return l.variable(name)
	case name == "mathrm" || name == "mathop" || name == "operatorname" || name == "mathbb":
		return l.roman(name)
	case wrappers[name], name == "operatorname*":
	case name == "begin" || name == "end":
		env, ok := l.braces()
		if !ok {
			return fmt.Errorf(`\%s without a name`, name)
		}
		if env == "array" && name == "begin" {
			l.braces()
		}
		l.emit(tCmd, name+":"+strings.TrimSuffix(env, "*"))
	case name == "hline" || name == "tag" || name == "label":
		if name != "hline" {
			l.braces()
		}
	default:
		return l.named(name)
	}
	return nil
}

// commandName moves past \name and returns name. The longest known beginning counts, so that \quadx is \quad x.
func (l *lexer) commandName() string {
	l.pos++
	start := l.pos
	for l.pos < len(l.src) && l.src[l.pos] < 128 && unicode.IsLetter(rune(l.src[l.pos])) {
		l.pos++
	}
	if l.pos == start {
		if l.pos < len(l.src) {
			l.pos++
		}
		return l.src[start:l.pos]
	}
	name := l.src[start:l.pos]
	for n := len(name); n > 1; n-- {
		if knownCommand(name[:n]) {
			l.pos = start + n
			return name[:n]
		}
	}
	return name
}

func knownCommand(s string) bool {
	return opNames[s] != "" || spaces[s] || texts[s] || wrappers[s] || parsed[s] || functions[s] || greek[s] || s == "variable" || s == "operatorname" ||
		s == "begin" || s == "end" || s == "hline" || s == "tag" || s == "label"
}

func (l *lexer) named(name string) error {
	switch {
	case name == "pi":
		l.emit(tName, "pi")
	case name == "infty":
		l.emit(tName, "oo")
	case name == "exponentialE":
		l.emit(tName, "e")
	case name == "imaginaryunit":
		l.emit(tName, "i")
	case name == "sqrt" || functions[name]:
		l.emit(tFunc, name)
	case parsed[name]:
		l.emit(tCmd, name)
		switch name {
		case "frac", "dfrac", "tfrac", "cfrac", "binom", "tbinom", "dbinom":
			return l.twoDigits()
		}
	case len(name) <= 20:
		l.emit(tName, name)
	default:
		return fmt.Errorf(`unknown command \%s`, name)
	}
	return nil
}

// twoDigits reads the arguments of \frac12 as two one-digit numbers, and leaves braces to the parser.
func (l *lexer) twoDigits() error {
	for range 2 {
		l.skipSpace()
		if l.pos >= len(l.src) || l.src[l.pos] == '{' {
			depth := 0
			for l.pos < len(l.src) { // lex the first braced argument, so that a digit may follow it
				if l.src[l.pos] == '{' {
					depth++
				} else if l.src[l.pos] == '}' {
					depth--
				}
				if err := l.next(); err != nil {
					return err
				}
				l.skipSpace()
				if depth <= 0 {
					break
				}
			}
			continue
		}
		if !isDigit(l.src[l.pos]) {
			return nil
		}
		l.toks = append(l.toks, token{kind: tNum, num: literal(l.src[l.pos:l.pos+1], 0, 0), free: true})
		l.pos++
	}
	return nil
}

// braces reads a balanced {...} and returns what is inside.
func (l *lexer) braces() (string, bool) {
	l.skipSpace()
	if l.pos >= len(l.src) || l.src[l.pos] != '{' {
		return "", false
	}
	depth := 0
	for i := l.pos; i < len(l.src); i++ {
		switch l.src[i] {
		case '{':
			depth++
		case '}':
			depth--
			if depth == 0 {
				s := l.src[l.pos+1 : i]
				l.pos = i + 1
				return s, true
			}
		}
	}
	return "", false
}

// text reads \text{...}: words, or mathematics where it has digits or no letters.
func (l *lexer) text() error {
	s, ok := l.braces()
	if !ok {
		return errors.New(`\text without braces`)
	}
	s = strings.TrimSpace(strings.Trim(strings.TrimSpace(s), "$~"))
	low := strings.ToLower(strings.Trim(s, ", "))
	switch {
	case s == "" || s == ".":
	case low == "and" || low == "or":
		l.emit(tOp, low)
	case strings.IndexFunc(s, unicode.IsLetter) < 0 || strings.IndexFunc(s, unicode.IsDigit) >= 0 && strings.IndexFunc(s, unicode.IsSpace) < 0:
		return l.inline(s)
	case len(s) == 1:
		l.emit(tName, s)
	case strings.HasPrefix(low, "and ") || strings.HasPrefix(low, "or ") || strings.HasSuffix(low, " and") || strings.HasSuffix(low, " or"):
		l.emit(tOp, "and")
	default:
		l.emit(tText, s)
	}
	return nil
}

func (l *lexer) inline(s string) error {
	if strings.Contains(s, `\text`) || strings.Contains(s, `\m`) {
		return errors.New("nested text")
	}
	toks, err := lex(s)
	if err != nil {
		return err
	}
	l.toks = append(l.toks, toks[:len(toks)-1]...)
	return nil
}

func (l *lexer) variable(name string) error {
	s, ok := l.braces()
	if !ok {
		return fmt.Errorf(`\%s without braces`, name)
	}
	base := strings.TrimRight(s, "'")
	if base == "" {
		return fmt.Errorf(`\%s with nothing inside`, name)
	}
	if name == "mathit" {
		for _, r := range base {
			if !unicode.IsLetter(r) && r != ' ' {
				return fmt.Errorf(`\mathit{%s} is not a name`, s)
			}
		}
	}
	l.toks = append(l.toks, token{kind: tName, text: base, free: name == "variable"})
	for range len(s) - len(base) {
		l.emit(tOp, "'")
	}
	return nil
}

func (l *lexer) roman(name string) error {
	l.skipSpace()
	if l.pos < len(l.src) && l.src[l.pos] == '*' {
		l.pos++
	}
	s, ok := l.braces()
	if !ok && name == "mathbb" && l.pos < len(l.src) && l.src[l.pos] >= 'A' && l.src[l.pos] <= 'Z' {
		s, ok = l.src[l.pos:l.pos+1], true
		l.pos++
	}
	if !ok {
		return nil // \mathrm e: the style of what follows
	}
	s = strings.TrimSpace(s)
	switch {
	case name == "mathbb" && len(s) == 1:
		l.emit(tName, "bb"+s)
	case functions[s]:
		l.emit(tFunc, s)
	case name == "operatorname" && s != "" && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) < 0:
		l.emit(tName, s)
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != ' ' && r != '.' }) < 0 && len(s) > 1:
		l.emit(tText, s)
	default:
		return l.inline(strings.ReplaceAll(s, "~", " "))
	}
	return nil
}
