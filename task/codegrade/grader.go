package codegrade

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/pennyml/penny/internal/sandbox"
)

// Grader grades jobs, many at once. It keeps checkers ready.
type Grader struct {
	python    *python
	pythonErr error
	golang    *goTool
	goErr     error

	mu   sync.Mutex
	idle []*checker
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

// Close ends the checkers.
func (g *Grader) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.idle {
		c.close()
	}
	g.idle = nil
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

// Grade runs a job. An error that wraps [ErrJob] is about the job (its tests, limits or language); others are about this host.
func (g *Grader) Grade(job Job) (Verdict, error) {
	s, err := parseTests(job.Tests)
	if err != nil {
		return Verdict{}, err
	}
	l, err := job.Limits.apply(Default())
	if err != nil {
		return Verdict{}, err
	}
	switch job.Language {
	case "", "python", "python3", "py":
		return g.python3(job, s, l)
	case "go", "golang":
		return g.goProgram(job, s, l)
	}
	return Verdict{}, fmt.Errorf("%w: language %q: want python or go", ErrJob, job.Language)
}

func (g *Grader) python3(job Job, s suite, l sandbox.Limits) (Verdict, error) {
	if g.pythonErr != nil {
		return Verdict{}, g.pythonErr
	}
	if s.io != nil {
		spec := g.python.spec(l, "program.py")
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
