package textgrade

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/pennyml/penny/task"
)

// Bounds of the search for repetition.
const (
	maxWords  = 200_000 // words looked at, from the end
	tailWords = 4096    // words in which a loop is looked for
	minLoop   = 12      // words that a loop must fill
)

// RepetitionOptions say how repetition is measured.
type RepetitionOptions struct {
	N       int     // length of the n-grams, in words; one character of a script without spaces is a word
	Floor   float64 // the verdict needs at least this share of distinct n-grams
	MinRuns int     // a period at the end repeated so often is a loop
}

// Repetition grades how little a text repeats itself: the share of its n-grams that are new, and 0 when it ends in a loop.
func Repetition(text string, o RepetitionOptions) (task.Verdict, error) {
	if o.N < 1 || o.N > 64 || o.Floor < 0 || o.Floor > 1 || o.MinRuns < 2 {
		return task.Verdict{}, fmt.Errorf("repetition options %+v: want 1 <= n <= 64, a floor in [0, 1] and at least 2 runs", o)
	}
	w := tokens(text)
	if len(w) > maxWords {
		w = w[len(w)-maxWords:]
	}
	fresh := distinctShare(w, o.N)
	period, runs := Loop(w, o.MinRuns)
	parts := []task.Part{{Name: "distinct n-grams", Weight: 1, Value: fresh, Reason: fmt.Sprintf("%.1f %% of the %d-grams are new", 100*fresh, o.N)}}
	loop := task.Part{Name: "no loop", Weight: 1, Value: 1, Reason: "the end does not repeat"}
	value, reason := fresh, parts[0].Reason
	if period > 0 {
		loop.Value = 0
		loop.Reason = fmt.Sprintf("the text ends in %d runs of %q", runs, shorten(strings.Join(w[len(w)-period:], " ")))
		value, reason = 0, loop.Reason
	}
	return verdict("repetition", value, o.Floor, reason, append(parts, loop)...), nil
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// tokens parts a text into words; characters of scripts without spaces and punctuation stand alone.
func tokens(text string) []string {
	var out []string
	start := -1
	flush := func(end int) {
		if start >= 0 {
			out = append(out, text[start:end])
			start = -1
		}
	}
	for i, r := range text {
		switch {
		case unicode.IsSpace(r):
			flush(i)
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai) || unicode.IsPunct(r) || unicode.IsSymbol(r):
			flush(i)
			out = append(out, string(r))
		case start < 0:
			start = i
		}
	}
	flush(len(text))
	return out
}

func distinctShare(w []string, n int) float64 {
	if len(w) < n {
		return 1
	}
	seen := make(map[string]struct{}, len(w))
	for i := 0; i+n <= len(w); i++ {
		seen[strings.Join(w[i:i+n], " ")] = struct{}{}
	}
	return float64(len(seen)) / float64(len(w)-n+1)
}

// Loop finds the shortest period with which a sequence ends at least minRuns times over, filling at least 12 words; 0 when there is none.
// The last run may be cut off. The cost is linear: the border table of the reversed end.
func Loop(w []string, minRuns int) (period, runs int) {
	if len(w) > tailWords {
		w = w[len(w)-tailWords:]
	}
	n := len(w)
	rev := make([]string, n)
	for i := range w {
		rev[i] = w[n-1-i]
	}
	border := make([]int, n)
	for i := 1; i < n; i++ {
		k := border[i-1]
		for k > 0 && rev[i] != rev[k] {
			k = border[k-1]
		}
		if rev[i] == rev[k] {
			k++
		}
		border[i] = k
	}
	for i := range n { // the prefix of length i+1 has period i+1-border
		p := i + 1 - border[i]
		if border[i] > 0 && (i+1)/p >= minRuns && i+1 >= minLoop && (period == 0 || p == period) {
			period, runs = p, (i+1)/p
		}
	}
	return period, runs
}
