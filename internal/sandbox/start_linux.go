package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is the host user id of programs where the starter is root.
const nobody = 65534

// Own makes a file or folder of ours the property of the user whom sandboxed programs are to the host, so that they can write it where it is
// among Spec.Writable.
func Own(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}

// Process is a program that runs.
type Process struct {
	Talk Talk // the pipes to the program's descriptors 3 and 4, if asked for

	cmd     *exec.Cmd
	limits  Limits
	started time.Time
	order   *os.File
	report  *os.File
	streams [2]capped
	reading sync.WaitGroup
	stop    chan struct{}
	watched chan struct{}
	ending  atomic.Pointer[Cause] // the first cause given by this side
	seen    usage                 // the highest the watch saw; read after watched is closed
}

// capped collects a stream up to a limit.
type capped struct {
	buf bytes.Buffer
}

// Start starts a program. Errors that wrap [ErrRefused] say that this host cannot isolate it.
func Start(s Spec) (*Process, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return start(s, false)
}

// start is Start on a host known to be able; a trial stops before the program would be started.
func start(s Spec, trial bool) (*Process, error) {
	if err := s.Limits.check(); err != nil {
		return nil, err
	}
	if len(s.Args) == 0 || !filepath.IsAbs(s.Args[0]) {
		return nil, fmt.Errorf("sandbox: program %q: want an absolute path", s.Args)
	}
	p := &Process{limits: s.Limits, stop: make(chan struct{}), watched: make(chan struct{})}
	if err := p.launch(s, trial); err != nil {
		return nil, err
	}
	p.started = time.Now()
	go p.watch()
	return p, nil
}

// launch makes the namespaces with this binary as their first process, and gives it its order.
func (p *Process) launch(s Spec, trial bool) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	var ours, theirs []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	pipe := func(weRead bool) (mine, other *os.File, err error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		mine, other = w, r
		if weRead {
			mine, other = r, w
		}
		ours, theirs = append(ours, mine), append(theirs, other)
		return mine, other, nil
	}
	var mine, other [7]*os.File
	for i, weRead := range []bool{false, true, true, false, true, false, true} {
		if i >= talkRFD && !s.Talk {
			break
		}
		if mine[i], other[i], err = pipe(weRead); err != nil {
			return err
		}
	}
	p.cmd = &exec.Cmd{Path: exe, Args: []string{initName}, Env: []string{"GODEBUG=madvdontneed=1"}, Stdin: other[0], Stdout: other[1], Stderr: other[2],
		ExtraFiles: []*os.File{other[orderFD], other[reportFD]}, SysProcAttr: namespaces()}
	if s.Talk {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, other[talkRFD], other[talkWFD])
		p.Talk = Talk{R: mine[talkWFD], W: mine[talkRFD]}
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%w: make namespaces: %v", ErrRefused, err)
	}
	p.order, p.report = mine[orderFD], mine[reportFD]
	b, err := json.Marshal(order{Spec: withoutStdin(s), SetUID: os.Getuid() == 0, Trial: trial})
	if err != nil {
		return err
	}
	go func() { // a full pipe must not hold the caller up; a program that ends breaks it
		p.order.Write(b)
	}()
	go func() {
		mine[0].Write(s.Stdin)
		mine[0].Close()
	}()
	p.collect(0, mine[1])
	p.collect(1, mine[2])
	return nil
}

func withoutStdin(s Spec) Spec {
	s.Stdin = nil
	return s
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// namespaces asks for new namespaces of every kind. Root shows the program a user that owns nothing; others can only show themselves.
func namespaces() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: 0,
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	if os.Getuid() == 0 {
		own := syscall.SysProcIDMap{ContainerID: programID, HostID: nobody, Size: 1}
		a.UidMappings, a.GidMappings = append(a.UidMappings, own), append(a.GidMappings, own)
		a.GidMappingsEnableSetgroups = true
	}
	return a
}

// collect reads a stream until its end; over the limit the run ends.
func (p *Process) collect(i int, r *os.File) {
	p.reading.Add(1)
	go func() {
		defer p.reading.Done()
		defer r.Close()
		io.CopyN(&p.streams[i].buf, r, p.limits.Output)
		var one [1]byte
		if n, _ := r.Read(one[:]); n > 0 {
			p.end(Output)
			io.Copy(io.Discard, r)
		}
	}()
}

// Kill ends the run.
func (p *Process) Kill() { p.end(Ended) }

// end kills the first process, and with it, by the kernel, every other; the first cause counts.
func (p *Process) end(c Cause) {
	if p.ending.CompareAndSwap(nil, &c) {
		p.cmd.Process.Kill()
	}
}

// Wait waits for the end of the whole process tree.
func (p *Process) Wait() (Result, error) {
	b, _ := io.ReadAll(p.report)
	err := p.cmd.Wait()
	p.reading.Wait()
	close(p.stop)
	<-p.watched
	p.order.Close()
	p.report.Close()
	if p.Talk.R != nil {
		closeAll([]*os.File{p.Talk.R, p.Talk.W})
	}
	res := Result{Stdout: p.streams[0].buf.Bytes(), Stderr: p.streams[1].buf.Bytes(), Wall: time.Since(p.started), CPU: p.seen.cpu, MaxRSS: p.seen.rss}
	if c := p.ending.Load(); c != nil {
		res.Cause = *c
		if s := p.cmd.ProcessState; s != nil { // no report came; this counts the first process's own work too
			res.CPU = max(res.CPU, s.UserTime()+s.SystemTime())
			res.MaxRSS = max(res.MaxRSS, s.SysUsage().(*syscall.Rusage).Maxrss<<10)
		}
		return res, nil
	}
	var r report
	if json.Unmarshal(b, &r) != nil {
		return res, fmt.Errorf("sandbox: its first process ended without a report (%v); standard error: %.500q", err, res.Stderr)
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
