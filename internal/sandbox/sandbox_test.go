//go:build linux

package sandbox

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// shell runs a shell script in a sandbox.
func shell(t *testing.T, script string, change func(*Spec)) Result {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	s := Spec{Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, ReadOnly: hostRoots(), Limits: Default()}
	s.Limits.Wall = 20 * time.Second
	if change != nil {
		change(&s)
	}
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hostRoots are the folders a shell and its tools need.
func hostRoots() (out []string) {
	for _, p := range []string{"/bin", "/lib", "/lib64", "/usr"} {
		if _, err := os.Lstat(p); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func TestRun(t *testing.T) {
	r := shell(t, "cat; echo err >&2; exit 3", func(s *Spec) { s.Stdin = []byte("hello") })
	if r.Cause != Exited || r.ExitCode != 3 || string(r.Stdout) != "hello" || string(r.Stderr) != "err\n" {
		t.Errorf("%+v %q %q", r, r.Stdout, r.Stderr)
	}
	if r = shell(t, "kill -9 $$", nil); r.Cause != Killed || r.Signal != "SIGKILL" {
		t.Errorf("%+v", r)
	}
}

func TestNothingOfTheHost(t *testing.T) {
	r := shell(t, "echo *; ls -A / /box /proc /etc 2>&1; env; id -u; cat /etc/passwd; echo x > /marker; echo x > /usr/marker; ls -A /dev; kill -TERM 1; kill -KILL 1; echo alive", nil)
	out := string(r.Stdout)
	t.Log(out, string(r.Stderr))
	for _, bad := range []string{"root:", "work", "home", "HOME"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q is seen: %s", bad, out)
		}
	}
	if !strings.HasSuffix(out, "alive\n") {
		t.Errorf("ended early: %+v %s", r, out)
	}
}

// TestInheritedDescriptors: a file that the caller has open without close-on-exec, as a shell leaves it, is not open in the program.
func TestInheritedDescriptors(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 7) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r := shell(t, "for i in 3 4 5 6 7 8 9; do if (: >&$i) 2>/dev/null || (: <&$i) 2>/dev/null; then echo open $i; fi; done", nil)
	if r.Cause != Exited || len(r.Stdout) != 0 {
		t.Errorf("%+v %s", r, r.Stdout)
	}
}

func BenchmarkRun(b *testing.B)    { benchmark(b, Run) }
func BenchmarkPooled(b *testing.B) { benchmark(b, new(Pool).Run) }

func benchmark(b *testing.B, run func(Spec) (Result, error)) {
	if err := Available(); err != nil {
		b.Skip(err)
	}
	s := Spec{Args: []string{"/bin/sh", "-c", "exit"}, Env: []string{"PATH=/usr/bin:/bin"}, ReadOnly: hostRoots(), Limits: Default()}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := run(s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
