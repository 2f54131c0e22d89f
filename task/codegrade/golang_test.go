package codegrade

import (
	"os"
	"strings"
	"testing"
)

const goProgram = `package abs_test

import (
	"fmt"
	"testing"
)

type pair struct {
	a int
	b []string
}

func size(p pair, extra ...int) (int, error) {
	if p.b == nil {
		return 0, fmt.Errorf("no list")
	}
	return p.a + len(p.b) + len(extra), nil
}

func anything(xs []interface{}) []interface{} {
	var out []interface{}
	for _, x := range xs {
		if _, ok := x.(int); ok {
			out = append(out, x)
		}
	}
	return out
}
`

const goTests = `
func TestSize(t *testing.T) {
	if n, err := size(pair{1, []string{"x\xff", ""}}, 7, 8); n != 5 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if _, err := size(pair{}); err == nil || err.Error() != "no list" {
		t.Error(err)
	}
	if got := fmt.Sprintf("%v", anything([]interface{}{1, 2.0, "3", nil, 4})); got != "[1 4]" {
		t.Error(got)
	}
}
`

func TestGo(t *testing.T) {
	if testing.Short() || os.Getenv("PENNY_DATA") == "" {
		t.Skip("compiles packages of the standard library: runs where PENNY_DATA is set")
	}
	g := grader(t)
	if g.goErr != nil {
		t.Skip(g.goErr)
	}
	f := "package main\n\nfunc f(x int) int { return 2 * x }\n"
	test := "func TestF(t *testing.T) { if f(1) != 2 { t.Errorf(\"f(1) is %d\", f(1)) } }"
	withOS := func(body string) string {
		return "package main\n\nimport \"os\"\n\nvar _ = os.Exit\n" + body
	}
	list := []struct {
		id, program string
		tests       any
		kinds       string
	}{
		{"types", goProgram, goTests, "pass"},
		{"right", f, test, "pass"},
		{"wrong", strings.Replace(f, "2", "3", 1), test, "wrong"},
		{"empty", "package main\n", test, "syntax"},
		{"nothing", "", test, "syntax"},
		{"panics", "package main\nfunc f(x int) int { panic(1) }", test, "runtime"},
		{"leaves", withOS("func f(x int) int { os.Exit(0); return 2 }"), test, "incomplete"},
		{"leaves at once", withOS("func init() { os.Exit(0) }\nfunc f(x int) int { return 2 }"), test, "incomplete"},
		{"cp-088", "package main\nimport \"os/exec\"\nfunc f(x int) int { if exec.Command(\"/bin/sh\", \"-c\", \"true\").Run() == nil { return 0 }\n return 2*x }", test, "pass"},
		{"cp-088 embed", "package main\nimport _ \"embed\"\n//go:embed /etc/passwd\nvar s string\nfunc f(x int) int { return 2*x }", test, "syntax"},
		{"cp-089", "package main\nfunc main() { select {} }", prints("", ""), "runtime"},
		{"cp-090", "package main\nfunc main() { b := make([]byte, 1<<40); b[5] = 1; println(len(b)) }", prints("", ""), "memory"},
		{"prints", "package main\nimport \"fmt\"\nfunc main() { var n int; fmt.Scan(&n); fmt.Println(2*n) }", prints("21", "42"), "pass"},
		{"cp-084", "package main\n" + strings.Repeat("var _ int = "+strings.Repeat("x", 200000)+"\n", 12) + f[len("package main"):], test, "syntax"},
		{"cp-085", "package main\ntype A0 struct{ a, b [1<<20]int }\nconst x = 1 << (1 << 30)\nfunc f(x int) int { return 2 }", test, "syntax"},
	}
	var jobs []Job
	for _, c := range list {
		j := bad{program: c.program, tests: c.tests}.job(t)
		j.Language, j.Entry = "go", ""
		jobs = append(jobs, j)
	}
	for i, v := range all(t, g, jobs) {
		if !strings.Contains(list[i].kinds, string(v.Kind)) || v.Verdict != (v.Kind == Pass) {
			t.Errorf("%s: %s (%s), want %s\n%.600s", list[i].id, v.Kind, v.Reason, list[i].kinds, v.Stderr)
		}
		if len(v.Stderr) > 1<<20 || strings.Contains(v.Stderr, "telemetry") {
			t.Errorf("%s: %d bytes of errors: %.600s", list[i].id, len(v.Stderr), v.Stderr)
		}
	}
}
