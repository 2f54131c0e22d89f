package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func grade(t *testing.T, c gradeCmd, in string) []gradeResult {
	t.Helper()
	if c.Options == "" {
		c.Options = "D"
	}
	var out bytes.Buffer
	if err := c.stream(strings.NewReader(in), &out, newProgress(openNull(t))); err != nil {
		t.Fatal(err)
	}
	var all []gradeResult
	for d := json.NewDecoder(&out); d.More(); {
		var r gradeResult
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func openNull(t *testing.T) *os.File {
	f, err := os.CreateTemp(t.TempDir(), "progress")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestGradeOrder grades on several goroutines and wants the results in the order of the input.
func TestGradeOrder(t *testing.T) {
	var in strings.Builder
	const n = 500
	for i := range n {
		fmt.Fprintf(&in, "{\"id\":%d,\"text\":\"so \\\\boxed{%d}\",\"gold\":\"%d\"}\n\n", i, i, i-i%3%2)
	}
	all := grade(t, gradeCmd{Grader: "math", Jobs: 4}, in.String())
	if len(all) != n {
		t.Fatalf("%d results, want %d", len(all), n)
	}
	for i, r := range all {
		if string(r.ID) != fmt.Sprint(i) || r.Extracted != fmt.Sprint(i) || r.Verdict != (i%3 != 1) {
			t.Fatalf("result %d is %+v", i, r)
		}
	}
}

func TestGradeLines(t *testing.T) {
	for _, c := range []struct {
		cmd     gradeCmd
		line    string
		verdict bool
		check   string
	}{
		{gradeCmd{Grader: "math"}, `{"pred":"x=2","gold":2}`, true, ""},
		{gradeCmd{Grader: "math", Strict: true}, `{"pred":"x=2","gold":2}`, false, ""},
		{gradeCmd{Grader: "math", Check: true}, `{"pred":"1/2","gold":"0.5"}`, true, "equal"},
		{gradeCmd{Grader: "math"}, `{"pred":null,"gold":"0"}`, false, ""},
		{gradeCmd{Grader: "math"}, `{"pred":"7","gold":["5","7"]}`, true, ""},
		{gradeCmd{Grader: "gsm8k"}, `{"text":"6+1\n#### 7","gold":"so\n#### 7"}`, true, ""},
		{gradeCmd{Grader: "gsm8k"}, `{"text":"6+1 is 7 dollars.","gold":"7"}`, true, ""},
		{gradeCmd{Grader: "choice"}, `{"text":"So the answer is (C).","gold":"C"}`, true, ""},
		{gradeCmd{Grader: "choice"}, `{"text":"So the answer is (C).","gold":"B"}`, false, ""},
		{gradeCmd{Grader: "format", Think: true}, `{"text":"<think>a</think> b"}`, true, ""},
		{gradeCmd{Grader: "language", Lang: "en", Share: 0.9}, `{"text":"所以","lang":"zh"}`, true, ""},
		{gradeCmd{Grader: "length", Unit: "tokens", Max: 10}, `{"text":"a","tokens":11}`, false, ""},
		{gradeCmd{Grader: "repetition", NGram: 4, Floor: 0.7, Runs: 4}, `{"text":"` + strings.Repeat("wait a moment ", 20) + `"}`, false, ""},
	} {
		r := grade(t, c.cmd, c.line)[0]
		if r.Verdict != c.verdict || r.Check != c.check || r.Reason == "" {
			t.Errorf("%s %s: %+v", c.cmd.Grader, c.line, r)
		}
	}
}

func TestGradeBadLines(t *testing.T) {
	good := `{"id":7,"pred":"1","gold":"1"}` + "\n"
	for _, line := range []string{"{", `{"gold":"1"}`, `{"pred":"1"}`, `{"pred":{},"gold":"1"}`, `[1]`, "\x00", `"x"`, `{"pred":"1","gold":"1"} x`, `{"pred":"1","gold":[]}`,
		`{"id":3,"pred":"1","gold":{}}`, `{"tokens":"x"}`, "\xff\xfe", `{"pred":[["1"]],"gold":"1"}`, "\"" + strings.Repeat("9", maxLine)} {
		c := gradeCmd{Grader: "math", Options: "D"}
		var out bytes.Buffer
		err := c.stream(strings.NewReader("\ufeff"+good+"\n"+line+"\n"+good), &out, newProgress(openNull(t)))
		if err == nil || !strings.Contains(err.Error(), "1 of 3 lines have no verdict; line 3:") {
			t.Errorf("%.50s: error %v, want one that names line 3", line, err)
		}
		results := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(results) != 3 || !strings.Contains(results[0], `"id":7,"verdict":true`) || !strings.Contains(results[2], `"id":7,"verdict":true`) ||
			!strings.Contains(results[1], `"stage":"error"`) || !strings.Contains(results[1], "line 3: ") {
			t.Errorf("%.50s: %s", line, results)
		}
	}
}

// TestGradeTask: what penny task writes, with texts added, is graded by penny grade --task, by the problem's data or by its id.
func TestGradeTask(t *testing.T) {
	var problems bytes.Buffer
	if err := (taskQuery{Task: "countdown:operands=3", Seed: 1, Demo: true}).write(&problems, 20); err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for line := range strings.Lines(problems.String()) {
		var p map[string]any
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		p["text"] = p["demonstration"]
		_ = json.NewEncoder(&in).Encode(p)
		p["text"] = "<answer>1 + 1</answer>"
		_ = json.NewEncoder(&in).Encode(p)
	}
	w, err := openTask("countdown:operands=3", "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	var out bytes.Buffer
	if err := (&gradeCmd{whole: w}).stream(strings.NewReader(in.String()), &out, newProgress(os.Stderr)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		var r gradeResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Verdict != (n%2 == 0) || r.Reward != float64(1-n%2) || !strings.Contains(string(r.ID), "countdown/") {
			t.Errorf("line %d: %s", n, line)
		}
		n++
	}
	if n != 40 {
		t.Errorf("%d verdicts", n)
	}
	for line, want := range map[string]string{`{"id":"countdown/0"}`: `no "text"`, `{"id":"countdown/0","text":"x"}`: "only tasks of files", "{": "unexpected"} {
		if _, err := w.one([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}
