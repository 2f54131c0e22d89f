package tokenizer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"pgregory.net/rapid"
)

// atoms are characters and pieces at which the expressions differ.
var atoms = []string{" ", " ", " ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000",
	"a", "b", "Z", "S", "ſ", "K", "é", "ß", "ǅ", "ʰ", "中", "龥", "龦", "ひ", "カ", "゠", "한", "ا", "अ", "ि", "\u0301", "\u0e31", "\u20dd", "ⅷ", "½", "²",
	"0", "1", "9", "٣", "𝟘", "'", "’", "'s", "'S", "'ſ", "'t", "'re", "'RE", "'Ve", "'ll", "'lL", "'d", "'m", "!", "\"", "#", "$", "+", "<", "=", ">",
	"^", "`", "|", "~", "_", "-", ".", "/", "(", "[", "¡", "。", "！", "€", "©", "😀", "\x00", "\x1f", "\u200b", "\u200d", "\ufeff", "\U000e0001", "�",
	"\ue000", "\u0378"}

func adversarial() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(atoms), 1, 60).Draw(t, "atoms"), "")
	})
}

var possessive = regexp.MustCompile(`((?:\[(?:\\.|[^\]\\])*\]|\\p\{\w+\}|\\s)(?:[?*+]|\{1,3\}))\+`)

// reference compiles an expression with regexp2, an engine that shares nothing with this package. It folds ſ differently and has no
// possessive repeats, so those are spelt out; $ is the end of the text, or of a line.
func reference(t testing.TB, expr string) *regexp2.Regexp {
	expr = strings.ReplaceAll(expr, `(?i:'s|'t|'re|'ve|'m|'ll|'d)`, `(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`)
	expr = strings.ReplaceAll(expr, `'(?i:[sdmt]|ll|ve|re)`, `'(?:[sSſdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])`)
	expr = strings.ReplaceAll(expr, `&&[^\p{Han}]]`, `-[\p{Han}]]`) // .NET's way to take characters out of a class
	expr = strings.ReplaceAll(possessive.ReplaceAllString(expr, "(?>$1)"), "$|", `\z|`)
	if strings.HasSuffix(expr, "$") {
		expr = strings.TrimSuffix(expr, "$") + `(?=\n|\z)`
	}
	re, err := regexp2.Compile(expr, regexp2.None)
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	return re
}

// referenceSpans lists the matches of re in s.
func referenceSpans(t testing.TB, re *regexp2.Regexp, s string) (spans []span) {
	runes := []rune(s)
	offsets := make([]int, 1, len(runes)+1)
	for _, r := range runes {
		offsets = append(offsets, offsets[len(offsets)-1]+utf8.RuneLen(r))
	}
	m, err := re.FindRunesMatch(runes)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		spans = append(spans, span{lo: offsets[m.Index], hi: offsets[m.Index+m.Length]})
	}
	if err != nil {
		t.Fatal(err)
	}
	return spans
}

func spansOf(p pattern, s string) (spans []span) {
	find, done := p.on(s)
	defer done()
	for i := 0; i < len(s); {
		lo, hi := find(text{s, classes()}, i)
		if lo >= len(s) {
			break
		}
		spans = append(spans, span{lo: lo, hi: hi})
		i = hi
	}
	return spans
}

// TestKnownPatterns holds the hand-written patterns and the interpreter to regexp2. The interpreter reads {1,3}+ as Oniguruma does, which is
// not what the one expression that has it means.
func TestKnownPatterns(t *testing.T) {
	for expr, hand := range known {
		ref := reference(t, expr)
		re, err := interpreted(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		rapid.Check(t, func(rt *rapid.T) {
			s := adversarial().Draw(rt, "s")
			want := referenceSpans(t, ref, s)
			if got := spansOf(pattern{hand: hand}, s); !slices.Equal(got, want) {
				rt.Fatalf("%s\n%q by hand: %s\nwant %s", expr, s, cut(s, got), cut(s, want))
			}
			if got := spansOf(pattern{re: re}, s); expr != exprCL100k && !slices.Equal(got, want) {
				rt.Fatalf("%s\n%q interpreted: %s\nwant %s", expr, s, cut(s, got), cut(s, want))
			}
		})
	}
}

func cut(s string, spans []span) string {
	var parts []string
	for _, p := range spans {
		parts = append(parts, fmt.Sprintf("%q", s[p.lo:p.hi]))
	}
	return strings.Join(parts, " ")
}

// FuzzKnownPatterns does the same with whatever the fuzzer thinks of.
func FuzzKnownPatterns(f *testing.F) {
	type one struct {
		expr string
		hand finder
		ref  *regexp2.Regexp
		re   *regex
	}
	var all []one
	for expr, hand := range known {
		re, err := interpreted(expr)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, one{expr, hand, reference(f, expr), re})
	}
	f.Add("It's 'LL 1234\n \n x中ひ  \u0301!!\r\n")
	for _, a := range atoms {
		f.Add(a + " " + a + a)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > 1<<10 || strings.ContainsFunc(s, isAdded16) {
			return // the reference has Go's tables
		}
		for _, p := range all {
			want := referenceSpans(t, p.ref, s)
			if got := spansOf(pattern{hand: p.hand}, s); !slices.Equal(got, want) {
				t.Errorf("%s\n%q by hand: %s\nwant %s", p.expr, s, cut(s, got), cut(s, want))
			}
			if got := spansOf(pattern{re: p.re}, s); p.expr != exprCL100k && !slices.Equal(got, want) {
				t.Errorf("%s\n%q interpreted: %s\nwant %s", p.expr, s, cut(s, got), cut(s, want))
			}
		}
	})
}

