package codegrade

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pennyml/penny/internal/sandbox"
)

var (
	//go:embed shim/wire.go.txt
	wireGo []byte
	//go:embed shim/program.go.txt
	programGo []byte
	//go:embed shim/checker.go.txt
	checkerGo []byte
)

// goTool is the host's Go tool.
type goTool struct {
	Root, Version string
	cache         string // our folder of compiled packages and of programs being graded
}

// findGo asks the go of the PATH where it really is.
func findGo() (*goTool, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("go is not on the PATH: %w", err)
	}
	cmd := exec.Command(tool, "env", "GOROOT", "GOVERSION")
	cmd.Dir = os.TempDir() // not where a go.mod would choose another version
	out, err := cmd.Output()
	f := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(f) != 2 {
		return nil, fmt.Errorf("%s env: %q, %v", tool, out, err)
	}
	root, err := filepath.EvalSymlinks(f[0])
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	return &goTool{Root: root, Version: f[1], cache: filepath.Join(cache, "penny", "grade-go")}, nil
}

// compileLimits are those of one compilation. They do not come from the job: they bound the compiler.
func compileLimits() sandbox.Limits {
	return sandbox.Limits{CPU: 120 * time.Second, Wall: 10 * time.Minute, Memory: 3 << 30, Processes: 512, Output: 1 << 20, FileSize: 256 << 20,
		Disk: 512 << 20, Inodes: 20000, OpenFiles: 1024}
}

// goSlack is the address space that Go's runtime reserves beyond what it uses.
const goSlack = 8 << 30

// ownedFolder makes a folder that sandboxed programs may write.
func ownedFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return sandbox.Own(path)
}

// build compiles sources into one program in the folder out. No untrusted code runs: the compiler only reads it, without cgo, in a sandbox.
func (t *goTool) build(out, name string, sources map[string][]byte) (bad string, err error) {
	packages := filepath.Join(t.cache, "packages")
	if err := ownedFolder(packages); err != nil {
		return "", err
	}
	// Without HOME there is no folder for telemetry, and so none.
	s := sandbox.Spec{Args: []string{filepath.Join(t.Root, "bin", "go"), "build", "-o", filepath.Join(out, name)}, ReadOnly: []string{t.Root},
		Writable: []string{packages, out}, Limits: compileLimits(), Slack: goSlack,
		Env: []string{"GOROOT=" + t.Root, "GOCACHE=" + packages, "GOPATH=" + sandbox.WorkDir, "TMPDIR=" + sandbox.WorkDir, "GOPROXY=off",
			"GOTOOLCHAIN=local", "GOENV=off", "GO111MODULE=off", "CGO_ENABLED=0", "PATH=" + filepath.Join(t.Root, "bin")}}
	for f, b := range sources {
		s.Files = append(s.Files, sandbox.File{Name: f, Data: b})
		s.Args = append(s.Args, f)
	}
	r, err := sandbox.Run(s)
	if err != nil {
		return "", err
	}
	if r.Cause == sandbox.Exited && r.ExitCode == 0 {
		return "", nil
	}
	if _, reason, ok := ended(r, s.Limits); ok && r.Cause != sandbox.Exited {
		return "the compiler went " + reason, nil
	}
	return text(r.Stderr), nil
}

