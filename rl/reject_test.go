package rl

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/train"
)

// words is a Text in which every letter is a token.
var words = Text{Completion: func(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteByte(byte(id))
	}
	return b.String()
}}

// group is a problem with answers: those in capitals are right, "!" at the end stands for one that was cut.
func group(key string, answers ...string) *Tried {
	t := &Tried{Problem: task.Problem{Key: key, Prompt: key}}
	for _, text := range answers {
		a := Attempt{Verdict: task.Verdict{Right: text == strings.ToUpper(text), Strict: !strings.Contains(text, " ")}}
		a.Finish = engine.FinishStop
		if strings.HasSuffix(text, "!") {
			a.Finish = engine.FinishLength
		}
		for _, c := range []byte(text) {
			a.IDs = append(a.IDs, int32(c))
		}
		t.Attempts = append(t.Attempts, a)
	}
	return t
}

func TestSift(t *testing.T) {
	first := []string{"AB", "ab", "AB", "A  B", "A B", "C", "CUT!", "LONGER", "D-E"}
	for _, c := range []struct {
		name string
		r    Rejection
		want string // what is kept of first, then of the same problem posed again
		n    Sifted
	}{
		{"all", Rejection{}, "AB,A  B,C,LONGER,D-E|NEW", Sifted{Sampled: 12, Kept: 6, Wrong: 1, Truncated: 1, Twice: 4}},
		{"keep", Rejection{Keep: 2}, "AB,A  B|", Sifted{Sampled: 12, Kept: 2, Wrong: 1, Truncated: 1, Twice: 3, Surplus: 5}},
		{"strict", Rejection{Strict: true}, "AB,C,LONGER,D-E|NEW", Sifted{Sampled: 12, Kept: 5, Wrong: 3, Truncated: 1, Twice: 3}},
		{"length", Rejection{MinTokens: 2, MaxTokens: 3}, "AB,A B,D-E|NEW", Sifted{Sampled: 12, Kept: 4, Wrong: 1, Truncated: 1, Short: 1, Long: 2, Twice: 3}},
		{"band", Rejection{Low: 0.5, High: 0.9}, "AB,A  B,C,LONGER,D-E|", Sifted{Sampled: 12, Kept: 5, Wrong: 1, Truncated: 1, Twice: 2, OutOfBand: 3}},
	} {
		in, n := kept{}, Sifted{}
		var got []string
		for _, g := range []*Tried{group("p", first...), group("p", "AB", "D-E", "NEW")} {
			list, err := c.r.sift(g, words, in, &n)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, e := range list {
				texts = append(texts, e.Completion)
			}
			got = append(got, strings.Join(texts, ","))
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%s: kept %s, want %s", c.name, text, c.want)
		}
		if n != c.n {
			t.Errorf("%s: %+v, want %+v", c.name, n, c.n)
		}
	}
	// Another problem may have the same answer.
	in := kept{}
	for _, key := range []string{"p", "q"} {
		if list, err := (&Rejection{Keep: 1}).sift(group(key, "AB"), words, in, &Sifted{}); err != nil || len(list) != 1 {
			t.Errorf("problem %s: kept %v, %v", key, list, err)
		}
	}
	// Prose in another language is left out.
	text := strings.ToUpper("Это предложение написано по-русски, и его много")
	n := Sifted{}
	if list, err := (&Rejection{Language: "en"}).sift(group("p", text), words, kept{}, &n); err != nil || len(list) != 0 || n.Foreign != 1 {
		t.Errorf("kept %v, %+v, %v", list, n, err)
	}
}

func TestRejectionInvalid(t *testing.T) {
	for _, c := range []struct {
		r    Rejection
		want string
	}{
		{Rejection{}, "problems: 0"}, {Rejection{Problems: 1, Low: 0.8, High: 0.2}, "high 0.2 is below low 0.8"},
		{Rejection{Problems: 1, MinTokens: 5, MaxTokens: 4}, "max_tokens 4 is below min_tokens 5"}, {Rejection{Problems: 1, Language: "xx"}, `language "xx"`},
		{Rejection{Problems: 1, Keep: -1}, "keep: -1"},
	} {
		if err := c.r.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.r, err, c.want)
		}
	}
}

// TestRejecter: stopped after every step, with what a kill leaves behind in the file, a stage leaves the same dataset.
func TestRejecter(t *testing.T) {
	c := echoConfig()
	c.Rejection = Rejection{Problems: 204, Keep: 3}
	path := filepath.Join(t.TempDir(), "data", "set.jsonl")
	open := func() *Rejecter {
		b := newBench(t, c, setting{threads: 1})
		r, err := NewRejecter(c, Parts{Learner: b.learner, Task: echo{4}, Text: echoText, Recorder: b.tally, Seed: 5}, path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	work := func(again func(*Rejecter, *train.Progress) *Rejecter) (text []byte, steps int) {
		r, p := open(), &train.Progress{}
		for {
			l, err := r.Gradient(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || !l.Empty || !l.Last {
				t.Fatalf("%+v, %v", l, err)
			}
			steps++
			if err := r.Mark(p); err != nil {
				t.Fatal(err)
			}
			r = again(r, p)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := r.Steps(train.Budget{}, train.Budget{}, 0); steps != want {
			t.Errorf("%d steps, want %d", steps, want)
		}
		return text, steps
	}
	want, _ := work(func(r *Rejecter, _ *train.Progress) *Rejecter { return r })
	perKey := map[string]int{}
	for line := range strings.Lines(string(want)) {
		var e Example
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		perKey[e.Key]++
	}
	if most := slices.Max(slices.Collect(maps.Values(perKey))); most != 3 || len(perKey) < 2 {
		t.Errorf("answers to problems: %v, want 3 at most", perKey)
	}
	got, _ := work(func(r *Rejecter, p *train.Progress) *Rejecter {
		if _, err := r.Gradient(context.Background()); err != nil && !errors.Is(err, io.EOF) { // it was killed in the middle of this
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = open()
		if err := r.Resume(p); err != nil {
			t.Fatal(err)
		}
		return r
	})
	if string(got) != string(want) {
		t.Errorf("the dataset has %d bytes after being resumed, %d without", len(got), len(want))
	}
	// A dataset that has lost what the checkpoint knows of is an error.
	r, p := open(), &train.Progress{}
	for r.mark.Bytes == 0 {
		if _, err := r.Gradient(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Mark(p), r.Close(), os.Truncate(path, 3)); err != nil {
		t.Fatal(err)
	}
	if r = open(); r.Resume(p) != nil {
		t.Fatal("resume")
	}
	if _, err := r.Gradient(context.Background()); err == nil || !strings.Contains(err.Error(), "the checkpoint knows of") {
		t.Errorf("error %v", err)
	}
}
