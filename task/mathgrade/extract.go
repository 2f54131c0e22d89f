package mathgrade

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pennyml/penny/task/mathgrade/expr"
)

// boxes are the commands that mark a final answer.
var boxes = []string{`\boxed`, `\fbox`, `\framebox`}

// How much of the end of a text is searched: for boxes and tags, and for phrases, formulas and numbers.
const (
	maxText   = 1 << 16
	maxPhrase = 1 << 13
)

// ending is the end of s, at most n bytes.
func ending(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

// Extraction is a final answer and the rule that found it.
type Extraction struct {
	Answer string
	Rule   string // "box", "answer tag", "gsm8k marker", "answer phrase", "mathematics", "last number", "whole text", "words", or "" when there is none
}

var (
	gsmMarker = regexp.MustCompile(`(?m)####[ \t]*(.+)$`)
	phrase    = regexp.MustCompile(`(?i)(?:(?:final|correct|exact|simplified)\s+)?(?:\banswer|\boption|\bresult\s+is|\bthe\s+answer)\b\**\s*(?:to the (?:question|problem)\s*)?(?:is\s*:?|are\s*:?|:|=|：)\**\s*|(?:^|\n)\s*A:\s+|(?:最终)?(?:答案|答)(?:是|为|：|:)+\s*|(?:因此|所以|故)(?:答案)?(?:是|为|选)\s*`)
	hope      = regexp.MustCompile(`(?is)\.?\s*I hope (?:it|this) is correct\.?.*$`)
	mathEnv   = regexp.MustCompile(`(?s)\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|\$((?:[^$\\]|\\.)+?)\$|\\begin\{(?:align|equation|gather)\*?\}(.+?)\\end\{(?:align|equation|gather)\*?\}`)
	lastNum   = regexp.MustCompile(`\d+(?::\d+)+(?:\s*[AaPp]\.?[Mm]\b)?|-?(?:\\?\$\s?)?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+,\d+|\d*\.?\d+)(?:\s*/\s*\d+)?(?:[eE][+-]?\d+)?(?:\s*\\?%)?`)
	boxUnit   = regexp.MustCompile(`^[\s$)\]\\]*(?:(?:percent|pct|percentage)\b|\\?%)`)
	between   = regexp.MustCompile(`^[\s$\\()\[\].,;&]*(?:(?:\\quad|\\qquad|\\text|\{|\}|and|or|,|\s|\$|\\|&|for part|but|maybe|perhaps|possibly|respectively|\(\w\))[\s$.,;()\[\]"]*)*$`)
	sentence  = regexp.MustCompile(`\.(?:\s|$)`)
)

// Extract finds the final answer in a model's text. Everything up to the last </think> is left out. The rules, first match wins: the last
// <answer> tag; the last \boxed or \fbox, with boxes joined by "and" or commas taken together; the GSM8K marker ####; a short text that is
// itself mathematics; what follows "the answer is"; the last formula or number; the whole text as words.
func Extract(text string) Extraction {
	text = ending(text, maxText)
	if strings.Contains(text, "<|") {
		text = specials.ReplaceAllString(text, "")
	}
	if i := strings.LastIndex(text, "</think>"); i >= 0 {
		text = text[i+len("</think>"):]
	}
	if inner, ok := lastTag(text); ok {
		if e := boxed(inner); e != "" {
			return Extraction{e, "answer tag"}
		}
		return Extraction{inner, "answer tag"}
	}
	if b := boxed(text); b != "" {
		if a := laterAnswer(text); a != "" {
			return Extraction{a, "answer phrase"}
		}
		return Extraction{b, "box"}
	}
	text = ending(text, maxPhrase)
	if a, ok := Marked(text); ok {
		return Extraction{a, "gsm8k marker"}
	}
	t := strings.TrimSpace(text)
	if len(t) <= 300 && t != "" && !strings.Contains(t, "\n") {
		if n, err := expr.Parse(clean(t)); err == nil && n.Kind != expr.Text && !prose(n) {
			return Extraction{t, "whole text"}
		}
	}
	if a, ok := afterPhrase(text); ok {
		return Extraction{a, "answer phrase"}
	}
	if m := plural.FindStringSubmatch(t); m != nil {
		return Extraction{m[1], "last number"}
	}
	if e := lastFormula(text); e.Rule != "" {
		return e
	}
	if t != "" && len(t) <= 2000 {
		return Extraction{t, "words"}
	}
	return Extraction{}
}

// lastTag is the content of the last <answer>...</answer>.
func lastTag(text string) (string, bool) {
	end := strings.LastIndex(text, "</answer>")
	if end < 0 {
		return "", false
	}
	start := strings.LastIndex(text[:end], "<answer>")
	if start < 0 {
		return "", false
	}
	return strings.TrimSpace(text[start+len("<answer>") : end]), true
}

// maxNestedBoxes bounds how many boxes in boxes are opened.
const maxNestedBoxes = 20

// braceClosers maps the place of each opening brace to the one that closes it, in one pass; -1 where none does.
func braceClosers(text string) map[int]int {
	out := map[int]int{}
	var open []int
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			out[i] = -1
			open = append(open, i)
		case '}':
			if len(open) > 0 {
				out[open[len(open)-1]] = i
				open = open[:len(open)-1]
			}
		}
	}
	return out
}

