package textgrade

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode"

	"github.com/pennyml/penny/task"
)

// scripts are the scripts that a language is written in. Languages of one script are not told apart.
var scripts = map[string][]*unicode.RangeTable{
	"zh": {unicode.Han}, "ja": {unicode.Han, unicode.Hiragana, unicode.Katakana}, "ko": {unicode.Hangul, unicode.Han},
	"ru": {unicode.Cyrillic}, "uk": {unicode.Cyrillic}, "bg": {unicode.Cyrillic}, "el": {unicode.Greek}, "he": {unicode.Hebrew}, "ar": {unicode.Arabic},
	"fa": {unicode.Arabic}, "hi": {unicode.Devanagari}, "bn": {unicode.Bengali}, "ta": {unicode.Tamil}, "te": {unicode.Telugu}, "th": {unicode.Thai},
	"en": {unicode.Latin}, "de": {unicode.Latin}, "fr": {unicode.Latin}, "es": {unicode.Latin}, "it": {unicode.Latin}, "pt": {unicode.Latin}, "nl": {unicode.Latin},
	"pl": {unicode.Latin}, "cs": {unicode.Latin}, "sv": {unicode.Latin}, "tr": {unicode.Latin}, "vi": {unicode.Latin}, "id": {unicode.Latin},
}

// Languages lists the codes that Language knows.
func Languages() []string {
	out := make([]string, 0, len(scripts))
	for l := range scripts {
		out = append(out, l)
	}
	sort.Strings(out)
	return out
}

var notProse = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`|\\$\\$.*?\\$\\$|\\$[^$\n]*\\$|\\\\\\[.*?\\\\\\]|\\\\\\(.*?\\\\\\)|\\\\[a-zA-Z]+|<\\|?/?[a-z_]+\\|?>|https?://\\S+")

// cjkWeight is how many Latin letters one character of a dense script counts for, about a word's worth of one against letters of the other.
const cjkWeight = 3

// Language is the share of a text that is written in the script of a language, code and formulas left out; the verdict needs the share
// to reach threshold. A text without letters has nothing wrong with it.
func Language(text, lang string, threshold float64) (task.Verdict, error) {
	want, ok := scripts[lang]
	if !ok {
		return task.Verdict{}, fmt.Errorf("language %q is unknown: want one of %s", lang, strings.Join(Languages(), " "))
	}
	if !(threshold > 0 && threshold <= 1) {
		return task.Verdict{}, fmt.Errorf("language threshold %v: want a share in (0, 1]", threshold)
	}
	in, all := 0, 0
	for _, r := range notProse.ReplaceAllString(text, " ") {
		if !unicode.IsLetter(r) {
			continue
		}
		w := 1
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			w = cjkWeight
		}
		all += w
		if unicode.In(r, want...) {
			in += w
		}
	}
	share, reason := 1.0, "no letters to judge"
	if all > 0 {
		share = float64(in) / float64(all)
		reason = fmt.Sprintf("%.1f %% of the letters are in the script of %q", 100*share, lang)
	}
	return verdict("language", share, threshold, reason, task.Part{Name: "language", Weight: 1, Value: share, Reason: reason}), nil
}
