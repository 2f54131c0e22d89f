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
	Options  struct {
		List bool `json:"list_answer"`
	} `json:"options"`
}

// byRule runs our extractor for the convention that a line follows.
func byRule(rule, text string, list bool) string {
	switch {
	case strings.HasPrefix(rule, "letter-choice"), strings.HasSuffix(rule, "mc_answer"), strings.HasPrefix(rule, "agieval-logiqa"), rule == "agieval-mmlu":
		return Letter(text, 'D')
	case strings.HasPrefix(rule, "last-boxed"), strings.HasSuffix(rule, "boxed_content"):
		s, _ := LastBox(text)
		return s
	case rule == "ugmathbench-answer", rule == "matharena-answer" && !list:
		if s, ok := LastBox(text); ok && !strings.Contains(text, "approx") || rule == "ugmathbench-answer" {
			return s
		}
	case rule == "last-integer": // the sign is not read
		s, _ := LastNumber(text)
		return strings.TrimPrefix(s, "-")
	case rule == "last-number":
		s, _ := LastNumber(text)
		return s
	case rule == "gsm8k_extract_pred_ans_none":
	case strings.HasPrefix(rule, "gsm8k") && !strings.Contains(rule, "flexible") && !strings.Contains(rule, "pred"):
		s, _ := Marked(text)
		return s
	case rule == "strip-think":
		if _, after, ok := strings.Cut(text, "</think>"); ok {
			return after
		}
		return text
	}
	e := Extract(text)
	if e.Rule == "words" && rule != "answer-line" && !strings.HasPrefix(rule, "phyx") {
		return "" // a text without mathematics, which these conventions call no answer
	}
	return e.Answer
}

func TestExtraction(t *testing.T) {
	good, total := 0, 0
	for _, l := range readLines[extractLine](t, "conformance/maths/extraction.jsonl") {
		total++
		got := byRule(l.Rule, l.Text, l.Options.List)
		ok := false
		for _, want := range texts(l.Expected) {
			ok = ok || normalEqual(got, strings.TrimSuffix(want, "<call>"))
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

// normalEqual compares after the normaliser, which drops styling, units and the name before an equals sign.
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
	_, lenient, _, _ := Equal(got, want)
	return lenient
}
