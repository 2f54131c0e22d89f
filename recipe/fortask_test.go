package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/task/script"
)

// TestForTask: the quickstart's recipe becomes one for a task that a user has written, with texts as long as that task's.
func TestForTask(t *testing.T) {
	load := func() *Recipe {
		r, err := Load("../recipes/quickstart.yaml", nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	open := func(path string) task.Task {
		k, err := script.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	spec := "../examples/tasks/coins.star"
	r := load()
	if err := r.ForTask(spec, open(spec)); err != nil {
		t.Fatal(err)
	}
	text, err := r.YAML()
	if err != nil || strings.Contains(string(text), "signs") {
		t.Errorf("%v: the puzzle is left in\n%s", err, text)
	}
	last := r.Stages[2].RL
	if length := r.Stages[0].Data.Length; length < 300 || length > 1300 || length%16 != 0 || r.Stages[1].Data.Length != length || r.Model.Context < length+last.MaxTokens {
		t.Errorf("rows of %d, context %d, answers of %d", length, r.Model.Context, last.MaxTokens)
	}
	if last.MaxTokens < 200 || last.MaxTokens > r.Stages[0].Data.Length || last.Stop != nil || last.Prompts != load().Stages[2].RL.Prompts {
		t.Errorf("%+v", last)
	}
	if err := load().ForTask("roman", open("../examples/tasks/roman.star")); !errors.Is(err, task.ErrNoDemonstrations) {
		t.Errorf("error %v", err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"long": {"def problems(seed):\n    return [1, 2, 3, 4, 5, 6, 7, 8, 9]\ndef trace(p, seed):\n    return \"x\" * 3000\n", "up to 3001 characters"},
		"none": {"def problems(seed):\n    return []\ndef trace(p, seed):\n    return \"x\"\n", "no training problems"},
	} {
		path := filepath.Join(t.TempDir(), name+".star")
		if err := os.WriteFile(path, []byte(c.body+"def prompt(p):\n    return \"?\"\ndef grade(p, text):\n    return True\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := load().ForTask(path, open(path)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	bytes := load()
	bytes.Tokenizer.Kind = "byte"
	if err := bytes.ForTask(spec, open(spec)); err == nil || !strings.Contains(err.Error(), "only one of characters") {
		t.Errorf("error %v", err)
	}
}
