package sandbox

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is the name under which this binary starts as the first process of a sandbox.
const initName = "penny-sandbox-init"

// programID is the user and group id of the program inside the sandbox where the starter is root.
const programID = 1

// wornOut is the processor time after which a first process asks to be replaced: its own limit, which programs inherit, is at least four times this.
const wornOut = 500 * 1e6 // nanoseconds

// Main must be the first call of main, and of TestMain in tests that use sandboxes: it takes over where this process was started as the first
// process of a sandbox, and else returns at once.
func Main() {
	if os.Args[0] != initName || os.Getpid() != 1 {
		return
	}
	// Whoever started penny may have left descriptors open; no program gets them.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		os.Exit(1)
	}
	// Signals from inside must not end this process, and handled ones go back to their defaults in programs, where ignored ones would not.
	signal.Notify(make(chan os.Signal, 1))
	orders := make(chan order)
	go func() {
		for {
			o, err := receive(orderFD)
			if err != nil { // the starter is gone, and with it the wish for what runs here
				os.Exit(0)
			}
			orders <- o
		}
	}()
	var f first
	for o := range orders {
		r, err := f.run(o)
		if err != nil {
			r.Err = err.Error()
		}
		if send(orderFD, r) != nil {
			break
		}
	}
	os.Exit(1)
}

// first is the first process of a sandbox. It runs one program after another, each with a work folder and an IPC namespace of its own; before the next
// starts, every process of the last is gone.
type first struct {
	built bool
}

func (f *first) run(o order) (report, error) {
	defer o.close()
	if !f.built {
		if err := f.build(o); err != nil {
			return report{}, err
		}
	}
	if err := freshWorkFolder(o.Spec); err != nil {
		return report{}, err
	}
	var before syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &before); err != nil {
		return report{}, err
	}
	pid, err := launch(o)
	if err != nil || o.Trial {
		return report{}, err
	}
	o.close()
	if err := limitAddressSpace(pid, o.Spec); err != nil {
		return report{}, err // the starter ends this box
	}
	r := reap(pid)
	var children, own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return r, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return r, err
	}
	r.CPU, r.Again = processorTime(children)-processorTime(before), processorTime(own) < wornOut
	return r, nil
}

func processorTime(r syscall.Rusage) int64 { return r.Utime.Nano() + r.Stime.Nano() }

// build makes what all programs of this sandbox share.
func (f *first) build(o order) error {
	if err := buildRoot(o.Spec); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("box")); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	f.built = true
	return limitSelf(o)
}

// launch starts the program from a thread of its own, which takes the restrictions on and ends, so that they stay with the program alone.
func launch(o order) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		if err = confine(o); err == nil && !o.Trial {
			pid, err = startProgram(o)
		}
	}()
	<-done
	return pid, err
}

// confine takes from this thread, and so from the program that it starts, what neither needs any more.
func confine(o order) error {
	if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("namespace of shared memory: %w", err)
	}
	if err := lockFiles(append([]string{WorkDir}, o.Spec.Writable...)); err != nil {
		return err
	}
	if err := dropCapabilities(o.SetUID); err != nil {
		return err
	}
	return loadFilter()
}

// ownThreads is how many threads of this process may count as the program's where both have one user id.
const ownThreads = 12

// limitSelf sets the limits that the kernel keeps for each process. The precise ones, over the whole tree, are the starter's.
func limitSelf(o order) error {
	l := o.Spec.Limits
	processes := l.Processes
	if !o.SetUID {
		processes += ownThreads
	}
	limits := []struct {
		name  string
		which int
		value uint64
	}{
		{"CPU time", unix.RLIMIT_CPU, uint64(l.CPU.Seconds()) + 2}, {"file size", unix.RLIMIT_FSIZE, uint64(l.FileSize)},
		{"open files", unix.RLIMIT_NOFILE, uint64(l.OpenFiles)}, {"processes", unix.RLIMIT_NPROC, uint64(processes)}, {"core size", unix.RLIMIT_CORE, 0},
		{"stack", unix.RLIMIT_STACK, 8 << 20}, {"locked memory", unix.RLIMIT_MEMLOCK, 0}, {"message queues", unix.RLIMIT_MSGQUEUE, 0},
	}
	for _, x := range limits {
		if err := syscall.Setrlimit(x.which, &syscall.Rlimit{Cur: x.value, Max: x.value}); err != nil {
			return fmt.Errorf("limit on %s: %w", x.name, err)
		}
	}
	return nil
}

// dropCapabilities leaves no capability, or those to start a program under another user id; none of them outlives an exec.
func dropCapabilities(setUID bool) error {
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT and its lock: user id 0 gains nothing by an exec
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return fmt.Errorf("secure bits: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	var keep uint32
	if setUID {
		keep = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

func startProgram(o order) (int, error) {
	attr := &syscall.ProcAttr{Dir: WorkDir, Env: o.Spec.Env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, fd := range o.files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	if o.SetUID {
		attr.Sys.Credential = &syscall.Credential{Uid: programID, Gid: programID}
	}
	pid, err := syscall.ForkExec(o.Spec.Args[0], o.Spec.Args, attr)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", o.Spec.Args[0], err)
	}
	return pid, nil
}

// limitAddressSpace limits the program's. Not this process's own, which reserves more for its runtime. Loading an interpreter takes a thousand times
// longer than getting here, and the watch over the whole tree holds anyway.
func limitAddressSpace(pid int, s Spec) error {
	slack := s.Slack
	if slack == 0 {
		slack = AddressSlack
	}
	as := uint64(s.Limits.Memory + slack)
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: as, Max: as}, nil); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("limit on address space: %w", err)
	}
	return nil
}

// reap waits for the program, ends what it left behind, and waits for that too.
func reap(program int) report {
	var r report
	for {
		var ws syscall.WaitStatus
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, 0, &ru)
		if err == syscall.EINTR {
			continue
		}
		if err != nil { // no child is left
			return r
		}
		r.MaxRSS = max(r.MaxRSS, ru.Maxrss<<10)
		if pid == program {
			r.ExitCode, r.Signal = ws.ExitStatus(), 0
			if ws.Signaled() {
				r.Signal = int(ws.Signal())
			}
			syscall.Kill(-1, syscall.SIGKILL)
		}
	}
}
