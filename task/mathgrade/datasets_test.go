package mathgrade

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

type math500 struct {
	Problem, Solution, Answer string
}

type gsm struct {
	Question, Answer string
}

// TestMath500 grades each solution's own final answer against the gold answer.
func TestMath500(t *testing.T) {
	wrong := 0
	for i, p := range readLines[math500](t, "datasets/math500/test.jsonl") {
		if v := Grade(p.Solution, p.Answer, Options{}); !v.Right {
			wrong++
			t.Errorf("problem %d: %q against %q: %s: %s", i, v.Extracted, p.Answer, v.Stage, v.Reason)
		}
	}
	if wrong > 0 {
		t.Errorf("%d of 500 solutions are refused", wrong)
	}
}

func TestGSM8K(t *testing.T) {
	for _, name := range []string{"train", "test"} {
		for i, p := range readLines[gsm](t, "datasets/gsm8k/"+name+".jsonl") {
			gold, ok := Marked(p.Answer)
			if !ok {
				t.Fatalf("%s %d: no marker", name, i)
			}
			if v := Grade(p.Answer, gold, Options{}); !v.Strict {
				t.Errorf("%s %d: %q against %q: %s", name, i, v.Extracted, gold, v.Reason)
			}
		}
	}
}

// TestShuffled grades the answers of other problems: they may be accepted only where they are truly equal, which the second checker says.
func TestShuffled(t *testing.T) {
	all := readLines[math500](t, "datasets/math500/test.jsonl")
	r := rand.New(rand.NewPCG(1, 2))
	accepted, equal, total := 0, 0, 0
	for range 40 {
		perm := r.Perm(len(all))
		for i, j := range perm {
			if i == j {
				continue
			}
			total++
			v := Answer(all[j].Answer, all[i].Answer, Options{})
			if v.Right {
				accepted++
				if trulyEqual(all[j].Answer, all[i].Answer) {
					equal++
				} else {
					t.Errorf("%q is accepted for %q: %s: %s", all[j].Answer, all[i].Answer, v.Stage, v.Reason)
				}
			}
		}
	}
	t.Logf("%d of %d shuffled answers accepted, %d truly equal", accepted, total, equal)
}

// trulyEqual is a plain judgement for the answers of MATH-500: the same text once styling, units, percent signs and the
// order of a bare list are gone.
func trulyEqual(a, b string) bool {
	norm := func(s string) string {
		s = clean(s)
		for _, cut := range []string{`^\circ`, `^{\circ}`, `\%`, "%", `\text{ cents}`, `\text{ inches}`, `\text{ square units}`, `\mbox{ inches}`, `\$`, "$", "x="} {
			s = strings.ReplaceAll(s, cut, "")
		}
		items := strings.Split(squeeze(s), ",")
		if !strings.ContainsAny(s, "()[]") {
			sort.Strings(items)
		}
		return strings.Join(items, ",")
	}
	return norm(a) == norm(b)
}

func TestAIME(t *testing.T) {
	for _, name := range []string{"aime1983-2023.json", "aime24.json"} {
		raw, err := os.ReadFile(filepath.Join(data(t), "datasets/aime", name))
		if err != nil {
			t.Fatal(err)
		}
		var all []math500
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		bad := 0
		for i, p := range all {
			if _, ok := LastBox(p.Solution); !ok {
				continue
			}
			if v := Grade(p.Solution, p.Answer, Options{}); !v.Right {
				bad++
				t.Logf("%s %d: %q against %q: %s", name, i, v.Extracted, p.Answer, v.Reason)
			}
		}
		t.Logf("%s: %d of %d refused", name, bad, len(all))
	}
}
