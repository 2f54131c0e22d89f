package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/codegrade"
)

type opener func(Env, *task.Options) (task.Task, error)

func mathOpener(name string) opener {
	return func(e Env, o *task.Options) (task.Task, error) { return Math(name, e, o) }
}

func open(t *testing.T, e Env, spec string, f opener) task.Task {
	t.Helper()
	_, o, err := task.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	k, err := f(e, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func take(t *testing.T, k task.Task, q task.Query) []task.Problem {
	t.Helper()
	var out []task.Problem
	for p, err := range k.Problems(q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// reply is a text that gives a problem's own answer in the form that its prompt asks for.
func reply(t *testing.T, p task.Problem) string {
	t.Helper()
	var d details
	if err := json.Unmarshal(p.Data, &d); err != nil {
		t.Fatal(err)
	}
	switch d.Grader {
	case "math":
		return "<think>\nperhaps 12\n</think>\nIt is \\boxed{" + p.Answer + "}."
	case "choice":
		return "<think>\nA or B\n</think>\nThe answer is " + p.Answer + "."
	case "code":
		return "Here:\n```" + d.Code.Language + "\n" + p.Answer + "\n```\n"
	}
	return "<answer>" + p.Answer + "</answer>"
}

// TestCollections: each problem's own answer is right, no answer is wrong, and what is held out is not trained on.
func TestCollections(t *testing.T) {
	data := os.Getenv("PENNY_DATA")
	if data == "" {
		t.Skip("PENNY_DATA is not set: no data sets")
	}
	for spec, c := range map[string]struct {
		open        opener
		train, held int
	}{
		"gsm8k": {mathOpener("gsm8k"), 7473, 1319}, "math": {mathOpener("math"), 7465, 5000}, "math500": {mathOpener("math500"), 0, 500}, "aime": {mathOpener("aime"), 0, 975},
		"aime24": {mathOpener("aime24"), 0, 30}, "amc": {mathOpener("amc"), 0, 83}, "amc23": {mathOpener("amc23"), 0, 40}, "olympiadbench": {mathOpener("olympiadbench"), 0, 675},
		"deepmath": {mathOpener("deepmath"), 4480, 514}, "mmlu": {MMLU, 1783, 14042}, "arc": {ARC, 294, 1150}, "bbh": {BBH, 0, 2250}, "humaneval": {HumanEval, 0, 164},
		"humaneval-go": {HumanEvalGo, 0, 154}, "mbpp": {MBPP, 471, 500}, "humanevalplus": {HumanEvalPlus, 0, 164}, "humanevalplus:inputs=mini": {HumanEvalPlus, 0, 164},
		"deepscaler": {DeepScaleR, 1086, 122}, "mmlu:subject=anatomy": {MMLU, 19, 135}, "bbh:part=navigate": {BBH, 0, 250},
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			k := open(t, Env{Data: data}, spec, c.open)
			all := take(t, k, task.Query{})
			keys, ids, n := map[string]bool{}, map[string]bool{}, map[task.Split]int{}
			for _, p := range all {
				n[p.Split]++
				if p.Split == task.HeldOut {
					keys[p.Key] = true
				}
				if ids[p.ID] {
					t.Errorf("two problems %s", p.ID)
				}
				ids[p.ID] = true
			}
			if n[task.Train] != c.train || n[task.HeldOut] != c.held {
				t.Errorf("%d for training and %d held out, want %d and %d", n[task.Train], n[task.HeldOut], c.train, c.held)
			}
			for i, p := range all {
				if p.Split == task.Train && keys[p.Key] {
					t.Errorf("%s is trained on and held out", p.ID)
				}
				if i%10 > 0 || strings.Contains(string(p.Data), `"grader":"code"`) {
					continue
				}
				if v, err := k.Grade(p, reply(t, p)); err != nil || !v.Right || v.Reward != 1 {
					t.Errorf("%s: its own answer %q: %+v, %v", p.ID, p.Answer, v, err)
				}
				if v, err := k.Grade(p, "I do not know."); err != nil || v.Right {
					t.Errorf("%s: no answer is graded %+v, %v", p.ID, v, err)
				}
			}
			if got, err := k.(*Task).ByID(all[0].ID); err != nil || got.Prompt != all[0].Prompt {
				t.Errorf("%s is found as %s, %v", all[0].ID, got.ID, err)
			}
		})
	}
}

// TestPrograms: what is run for the ways that models answer.
func TestPrograms(t *testing.T) {
	head := "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    \"\"\"Double.\"\"\"\n"
	job := codegrade.Job{Language: "python", Entry: "f"}
	for text, want := range map[string]string{
		"    return 2 * x\n":                                head + "    return 2 * x\n",
		"```python\nreturn 2 * x\n```":                      head + "    return 2 * x\n",
		"```python\ndef f(x):\n    return 2 * x\n```":       "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    return 2 * x\n",
		"<think>```python\nno\n```</think>\n    return x":   head + "\n    return x",
		"```text\nlike this\n```\n```py\nreturn x\n```\nok": head + "    return x\n",
	} {
		if got := program(job, head, text); got != want {
			t.Errorf("%q makes\n%s\nwant\n%s", text, got, want)
		}
	}
	goHead := "package f_test\n\nimport \"testing\"\n\nfunc f(x int) int {\n"
	goJob := codegrade.Job{Language: "go", Entry: "f"}
	body := "func f(x int) int {\n\treturn 2\n}\n"
	for code, imports := range map[string]string{body: "", "package main\n\n" + body: "", "package main\n\nimport (\n\t\"testing\"\n\t\"sort\"\n)\n\n" + body: "import \"sort\"\n",
		"package main\nimport m \"math\"\n" + body: "import m \"math\"\n"} {
		got, want := program(goJob, goHead, "```go\n"+code+"```"), "package f_test\n"+imports+"\n\nimport \"testing\"\n\n"+body
		if got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	if got, want := program(goJob, goHead, "\treturn 2\n}\n"), goHead+"\treturn 2\n}\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestCode: the sandbox's verdict becomes the task's, and its absence is an error, not a wrong answer.
func TestCode(t *testing.T) {
	p, err := problem(codeRecord("0", "def f(x):\n", "def f(x):\n    return x\n", codegrade.Job{Language: "python", Entry: "f", Tests: jsonText("assert f(1) == 1")}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Task{name: "x"}).Grade(p, "    return x"); err == nil || !strings.Contains(err.Error(), "cannot be run") {
		t.Errorf("without a sandbox: %v", err)
	}
	var ran codegrade.Job
	k := &Task{name: "x", env: Env{Code: func(j codegrade.Job) (codegrade.Verdict, error) {
		ran = j
		return codegrade.Verdict{Verdict: strings.Contains(j.Program, "return x"), Kind: codegrade.Wrong}, nil
	}}}
	if v, err := k.Grade(p, "    return x"); err != nil || !v.Right || v.Reward != 1 || ran.Program != "def f(x):\n    return x" {
		t.Errorf("%+v, %v, ran %q", v, err, ran.Program)
	}
	if v, err := k.Grade(p, "    return 2"); err != nil || v.Right || v.Reward != 0 || v.Stage != "wrong" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestJSONL(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var lines strings.Builder
	for i := range 200 {
		_ = json.NewEncoder(&lines).Encode(map[string]any{"q": "Is this " + strings.Repeat("x", i+1) + "?", "a": i, "d": float64(i) / 10})
	}
	file := write("mine.jsonl", lines.String())
	k := open(t, Env{}, "jsonl:file="+file+",grader=math,question=q,answer=a,difficulty=d", JSONL)
	all, train, held := take(t, k, task.Query{}), take(t, k, task.Query{Seed: 3, Split: task.Train}), take(t, k, task.Query{Split: task.HeldOut})
	if len(all) != 200 || len(train)+len(held) != 200 || len(held) < 8 || len(held) > 35 {
		t.Errorf("%d problems: %d and %d", len(all), len(train), len(held))
	}
	if few := take(t, k, task.Query{Min: 5, Max: 6}); len(few) != 11 {
		t.Errorf("%d problems of difficulty 5 to 6, want 11", len(few))
	}
	if v, err := k.Grade(all[7], "so 7"); err != nil || !v.Right {
		t.Errorf("%+v, %v", v, err)
	}
	choice := write("choice.jsonl", `{"question":"Which?","choices":["red","blue"],"answer":"blue"}`+"\n"+`{"question":"And?","choices":["red","blue"],"answer":0}`)
	k = open(t, Env{}, "jsonl:file="+choice+",grader=choice", JSONL)
	if all = take(t, k, task.Query{}); all[0].Answer != "B" || all[1].Answer != "A" {
		t.Errorf("%q, %q", all[0].Answer, all[1].Answer)
	}
	for text, want := range map[string]string{`{"question":"?"}`: "problem 1: fields", "{": "line 1", "": "empty", `{"question":"?","answer":"x"` + "}\n{}": "problem 2"} {
		k := open(t, Env{}, "jsonl:file="+write("bad.jsonl", text), JSONL)
		for _, err := range k.Problems(task.Query{}) {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "bad.jsonl") {
				t.Errorf("%q: %v, want %s", text, err, want)
			}
		}
	}
}

func TestMissingData(t *testing.T) {
	for dir, want := range map[string]string{"": "set PENNY_DATA", t.TempDir(): "is neither in"} {
		for _, err := range open(t, Env{Data: dir}, "gsm8k", mathOpener("gsm8k")).Problems(task.Query{}) {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "gsm8k/test.jsonl") {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// TestTolerance: a number may be off by what its problem allows, and by no more.
func TestTolerance(t *testing.T) {
	k := newTask("t", Env{}, source{})
	p := task.Problem{Answer: "4.2", Data: json.RawMessage(`{"grader":"math","tolerance":"1e-1"}`)}
	for text, want := range map[string]bool{`\boxed{4.2}`: true, `\boxed{4.3\%}`: true, `\boxed{4.16}`: true, `\boxed{4.31}`: false, `\boxed{x}`: false, "nothing": false} {
		if v, err := k.Grade(p, text); err != nil || v.Right != want || (v.Reward == 1) != want {
			t.Errorf("%s: %+v %v", text, v, err)
		}
	}
	if _, err := k.Grade(task.Problem{Answer: "4.2", Data: json.RawMessage(`{"grader":"math","tolerance":"some"}`)}, "7"); err == nil {
		t.Error("a tolerance that is no number")
	}
}
