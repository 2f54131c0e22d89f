package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrain trains, goes on and answers as a user would.
func TestTrain(t *testing.T) {
	dir := t.TempDir()
	text, file, out := filepath.Join(dir, "text.txt"), filepath.Join(dir, "tiny.yaml"), filepath.Join(dir, "run")
	recipe := "model: {arch: llama, hidden: 16, layers: 1, heads: 2, context: 32}\ntokenizer: {kind: char}\ndata:\n  sources: [{files: nowhere.txt}]\n  length: 16\n" +
		"  val: {fraction: 0.1}\nbatch: {global: 2}\nbudget: {steps: 5}\n"
	for name, content := range map[string]string{text: strings.Repeat("a penny for your thoughts. ", 100), file: recipe} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data := "data.sources.0.files=" + text
	plan := jsonOut(t, nil, "train", file, "--set", data, "--dry-run", "--json")
	if plan["peak_memory_bytes"].(float64) < 1e6 || plan["flops"].(float64) < 1e4 || plan["params"].(float64) < 1000 {
		t.Errorf("plan %v", plan)
	}
	first := jsonOut(t, nil, "train", file, "--set", data, "--out", out, "--threads", "1", "--json")
	for _, key := range []string{"run", "steps", "tokens", "loss", "val_loss", "seconds", "flops", "joules", "dollars", "state_sha256", "tokens_per_s"} {
		if _, ok := first[key]; !ok {
			t.Errorf("the last line has no %s: %v", key, first)
		}
	}
	if first["steps"] != 5.0 || first["tokens"] != 5.0*2*16 {
		t.Errorf("%v", first)
	}
	second := jsonOut(t, nil, "train", "--resume", out, "--set", "budget.steps=8", "--json")
	if second["steps"] != 8.0 {
		t.Errorf("%v", second)
	}
	if o := penny(t, "", nil, "run", first["model"].(string), "--raw", "-n", "5", "a pen"); o.code != 0 || len(o.stdout) < 5 {
		t.Errorf("the trained model answered %+v", o)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"train", file, "--out", filepath.Join(dir, "a")}, "nowhere.txt"},
		{[]string{"train", file, "--set", data, "--out", out}, "already holds a run"},
		{[]string{"train", file, "--set", "budgets.steps=3"}, "did you mean budget?"},
		{[]string{"train", dir}, "hint: give a recipe file"},
		{[]string{"train", filepath.Join(dir, "none.yaml")}, "hint: recipes that come with the source"},
		{[]string{"train", file, "--threads=-1"}, "--threads"},
	} {
		if o := penny(t, "", nil, c.args...); o.code != 1 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%v: exit %d, %q, want %q", c.args, o.code, o.stderr, c.want)
		}
	}
}
