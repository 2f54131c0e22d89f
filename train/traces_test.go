package train

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train/data"
)

func TestTaskFile(t *testing.T) {
	for spec, want := range map[string]string{"signs:tries=1": "", "a/b.star": "a/b.star", "x.jsonl:grader=math": "x.jsonl", "jsonl:file=d/x.jsonl,grader=exact": "d/x.jsonl",
		"my.stars.star": "my.stars.star", "gsm8k": "", "x.starling": ""} {
		if got := TaskFile(spec); got != want {
			t.Errorf("%s: file %q, want %q", spec, got, want)
		}
	}
}

// three is a task with three training problems a seed.
type three struct{ none bool }

func (x three) Problems(q task.Query) iter.Seq2[task.Problem, error] {
	return func(yield func(task.Problem, error) bool) {
		for i := range 3 {
			if x.none || !yield(task.Problem{Prompt: fmt.Sprintf("%d of %d", i, q.Seed)}, nil) {
				return
			}
		}
	}
}

func (three) Grade(task.Problem, string) (task.Verdict, error)        { return task.Verdict{}, nil }
func (three) Demonstrate(p task.Problem, seed uint64) (string, error) { return fmt.Sprint(seed), nil }

// TestTraces: a task that runs out begins anew, with other problems; the file that it is written in is part of what its traces are called.
func TestTraces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.star")
	make := func(content string, of three) (string, error) {
		if err := os.WriteFile(file, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		s := []data.Source{{Task: file, Count: 8}}
		err := Traces(s, filepath.Join(dir, "made"), 5, func(string) (task.Task, error) { return of, nil })
		return s[0].Made, err
	}
	first, err := make("one", three{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	seen := map[string]bool{}
	for _, l := range lines {
		seen[string(l)] = true
	}
	if len(lines) != 8 || len(seen) != 8 || !strings.Contains(string(lines[2]), `"2 of 5"`) {
		t.Errorf("%d lines, %d of them different:\n%s", len(lines), len(seen), text)
	}
	if again, err := make("one", three{none: true}); err != nil || again != first {
		t.Errorf("made again: %s, %v", again, err)
	}
	if other, err := make("two", three{}); err != nil || other == first {
		t.Errorf("another task of the same name has the same traces: %v", err)
	}
	if _, err := make("three", three{none: true}); err == nil || !strings.Contains(err.Error(), "no training problems") {
		t.Errorf("error %v", err)
	}
	if err := Traces([]data.Source{{Task: "gone.star", Count: 1}}, dir, 1, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
