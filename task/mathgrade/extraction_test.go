package mathgrade

import (
	"encoding/json"
	"strings"
	"testing"
)

type extractLine struct {
	ID       string          `json:"id"`
	Text     string          `json:"text"`
	Expected json.RawMessage `json:"expected"`
	Rule     string          `json:"rule"`
}

// byRule runs our extractor for the convention that a line follows.
func byRule(rule, text string) string {
	switch {
	case strings.HasPrefix(rule, "letter-choice"), strings.HasSuffix(rule, "mc_answer"), strings.HasPrefix(rule, "agieval-logiqa"), rule == "agieval-mmlu":
		return Letter(text, 'E')
	case strings.HasPrefix(rule, "last-boxed"), strings.HasSuffix(rule, "boxed_content"):
		s, _ := LastBox(text)
		return s
	case rule == "last-number", rule == "last-integer":
		s, _ := LastNumber(text)
		return s
	case rule == "strip-think":
		if _, after, ok := strings.Cut(text, "</think>"); ok {
			return after
		}
		return text
	}
	return Extract(text).Answer
}

func TestExtraction(t *testing.T) {
	good, total := 0, 0
	for _, l := range readLines[extractLine](t, "conformance/maths/extraction.jsonl") {
		total++
		got := byRule(l.Rule, l.Text)
		ok := false
		for _, want := range texts(l.Expected) {
			ok = ok || normalEqual(got, want)
		}
		if ok {
			good++
		} else {
			t.Logf("%s %s %q: got %q, want %s", l.ID, l.Rule, tail([]string{l.Text}), got, l.Expected)
		}
	}
	t.Logf("%d of %d extractions agree (%.1f %%)", good, total, 100*float64(good)/float64(total))
	if good*100 < total*97 {
		t.Errorf("%d of %d extractions agree, want 97 %%", good, total)
	}
}

// normalEqual compares after the normaliser: as text without styling, or as one number or expression in the strict sense.
func normalEqual(got, want string) bool {
	if inner, ok := wholeBox(want); ok {
		want = inner
	}
	if squeeze(clean(got)) == squeeze(clean(want)) || strings.EqualFold(got, want) {
		return true
	}
	if got == "" || want == "" {
		return false
	}
	strict, _, _, _ := Equal(got, want)
	return strict
}
