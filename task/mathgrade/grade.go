// Package mathgrade decides whether a mathematical answer equals the expected one. Both are parsed; numbers are compared exactly, symbolic
// expressions by a normal form and then by evaluation at several points with stated error. Two verdicts are given: strict (same value, same
// kind of object, same unit) and lenient (the conventions of docs/GRADING.md). The work on any input is bounded by counting, not by time.
package mathgrade

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// Options choose how to grade.
type Options struct {
	Strict bool // the strict verdict decides
}

// result is the outcome of comparing two answers.
type result struct {
	strict, lenient bool
	stage, reason   string
}

func yes(stage, reason string) result  { return result{true, true, stage, reason} }
func no(stage, reason string) result   { return result{false, false, stage, reason} }
func lenient(stage, why string) result { return result{false, true, stage, why} }

// loosen is r with the strict verdict withdrawn for the reason why.
func (r result) loosen(why string) result {
	if r.lenient && r.strict {
		return result{false, true, r.stage, r.reason + "; not strictly: " + why}
	}
	return r
}

// Grade extracts the final answer of a model's text and compares it with gold.
func Grade(text, gold string, o Options) task.Verdict {
	if v, ok := gradeChoice(text, gold, o, true); ok {
		return v
	}
	if squeeze(text) == squeeze(gold) && strings.TrimSpace(gold) != "" && len(text) < 2000 && !strings.Contains(text, "think>") {
		return verdict(Extraction{strings.TrimSpace(text), "whole text"}, yes("text", "the same text"), o)
	}
	return verdict2(Extract(text), gold, o)
}

// Answer compares an answer that is already extracted with gold.
func Answer(pred, gold string, o Options) task.Verdict {
	if v, ok := gradeChoice(pred, gold, o, false); ok {
		return v
	}
	e := Extraction{strings.TrimSpace(pred), "given"}
	if b := boxed(pred); b != "" {
		e.Answer = b
	}
	v := verdict2(e, gold, o)
	if _, err := expr.Parse(clean(e.Answer)); err != nil && !v.Lenient && asserts(pred) {
		if in := Extract(pred); in.Rule == "answer phrase" || in.Rule == "mathematics" || in.Rule == "last number" {
			if w := verdict2(in, gold, o); w.Lenient { // a sentence with the answer in it
				w.Strict, w.Right, w.Reward = false, w.Right && !o.Strict, 0
				if w.Right {
					w.Reward = 1
				}
				return w
			}
		}
	}
	return v
}

var (
	wordIn  = regexp.MustCompile(`(?:^|[\s"'(])[A-Za-z]{2,}(?:$|[\s.,:;)])`)
	denying = regexp.MustCompile(`(?i)[<>≤≥≠]|\\(?:n?leq?|n?geq?|neq?|lt|gt|not)\b|\b(?:not|neither|nor|or|never|no|cannot|unless|wrong)\b|n't`)
)

// asserts reports a sentence that states one thing.
func asserts(s string) bool {
	return len(s) <= maxWorded && len(wordIn.FindAllString(s, 2)) == 2 && !denying.MatchString(s)
}

// GSM8K grades a text by the marker #### of its last line, or by its last number where there is none. given says that the text is the
// answer already.
func GSM8K(text, gold string, given bool, o Options) task.Verdict {
	if g, ok := Marked(gold); ok {
		gold = g
	}
	if given {
		return Answer(text, gold, o)
	}
	e := Extraction{}
	if a, ok := Marked(text); ok {
		e = Extraction{a, "gsm8k marker"}
	} else if b := boxed(text); b != "" {
		e = Extraction{b, "box"}
	} else if n, ok := LastNumber(text); ok {
		e = Extraction{n, "last number"}
	}
	return verdict2(e, gold, o)
}

// GoldAnswer takes the answer out of a gold text that is a whole solution or sentence.
func GoldAnswer(gold string) string {
	if e := Extract(gold); e.Rule != "" {
		return e.Answer
	}
	return gold
}

var emptyBox = regexp.MustCompile(`^\W*(?:boxed|fbox|framebox)\s*\{\s*\}\W*$`)

func verdict2(e Extraction, gold string, o Options) task.Verdict {
	switch {
	case e.Rule == "" || strings.TrimSpace(e.Answer) == "" || emptyBox.MatchString(e.Answer):
		return verdict(e, no("extraction", "no answer was found in the text"), o)
	case strings.TrimSpace(gold) == "":
		return verdict(e, no("extraction", "there is no expected answer to compare with"), o)
	case squeeze(e.Answer) == squeeze(gold):
		return verdict(e, yes("text", "the same text"), o)
	}
	return verdict(e, compareText(e.Answer, GoldAnswer(gold)), o)
}

