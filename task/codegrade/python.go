package codegrade

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pennyml/penny/internal/sandbox"
)

//go:embed program.py
var programPy string

//go:embed checker.py
var checkerPy string

// python is the host's interpreter and what must be seen for it to run.
type python struct {
	Path    string
	Version string
	Roots   []string
}

// findPython asks the python3 of the PATH where it and its library really are.
func findPython() (*python, error) {
	path, err := exec.LookPath("python3")
	if err != nil {
		return nil, fmt.Errorf("python3 is not on the PATH: %w", err)
	}
	const ask = `import json, os, sys
print(json.dumps([os.path.realpath(sys.executable), "%d.%d.%d" % sys.version_info[:3],
 sorted({os.path.realpath(p) for p in sys.path if os.path.isdir(p)} | {os.path.realpath(os.path.join(sys.base_prefix, "lib"))})]))`
	cmd := exec.Command(path, "-I", "-S", "-c", ask)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s does not run: %w", path, err)
	}
	var p python
	if err := json.Unmarshal(out, &[]any{&p.Path, &p.Version, &p.Roots}); err != nil {
		return nil, fmt.Errorf("%s says %q: %w", path, out, err)
	}
	p.Roots = outermost(append(append(p.Roots, p.Path), libraries()...))
	return &p, nil
}

