package check

import (
	"regexp"
	"strings"
)

var (
	digitsComma = regexp.MustCompile(`(\d),(?:\\!)?(\d\d\d)($|\D)`)
	trailing    = regexp.MustCompile(`(?:\\(?:text|mbox|textnormal|mathrm|textbf)\{[^{}]*\}(?:\^\{?\d\}?)?|\s[a-z]{3,}(?:\s[a-z]+)*|\s(?:cm|km|mm|kg|in|ft))\s*[.]?$`)
	shortArgs   = regexp.MustCompile(`\\frac\s*(\d)\s*(\d)`)
	shortRoot   = regexp.MustCompile(`\\sqrt\s*(\d+|[a-z])`)
	mixed       = regexp.MustCompile(`(\d)\s*\\frac\{(\d+)\}\{(\d+)\}`)
	dropped     = strings.NewReplacer(`\left`, "", `\right`, "", `\!`, "", `\,`, " ", `\;`, " ", `\:`, " ", `\ `, " ", `\displaystyle`, "", `\$`, "", "$", "", `^\circ`, "", `^{\circ}`, "",
		"°", "", `\dfrac`, `\frac`, `\tfrac`, `\frac`, `\cfrac`, `\frac`, `\%`, "%", `\{`, "{", `\}`, "}", `\cdot`, "*", `\times`, "*", `\div`, "/", `\infty`, "∞", "**", "^", "−", "-",
		"π", `\pi `, "×", "*", "·", "*", `\quad`, " ", `\langle`, "(", `\rangle`, ")", `\leq`, "<", `\le`, "<", `\geq`, ">", `\ge`, ">", `\cup`, "U", "~", " ", "{,}", "")
	// undecidable are things this checker does not know how to read.
	undecidable = regexp.MustCompile(`\\(?:begin|int|sum|prod|lim|pm|mp|log|binom|lfloor|lceil|overline|text|mbox|mathrm|mathbb|cap|setminus|in|infty|equiv|approx)|[_!|;:?"'&#@~∞]|\\\\`)
)

// rewrite turns an answer into plain arithmetic text without spaces, or "" when it holds what the checker cannot read.
func rewrite(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), ".")
	if inner, ok := strings.CutPrefix(s, `\boxed{`); ok && strings.HasSuffix(inner, "}") {
		s = inner[:len(inner)-1]
	}
	if !strings.ContainsAny(s, "([{") {
		for range 4 {
			s = digitsComma.ReplaceAllString(s, "$1$2$3")
		}
	}
	s = dropped.Replace(s)
	s = trailing.ReplaceAllString(strings.TrimSpace(s), "")
	if undecidable.MatchString(s) {
		return ""
	}
	s = shortArgs.ReplaceAllString(s, `\frac{$1}{$2}`)
	s = shortRoot.ReplaceAllString(s, `\sqrt{$1}`)
	s = mixed.ReplaceAllString(s, `($1+\frac{$2}{$3})`)
	out, ok := commands(s, 0)
	if !ok || strings.ContainsAny(out, `\`) {
		return ""
	}
	return strings.Join(strings.Fields(out), "")
}

// commands replaces \frac{a}{b} by ((a)/(b)), roots and names by function syntax, and grouping braces by parentheses.
func commands(s string, depth int) (string, bool) {
	if depth > 30 {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], `\frac`):
			a1, n, ok := argument(s[i+5:])
			if !ok {
				return "", false
			}
			a2, m, ok := argument(s[i+5+n:])
			if !ok {
				return "", false
			}
			x, ok1 := commands(a1, depth+1)
			y, ok2 := commands(a2, depth+1)
			if !ok1 || !ok2 {
				return "", false
			}
			b.WriteString("((" + x + ")/(" + y + "))")
			i += 5 + n + m
		case strings.HasPrefix(s[i:], `\sqrt[`):
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return "", false
			}
			index := s[i+6 : i+end]
			a, n, ok := argument(s[i+end+1:])
			if !ok {
				return "", false
			}
			x, ok := commands(a, depth+1)
			if !ok {
				return "", false
			}
			b.WriteString("((" + x + ")^(1/(" + index + ")))")
			i += end + 1 + n
		case s[i] == '\\':
			j := i + 1
			for j < len(s) && (s[j]|0x20) >= 'a' && (s[j]|0x20) <= 'z' {
				j++
			}
			b.WriteString(" `" + s[i+1:j] + "`")
			i = j
		case s[i] == '{' && !hasComma(inside(s[i:])):
			b.WriteByte('(')
			i++
		case s[i] == '}' && opener(s, i):
			b.WriteByte(')')
			i++
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String(), true
}

func argument(s string) (arg string, used int, ok bool) {
	t := strings.TrimLeft(s, " ")
	pad := len(s) - len(t)
	if t == "" {
		return "", 0, false
	}
	if t[0] != '{' {
		if t[0] == '\\' {
			return "", 0, false
		}
		return t[:1], pad + 1, true
	}
	end := matching(t)
	if end < 0 {
		return "", 0, false
	}
	return t[1:end], pad + end + 1, true
}

func inside(s string) string {
	if end := matching(s); end > 0 {
		return s[1:end]
	}
	return ""
}

// opener reports whether the brace that closes at i opened a group without commas.
func opener(s string, i int) bool {
	depth := 0
	for j := i; j >= 0; j-- {
		switch s[j] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth--; depth == 0 {
				return !hasComma(s[j+1 : i])
			}
		}
	}
	return false
}
