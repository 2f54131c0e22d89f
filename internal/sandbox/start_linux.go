package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that runs.
type Process struct {
	Talk Talk // the pipes to the program's descriptors 3 and 4, if asked for

	box     *box
	pool    *Pool // where the box goes; nil for nowhere
	limits  Limits
	started time.Time
	before  time.Duration // processor time of the box's earlier programs
	streams [2]bytes.Buffer
	reading sync.WaitGroup
	stop    chan struct{}
	watched chan struct{}
	ending  atomic.Pointer[Cause] // the first cause given by this side
	seen    usage                 // the highest the watch saw; read after watched is closed
}

// Start starts a program in a box of its own; see [Pool.Start].
func Start(s Spec) (*Process, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return start(s, nil, false)
}

// start is Start on a host known to be able; a trial stops before the program would be started.
func start(s Spec, pool *Pool, trial bool) (*Process, error) {
	if err := s.Limits.check(); err != nil {
		return nil, err
	}
	if len(s.Args) == 0 || !filepath.IsAbs(s.Args[0]) {
		return nil, fmt.Errorf("sandbox: program %q: want an absolute path", s.Args)
	}
	kind, err := kindOf(s)
	if err != nil {
		return nil, err
	}
	if len(s.Writable) > 0 { // what is written there may be anything
		pool = nil
	}
	p := &Process{pool: pool, limits: s.Limits, stop: make(chan struct{}), watched: make(chan struct{})}
	if p.box = pool.take(kind); p.box != nil {
		u, err := one(p.box.cmd.Process.Pid, true)
		if err == nil && p.launch(s, trial) == nil {
			p.before = u.cpu
			p.begin()
			return p, nil
		}
		p.box.close() // something ended it while it was idle
	}
	if p.box, err = newBox(kind); err != nil {
		return nil, err
	}
	if err := p.launch(s, trial); err != nil {
		p.box.close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	p.begin()
	return p, nil
}

func (p *Process) begin() {
	p.started = time.Now()
	go p.watch()
}

// launch gives the order, with the far ends of the program's pipes.
func (p *Process) launch(s Spec, trial bool) (err error) {
	var ours, theirs []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	n := 3
	if s.Talk {
		n = programFiles
	}
	for i := range n {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		mine, other := r, w
		if i == 0 || i == 3 { // what the program reads
			mine, other = w, r
		}
		ours, theirs = append(ours, mine), append(theirs, other)
	}
	spec := s
	spec.Stdin, spec.Talk = nil, false
	if err := p.box.order(order{Spec: spec, SetUID: os.Getuid() == 0, Trial: trial}, theirs); err != nil {
		return err
	}
	if s.Talk {
		p.Talk = Talk{R: ours[4], W: ours[3]}
	}
	go func() { // a full pipe must not hold the caller up; a program that ends breaks it
		ours[0].Write(s.Stdin)
		ours[0].Close()
	}()
	p.collect(0, ours[1])
	p.collect(1, ours[2])
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// collect reads a stream until its end; over the limit the run ends.
func (p *Process) collect(i int, r *os.File) {
	p.reading.Add(1)
	go func() {
		defer p.reading.Done()
		defer r.Close()
		io.CopyN(&p.streams[i], r, p.limits.Output)
		var one [1]byte
		if n, _ := r.Read(one[:]); n > 0 {
			p.end(Output)
			io.Copy(io.Discard, r)
		}
	}()
}

// Kill ends the run.
func (p *Process) Kill() { p.end(Ended) }

// end ends the box; the first cause counts.
func (p *Process) end(c Cause) {
	if p.ending.CompareAndSwap(nil, &c) {
		p.box.kill()
	}
}

// Wait waits for the end of the whole process tree.
func (p *Process) Wait() (Result, error) {
	r, err := p.box.report()
	if err != nil {
		p.box.kill() // whatever it is, it follows no rules
	}
	p.reading.Wait()
	close(p.stop)
	<-p.watched
	if p.Talk.R != nil {
		closeAll([]*os.File{p.Talk.R, p.Talk.W})
	}
	res := Result{Stdout: p.streams[0].Bytes(), Stderr: p.streams[1].Bytes(), Wall: time.Since(p.started), CPU: p.seen.cpu, MaxRSS: p.seen.rss}
	over := Exited
	if !p.ending.CompareAndSwap(nil, &over) { // from here on nothing of this run ends the box
		p.box.close()
		res.Cause = *p.ending.Load()
		if s := p.box.cmd.ProcessState; s != nil { // no report counts; this has the first process's own work too
			res.CPU = max(res.CPU, s.UserTime()+s.SystemTime()-p.before)
			res.MaxRSS = max(res.MaxRSS, s.SysUsage().(*syscall.Rusage).Maxrss<<10)
		}
		return res, nil
	}
	if err == nil && r.Err == "" && r.Again && p.pool != nil {
		p.pool.release(p.box)
	} else {
		p.box.close()
	}
	if err != nil {
		return res, fmt.Errorf("sandbox: its first process ended without a report (%v, %v); standard error: %.500q", err, p.box.cmd.ProcessState, res.Stderr)
	}
	if r.Err != "" {
		return res, fmt.Errorf("%w: %s", ErrRefused, r.Err)
	}
	res.CPU, res.MaxRSS = max(res.CPU, time.Duration(r.CPU)), max(res.MaxRSS, r.MaxRSS)
	res.Cause, res.ExitCode = Exited, r.ExitCode
	if r.Signal != 0 {
		res.Cause, res.Signal = Killed, unix.SignalName(syscall.Signal(r.Signal))
	}
	if res.CPU > p.limits.CPU { // ended between two looks
		res.Cause = Time
	}
	return res, nil
}
