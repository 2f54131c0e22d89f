package mathgrade

import (
	"regexp"
	"strings"

	"github.com/pennyml/penny/task"
)

var (
	goldLetter   = regexp.MustCompile(`^\s*[\\$({]*(?:\\(?:text|textbf|mathrm|mathbf)\{)?\(?([A-J])\)?\}?[.:)}$]*\s*$`)
	goldOption   = regexp.MustCompile(`(?:^|\s|answer is\s*)\(([A-J])\)\s+\w|(?:^|\n)([A-J])[.:)]?\s+[A-Z]\w+\s*$|(?i:option|answer)\s+is\s+\(?([A-J])\)?\W*$`)
	letterPhrase = regexp.MustCompile(`(?i)(?:\banswer|\boption|\bchoice|答案)\b?\**\s*(?:is|are|:|：|是|为|选)*\**\s*(?:for sure|definitely|clearly|therefore|probably|most likely|option|choice|option:|:)?\s*[\\$*({\["']*(?:\\(?:text|textbf|mathrm|mathbf|boxed)\{)*\s*\(?([A-Ja-j])\)?(?:[\s.,:;)*}\]$"'\\]|$)`)
	leadLetter   = regexp.MustCompile(`^\s*[*"'\[({\\$]*(?:\\(?:text|textbf|mathrm|mathbf)\{)?\(?([A-Ja-j])\)?(?:[.):}\]*"'$,]+(?:\s|$)|\s*$|\s+(?:because|and|since)\b)`)
	bracketed    = regexp.MustCompile(`\(([A-J])\)`)
	twoLetters   = regexp.MustCompile(`\b[A-J]\s+(?:or|and)\s+[A-J]\W*$`)
	loneLetter   = regexp.MustCompile(`(?:^|[\s*$({])([A-J])(?:[.:;)}*$]|\s|$)`)
)

// Letter finds the option that a text chooses, as a capital letter up to last ("D" for four options), or "" when it chooses none. The rules,
// first match wins: a box or answer tag that holds a letter; the last "the answer is X"; a text that starts with a letter set apart; the
// last letter in brackets; the last letter standing alone, except the article A. A text that ends with two letters chooses none.
func Letter(text string, last byte) string {
	if i := strings.LastIndex(text, "</think>"); i >= 0 {
		text = text[i+len("</think>"):]
	}
	text = ending(text, maxText)
	pick := func(s string) string {
		s = strings.ToUpper(s)
		if s != "" && s[0] <= last {
			return s
		}
		return ""
	}
	tag, _ := lastTag(text)
	text = ending(text, maxPhrase)
	for _, inner := range []string{boxed(text), tag} {
		if m := leadLetter.FindStringSubmatch(inner); m != nil {
			return pick(m[1])
		}
	}
	if ms := letterPhrase.FindAllStringSubmatch(text, -1); len(ms) > 0 {
		return pick(ms[len(ms)-1][1])
	}
	if m := leadLetter.FindStringSubmatch(text); m != nil {
		return pick(m[1])
	}
	if ms := bracketed.FindAllStringSubmatch(text, -1); len(ms) > 0 {
		return pick(ms[len(ms)-1][1])
	}
	if twoLetters.MatchString(text) {
		return ""
	}
	ms := loneLetter.FindAllStringSubmatch(text, -1)
	for k := len(ms) - 1; k >= 0; k-- {
		if l := ms[k][1]; l != "A" && l != "I" && l[0] <= last {
			return l
		}
	}
	return ""
}

// gradeChoice grades against an expected option letter; ok is false when gold is none, or when the answer is mathematics after all.
func gradeChoice(text, gold string, o Options, extract bool) (task.Verdict, bool) {
	want := ""
	if b := boxed(gold); b != "" {
		gold = b
	}
	if m := goldLetter.FindStringSubmatch(gold); m != nil {
		want = m[1]
	} else if m := goldOption.FindStringSubmatch(gold); m != nil {
		want = m[1] + m[2] + m[3]
	}
	if want == "" {
		return task.Verdict{}, false
	}
	if b := boxed(text); b != "" && !extract {
		text = b
	}
	if m := leadLetter.FindStringSubmatch(text); !extract && m == nil {
		return task.Verdict{}, false
	}
	got := Letter(text, 'J')
	if got == "" {
		return task.Verdict{}, false
	}
	e := Extraction{got, "letter"}
	if got == want {
		return verdict(e, yes("choice", "option "+got), o), true
	}
	return verdict(e, no("choice", "option "+got+" instead of "+want), o), true
}

// Choice grades a text against the expected option among those up to last.
func Choice(text, gold string, last byte, o Options) task.Verdict {
	want := Letter(gold, last)
	got := Letter(text, last)
	e := Extraction{got, "letter"}
	switch {
	case want == "":
		return verdict(e, no("choice", "the expected answer names no option"), o)
	case got == "":
		return verdict(e, no("choice", "the text chooses no option"), o)
	case got != want:
		return verdict(e, no("choice", "option "+got+" instead of "+want), o)
	}
	return verdict(e, yes("choice", "option "+got), o)
}
