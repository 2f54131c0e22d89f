package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pennyml/penny/task"
)

// sums asks for n+n and wants the number as the whole text.
type sums struct{ broken string }

func (sums) Problems(task.Query) iter.Seq2[task.Problem, error] { return nil }

func (s sums) Grade(p task.Problem, text string) (task.Verdict, error) {
	if p.ID == s.broken {
		return task.Verdict{}, errors.New("the problem is damaged")
	}
	_, text, _ = strings.Cut(text, "</think>")
	return task.Verdict{Right: text == p.Answer, Strict: text == p.Answer, Extracted: text, Reward: 1}, nil
}

func problems(n int) []task.Problem {
	out := make([]task.Problem, n)
	for i := range out {
		out[i] = task.Problem{ID: fmt.Sprint("p", i), Prompt: fmt.Sprintf("%d+%d", i, i), Answer: fmt.Sprint(2 * i)}
	}
	return out
}

// server answers a+a rightly when the seed is even, busily every fifth time.
func server(t *testing.T, calls *atomic.Int64) *Endpoint {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%5 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var q chatRequest
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &q); err != nil || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s %s %v", r.URL.Path, body, err)
		}
		var a int
		fmt.Sscanf(q.Messages[len(q.Messages)-1].Content, "%d+", &a)
		answer, finish := fmt.Sprint(2*a), "stop"
		if q.Seed%2 == 1 {
			answer, finish = "", "length"
		}
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q,"reasoning_content":"hm"},"finish_reason":%q}],"usage":{"completion_tokens":7}}`, answer, finish)
	}))
	t.Cleanup(s.Close)
	return &Endpoint{URL: s.URL + "/v1/", Model: "m", Key: "secret", Temperature: 1, MaxTokens: 10, Seed: 2, Parallel: 3}
}

func TestRunAgainstEndpoint(t *testing.T) {
	var calls atomic.Int64
	rs, err := Run(context.Background(), sums{}, problems(6), server(t, &calls), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := Summarise("sums", rs, 4)
	near(t, "pass@1", r.PassAt["1"], 0.5, 1e-12)
	near(t, "pass@2", r.PassAt["2"], 1-1.0/6, 1e-12)
	near(t, "pass@4", r.PassAt["4"], 1, 0)
	near(t, "maj@4", r.MajAt["4"], 1, 0)
	near(t, "truncated", r.Truncated, 0.5, 1e-12)
	near(t, "format", r.FormatRate, 0.5, 1e-12)
	near(t, "tokens", r.MeanTokens, 7, 1e-12)
	var b bytes.Buffer
	if err := WriteResults(&b, rs); err != nil {
		t.Fatal(err)
	}
	back, err := ReadResults("x", &b)
	if err != nil || len(back) != 6 || back[5].ID != "p5" {
		t.Fatalf("read back %d results, %v", len(back), err)
	}
	d, err := CompareResults(back, rs)
	if err != nil || d.N != 6 || d.P != 1 {
		t.Errorf("a run against itself: %+v %v", d, err)
	}
}

func TestRunStopsAtErrors(t *testing.T) {
	var calls atomic.Int64
	if _, err := Run(context.Background(), sums{broken: "p3"}, problems(50), server(t, &calls), 1, nil); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a grader's error came out as %v", err)
	}
	bad := server(t, &calls)
	bad.URL += "x"
	http404 := httptest.NewServer(http.NotFoundHandler())
	defer http404.Close()
	bad.URL = http404.URL
	if _, err := Run(context.Background(), sums{}, problems(3), bad, 1, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a missing server came out as %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, sums{}, problems(3), server(t, &calls), 1, nil); err == nil {
		t.Error("a cancelled run ended without error")
	}
}

func TestReadResultsRefuses(t *testing.T) {
	for _, bad := range []string{"{", `{"id":"x"}`, `{"right":[true]}`} {
		if _, err := ReadResults("f", strings.NewReader(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}
