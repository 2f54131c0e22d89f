package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"

	"github.com/pennyml/penny/task"
)

// Answer is one sampled answer.
type Answer struct {
	Text      string // what stands after the thoughts
	Thoughts  string
	Tokens    int  // thoughts included
	Truncated bool // cut at the token limit
}

// whole is the text that a grader sees: thoughts count where a task grades their form.
func (a Answer) whole() string {
	if a.Thoughts == "" {
		return a.Text
	}
	return "<think>" + a.Thoughts + "</think>" + a.Text
}

// Sampler answers prompts, k times each. It calls each once for every answer, in any order but never two at a time; an error from it ends the run.
type Sampler interface {
	Sample(ctx context.Context, prompts []string, k int, each func(prompt, sample int, a Answer) error) error
}

// Result is one problem's answers and verdicts. It is a line of the per-problem file.
type Result struct {
	ID        string    `json:"id"`
	Prompt    string    `json:"prompt"`
	Answer    string    `json:"answer,omitempty"`
	Right     []bool    `json:"right"`     // of each sample
	Strict    []bool    `json:"strict"`    // right in value and form
	Formatted []bool    `json:"formatted"` // an answer could be found
	Extracted []string  `json:"extracted"`
	Reasons   []string  `json:"reasons"`
	Texts     []string  `json:"texts"`
	Tokens    []int     `json:"tokens"`
	Truncated []bool    `json:"truncated"`
	Reward    []float64 `json:"reward"`
}

func newResult(p task.Problem, k int) *Result {
	return &Result{ID: p.ID, Prompt: p.Prompt, Answer: p.Answer, Right: make([]bool, k), Strict: make([]bool, k), Formatted: make([]bool, k),
		Extracted: make([]string, k), Reasons: make([]string, k), Texts: make([]string, k), Tokens: make([]int, k), Truncated: make([]bool, k), Reward: make([]float64, k)}
}

// Score is the problem's share of right answers.
func (r *Result) Score() float64 { return share(r.Right) }

func share(b []bool) float64 {
	n := 0
	for _, x := range b {
		if x {
			n++
		}
	}
	return float64(n) / float64(len(b))
}

// Run has every problem answered k times and graded, on all cores. progress, when not nil, sees how many answers are graded and right.
func Run(ctx context.Context, t task.Task, problems []task.Problem, s Sampler, k int, progress func(graded, right int)) ([]*Result, error) {
	if k < 1 || len(problems) == 0 {
		return nil, fmt.Errorf("eval: %d answers to %d problems: want one at least", k, len(problems))
	}
	g := &grading{task: t, problems: problems, jobs: make(chan job), progress: progress}
	prompts := make([]string, len(problems))
	for i, p := range problems {
		prompts[i] = p.Prompt
		g.results = append(g.results, newResult(p, k))
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(g.work)
	}
	err := s.Sample(ctx, prompts, k, func(i, j int, a Answer) error {
		g.jobs <- job{i, j, a}
		return g.failed()
	})
	close(g.jobs)
	workers.Wait()
	if err == nil {
		err = g.failed()
	}
	return g.results, err
}

type job struct {
	problem, sample int
	Answer
}

type grading struct {
	task     task.Task
	problems []task.Problem
	jobs     chan job
	results  []*Result

	mu            sync.Mutex
	err           error
	graded, right int
	progress      func(graded, right int)
}

func (g *grading) failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *grading) work() {
	for j := range g.jobs {
		v, err := g.task.Grade(g.problems[j.problem], j.whole())
		g.mu.Lock()
		if err != nil {
			if g.err == nil {
				g.err = err
			}
		} else {
			r, i := g.results[j.problem], j.sample
			r.Right[i], r.Strict[i], r.Formatted[i] = v.Right, v.Strict, v.Extracted != ""
			r.Extracted[i], r.Reasons[i], r.Texts[i], r.Tokens[i], r.Truncated[i], r.Reward[i] = v.Extracted, v.Reason, j.whole(), j.Tokens, j.Truncated, v.Reward
			if g.graded++; v.Right {
				g.right++
			}
			if g.progress != nil {
				g.progress(g.graded, g.right)
			}
		}
		g.mu.Unlock()
	}
}

// Report is the figures of a run.
type Report struct {
	Task            string             `json:"task"`
	N               int                `json:"n"`
	K               int                `json:"k"`
	PassAt          map[string]float64 `json:"pass_at"` // by k: 1, 2, 4, … and K
	MajAt           map[string]float64 `json:"maj_at"`
	CI95            [2]float64         `json:"ci95"` // of pass@1
	Strict          float64            `json:"strict"`
	FormatRate      float64            `json:"format_rate"`
	MeanTokens      float64            `json:"mean_tokens"`
	Truncated       float64            `json:"truncated"`
	MeanReward      float64            `json:"mean_reward"`
	Seconds         float64            `json:"seconds"`
	FLOPs           float64            `json:"flops"`
	GeneratedTokens int                `json:"generated_tokens"`
}

// Summarise computes the figures of a run of k answers a problem.
func Summarise(name string, rs []*Result, k int) Report {
	r := Report{Task: name, N: len(rs), K: k, PassAt: map[string]float64{}, MajAt: map[string]float64{}}
	n := float64(len(rs))
	scores := make([]float64, len(rs))
	for i, x := range rs {
		scores[i] = x.Score()
		r.Strict += share(x.Strict) / n
		r.FormatRate += share(x.Formatted) / n
		r.Truncated += share(x.Truncated) / n
		for j := range k {
			r.GeneratedTokens += x.Tokens[j]
			r.MeanReward += x.Reward[j] / (n * float64(k))
		}
	}
	r.MeanTokens = float64(r.GeneratedTokens) / (n * float64(k))
	m := MeanOf(scores)
	r.CI95 = [2]float64{m.Low, m.High}
	for at := 1; ; at = min(2*at, k) {
		pass, maj := 0.0, 0.0
		for _, x := range rs {
			right := 0
			for _, b := range x.Right {
				if b {
					right++
				}
			}
			pass += PassAtK(k, right, at)
			maj += MajAtK(x.Extracted, x.Right, at)
		}
		r.PassAt[strconv.Itoa(at)], r.MajAt[strconv.Itoa(at)] = pass/n, maj/n
		if at == k {
			return r
		}
	}
}

// WriteResults writes a line for each problem.
func WriteResults(w io.Writer, rs []*Result) error {
	e := json.NewEncoder(w)
	for _, r := range rs {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// ReadResults reads what WriteResults wrote. name stands in errors.
func ReadResults(name string, r io.Reader) ([]*Result, error) {
	var out []*Result
	d := json.NewDecoder(r)
	for {
		x := &Result{}
		if err := d.Decode(x); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: problem %d: %w", name, len(out)+1, err)
		}
		if x.ID == "" || len(x.Right) == 0 {
			return nil, fmt.Errorf("%s: problem %d: no id, or no verdicts", name, len(out)+1)
		}
		out = append(out, x)
	}
	return out, nil
}

// CompareResults tests run b against run a on the problems that both have.
func CompareResults(a, b []*Result) (Difference, error) {
	of := map[string]*Result{}
	for _, r := range a {
		of[r.ID] = r
	}
	var x, y []float64
	for _, r := range b {
		if o := of[r.ID]; o != nil {
			x, y = append(x, o.Score()), append(y, r.Score())
		}
	}
	if len(x) == 0 {
		return Difference{}, fmt.Errorf("eval: the two runs have no problem in common")
	}
	return Compare(x, y)
}