// goProgram grades a Go program: its functions by tests, or what it prints.
func (g *Grader) goProgram(job Job, s suite, l sandbox.Limits) (Verdict, error) {
	switch {
	case g.goErr != nil:
		return Verdict{}, g.goErr
	case s.calls != nil:
		return Verdict{}, fmt.Errorf(`%w: Go programs are graded by test functions, or by input and output`, ErrJob)
	case job.Setup != "":
		return Verdict{}, fmt.Errorf(`%w: "setup" is for Python; in Go it is part of the tests`, ErrJob)
	}
	if err := os.MkdirAll(g.golang.cache, 0o755); err != nil {
		return Verdict{}, err
	}
	out, err := os.MkdirTemp(g.golang.cache, "run-")
	if err != nil {
		return Verdict{}, err
	}
	defer os.RemoveAll(out)
	if err := os.Chmod(out, 0o755); err != nil {
		return Verdict{}, err
	}
	if err := sandbox.Own(out); err != nil {
		return Verdict{}, err
	}
	l.Processes = max(l.Processes, 64) // threads of the runtime
	if s.io != nil {
		bad, err := g.golang.build(out, "program", map[string][]byte{"program.go": []byte(job.Program)})
		if err != nil || bad != "" {
			return Verdict{Kind: Syntax, Reason: "does not compile", Stderr: bad}, err
		}
		return g.gradeIO(goSpec(filepath.Join(out, "program"), l), s.io)
	}
	return g.goTests(job, s, l, out)
}

func goSpec(program string, l sandbox.Limits) sandbox.Spec {
	return sandbox.Spec{Args: []string{program}, Env: cleanEnv, ReadOnly: []string{program}, Limits: l, Slack: goSlack}
}

// goTests compiles program and tests apart and lets them talk.
func (g *Grader) goTests(job Job, s suite, l sandbox.Limits, out string) (Verdict, error) {
	halves, err := splitGo(job.Program, s.code)
	if bad := (programError{}); errors.As(err, &bad) {
		return Verdict{Kind: Syntax, Reason: "does not parse: " + bad.Error()}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	bad, err := g.golang.build(out, "program", map[string][]byte{"program.go": []byte(halves.program), "table.go": []byte(halves.table), "wire.go": wireGo, "serve.go": programGo})
	if err != nil || bad != "" {
		return Verdict{Kind: Syntax, Reason: "does not compile", Stderr: bad}, err
	}
	bad, err = g.golang.build(out, "checker", map[string][]byte{"tests.go": []byte(halves.checker), "wire.go": wireGo, "check.go": checkerGo})
	if err != nil || bad != "" {
		return Verdict{Kind: Syntax, Reason: "the tests do not compile against the program", Stderr: bad}, err
	}
	spec := goSpec(filepath.Join(out, "program"), l)
	spec.Talk = true
	prog, err := sandbox.Start(spec)
	if err != nil {
		return Verdict{}, err
	}
	tests := goSpec(filepath.Join(out, "checker"), checkerLimits())
	tests.Talk, tests.Limits.CPU, tests.Limits.Wall, tests.Limits.Processes = true, l.CPU+5*time.Second, 2*l.Wall+5*time.Second, 64
	check, err := sandbox.Start(tests)
	if err != nil {
		prog.Kill()
		prog.Wait()
		return Verdict{}, err
	}
	o, checkErr := (&checker{check}).goJudge(prog)
	v, err := settle(prog, o, l)
	check.Kill()
	said, _ := check.Wait()
	if v.Kind == Wrong {
		v.Reason = strings.TrimSpace(text(said.Stdout) + text(said.Stderr))
	}
	if v.Kind == kindTests {
		err = fmt.Errorf("%w: %s", ErrJob, v.Reason)
	}
	return v, firstError(checkErr, err)
}

// goJudge has the checker run its tests once.
func (c *checker) goJudge(prog *sandbox.Process) (outcome, error) {
	key, nonce := make([]byte, 32), make([]byte, 16)
	rand.Read(key)
	rand.Read(nonce)
	job := map[string]string{"Key": hex.EncodeToString(key), "Nonce": hex.EncodeToString(nonce)}
	b, err := json.Marshal(job)
	if err != nil {
		return outcome{}, err
	}
	if err := writeFrame(c.p.Talk.W, []byte("J"), b); err != nil {
		return outcome{}, fmt.Errorf("%w: %v", errChecker, err)
	}
	out, err := c.relay(prog, key, job["Nonce"])
	if errors.Is(err, errHungUp) { // a panic in the tests ends their process: by an answer they did not expect, or in the checker's own limits
		return outcome{kind: Wrong}, nil
	}
	return out, err
}