type span struct {
	start, end int
	inner      string
}

// boxSpans finds every closed, non-empty box; of nested boxes the innermost content counts.
func boxSpans(text string) []span {
	if !strings.Contains(text, "box") {
		return nil
	}
	var out []span
	closers := braceClosers(text)
	for i := 0; i < len(text); {
		j := strings.IndexByte(text[i:], '\\')
		if j < 0 {
			break
		}
		i += j
		n := 0
		for _, b := range boxes {
			if strings.HasPrefix(text[i:], b) {
				n = len(b)
			}
		}
		if n == 0 {
			i++
			continue
		}
		rest := text[i+n:]
		pad := len(rest) - len(strings.TrimLeft(rest, " "))
		if strings.HasPrefix(rest[pad:], "{") {
			if end := closers[i+n+pad] - (i + n + pad); end > 0 {
				inner := strings.TrimSpace(rest[pad+1 : pad+end])
				for range maxNestedBoxes {
					t, ok := wholeBox(inner)
					if !ok {
						break
					}
					inner = t
				}
				if inner != "" {
					out = append(out, span{i, i + n + pad + end + 1, inner})
				}
				i += n + pad + end + 1
				continue
			}
		} else if m := regexpBoxWord.FindStringIndex(rest); m != nil { // \boxed 5
			out = append(out, span{i, i + n + m[1], strings.TrimSpace(rest[:m[1]])})
		}
		i += n
	}
	return out
}

var regexpBoxWord = regexp.MustCompile(`^ +-?[\w./]+`)

// boxed is the content of the last box, joined with boxes right before it that only "and", commas or "but" part from it.
func boxed(text string) string {
	spans := boxSpans(text)
	if len(spans) == 0 {
		return ""
	}
	last := len(spans) - 1
	for last > 0 && approximate(text, spans[last-1], spans[last]) {
		last--
	}
	first := last
	for first > 0 {
		gap := text[spans[first-1].end:spans[first].start]
		if len(gap) > 60 || !between.MatchString(gap) && !assignment.MatchString(gap) || strings.TrimSpace(gap) == "" || strings.Contains(gap, "\n\n") {
			break
		}
		first--
	}
	parts := make([]string, 0, last-first+1)
	for k, s := range spans[first : last+1] {
		if k == 0 || s.inner != parts[len(parts)-1] {
			parts = append(parts, s.inner)
		}
	}
	out := strings.Join(parts, ", ")
	if m := boxUnit.FindStringIndex(text[spans[last].end:]); m != nil && first == last && !strings.Contains(out, "%") {
		out += `\%`
	}
	return out
}

// assignment is what stands between two boxes in "x = [..] and y = [..]".
var assignment = regexp.MustCompile(`^[\s\\)$,]*and[\s\\($]*[a-z](?:_\{?\d\}?)?\s*=\s*$`)

