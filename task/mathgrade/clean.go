package mathgrade

import (
	"regexp"
	"strings"
)

var (
	thinComma   = regexp.MustCompile(`(\d),\\!\s*(\d{3})`)
	braceComma  = regexp.MustCompile(`(\d)\s*\{,\s*\}\s*(\d)`)
	thinSpace   = regexp.MustCompile(`(\d)(?:\\,|\\ |\x{2009}|\x{202f}|\x{a0}|\\;)(\d{3})`)
	thousands   = regexp.MustCompile(`(^|[^\d.,])([1-9]\d{0,2}(?:,\d{3})+)(\.\d+)?($|[^\d,.]|[.,]($|\s|[^\d\s]))`)
	gluedOr     = regexp.MustCompile(`([\d)\]}])(or|and)([A-Za-z\\(\[{\d])`)
	percentWord = regexp.MustCompile(`(?i)([\d}$)])\s*\$?\s*(?:\\text\{\s*)?(?:per\s?cents?|percentage|pct)\b\.?\s*\}?`)
	doubled     = regexp.MustCompile(`\\\\([a-zA-Z]{2,}|[(){}\[\]])`)
	trailer     = regexp.MustCompile(`(?:\\\\|\\end\{(?:align|equation|gather)\*?\}|[.,;:?]|\\)+$`)
	ordinal     = regexp.MustCompile(`(\d)\s*(?:\^\s*)?\{?\s*(?:\\(?:text|mathrm|textrm)\s*\{)?(?:st|nd|rd|th)\}?\}?($|[\s.,;)])`)
	temperature = regexp.MustCompile(`(\^\s*\{?\\circ\s*\}?|°)\s*(?:\\(?:text|mathrm|textrm)\s*\{\s*[CF]\s*\}|[CF]\b)`)
	specials    = regexp.MustCompile(`<\|[a-z_]+\|>`)
	emphasis    = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// clean prepares an answer for the parser: joins digits that thousands separators part, drops dollar signs, a full stop at the end and
// styling, and writes percent as a sign.
func clean(s string) string {
	s = specials.ReplaceAllString(s, "")
	if strings.Contains(s, "**") && strings.Count(s, "**") >= 2 {
		s = emphasis.ReplaceAllString(s, "$1")
	}
	s = strings.Trim(s, " \t\r\n\"")
	for {
		t := strings.TrimSpace(trailer.ReplaceAllString(repeatingPoints(s), ""))
		for _, w := range [][2]string{{"$$", "$$"}, {"$", "$"}, {`\(`, `\)`}, {`\[`, `\]`}, {`\\(`, `\\)`}, {`\\[`, `\\]`}, {`"`, `"`}, {"`", "`"}} {
			if len(t) >= len(w[0])+len(w[1]) && strings.HasPrefix(t, w[0]) && strings.HasSuffix(t, w[1]) && !strings.HasSuffix(t, `\`+w[1]) &&
				!strings.Contains(t[len(w[0]):len(t)-len(w[1])], w[0]) {
				t = strings.TrimSpace(t[len(w[0]) : len(t)-len(w[1])])
			}
		}
		if inner, ok := wholeBox(t); ok {
			t = inner
		}
		if t == s {
			break
		}
		s = t
	}
	if !strings.Contains(s, `\begin`) && strings.Contains(s, `\\`) {
		s = doubled.ReplaceAllString(s, `\$1`)
	}
	for range 2 {
		s = thinComma.ReplaceAllString(s, "$1$2")
		s = thinSpace.ReplaceAllString(s, "$1$2")
		s = braceComma.ReplaceAllString(s, "$1$2")
	}
	for strings.Contains(s, `,\!`) {
		t := thinComma.ReplaceAllString(s, "$1$2")
		if t == s {
			break
		}
		s = t
	}
	s = gluedOr.ReplaceAllString(s, "$1 $2 $3")
	s = ordinal.ReplaceAllString(s, "$1$2")
	s = temperature.ReplaceAllStringFunc(s, func(t string) string {
		return map[byte]string{'C': ` \text{celsius}`, 'F': ` \text{fahrenheit}`}[strings.TrimRight(t, "} ")[len(strings.TrimRight(t, "} "))-1]]
	})
	if len(s) <= maxWorded {
		s = rewritten(s)
		if n, ok := spelled(s); ok {
			return n
		}
	}
	s = percentWord.ReplaceAllString(s, "${1}%")
	return joinThousands(s)
}

// joinThousands drops the commas of 1,234,567 outside brackets.
func joinThousands(s string) string {
	if !strings.Contains(s, ",") {
		return s
	}
	var out strings.Builder
	depth, start := 0, 0
	flush := func(end int) {
		seg := s[start:end]
		if depth == 0 {
			seg = thousands.ReplaceAllStringFunc(seg, func(m string) string {
				g := thousands.FindStringSubmatch(m)
				return g[1] + strings.ReplaceAll(g[2], ",", "") + g[3] + g[4]
			})
		}
		out.WriteString(seg)
		start = end
	}
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			flush(i)
			depth++
		case ')', ']', '}':
			flush(i)
			depth--
		}
	}
	flush(len(s))
	return out.String()
}

// wholeBox unwraps a text that is one \boxed{...} or \fbox{...}.
func wholeBox(s string) (string, bool) {
	for _, cmd := range boxes {
		rest, ok := strings.CutPrefix(s, cmd)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " ")
		if strings.HasPrefix(rest, "{") {
			if end := closing(rest); end == len(rest)-1 {
				return strings.TrimSpace(rest[1:end]), true
			}
		}
	}
	return s, false
}

// closing is the index of the brace that closes s[0], or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

var (
	articles = regexp.MustCompile(`\b(?:a|an|the)\b`)
	notWord  = regexp.MustCompile(`[^\p{L}\p{N}\s]+`)
	textCmd  = regexp.MustCompile(`\\(?:text|textbf|textit|textrm|textnormal|mbox|hbox|mathrm|mathbf|mathit|boxed|fbox|operatorname)\b`)
)

// words is the normal form of an answer that is text: small letters, no punctuation, no articles, single spaces.
func words(s string) string {
	s = textCmd.ReplaceAllString(s, "")
	s = strings.ToLower(s)
	s = notWord.ReplaceAllString(s, " ")
	t := strings.Join(strings.Fields(articles.ReplaceAllString(s, " ")), " ")
	if t == "" {
		return strings.Join(strings.Fields(s), " ")
	}
	return t
}

// squeeze drops white space and styling only, for comparing answers character by character.
func squeeze(s string) string {
	for _, cut := range []string{`\left`, `\right`, `\,`, `\!`, `\;`, `\ `, `\displaystyle`} {
		s = strings.ReplaceAll(s, cut, "")
	}
	s = strings.NewReplacer(`\dfrac`, `\frac`, `\tfrac`, `\frac`, "$", "").Replace(s)
	return strings.Join(strings.Fields(s), "")
}
