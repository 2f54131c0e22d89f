package mathgrade

import (
	"testing"

	"github.com/pennyml/penny/task/mathgrade/check"
)

// TestSecondChecker reports how often the second checker, where it can tell, sees a pair otherwise than the lenient verdict.
func TestSecondChecker(t *testing.T) {
	decided, other, total := 0, 0, 0
	ask := func(pred, gold string) {
		total++
		o := check.Compare(pred, gold)
		if o == check.Unknown {
			return
		}
		decided++
		if _, lenient, stage, reason := Equal(pred, gold); lenient != (o == check.Equal) {
			other++
			t.Logf("%q against %q: %s, grader %v: %s: %s", pred, gold, o, lenient, stage, reason)
		}
	}
	for _, l := range readLines[caseLine](t, "conformance/maths/verdicts.jsonl") {
		e := Extraction{Answer: texts(l.Pred)[0]}
		if l.Form == "text" {
			e = Extract(e.Answer)
		}
		if e.Answer != "" && texts(l.Gold)[0] != "" {
			ask(e.Answer, GoldAnswer(texts(l.Gold)[0]))
		}
	}
	all := readLines[math500](t, "datasets/math500/test.jsonl")
	for i, p := range all {
		ask(Extract(p.Solution).Answer, p.Answer)
		ask(all[(i+1)%len(all)].Answer, p.Answer)
		ask(all[(i*7+3)%len(all)].Answer, p.Answer)
	}
	rate := 100 * float64(other) / float64(decided)
	t.Logf("%d pairs, %d decided by the second checker, %d otherwise (%.2f %%)", total, decided, other, rate)
	if rate > 2 {
		t.Errorf("disagreement of %.2f %%, want at most 2 %%", rate)
	}
}