var finalAnswer = regexp.MustCompile(`(?i)final answer\**\s*(?:is|:)`)

// laterAnswer is what a "final answer is" says that comes after the last box, or "".
func laterAnswer(text string) string {
	spans := boxSpans(text)
	rest := ending(text[spans[len(spans)-1].end:], maxPhrase)
	if !finalAnswer.MatchString(rest) {
		return ""
	}
	a, _ := afterPhrase(rest)
	if _, err := expr.Parse(clean(a)); err != nil {
		return ""
	}
	return a
}

// Marked is what follows the last GSM8K marker ####. A marker with the word None marks nothing.
func Marked(text string) (string, bool) {
	if !strings.Contains(text, "####") {
		return "", false
	}
	m := gsmMarker.FindAllStringSubmatch(ending(text, maxPhrase), -1)
	if len(m) == 0 {
		return "", false
	}
	a := strings.TrimSpace(m[len(m)-1][1])
	if p := phrase.FindStringIndex(a); p != nil && p[0] == 0 {
		a = a[p[1]:]
	}
	a = strings.TrimRight(a, ". ")
	return a, a != "" && !strings.EqualFold(a, "none")
}

// prose reports words beside mathematics, as in "Therefore, x = 5" or "So it is -3".
func prose(n *expr.Node) bool {
	if n.Has(func(m *expr.Node) bool {
		return (m.Kind == expr.Add || m.Kind == expr.Mul || m.Kind == expr.Pow) && slices.ContainsFunc(m.Args, func(a *expr.Node) bool { return a.Kind == expr.Text })
	}) {
		return true
	}
	words := 0
	for _, a := range n.Args {
		if a.Kind == expr.Text {
			words++
		}
	}
	return n.Kind == expr.List && words > 0 && words < len(n.Args)
}

// LastBox is the content of the last closed box that is not empty.
func LastBox(text string) (string, bool) {
	spans := boxSpans(text)
	if len(spans) == 0 {
		return "", false
	}
	return spans[len(spans)-1].inner, true
}

// LastNumber is the last number of a text, without thousands separators and currency.
func LastNumber(text string) (string, bool) {
	e := lastFormula(mathEnv.ReplaceAllString(ending(text, maxPhrase), " "))
	if e.Rule != "last number" {
		return "", false
	}
	return plainNumber(e.Answer), true
}

func plainNumber(s string) string {
	s = strings.NewReplacer(`\$`, "", "$", "", " ", "").Replace(s)
	if thousands.MatchString(s) {
		s = strings.ReplaceAll(s, ",", "")
	}
	return s
}

// approximate reports whether box b restates box a as a decimal: "\boxed{\sqrt 2} \approx \boxed{1.41}".
func approximate(text string, a, b span) bool {
	gap := text[a.end:b.start]
	return len(gap) < 60 && (strings.Contains(gap, `\approx`) || strings.Contains(gap, "≈")) || strings.HasPrefix(b.inner, `\approx`) || strings.HasPrefix(b.inner, "≈")
}

// afterPhrase is what follows the last "the answer is", to the end of its sentence or line.
func afterPhrase(text string) (string, bool) {
	ms := phrase.FindAllStringIndex(text, -1)
	for k := len(ms) - 1; k >= 0; k-- {
		rest := hope.ReplaceAllString(text[ms[k][1]:], "")
		rest = strings.TrimLeft(strings.ReplaceAll(rest, `\"`, `"`), " \t\r\n*\"")
		if m := mathEnv.FindStringIndex(rest); m != nil && m[0] == 0 { // up to the end of the line: "$21,16$ or $11$"
			if line, _, _ := strings.Cut(rest[m[1]:], "\n"); !between.MatchString(strings.TrimSpace(mathEnv.ReplaceAllString(line, ","))) || mathEnv.FindString(line) == "" {
				return strings.TrimSpace(rest[:m[1]]), true
			}
		}
		line, _, _ := strings.Cut(rest, "\n")
		if m := sentence.FindStringIndex(line); m != nil {
			line = line[:m[0]]
		}
		line = strings.TrimSpace(strings.TrimRight(strings.TrimSpace(line), "*"))
		if line == "" {
			continue
		}
		line = aside.ReplaceAllString(line, "")
		if _, err := expr.Parse(clean(line)); err == nil {
			return line, true
		}
		if e := lastFormula(line); e.Rule != "" && !hedged(line) {
			return e.Answer, true
		}
		return line, true
	}
	return "", false
}

