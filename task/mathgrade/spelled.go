package mathgrade

import (
	"fmt"
	"strconv"
	"strings"
)

// smallNumbers are spelled out, with their ordinals.
var smallNumbers = func() map[string]int64 {
	m := map[string]int64{}
	for i, w := range strings.Fields(`zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty`) {
		m[w] = int64(i)
	}
	for i, w := range strings.Fields(`thirty forty fifty sixty seventy eighty ninety`) {
		m[w] = int64(30 + 10*i)
	}
	return m
}()

var ordinals = func() map[string]int64 {
	m := map[string]int64{"twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
	for i, w := range strings.Fields(`first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth`) {
		m[w] = int64(i + 1)
	}
	return m
}()

var scaleWords = map[string]int64{"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000, "trillion": 1_000_000_000_000}

var parts = map[string]int64{"half": 2, "halve": 2, "quarter": 4}

// spelled reads an answer that is a number in words: "twenty-one", "two thousand", "one half", "three quarters", "third", "a dozen", "five apples".
func spelled(s string) (string, bool) {
	low := strings.ToLower(textCmd.ReplaceAllString(s, ""))
	if len(low) > 120 || strings.ContainsAny(low, `\0123456789+=<>^_/|$`) {
		return "", false
	}
	w := strings.Fields(strings.NewReplacer("-", " ", "{", " ", "}", " ", ",", " ", ".", " ").Replace(low))
	if len(w) == 0 {
		return "", false
	}
	sign := ""
	if w[0] == "negative" || w[0] == "minus" {
		sign, w = "-", w[1:]
	}
	switch strings.Join(w, " ") {
	case "a dozen", "one dozen", "dozen":
		return sign + "12", true
	case "infinity", "positive infinity":
		return sign + `\infty`, true
	}
	n, used := cardinal(w)
	if used == 0 && len(w) == 2 && (w[0] == "a" || w[0] == "an") && (parts[w[1]] != 0 || ordinals[w[1]] > 2) {
		n, used = 1, 1
	}
	rest := w[used:]
	switch {
	case used == 0 && len(w) == 1 && ordinals[w[0]] != 0 && w[0] != "second":
		return sign + strconv.FormatInt(ordinals[w[0]], 10), true
	case used == 0:
		return "", false
	case len(rest) == 0:
		return sign + strconv.FormatInt(n, 10), true
	case len(rest) == 1 && denominator(rest[0]) != 0:
		return sign + `\frac{` + strconv.FormatInt(n, 10) + "}{" + strconv.FormatInt(denominator(rest[0]), 10) + "}", true
	case len(rest) == 3 && rest[0] == "and" && denominator(rest[2]) != 0 && (rest[1] == "a" || smallNumbers[rest[1]] > 0): // one and a half
		k := max(smallNumbers[rest[1]], 1)
		return sign + fmt.Sprintf(`%d\frac{%d}{%d}`, n, k, denominator(rest[2])), true
	case len(rest) <= 2 && rest[0] != "and" && rest[0] != "or" && rest[0] != "to" && rest[0] != "is":
		return sign + strconv.FormatInt(n, 10) + ` \text{` + strings.Join(rest, " ") + "}", true
	}
	return "", false
}

func denominator(w string) int64 {
	w = strings.TrimSuffix(w, "s")
	if d := parts[w]; d != 0 {
		return d
	}
	if d := ordinals[w]; d > 2 {
		return d
	}
	return 0
}

// cardinal reads the number words that a text begins with, and how many they are: 0 for none, or where they make no number.
func cardinal(w []string) (n int64, used int) {
	var total, group, last int64
	for used < len(w) {
		x, small := smallNumbers[w[used]]
		scale := scaleWords[w[used]]
		switch {
		case small && (used == 0 || last >= 20 && last < 100 && x < 10 && x > 0 || last >= 100 && x > 0):
			group, last = group+x, x
		case small && used > 0 && w[used-1] == "and" && x > 0:
			group, last = group+x, x
		case scale == 100 && last > 0 && group < 100:
			group, last = group*100, 100
		case scale > 100 && group > 0 && (total == 0 || total%(scale*1000) == 0):
			total, group, last = total+group*scale, 0, scale
		case w[used] == "and" && last >= 100 && used+1 < len(w) && smallNumbers[w[used+1]] > 0:
		case w[used] == "a" && used == 0 && len(w) > 1 && scaleWords[w[1]] > 0:
			group, last = 1, 1
		default:
			return total + group, used
		}
		used++
	}
	return total + group, used
}
