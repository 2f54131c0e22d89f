package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is the name under which this binary starts as the first process of a sandbox.
const initName = "penny-sandbox-init"

// Descriptors of the first process besides 0, 1 and 2, which are the program's own.
const (
	orderFD  = 3 // the order comes in; its end means that the starter is gone
	reportFD = 4 // the report goes out
	talkRFD  = 5 // the program's descriptor 3
	talkWFD  = 6 // the program's descriptor 4
)

// order is what the starter tells the first process. The work folder's files come with it.
type order struct {
	Spec   Spec
	SetUID bool // the program gets a user id of its own (the starter is root)
	Trial  bool // only build the sandbox
}

// report is what the first process tells the starter: why it could not start the program, or how the program ended.
type report struct {
	Err      string `json:",omitempty"`
	ExitCode int
	Signal   int
	CPU      int64 // nanoseconds, of everything reaped
	MaxRSS   int64 // bytes, of the largest process reaped
}

// programID is the user and group id of the program inside the sandbox where the starter is root.
const programID = 1

// Main must be the first call of main, and of TestMain in tests that use sandboxes: it takes over where this process was started as the first
// process of a sandbox, and else returns at once.
func Main() {
	if os.Args[0] != initName || os.Getpid() != 1 {
		return
	}
	debug.SetGCPercent(-1) // lives briefly
	syscall.CloseOnExec(orderFD)
	syscall.CloseOnExec(reportFD)
	r, err := runInit()
	if err != nil {
		r.Err = err.Error()
	}
	b, _ := json.Marshal(r)
	syscall.Write(reportFD, b)
	os.Exit(0)
}

func runInit() (report, error) {
	in := os.NewFile(orderFD, "order")
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return report{}, fmt.Errorf("order: %w", err)
	}
	if err := buildRoot(o.Spec); err != nil {
		return report{}, err
	}
	if err := unix.Sethostname([]byte("box")); err != nil {
		return report{}, fmt.Errorf("host name: %w", err)
	}
	// What follows restricts one thread, the one that starts the program.
	runtime.LockOSThread()
	// Signals from inside must not end this process, and handled ones go back to their defaults in the program, where ignored ones would not.
	signal.Notify(make(chan os.Signal, 1))
	if err := confine(o); err != nil {
		return report{}, err
	}
	if o.Trial {
		return report{}, nil
	}
	pid, err := startProgram(o)
	if err != nil {
		return report{}, err
	}
	for _, fd := range []int{0, 1, 2, talkRFD, talkWFD} {
		syscall.Close(fd)
	}
	go func() { // the starter is gone, or wants the end
		io.Copy(io.Discard, in)
		os.Exit(1)
	}()
	return reap(pid), nil
}

// confine takes from this thread, and so from the program that it starts, what neither needs any more.
func confine(o order) error {
	if err := limitSelf(o.Spec); err != nil {
		return err
	}
	if err := lockFiles(append([]string{WorkDir}, o.Spec.Writable...)); err != nil {
		return err
	}
	if err := dropCapabilities(o.SetUID); err != nil {
		return err
	}
	return loadFilter()
}

// limitSelf sets the limits that the kernel keeps for each process. The precise ones, over the whole tree, are the starter's.
func limitSelf(s Spec) error {
	l := s.Limits
	cpu := uint64(l.CPU.Seconds()) + 2
	limits := []struct {
		name  string
		which int
		value uint64
	}{
		{"CPU time", unix.RLIMIT_CPU, cpu}, {"file size", unix.RLIMIT_FSIZE, uint64(l.FileSize)}, {"open files", unix.RLIMIT_NOFILE, uint64(l.OpenFiles)},
		{"processes", unix.RLIMIT_NPROC, uint64(l.Processes)}, {"core size", unix.RLIMIT_CORE, 0}, {"stack", unix.RLIMIT_STACK, 8 << 20},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0}, {"message queues", unix.RLIMIT_MSGQUEUE, 0},
	}
	for _, x := range limits {
		if err := syscall.Setrlimit(x.which, &syscall.Rlimit{Cur: x.value, Max: x.value}); err != nil {
			return fmt.Errorf("limit on %s: %w", x.name, err)
		}
	}
	return nil
}

// dropCapabilities leaves no capability, or those to start a program under another user id, limit it and end it; none of them outlives an exec.
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
		keep = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL | 1<<unix.CAP_SYS_RESOURCE
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: keep, Permitted: keep}}
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

func startProgram(o order) (int, error) {
	attr := &syscall.ProcAttr{Dir: WorkDir, Env: o.Spec.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	if o.Spec.Talk {
		attr.Files = append(attr.Files, talkRFD, talkWFD)
	}
	if o.SetUID {
		attr.Sys.Credential = &syscall.Credential{Uid: programID, Gid: programID}
	}
	pid, err := syscall.ForkExec(o.Spec.Args[0], o.Spec.Args, attr)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", o.Spec.Args[0], err)
	}
	// Not on this process, which reserves more for its runtime. Loading an interpreter takes a thousand times longer than getting here, and
	// the watch over the whole tree holds anyway.
	slack := o.Spec.Slack
	if slack == 0 {
		slack = AddressSlack
	}
	as := uint64(o.Spec.Limits.Memory + slack)
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: as, Max: as}, nil); err != nil && err != syscall.ESRCH {
		return 0, fmt.Errorf("limit on address space: %w", err)
	}
	return pid, nil
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
			break
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
	var all syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &all) == nil {
		r.CPU = all.Utime.Nano() + all.Stime.Nano()
	}
	return r
}