// TestRegex holds the interpreter to regexp2 on random expressions.
func TestRegex(t *testing.T) {
	single := rapid.SampledFrom([]string{"a", "b", "c", ".", "[ab]", "[^a]", `\s`, `\S`, `\p{L}`, `\d`, `[a-c&&[^b]]`})
	assertion := rapid.SampledFrom([]string{`\b`, `\B`, `\A`, `\z`, "(?!a)", "(?=b)", "(?<=a)", "(?<!b)", "(?=(?:ab)*c)", "(?!a+b)", "(?<=ab)", "(?<!a.)"})
	var expr func(depth int) *rapid.Generator[string]
	expr = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case k < 4 || depth == 0:
				return single.Draw(t, "single")
			case k < 5:
				return assertion.Draw(t, "assertion")
			case k < 7:
				return expr(depth-1).Draw(t, "left") + expr(depth-1).Draw(t, "right")
			case k < 8:
				return "(?:" + expr(depth-1).Draw(t, "left") + "|" + expr(depth-1).Draw(t, "right") + ")"
			}
			q := rapid.SampledFrom([]string{"*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{0,2}?"}).Draw(t, "repeat")
			return "(?:" + expr(depth-1).Draw(t, "sub") + ")" + q
		})
	}
	checked := 0
	rapid.Check(t, func(rt *rapid.T) {
		e := expr(4).Draw(rt, "expr")
		re, err := interpreted(e)
		if err != nil {
			return // endless repeats of nothing and repeats of assertions
		}
		ref, err := regexp2.Compile(strings.ReplaceAll(e, "[a-c&&[^b]]", "[ac]"), regexp2.None)
		if err != nil {
			rt.Fatal(e, err)
		}
		checked++
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "a", "b", " ", "\n", "1", "é"}), 0, 12).Draw(rt, "s"), "")
		m := re.on(s)
		defer m.done()
		for start := 0; start <= len(s); start++ {
			if start < len(s) && !utf8.RuneStart(s[start]) {
				continue
			}
			got := m.match(start)
			want := -1
			found, err := ref.FindStringMatchStartingAt(s, start)
			if err != nil {
				rt.Fatal(err)
			}
			if k := utf8.RuneCountInString(s[:start]); found != nil && found.Index == k {
				want = start + len(found.String())
			}
			if got != want {
				rt.Fatalf("%q at %d of %q: got %d, want %d", e, start, s, got, want)
			}
		}
	})
	if checked == 0 {
		t.Error("no expression was checked")
	}
}

// TestRegexLinear matches what makes other engines explode.
func TestRegexLinear(t *testing.T) {
	long := strings.Repeat("a", 1<<18) + "b"
	for _, e := range []string{`(a+)+$`, `(a|aa)+$`, `a*b?a*c`, `(?:a?){30}a{30}c`, `a*c|a`, `a(?=a*c)|a`, `(?:a+?)+?c`, `(?<=ca*)a`, `a++c|b`} {
		re, err := interpreted(e)
		if err != nil {
			t.Fatal(e, err)
		}
		start := time.Now()
		spansOf(pattern{re: re}, long)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %v", e, d)
		} else if testing.Verbose() {
			t.Log(e, d)
		}
	}
}

func TestRegexErrors(t *testing.T) {
	for _, e := range []string{"(", ")", "[", "[a", "a**b(", "*", "a{3,2}", "a{2000}", `\1`, `\k<n>`, "(?P<n>a)", "(?m)a", "(?>ab)", "(a*)*", "(a|)+", "(ab)++",
		"(?=a++)", `\p{Nope}`, `\p`, `\x{110000}`, "[b-a]", "[[:alpha:]]", "(?=a)*", strings.Repeat("(", 100), strings.Repeat("a", 20000), `\`,
		strings.Repeat("(?:", 5) + "ab" + strings.Repeat("){1000}", 5), "a{", "a{,}"} {
		if _, err := interpreted(e); err == nil {
			t.Errorf("%.80q: no error", e)
		}
	}
}

func interpreted(expr string) (*regex, error) {
	n, err := parseRegex(expr)
	if err != nil {
		return nil, err
	}
	return compileRegex(n)
}

// TestShapes holds the short way of simple expressions to the interpreter.
func TestShapes(t *testing.T) {
	for _, expr := range []string{exprDeepSeekLetters, exprDeepSeekSigns, exprDeepSeekCJK, exprNewline, exprBloom, exprDigit, exprDigits, exprDigits3, exprCJK, `\s?\p{L}+`,
		`\s?\p{P}+`, "x?[ab]+", "[ab]{1,2}", `\s?[\s!]{1,3}`} {
		n, err := parseRegex(expr)
		if err != nil {
			t.Fatal(expr, err)
		}
		s := shapeOf(n)
		if s == nil {
			t.Errorf("%.50s is not taken for simple", expr)
			continue
		}
		re, err := compileRegex(n)
		if err != nil {
			t.Fatal(expr, err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			text := adversarial().Draw(rt, "s")
			got, want := spansOf(pattern{hand: s.find}, text), spansOf(pattern{re: re}, text)
			if !slices.Equal(got, want) {
				rt.Fatalf("%.50s\n%q: %s\nwant %s", expr, text, cut(text, got), cut(text, want))
			}
		})
	}
	for _, expr := range []string{"a+b", "a*", "a+?", "a++", "a|b", "a{2}", "a?b?", ""} {
		if n, err := parseRegex(expr); err != nil || shapeOf(n) != nil {
			t.Errorf("%q: taken for simple, %v", expr, err)
		}
	}
}

func isAdded16(r rune) bool {
	for _, set := range added16 {
		if set.has(r) {
			return true
		}
	}
	return false
}
