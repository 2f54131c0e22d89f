package codegrade

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pennyml/penny/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// grader is one for a test, which is skipped where the host cannot isolate programs or has no python3.
func grader(t testing.TB) *Grader {
	t.Helper()
	g, err := New()
	if err != nil {
		t.Skip(err)
	}
	if g.pythonErr != nil {
		t.Skip(g.pythonErr)
	}
	t.Cleanup(g.Close)
	return g
}

// all grades jobs on all cores and returns their verdicts in order.
func all(t testing.TB, g *Grader, jobs []Job) []Verdict {
	t.Helper()
	out := make([]Verdict, len(jobs))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				v, err := g.Grade(jobs[i])
				if err != nil {
					t.Errorf("job %d: %v", i, err)
				}
				out[i] = v
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s)
	return b
}

// lines reads a JSONL file of the shared data.
func lines[T any](t *testing.T, name string) (out []T) {
	t.Helper()
	root := os.Getenv("PENNY_DATA")
	if root == "" {
		t.Skip("PENNY_DATA is not set: no shared data")
	}
	f, err := os.Open(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var x T
		if err := json.Unmarshal(s.Bytes(), &x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, x)
	}
	return out
}

// every is the step through the rows of a data set: all where PENNY_FULL is set, which takes minutes.
func every() int {
	if os.Getenv("PENNY_FULL") != "" {
		return 1
	}
	return 16
}

// rate grades jobs and counts the passes; it names those that should be otherwise.
func rate(t *testing.T, g *Grader, jobs []Job, ids []string, want bool) {
	t.Helper()
	var some []Job
	var names []string
	for i := 0; i < len(jobs); i += every() {
		some, names = append(some, jobs[i]), append(names, ids[i])
	}
	jobs, ids = some, names
	start := time.Now()
	n := 0
	for i, v := range all(t, g, jobs) {
		if v.Verdict == want {
			n++
		} else {
			t.Errorf("%s: %s: %s; %s", ids[i], v.Kind, v.Reason, v.Stderr)
		}
	}
	t.Logf("%d of %d as they should be, %.1f a second", n, len(jobs), float64(len(jobs))/time.Since(start).Seconds())
}

func TestHumanEval(t *testing.T) {
	type row struct {
		ID       string `json:"task_id"`
		Prompt   string
		Entry    string `json:"entry_point"`
		Solution string `json:"canonical_solution"`
		Test     string
	}
	rows := lines[row](t, "datasets/humaneval/HumanEval.jsonl.gz")
	g := grader(t)
	var right, empty []Job
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
		right = append(right, Job{Program: r.Prompt + r.Solution, Tests: quote(r.Test), Entry: r.Entry, Setup: r.Prompt})
		empty = append(empty, Job{Program: "", Tests: quote(r.Test + "\ncheck(" + r.Entry + ")\n")})
	}
	rate(t, g, right, ids, true)
	rate(t, g, empty, ids, false)
	for i, r := range rows { // without the prompt's helpers beside the tests
		right[i] = Job{Program: r.Prompt + r.Solution, Tests: quote(r.Test + "\ncheck(" + r.Entry + ")\n")}
		empty[i] = Job{Program: r.Prompt + "    pass\n", Tests: quote(r.Test), Entry: r.Entry, Setup: r.Prompt}
	}
	rate(t, g, right, ids, true)
	rate(t, g, empty, ids, false)
}

func TestMBPP(t *testing.T) {
	type row struct {
		ID        int `json:"task_id"`
		Code      string
		Setup     string   `json:"test_setup_code"`
		Tests     []string `json:"test_list"`
		Challenge []string `json:"challenge_test_list"`
	}
	g := grader(t)
	var right, empty []Job
	var ids []string
	for _, r := range lines[row](t, "datasets/mbpp/mbpp.jsonl") {
		tests, _ := json.Marshal(append(append([]string{r.Setup}, r.Tests...), r.Challenge...))
		ids = append(ids, string(tests[:min(len(tests), 100)]))
		right = append(right, Job{Program: r.Code, Tests: tests})
		empty = append(empty, Job{Program: "", Tests: tests})
	}
	rate(t, g, right, ids, true)
	rate(t, g, empty, ids, false)
}

func BenchmarkTrivial(b *testing.B) {
	g := grader(b)
	job := Job{Program: "def add(a, b):\n    return a + b\n", Tests: quote("assert add(1, 2) == 3")}
	all(b, g, []Job{job, job})
	b.ResetTimer()
	jobs := make([]Job, b.N)
	for i := range jobs {
		jobs[i] = job
	}
	all(b, g, jobs)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "programs/s")
}