func verdict(e Extraction, r result, o Options) task.Verdict {
	v := task.Verdict{Right: r.lenient, Strict: r.strict, Lenient: r.lenient, Extracted: e.Answer, Stage: r.stage, Reason: r.reason}
	if o.Strict {
		v.Right = r.strict
	}
	if v.Right {
		v.Reward = 1
	}
	return v
}

// Within is verdict v taken again for a problem whose answer is a number and may be off by tolerance, a decimal: such an answer is right, not strictly.
func Within(v task.Verdict, gold, tolerance string) (task.Verdict, error) {
	off, ok := new(big.Rat).SetString(tolerance)
	if !ok || off.Sign() < 0 {
		return v, fmt.Errorf("tolerance %q: want a number", tolerance)
	}
	p, err1 := expr.Parse(clean(v.Extracted))
	g, err2 := expr.Parse(clean(GoldAnswer(gold)))
	if err1 != nil || err2 != nil {
		return v, nil
	}
	a, b := value.Exact(strip(p).n), value.Exact(strip(g).n)
	if a == nil || b == nil || new(big.Rat).Abs(new(big.Rat).Sub(a, b)).Cmp(off) > 0 {
		return v, nil
	}
	return verdict(Extraction{v.Extracted, ""}, lenient("tolerance", "within "+tolerance+" of the expected answer"), Options{}), nil
}

// Equal compares two answers that are already extracted and gives both verdicts, with the deciding stage and the reason.
func Equal(pred, gold string) (strict, lenient bool, stage, reason string) {
	r := compareText(pred, gold)
	return r.strict, r.lenient, r.stage, r.reason
}

// compareText tries the readings of both texts: as mathematics, with a decimal comma, and as words.
func compareText(pred, gold string) result {
	if len(pred) > expr.MaxBytes || len(gold) > expr.MaxBytes {
		if pred == gold {
			return yes("text", "the same text")
		}
		return no("limits", "the answer is longer than the grader reads")
	}
	p, g := clean(pred), clean(gold)
	if squeeze(p) == squeeze(g) && squeeze(g) != "" {
		return yes("text", "the same text")
	}
	if r, ok := sameWords(p, g); ok {
		return r
	}
	pn, perr := expr.Parse(p)
	gn, gerr := expr.Parse(g)
	c := &comparer{budget: totalBudget}
	var r result
	if perr == nil && gerr == nil && !(pn.Kind == expr.Text && gn.Kind == expr.Text) {
		if a, b := currency(p), currency(g); a != b && a != "" && b != "" {
			return no("units", "amounts in "+a+" and in "+b)
		}
		if x, y, ok := cents(p, g); ok {
			pn, gn = x, y
		}
		r = c.compare(pn, gn, 0)
	} else {
		r = compareWords(p, g, perr, gerr)
	}
	if !r.lenient {
		if a, ok := c.otherReadings(p, g, pn, gn); ok {
			return a
		}
	}
	return r
}

// sameWords accepts texts of letters only that are the same words, before any of them is read as a product of variables.
func sameWords(p, g string) (result, bool) {
	if hasMath(p) || hasMath(g) {
		return result{}, false
	}
	wp, wg := words(p), words(g)
	if len(wg) > 2 && wp == wg {
		return lenient("words", "the same words without case, articles and punctuation"), true
	}
	if m := yesNo.FindStringSubmatch(p); m != nil {
		wp = strings.ToLower(m[1])
	}
	a, ok1 := truth(wp)
	b, ok2 := truth(wg)
	if ok1 && ok2 && a == b && len(wp)+len(wg) > 2 {
		return lenient("words", "the same yes or no"), true
	}
	return result{}, false
}

func compareWords(p, g string, perr, gerr error) result {
	wp, wg := words(p), words(g)
	if wp != "" && wp == wg && !(gerr == nil && hasMath(g)) {
		return lenient("words", "the same words without case, articles and punctuation")
	}
	if a, ok := truth(wp); ok {
		if b, ok := truth(wg); ok && a == b {
			return lenient("words", "the same yes or no")
		}
	}
	switch {
	case perr != nil && gerr == nil:
		return no("parse", "the answer does not parse: "+perr.Error())
	case gerr != nil && perr == nil:
		return no("parse", "the expected answer is text: "+gerr.Error())
	}
	return no("words", "different words")
}

// hasMath guards against reading "a + 1" and "a 1" as the same words.
func hasMath(s string) bool {
	s = textCmd.ReplaceAllString(s, "")
	return strings.ContainsAny(s, "+-*/^=<>\\0123456789")
}

// yesNo is a sentence that begins with yes or no.
var yesNo = regexp.MustCompile(`^(?i:(yes|no))\s*[,.;:!]`)

func truth(w string) (val, ok bool) {
	switch w {
	case "yes", "y", "true", "t", "correct":
		return true, true
	case "no", "n", "false", "f", "incorrect":
		return false, true
	}
	return false, false
}
