// Package codegrade runs programs against tests and says whether they pass. Program and tests never share a process: the tests run in a checker,
// in a sandbox of its own; what they call there stands for the program, which runs in another sandbox, sees single calls, and answers with plain
// values. So nothing the program does — leaving early, replacing functions, comparing equal to everything, printing what a pass looks like —
// can make a pass, which is a record the checker signs, after the last test, with a key made for this one run.
package codegrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pennyml/penny/internal/sandbox"
)

// Job is a program and the tests it must pass.
type Job struct {
	Program  string          `json:"program"`
	Tests    json.RawMessage `json:"tests"`       // see Tests
	Language string          `json:"language"`    // "python" (or "") or "go"
	Limits   *Limits         `json:"limits"`      // nil for the defaults
	Entry    string          `json:"entry_point"` // the function under test, for tests that call it "candidate" or give only arguments
	Setup    string          `json:"setup"`       // trusted code that the tests need, such as helpers of the prompt: runs beside the tests
	Runs     int             `json:"runs"`        // so many runs must pass, each with another hash seed; 0 for one

	run int // which of them this is, from 0
}

// Limits are those of one program; zero fields keep the defaults.
type Limits struct {
	CPUSeconds  float64 `json:"cpu_s"`
	WallSeconds float64 `json:"wall_s"`
	MemoryMB    int64   `json:"memory_mb"`
	Processes   int     `json:"processes"`
	OutputBytes int64   `json:"output_bytes"`
	DiskMB      int64   `json:"disk_mb"`
	Files       int     `json:"files"`
	OpenFiles   int     `json:"open_files"`
}

// Verdict is what became of a job.
type Verdict struct {
	Verdict bool    `json:"verdict"`
	Kind    Kind    `json:"kind"`
	Reason  string  `json:"reason"`
	Stdout  string  `json:"stdout"`
	Stderr  string  `json:"stderr"`
	CPU     float64 `json:"cpu_s"`   // seconds of processor time, over all processes of the program
	MaxRSS  int64   `json:"max_rss"` // bytes of resident memory
}

// Kind says how a run ended.
type Kind string

// The kinds. Pass is the only one with a true verdict.
const (
	Pass       Kind = "pass"
	Wrong      Kind = "wrong"      // a test failed
	Syntax     Kind = "syntax"     // the program does not parse or compile
	Runtime    Kind = "runtime"    // an exception, a signal, or an exit code
	Incomplete Kind = "incomplete" // the program ended before the tests were done
	Time       Kind = "time"       // over the limit of processor time, or of elapsed time
	Memory     Kind = "memory"     // over the limit of memory
	Output     Kind = "output"     // over the limit of output
	Unstable   Kind = "unstable"   // one run passed and a later one did not
	NoProgram  Kind = "no program" // for callers that take programs out of texts: this text has none
)

// ErrJob is wrapped by errors about a job itself: it has no verdict.
var ErrJob = errors.New("code job")

// maxRuns is the most that Job.Runs may ask for.
const maxRuns = 100

// maxLimits are the largest limits a job may ask for.
var maxLimits = Limits{CPUSeconds: 3600, WallSeconds: 7200, MemoryMB: 1 << 16, Processes: 1024, OutputBytes: 64 << 20, DiskMB: 4096, Files: 1 << 20, OpenFiles: 4096}

// apply lays the limits over defaults.
func (l *Limits) apply(d sandbox.Limits) (sandbox.Limits, error) {
	if l == nil {
		return d, nil
	}
	m := maxLimits
	for _, x := range []struct {
		name     string
		got, top float64
	}{{"cpu_s", l.CPUSeconds, m.CPUSeconds}, {"wall_s", l.WallSeconds, m.WallSeconds}, {"memory_mb", float64(l.MemoryMB), float64(m.MemoryMB)},
		{"processes", float64(l.Processes), float64(m.Processes)}, {"output_bytes", float64(l.OutputBytes), float64(m.OutputBytes)},
		{"disk_mb", float64(l.DiskMB), float64(m.DiskMB)}, {"files", float64(l.Files), float64(m.Files)}, {"open_files", float64(l.OpenFiles), float64(m.OpenFiles)}} {
		if x.got < 0 || x.got > x.top {
			return d, fmt.Errorf("%w: limit %s is %v: want 0 (the default) to %v", ErrJob, x.name, x.got, x.top)
		}
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	set(&d.CPU, seconds(l.CPUSeconds))
	if l.WallSeconds == 0 && l.CPUSeconds != 0 {
		d.Wall = wallFor(d.CPU)
	}
	set(&d.Wall, seconds(l.WallSeconds))
	set(&d.Memory, l.MemoryMB<<20)
	set(&d.Processes, l.Processes)
	set(&d.Output, l.OutputBytes)
	set(&d.Disk, l.DiskMB<<20)
	d.FileSize = max(d.FileSize, d.Disk)
	set(&d.Inodes, l.Files)
	set(&d.OpenFiles, l.OpenFiles)
	return d, nil
}

func set[T int | int64 | time.Duration](to *T, v T) {
	if v != 0 {
		*to = v
	}
}

// wallFor is the elapsed time that a program is given for its processor time: far more on a host with much else to do.
func wallFor(cpu time.Duration) time.Duration { return 6*cpu + 5*time.Second }

// Default are the limits of a program: ten seconds of processor time and 512 MiB.
func Default() sandbox.Limits {
	l := sandbox.Default()
	l.Wall = wallFor(l.CPU)
	return l
}

// text makes captured output fit for JSON and terminals' logs: UTF-8, with the bytes that are none replaced.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// fill takes over what a run left.
func (v *Verdict) fill(r sandbox.Result) {
	v.Stdout, v.Stderr, v.CPU, v.MaxRSS = text(r.Stdout), text(r.Stderr), r.CPU.Seconds(), r.MaxRSS
}

// ended says why a run that ended by itself, or by its limits, is no pass; ok is false where it ended in good order.
func ended(r sandbox.Result, l sandbox.Limits) (k Kind, reason string, ok bool) {
	switch r.Cause {
	case sandbox.Time:
		return Time, fmt.Sprintf("over the limit of %v of processor time", l.CPU), true
	case sandbox.Wall:
		return Time, fmt.Sprintf("over the limit of %v of elapsed time (%.2f s of processor time)", l.Wall, r.CPU.Seconds()), true
	case sandbox.Memory:
		return Memory, fmt.Sprintf("over the limit of %d MiB for all its processes", l.Memory>>20), true
	case sandbox.Output:
		return Output, fmt.Sprintf("more than %d bytes of output", l.Output), true
	case sandbox.Killed:
		if r.Signal == "SIGXCPU" {
			return Time, fmt.Sprintf("over the limit of %v of processor time", l.CPU), true
		}
		return Runtime, "ended by " + r.Signal, true
	case sandbox.Exited:
		if r.ExitCode != 0 {
			return Runtime, fmt.Sprintf("exit code %d", r.ExitCode), true
		}
	}
	return "", "", false
}
