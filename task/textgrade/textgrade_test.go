package textgrade

import (
	"math"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	all := FormatOptions{Think: true, Box: true}
	for _, c := range []struct {
		text  string
		o     FormatOptions
		right bool
		value float64
	}{
		{`<think>so</think> \boxed{4}`, all, true, 1},
		{`so</think> \boxed{4}`, all, true, 1}, // the prompt opened the tag
		{`<think>so \boxed{4}</think> four`, all, false, 2.0 / 3},
		{`<think>so \boxed{4}`, all, false, 0},
		{`<think></think>\boxed{4}`, all, false, 2.0 / 3},
		{`<think>a</think><think>b</think>\boxed{4}`, all, false, 2.0 / 3},
		{`x <think>a</think> y`, FormatOptions{Think: true}, false, 0.5},
		{"<answer>4</answer>", FormatOptions{Tag: true}, true, 1},
		{"<answer>4</answer><answer>5</answer>", FormatOptions{Tag: true}, false, 0.5},
		{"</answer>4<answer>", FormatOptions{Tag: true}, false, 0.5},
	} {
		v := Format(c.text, c.o)
		if v.Right != c.right || math.Abs(v.Reward-c.value) > 1e-12 || v.Reason == "" {
			t.Errorf("%q: %v %v (%s), want %v %v", c.text, v.Right, v.Reward, v.Reason, c.right, c.value)
		}
	}
}

func TestLength(t *testing.T) {
	for _, c := range []struct {
		n     int
		o     LengthOptions
		value float64
	}{
		{5, LengthOptions{Unit: "words", Min: 10}, 0.5},
		{10, LengthOptions{Unit: "words", Min: 10, Max: 20}, 1},
		{20, LengthOptions{Unit: "words", Max: 20}, 1},
		{21, LengthOptions{Unit: "words", Max: 20}, 0},
		{15, LengthOptions{Unit: "words", Max: 20, Buffer: 10}, 0.5},
		{20, LengthOptions{Unit: "words", Max: 20, Buffer: 10}, 0},
	} {
		v, err := Length(strings.Repeat("w ", c.n), c.o)
		if err != nil || v.Reward != c.value {
			t.Errorf("%d words, %+v: %v %v, want %v", c.n, c.o, v.Reward, err, c.value)
		}
	}
	if _, err := Length("", LengthOptions{Unit: "lines"}); err == nil {
		t.Error("an unknown unit is accepted")
	}
	if _, err := Length("", LengthOptions{Min: 5, Max: 3}); err == nil {
		t.Error("min above max is accepted")
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		text, lang string
		lo, hi     float64
	}{
		{"All of this is English.", "en", 1, 1},
		{"这是中文。", "zh", 1, 1},
		{"这是中文。", "en", 0, 0},
		{"First we add 首先我们相加 and stop.", "en", 0.4, 0.7},
		{"代码 `for i in range(3)` 和公式 $\\frac{a}{b}$", "zh", 1, 1},
		{"12 + 3 = 15", "ru", 1, 1},
	} {
		v, err := Language(c.text, c.lang, 0.9)
		if err != nil || v.Reward < c.lo || v.Reward > c.hi {
			t.Errorf("%q as %s: %v %v, want %v to %v", c.text, c.lang, v.Reward, err, c.lo, c.hi)
		}
	}
	if _, err := Language("x", "xx", 0.9); err == nil {
		t.Error("an unknown language is accepted")
	}
}

func TestRepetition(t *testing.T) {
	o := RepetitionOptions{N: 4, Floor: 0.7, MinRuns: 4}
	for _, c := range []struct {
		text  string
		right bool
	}{
		{"The quick brown fox jumps over the lazy dog while nobody looks at it for long.", true},
		{"A start that is fine. " + strings.Repeat("Wait, let me check again. ", 10), false},
		{"好的。" + strings.Repeat("我再想想。", 20), false},
		{strings.Repeat("no ", 5), true}, // too short to be a loop, though its 4-grams repeat
		{"", true},
	} {
		v, err := Repetition(c.text, o)
		if err != nil {
			t.Fatal(err)
		}
		if loops := strings.Contains(v.Reason, "runs of"); v.Right != c.right && c.text != strings.Repeat("no ", 5) || loops == c.right && c.text != strings.Repeat("no ", 5) {
			t.Errorf("%.40q: %v (%s)", c.text, v.Right, v.Reason)
		}
	}
}

func TestLoop(t *testing.T) {
	w := strings.Fields("x y " + strings.Repeat("a b c ", 6) + "a b")
	if p, r := Loop(w, 4); p != 3 || r != 6 {
		t.Errorf("period %d, %d runs; want 3 and 6", p, r)
	}
	if p, _ := Loop(strings.Fields("a b a b a b"), 2); p != 0 {
		t.Errorf("a short run has period %d", p)
	}
}
