// Package sandbox runs one program cut off from the host: in namespaces of its own (user, processes, network, IPC, mounts, host name), with a
// root folder that holds read-only views of named host paths and one small private work folder, under Landlock, a seccomp filter and resource
// limits. The caller's own binary is started again as the first process of those namespaces (see [Main]), prepares them, starts the program,
// reaps whatever it leaves behind, and runs the next program or ends them all (see [Pool]). Linux only, as root or as an ordinary user where user namespaces are allowed; where one of
// these layers is missing, [Start] refuses and says which.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// WorkDir is the program's writable folder, private and empty at the start but for [Spec.Files]; it is also TMPDIR and the current folder.
const WorkDir = "/box"

// Limits bound the whole process tree of a run, unless the field says otherwise. Every field must be positive.
type Limits struct {
	CPU       time.Duration // processor time of all processes
	Wall      time.Duration // elapsed time; a safety net, since it depends on the load of the host
	Memory    int64         // bytes: resident memory of all processes, and the address space of each beyond Spec.Slack
	Processes int           // processes and threads
	Output    int64         // bytes of standard output, and as many of standard error
	FileSize  int64         // bytes of one file
	Disk      int64         // bytes of the work folder
	Inodes    int           // files and folders in the work folder
	OpenFiles int           // descriptors of one process
}

// AddressSlack is what the address space of one process may commonly exceed Limits.Memory by: code, shared libraries and reserved but unused ranges.
const AddressSlack = 64 << 20

// Default is what a small program needs.
func Default() Limits {
	return Limits{CPU: 10 * time.Second, Wall: 60 * time.Second, Memory: 512 << 20, Processes: 32, Output: 1 << 20, FileSize: 16 << 20,
		Disk: 32 << 20, Inodes: 1024, OpenFiles: 128}
}

// check refuses limits that are no limits.
func (l Limits) check() error {
	if l.CPU <= 0 || l.Wall <= 0 || l.Memory <= 0 || l.Processes <= 0 || l.Output <= 0 || l.FileSize <= 0 || l.Disk <= 0 || l.Inodes <= 0 || l.OpenFiles <= 0 {
		return fmt.Errorf("sandbox limits %+v: every one must be positive", l)
	}
	return nil
}

// Spec says what to run and what it sees.
type Spec struct {
	Args     []string // the program, an absolute path, and its arguments
	Env      []string // the whole environment
	ReadOnly []string // host files and folders visible at the same place, with everything below; a symbolic link stays one
	Writable []string // host folders visible at the same place and writable: for caches of our own tools, never for untrusted programs
	Files    []File   // put in the work folder before the start
	Stdin    []byte
	Talk     bool  // open [Process.Talk]: descriptors 3 (read) and 4 (write) of the program
	Slack    int64 // bytes of address space beyond Limits.Memory; 0 for AddressSlack. Some runtimes reserve far more than they use
	Limits   Limits
}

// File is a file in the work folder; Name has no folder part.
type File struct {
	Name string
	Data []byte
	Exec bool
}

// Cause says why a run ended.
type Cause string

// The causes.
const (
	Exited Cause = "exited" // by itself: see ExitCode
	Killed Cause = "killed" // by a signal from within: see Signal
	Time   Cause = "time"   // Limits.CPU
	Wall   Cause = "wall"   // Limits.Wall
	Memory Cause = "memory" // Limits.Memory of the whole tree
	Output Cause = "output" // Limits.Output
	Ended  Cause = "ended"  // by Process.Kill
)

// Result is what is left of a run.
type Result struct {
	Cause          Cause
	ExitCode       int    // Exited: the program's exit code
	Signal         string // Killed: the signal's name
	Stdout, Stderr []byte // at most Limits.Output bytes each
	CPU            time.Duration
	MaxRSS         int64 // bytes: the highest sum seen over the tree, or of one process, which starts with the pages of ours that starts it
	Wall           time.Duration
}

// ErrRefused is what every refusal to run for want of isolation wraps.
var ErrRefused = errors.New("this host cannot isolate programs")

// Talk is the pair of pipes to the program.
type Talk struct {
	R, W *os.File
}

// Run runs a program to its end.
func Run(s Spec) (Result, error) {
	p, err := Start(s)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Layer is one layer of isolation.
type Layer struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Optional bool   `json:"optional,omitempty"` // runs go ahead without it
	Detail   string `json:"detail"`
}
