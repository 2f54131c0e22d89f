package codegrade

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/pennyml/penny/internal/sandbox"
)

// Grader grades jobs, many at once. It keeps checkers and sandboxes ready.
type Grader struct {
	python    *python
	pythonErr error
	golang    *goTool
	goErr     error

	boxes sandbox.Pool
	mu    sync.Mutex
	idle  []*checker
}

// New prepares a grader. Errors that wrap [sandbox.ErrRefused] say what this host lacks. A language whose tools are missing is an error of its jobs.
func New() (*Grader, error) {
	if err := sandbox.Available(); err != nil {
		return nil, err
	}
	g := &Grader{}
	g.python, g.pythonErr = findPython()
	g.golang, g.goErr = findGo()
	return g, nil
}

// Close ends the checkers and the sandboxes.
func (g *Grader) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.idle {
		c.close()
	}
	g.idle = nil
	g.boxes.Close()
}

func (g *Grader) checker() (*checker, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		c := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return c, nil
	}
	return newChecker(g.python)
}

func (g *Grader) release(c *checker, good bool) {
	if !good {
		c.close()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, c)
}

// Languages says which python3 and which Go tool this host has, or why none.
func Languages() (python, golang string) {
	if p, err := findPython(); err != nil {
		python = err.Error()
	} else {
		python = p.Version + " " + p.Path
	}
	if t, err := findGo(); err != nil {
		golang = err.Error()
	} else {
		golang = t.Version + " " + t.Root
	}
	return python, golang
}

// Language is the language that a name stands for, "" for none of ours.
func Language(name string) string {
	switch name {
	case "", "python", "python3", "py":
		return "python"
	case "go", "golang":
		return "go"
	}
	return ""
}

// Grade runs a job. An error that wraps [ErrJob] is about the job (its tests, limits or language); others are about this host.
func (g *Grader) Grade(job Job) (Verdict, error) {
	if job.Runs < 0 || job.Runs > maxRuns {
		return Verdict{}, fmt.Errorf("%w: runs is %d: want 0 to %d", ErrJob, job.Runs, maxRuns)
	}
	v, err := g.once(job)
	for job.run = 1; job.run < job.Runs && err == nil && v.Verdict; job.run++ {
		cpu, rss := v.CPU, v.MaxRSS
		if v, err = g.once(job); err == nil && !v.Verdict {
			v.Kind, v.Reason = Unstable, fmt.Sprintf("run %d of %d: %s: %s", job.run+1, job.Runs, v.Kind, v.Reason)
		}
		v.CPU, v.MaxRSS = v.CPU+cpu, max(v.MaxRSS, rss)
	}
	return v, err
}

// once runs a job once.
func (g *Grader) once(job Job) (Verdict, error) {
	s, err := parseTests(job.Tests)
	if err != nil {
		return Verdict{}, err
	}
	l, err := job.Limits.apply(Default())
	if err != nil {
		return Verdict{}, err
	}
	switch Language(job.Language) {
	case "python":
		return g.python3(job, s, l)
	case "go":
		return g.goProgram(job, s, l)
	}
	return Verdict{}, fmt.Errorf("%w: language %q: want python or go", ErrJob, job.Language)
}

func (g *Grader) python3(job Job, s suite, l sandbox.Limits) (Verdict, error) {
	if g.pythonErr != nil {
		return Verdict{}, g.pythonErr
	}
	if s.io != nil {
		spec := g.python.spec(l, job.run, "program.py")
		spec.Files = []sandbox.File{{Name: "program.py", Data: []byte(job.Program)}}
		return g.gradeIO(spec, s.io)
	}
	if s.calls != nil && job.Entry == "" && s.entry == "" {
		return Verdict{}, fmt.Errorf("%w: tests of calls without entry_point", ErrJob)
	}
	v, err := g.gradePython(job, s, l)
	if err == nil && v.Kind == kindTests {
		return Verdict{}, fmt.Errorf("%w: %s", ErrJob, v.Reason)
	}
	return v, err
}

var solutionClass = regexp.MustCompile(`(?m)^class\s+Solution\b`)

// hasSolution says whether a program answers by a method of class Solution.
func hasSolution(program string) bool { return solutionClass.MatchString(program) }
