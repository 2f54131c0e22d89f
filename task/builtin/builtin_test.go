package builtin

import (
	"os"
	"strings"
	"testing"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/dataset"
)

// TestOpen: every name opens, and every option that List shows is one that the task knows.
func TestOpen(t *testing.T) {
	for _, i := range List() {
		spec := i.Name
		if spec == "jsonl" {
			spec += ":file=x.jsonl"
		}
		if _, err := Open(spec, dataset.Env{}); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
		for _, o := range strings.Fields(i.Options) {
			key, _, ok := strings.Cut(o, "=")
			if !ok {
				continue
			}
			_, err := Open(i.Name+":"+key+"=~", dataset.Env{})
			if err != nil && strings.Contains(err.Error(), "no option") {
				t.Errorf("%s: %v", i.Name, err)
			}
		}
		if _, err := Open(i.Name+":nonsense=1", dataset.Env{}); err == nil || !strings.Contains(err.Error(), "no option nonsense") {
			t.Errorf("%s:nonsense=1: %v", i.Name, err)
		}
	}
	for spec, want := range map[string]string{"nope": `no task "nope"`, "nope.star": "no such file", "x.jsonl:grader=odd": "grader=odd", "countdown:format=-1": "format=-1", "gsm8k:language=1,lang=xx": "xx"} {
		if _, err := Open(spec, dataset.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", spec, err, want)
		}
	}
}

// TestForm: the parts of form count beside a right answer and never without one.
func TestForm(t *testing.T) {
	k, err := Open("arithmetic:format=0.5,repetition=0.5", dataset.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range k.Problems(task.Query{Seed: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string][2]float64{
			"<think>\nso\n</think>\n<answer>" + p.Answer + "</answer>": {1, 1}, "<answer>" + p.Answer + "</answer>": {0.7, 0.99}, "<think>\nso\n</think>\n<answer>x</answer>": {0, 0},
		} {
			v, err := k.Grade(p, text)
			if err != nil || v.Reward < want[0] || v.Reward > want[1] || len(v.Parts) != 3 {
				t.Errorf("%s: %+v, %v; want a reward in %v", text, v, err, want)
			}
		}
		if _, err := k.(task.Demonstrator).Demonstrate(p, 1); err != nil {
			t.Error(err)
		}
		break
	}
}

// TestWithout: collections overlap, and the option takes out what another one holds out.
func TestWithout(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no data sets")
	}
	keys := func(spec string, split task.Split) map[string]bool {
		k, err := Open(spec, dataset.Env{Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for p, err := range k.Problems(task.Query{Split: split}) {
			if err != nil {
				t.Fatal(err)
			}
			out[p.Key] = true
		}
		return out
	}
	shared := func(a, b map[string]bool) (n int) {
		for k := range a {
			if b[k] {
				n++
			}
		}
		return n
	}
	aime := keys("aime", task.HeldOut)
	if n := shared(keys("math", task.Train), aime); n < 300 {
		t.Errorf("MATH's training file shares %d problems with the AIME: are keys still the same for the same words?", n)
	}
	if n := shared(keys("math:without=aime+aime24", task.Train), aime); n > 0 {
		t.Errorf("%d problems of the AIME are left", n)
	}
	if _, err := Open("math:without=countdown", dataset.Env{}); err == nil {
		t.Error("without=countdown is accepted")
	}
}