// libraries are the host's folders of shared libraries, and what the dynamic linker reads to find them.
func libraries() (out []string) {
	for _, p := range []string{"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store"} {
		if _, err := os.Lstat(p); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// outermost drops the paths that lie below another.
func outermost(paths []string) []string {
	slices.Sort(paths)
	var out []string
	for _, p := range slices.Compact(paths) {
		below := slices.ContainsFunc(out, func(o string) bool { return strings.HasPrefix(p, o+"/") })
		if filepath.IsAbs(p) && !below {
			out = append(out, p)
		}
	}
	return out
}

// cleanEnv is the whole environment of a program; Python adds a hash seed.
var cleanEnv = []string{"PATH=/usr/bin:/bin", "HOME=" + sandbox.WorkDir, "TMPDIR=" + sandbox.WorkDir, "LANG=C.UTF-8", "PYTHONUTF8=1"}

// spec runs python code, given as -c or a file name. -s and -S keep site packages out, -B byte code; the environment is ours, so -E would only
// take the hash seed away, which keeps the order of sets, and so verdicts, the same from grading to grading.
func (p *python) spec(l sandbox.Limits, run int, args ...string) sandbox.Spec {
	return sandbox.Spec{Args: append([]string{p.Path, "-s", "-S", "-B"}, args...), Env: append(slices.Clone(cleanEnv), fmt.Sprintf("PYTHONHASHSEED=%d", run)),
		ReadOnly: p.Roots, Limits: l}
}

// gradePython grades a program against tests that call it.
func (g *Grader) gradePython(job Job, s suite, l sandbox.Limits) (Verdict, error) {
	spec := g.python.spec(l, job.run, "-c", programPy)
	spec.Talk = true
	prog, err := g.boxes.Start(spec)
	if err != nil {
		return Verdict{}, err
	}
	out, checkErr := g.converse(prog, job, s, l)
	v, err := settle(prog, out, l)
	return v, firstError(checkErr, err)
}

// settle ends a program after the talk and says what became of it.
func settle(prog *sandbox.Process, out outcome, l sandbox.Limits) (Verdict, error) {
	if out.kind == Pass || out.kind == Wrong { // it may flush
		writeFrame(prog.Talk.W, []byte("end"))
	}
	if out.gone || out.kind == Pass || out.kind == Wrong { // but not stay
		defer time.AfterFunc(2*time.Second, prog.Kill).Stop()
	} else {
		prog.Kill()
	}
	r, err := prog.Wait()
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Kind: out.kind, Reason: out.reason}
	v.fill(r)
	limited := r.Cause == sandbox.Time || r.Cause == sandbox.Memory || r.Cause == sandbox.Output || r.Cause == sandbox.Wall
	if k, reason, ok := ended(r, l); ok && (out.gone || limited) {
		v.Kind, v.Reason = k, reason
		if k == Runtime && outOfMemory(r.Stderr) {
			v.Kind, v.Reason = Memory, "out of memory"
		}
	}
	v.Verdict = v.Kind == Pass
	return v, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// outcome is what came of the talk between checker and program.
type outcome struct {
	kind   Kind
	reason string
	gone   bool // the program hung up
}

// leftEarly is the outcome where the program hung up; why it did may be known once it has ended.
var leftEarly = outcome{kind: Incomplete, reason: "the program ended before the tests were done", gone: true}

// converse loads the program, then carries the checker's calls to it and its answers back, until there is a verdict.
func (g *Grader) converse(prog *sandbox.Process, job Job, s suite, l sandbox.Limits) (outcome, error) {
	if err := writeFrame(prog.Talk.W, []byte(job.Program)); err != nil && len(job.Program) > maxFrame {
		return outcome{}, fmt.Errorf("%w: program: %v", ErrJob, err)
	}
	first, err := readFrame(prog.Talk.R)
	if err != nil {
		return leftEarly, nil
	}
	if out, ok := loadFailure(first); ok {
		return out, nil
	}
	c, err := g.checker()
	if err != nil {
		return outcome{}, err
	}
	out, err := c.judge(prog, job, s, l)
	g.release(c, err == nil)
	return out, err
}

// loadFailure reads the program's answer to being loaded: ["ok", null], or ["err" or "syntax", [names of classes], message, name], in hexadecimal.
func loadFailure(b []byte) (outcome, bool) {
	var tag, message, name string
	var names []string
	if err := json.Unmarshal(b, &[]any{&tag, &names, &message, &name}); err != nil {
		return outcome{kind: Runtime, reason: "the program wrote to the channel of its answers"}, true
	}
	name, message = unhex(name), unhex(message)
	switch {
	case tag == "ok":
		return outcome{}, false
	case name == "MemoryError":
		return outcome{kind: Memory, reason: "out of memory while loading"}, true
	case tag == "syntax":
		return outcome{kind: Syntax, reason: name + ": " + message}, true
	case name == "SystemExit":
		return outcome{kind: Incomplete, reason: "the program ends itself while loading: no test was run"}, true
	}
	return outcome{kind: Runtime, reason: fmt.Sprintf("while loading: %s: %s", name, message)}, true
}

// gradeIO runs the program once for each input.
func (g *Grader) gradeIO(spec sandbox.Spec, cases []ioCase) (Verdict, error) {
	var v Verdict
	for i, c := range cases {
		spec.Stdin = []byte(c.Input)
		r, err := g.boxes.Run(spec)
		if err != nil {
			return v, err
		}
		cpu, rss := v.CPU, v.MaxRSS
		v.fill(r)
		v.CPU, v.MaxRSS = v.CPU+cpu, max(v.MaxRSS, rss)
		kind, reason, bad := ended(r, spec.Limits)
		switch {
		case bad && kind == Runtime && outOfMemory(r.Stderr):
			kind, reason = Memory, "out of memory"
		case bad && kind == Runtime && isSyntax(lastLine(r.Stderr)):
			kind, reason = Syntax, string(lastLine(r.Stderr))
		case bad:
		case !sameOutput(v.Stdout, c.Output):
			kind, reason = Wrong, fmt.Sprintf("printed %.200q, want %.200q", v.Stdout, c.Output)
		default:
			continue
		}
		v.Kind, v.Reason = kind, fmt.Sprintf("case %d: %s", i+1, reason)
		return v, nil
	}
	v.Verdict, v.Kind, v.Reason = true, Pass, fmt.Sprintf("%d cases", len(cases))
	return v, nil
}

// outOfMemory recognises the last words of an interpreter, or of Go's runtime, that got no more memory.
func outOfMemory(stderr []byte) bool {
	return bytes.Contains(lastLine(stderr), []byte("MemoryError")) || bytes.Contains(stderr, []byte("out of memory")) ||
		bytes.Contains(stderr, []byte("cannot allocate memory"))
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

func isSyntax(line []byte) bool {
	return bytes.HasPrefix(line, []byte("SyntaxError")) || bytes.HasPrefix(line, []byte("IndentationError")) || bytes.HasPrefix(line, []byte("TabError"))
}