// plural is a sentence at the end that names several numbers: "the roots are 2 and 3".
var plural = regexp.MustCompile(`(?i)\bare:?\s+((?:-?\d[\d./]*\s*,\s*)*-?\d[\d./]*\s*,?\s*(?:and|or)\s+-?\d+(?:[./]\d+)?)\s*\.?$`)

// aside is a remark in brackets behind an answer.
var aside = regexp.MustCompile(`\s*\((?i:since|because|as|i\.e\.|which|where|rounded|approximately|approx\.?|to the nearest|from|see|not|for|in)\b[^()]*(?:\([^()]*\)[^()]*)*\)\s*$|\s\((?i:(?:[a-z]{4,}[ -]?)+)\)\s*$`)

var orWord = regexp.MustCompile(`\bor\s+\S+\s*$`)

// hedged reports a text that ends in "... or X": two answers are no answer.
func hedged(s string) bool { return orWord.MatchString(strings.TrimRight(s, " .$")) }

// lastFormula is the last formula between dollar signs or the last number, whichever ends later.
func lastFormula(text string) Extraction {
	var e Extraction
	end := -1
	if ms := mathEnv.FindAllStringSubmatchIndex(text, -1); len(ms) > 0 {
		for k := len(ms) - 1; k >= 0 && end < 0; k-- {
			m := ms[k]
			for g := 2; g < len(m); g += 2 {
				if m[g] < 0 {
					continue
				}
				inner := strings.TrimSpace(text[m[g]:m[g+1]])
				if n, err := expr.Parse(clean(inner)); err == nil && n.Kind != expr.Text {
					e, end = Extraction{joined(text, ms[:k+1], inner), "mathematics"}, m[1]
					if u := boxUnit.FindStringIndex(text[m[1]:]); u != nil {
						e.Answer += `\%`
					}
				}
			}
		}
	}
	nums := lastNum.FindAllStringIndex(text, -1)
	for k := len(nums) - 1; k >= 0; k-- {
		m := nums[k]
		if m[0] < end {
			break
		}
		if before := text[:m[0]]; m[0] > 0 && isLetter(before[len(before)-1]) || m[0] > 0 && text[m[0]] == '-' && (isLetter(before[len(before)-1]) || isDigit(before[len(before)-1])) {
			if m[0] > 0 && text[m[0]] == '-' && isDigit(before[len(before)-1]) {
				m = []int{m[0] + 1, m[1]} // 5-3: the number is 3
			} else {
				continue // part of a word
			}
		}
		if hedged(text[:m[1]]) {
			return Extraction{strings.TrimSpace(text), "whole text"}
		}
		return Extraction{strings.TrimSpace(text[m[0]:m[1]]), "last number"}
	}
	return e
}

var joint = regexp.MustCompile(`^\s*,?\s*(or|and)\s*$|^\s*,\s*$`)

// joined is the last formula with those before it that only "or", "and" or commas part from it: "$x=2$ or $x=3$" is one answer of two values. A
// comma alone joins nothing.
func joined(text string, ms [][]int, last string) string {
	out, word := last, false
	for k := len(ms) - 1; k > 0; k-- {
		gap := joint.FindStringSubmatch(text[ms[k-1][1]:ms[k][0]])
		if gap == nil || gap[1] == "" && !word {
			break
		}
		inner := ""
		for g := 2; g < len(ms[k-1]); g += 2 {
			if ms[k-1][g] >= 0 {
				inner = strings.TrimSpace(text[ms[k-1][g]:ms[k-1][g+1]])
			}
		}
		if inner == "" || len(out)+len(inner) > 1000 {
			break
		}
		sep := ", "
		if gap[1] != "" {
			sep, word = " "+gap[1]+" ", true
		}
		out = inner + sep + out
	}
	return out
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
