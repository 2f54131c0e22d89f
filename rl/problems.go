package rl

import (
	"errors"
	"fmt"
	"iter"

	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/task"
)

// Mark is where the problems of a stage stand: with it a stage goes on as if it had never stopped.
type Mark struct {
	Step  int               `json:"step"`
	Taken int               `json:"taken"`           // problems drawn from the task, passed over ones too
	Known map[string]Record `json:"known,omitempty"` // by key; only with a curriculum
}

// Record is how the last group of answers to a problem did.
type Record struct {
	Right int `json:"right"`
	Of    int `json:"of"`
}

// problems is the endless sequence of a task's training problems. Data sets begin anew, in another order, when they run out.
type problems struct {
	task  task.Task
	query task.Query
	c     Curriculum
	mark  *Mark

	next  func() (task.Problem, error, bool)
	stop  func()
	round int // of a data set
	any   bool
}

func newProblems(t task.Task, q task.Query, c Curriculum, mark *Mark) (*problems, error) {
	p := &problems{task: t, query: q, c: c, mark: mark}
	p.open()
	for range mark.Taken {
		if _, err := p.draw(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *problems) open() {
	q := p.query
	q.Seed = sample.Seed(p.query.Seed, uint64(p.round)) | 1 // 0 is the order of the file
	p.next, p.stop = iter.Pull2(p.task.Problems(q))
	p.any = false
}

func (p *problems) close() { p.stop() }

// draw is the task's next problem.
func (p *problems) draw() (task.Problem, error) {
	for {
		problem, err, ok := p.next()
		switch {
		case err != nil:
			return problem, err
		case ok:
			p.any = true
			return problem, nil
		case !p.any:
			return problem, errors.New("rl: the task has no training problem of the difficulty asked for")
		}
		p.stop()
		p.round++
		p.open()
	}
}

// mostPassed is how many problems in a row a curriculum may pass over.
const mostPassed = 100000

// take is the next problem that the curriculum lets through.
func (p *problems) take() (task.Problem, error) {
	for range mostPassed {
		problem, err := p.draw()
		if err != nil {
			return problem, err
		}
		p.mark.Taken++
		if p.wanted(problem) {
			return problem, nil
		}
	}
	return task.Problem{}, fmt.Errorf("rl: the curriculum passed over %d problems in a row: all known ones lie outside %v to %v", mostPassed, p.c.Low, p.c.High)
}

func (p *problems) wanted(problem task.Problem) bool {
	r, ok := p.mark.Known[problem.Key]
	if p.c.High == 0 || !ok {
		return true
	}
	rate := float64(r.Right) / float64(r.Of)
	if rate >= p.c.Low && rate <= p.c.High {
		return true
	}
	return float64(sample.Seed(p.query.Seed, uint64(p.mark.Taken))>>11)/(1<<53) < p.c.Revisit
}

// learn notes how a group did.
func (p *problems) learn(key string, right, of int) {
	if p.c.High == 0 {
		return
	}
	if p.mark.Known == nil {
		p.mark.Known = map[string]Record{}
	}
	p.mark.Known[key] = Record{right, of}
}

// several are the next n.
func (p *problems) several(n int) ([]task.Problem, error) {
	var out []task.Problem
	for range n {
		problem, err := p.take()
		if err != nil {
			return nil, err
		}
		out = append(out, problem)
	}
	return out, nil
}
