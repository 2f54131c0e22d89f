package codegrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// double is what most programs below should have computed; tests of them call f.
const double = "assert f(1) == 2\nassert f(21) == 42"

// right is a program that passes them.
const right = "def f(x):\n    return 2*x\n"

type bad struct {
	id, program string
	kinds       string // those allowed, separated by blanks
	tests       any    // nil for double
	limits      *Limits
}

// names are the calls that HumanEval's harness takes away from programs. Here they stay: each runs against files and processes of the sandbox's own.
const names = `import os, shutil, subprocess, signal, builtins, tempfile
box = os.getcwd()
def calls():
    open("a", "w").write("x"); os.mkdir("d"); os.makedirs("e/f")
    fd, top = os.open("a", os.O_RDWR), os.open("/", 0)
    yield lambda: builtins.exit if hasattr(builtins, "exit") else None
    yield lambda: builtins.quit if hasattr(builtins, "quit") else None
    yield lambda: os.kill(1, signal.SIGKILL)
    yield lambda: os.kill(os.getppid(), signal.SIGTERM)
    yield lambda: os.killpg(1, signal.SIGKILL)
    yield lambda: os.system("kill -9 1; rm -rf / 2>/dev/null")
    yield lambda: os.putenv("PATH", "/")
    yield lambda: os.remove("/usr/lib/os-release")
    yield lambda: os.removedirs("e/f")
    yield lambda: os.rmdir("d")
    yield lambda: os.fchdir(top)
    yield lambda: os.setuid(0)
    yield lambda: os.setgid(0)
    yield lambda: os.setgroups([0])
    yield lambda: os.waitpid(os.fork() or os._exit(0), 0)
    yield lambda: os.forkpty()[0] or os._exit(0)
    yield lambda: os.rename("/usr", "/box/usr")
    yield lambda: os.renames("/usr", "/box/usr")
    yield lambda: os.replace("/usr/lib", "/box/lib")
    yield lambda: os.truncate("/dev/null", 10)
    yield lambda: os.unlink("/dev/null")
    yield lambda: os.fchmod(fd, 0o7777)
    yield lambda: os.fchown(fd, 0, 0)
    yield lambda: os.chmod("/usr", 0)
    yield lambda: os.chown("/usr", 1, 1)
    yield lambda: os.lchown("/usr", 1, 1)
    yield lambda: os.chroot(box)
    yield lambda: os.mount if hasattr(os, "mount") else None
    yield lambda: os.chdir("/root")
    yield lambda: os.mknod("/box/sda", 0o60666, os.makedev(8, 0)) or open("/box/sda").read(1)
    yield lambda: shutil.rmtree("/usr/lib")
    yield lambda: shutil.move("/usr", box)
    yield lambda: shutil.chown("/usr", 1)
    yield lambda: subprocess.Popen(["/bin/sh", "-c", "sleep 1000"])
    yield lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_AS, (-1, -1))
    yield lambda: __import__("resource").prlimit(1, __import__("resource").RLIMIT_NOFILE, (1, 1))
    yield lambda: os.sched_setaffinity(1, {0})
    yield lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)
def f(x):
    if x == 1:
        for c in calls():
            try: c()
            except (OSError, ValueError, ImportError): pass
    return 2*x
`

// small keeps runs that use up a limit short.
func small() *Limits {
	return &Limits{CPUSeconds: 0.25, WallSeconds: 3, MemoryMB: 128, Processes: 12, OutputBytes: 20000, DiskMB: 4, Files: 100, OpenFiles: 32}
}

// unhurried is small with processor time to spare, for programs that are to run into another limit: on a busy machine 250 ms may come first.
func unhurried() *Limits {
	l := small()
	l.CPUSeconds, l.WallSeconds = 5, 20
	return l
}

// prints is tests by standard output.
func prints(in, out string) any { return []map[string]string{{"input": in, "output": out}} }

// before puts code ahead of a right program.
func before(code string) string { return code + "\n" + right }

// inside puts code into the function, whose answer is then right.
func inside(code string) string {
	return "def f(x):\n    " + strings.ReplaceAll(code, "\n", "\n    ") + "\n    return 2*x\n"
}

// programs recreates the shared list of hostile programs, by its numbers, for Python.
func programs() []bad {
	idle := &Limits{CPUSeconds: 0.5, WallSeconds: 0.7}
	return []bad{
		{"cp-001", "print(int(input())*2)", "pass", prints("21\n", "42\n"), nil},
		{"cp-002", "print(7)", "wrong", prints("21\n", "42\n"), nil},
		{"cp-003", "print((1", "syntax", prints("", "1"), nil},
		{"cp-003 function", "def f(x:\n return", "syntax", nil, nil},
		{"cp-004", "print(4)\nraise ValueError('no')", "runtime", prints("", "4\n"), nil},
		{"cp-005", "import time\ntime.sleep(600)", "time", prints("", ""), idle},
		{"cp-006", "while True: pass", "time", prints("", ""), small()},
		{"cp-006 function", inside("while True: pass"), "time", nil, small()},
		{"cp-008", "class Solution:\n    def add(self, a, b): return a + b", "pass", map[string]any{"fn_name": "add", "inputs": []string{"1\n2", "[1]\n[2]"}, "outputs": []string{"3", "[1, 2]"}}, nil},
		{"cp-009", "import sys\nprint(len(sys.stdin.read()))", "pass", prints("", "0"), nil},
		{"cp-010", right, "pass", []string{"assert f(1) == 2", "assert f(2) == 4"}, nil},
		{"cp-012", inside("import time\nwhile True: time.sleep(0.01)"), "time", nil, idle},
		{"cp-013", inside("while True:\n    try:\n        while True: pass\n    except BaseException: pass"), "time", nil, small()},
		{"cp-014", before("import signal\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"), "time", nil, small()},
		{"cp-015", before("import signal\nsignal.alarm(0)\nwhile True: pass"), "time", nil, small()},
		{"cp-016", inside("import re\nre.match('(a+)+$', 'a'*30+'b')"), "time", nil, small()},
		{"cp-017", inside("str(9**9**9)"), "time memory", nil, small()},
		{"cp-018", inside("s = ''\nfor i in range(10**6): s += 'x'"), "pass", nil, nil},
		{"cp-019", before("import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"), "pass", nil, nil},
		{"cp-020", "import os, time\nif os.fork() == 0: time.sleep(3600)\nprint(1)", "pass", prints("", "1"), nil},
		{"cp-021", inside("[0]*10**10"), "memory", nil, nil},
		{"cp-022", inside("a = []\nwhile True: a.append(bytearray(1<<20))"), "memory", nil, unhurried()},
		{"cp-023", inside("import mmap\nmmap.mmap(-1, 100<<30)"), "runtime pass memory", nil, nil},
		{"cp-024", "import sys\nsys.setrecursionlimit(10**8)\ndef f(x): return f(x) + 1", "runtime memory time incomplete", nil, nil},
		{"cp-025", "x = " + strings.Repeat("(", 100000) + strings.Repeat(")", 100000), "syntax memory runtime", nil, nil},
		{"cp-026", inside("import zlib\nd = zlib.compress(bytes(1<<26))\na = []\nwhile True: a.append(zlib.decompress(d))"), "memory", nil, unhurried()},
		{"cp-027", inside("import os, time\nfor i in range(10):\n    if os.fork() == 0:\n        b = bytearray(60<<20)\n        for j in range(0, len(b), 4096): b[j] = 1\n        time.sleep(60)\ntime.sleep(60)"), "memory", nil, &Limits{CPUSeconds: 5, WallSeconds: 20, MemoryMB: 200, Processes: 20}},
		{"cp-028", inside("import os\nwhile True: os.fork()"), "runtime time incomplete memory", nil, small()},
		{"cp-028 swallowed", inside("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"), "time memory", nil, small()},
		{"cp-029", inside("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()"), "runtime memory", nil, unhurried()},
		{"cp-030", before("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(3600)\n    os._exit(0)"), "pass", nil, nil},
		{"cp-031", inside("import os, signal\nfor p in (1, os.getppid(), -1, 0):\n    try: os.kill(p, signal.SIGKILL)\n    except PermissionError: pass"), "runtime incomplete", nil, nil},
		{"cp-032", inside("import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nassert c.ptrace(16, 1, 0, 0) == -1 and ctypes.get_errno() == 1"), "pass", nil, nil},
		{"cp-033", inside("import os\nos.system('touch /tmp/../marker; touch /usr/marker')\nassert not os.path.exists('/marker') and not os.path.exists('/usr/marker')"), "pass", nil, nil},
		{"cp-034", "import os, sys\nos.execv(sys.executable, [sys.executable, '-S', '-c', 'while True: pass'])", "time", prints("", ""), small()},
		{"cp-035", "while True: print('x'*100)", "output", prints("", ""), unhurried()},
		{"cp-035 function", inside("while True: print('x'*100)"), "output", nil, unhurried()},
		{"cp-036", "import sys\nwhile True: sys.stdout.write('x'*1000000)", "output", prints("", ""), unhurried()},
		{"cp-037", "import sys\nwhile True: sys.stderr.write('x'*100)", "output", prints("", ""), unhurried()},
		{"cp-038", "import os\nos.write(1, b'\\xff\\xfe\\x00\\x1b[2J\\r')", "wrong", prints("", "1"), nil},
		{"cp-039", "import os\nos.close(1)\nos._exit(0)", "wrong", prints("", "1"), nil},
		{"cp-040", "print('4  \\r\\n5', end='')", "pass", prints("", "4\n5\n"), nil},
		{"cp-041", "print(1.0)", "wrong", prints("", "1"), nil},
		{"cp-041 call", "def f(): return 0.1+0.2", "pass", []map[string]any{{"args": []int{}, "expected": 0.3}}, nil},
		{"cp-042", "print('x'*19999)", "pass", prints("", strings.Repeat("x", 19999)), unhurried()},
		{"cp-042 over", "print('x'*20000)", "output", prints("", strings.Repeat("x", 20000)), unhurried()},
		{"cp-043", inside("with open('big', 'wb') as g:\n    for i in range(10000): g.write(bytes(1<<20))"), "runtime", nil, small()},
		{"cp-044", inside("for i in range(10**7): open('f%d' % i, 'w').close()"), "runtime", nil, small()},
		{"cp-045", inside("import shutil, os\nshutil.rmtree('/box', ignore_errors=True)\nfor d in ('/', '/usr', '/usr/lib'):\n    for n in os.listdir(d):\n        try: os.rename(d + '/' + n, d + '/gone')\n        except OSError: pass\n        try: os.unlink(d + '/' + n)\n        except OSError: pass\nshutil.rmtree('/usr/lib/locale', ignore_errors=True)"), "pass", nil, nil},
		{"cp-046", inside("for p in ('/etc/passwd', '/root/x', '/home/x', '/usr/x', '/marker'):\n    try: open(p, 'w')\n    except OSError: continue\n    raise RuntimeError(p)"), "pass", nil, nil},
		{"cp-047", inside("import os\nfor d, _, names in os.walk('/box'):\n    if names: raise RuntimeError(names)\nif 'assert f(1)' in open('/dev/null').read(): raise RuntimeError"), "pass", nil, nil},
		{"cp-048", inside("import os\nif set(os.environ) - {'PATH', 'HOME', 'TMPDIR', 'LANG', 'PYTHONHASHSEED', 'PYTHONUTF8'}: raise RuntimeError(str(os.environ))"), "pass", nil, nil},
		{"cp-049", inside("import os\nos.path.islink('out') or os.symlink('/usr/lib', 'out')\ntry: open('out/x', 'w')\nexcept OSError: return 2*x\nraise RuntimeError"), "pass", nil, nil},
		{"cp-051", before("import os\nos.chmod('/box', 0)\nos.chdir('/')"), "pass runtime", nil, nil},
		{"cp-052", inside("import os\na = [os.open('/dev/null', 0) for _ in range(100000)]"), "runtime", nil, nil},
		{"cp-053", inside("for p in ('/proc/self/oom_score_adj', '/proc/1/environ', '/proc/self/mem'):\n    try: open(p, 'r+b')\n    except OSError: continue\n    raise RuntimeError(p)"), "pass", nil, nil},
		{"cp-055", inside("import socket\nsocket.create_server(('127.0.0.1', 0)).accept()"), "runtime", nil, nil},
		{"cp-056", inside("import socket\nsocket.getaddrinfo('secret.example.org', 80)"), "runtime", nil, nil},
		{"cp-057", before("import sys\nsys.exit(0)"), "incomplete", nil, nil},
		{"cp-057 hard", before("import os\nos._exit(0)"), "incomplete", nil, nil},
		{"cp-057 inside", inside("import os\nos._exit(0)"), "incomplete", nil, nil},
		{"cp-058", before("raise SystemExit(0)"), "incomplete", nil, nil},
		{"cp-059", "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 0", "wrong", nil, nil},
		{"cp-060", "try:\n    def f(x): return 0\nexcept: pass\n", "wrong", nil, nil},
		{"cp-061", "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()", "wrong", nil, nil},
		{"cp-062", "class A(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef f(x): return A(5)", "wrong", nil, nil},
		{"cp-062 list", "class A(list):\n    def __eq__(self, o): return True\n    def __len__(self): return 3\ndef f(x): return A()", "wrong", "assert f(1) == [1, 2, 3]", nil},
		{"cp-063", "import math, builtins\nmath.isclose = lambda *a, **k: True\nbuiltins.abs = lambda x: 0\nabs = len = lambda *a: 0\ndef f(x): return 5.0", "wrong", "import math\nassert abs(f(1) - 2) < 1e-6 and math.isclose(f(1), 2)", nil},
		{"cp-063 module", "class math:\n    fabs = lambda x: 0\ndef f(x): return 5.0", "wrong", "assert math.fabs(f(1) - 2) < 1e-6", nil},
		{"cp-064", "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(x): return 0", "wrong", "import unittest\nunittest.TestCase().assertEqual(f(1), 2)", nil},
		{"cp-065", "def check(c): pass\ncandidate = f = lambda x: 0", "wrong", "def check(candidate):\n    assert candidate(1) == 2\ncheck(f)", nil},
		{"cp-066", "print('PASS', 'every test passed', '{\"kind\": \"pass\"}')\ndef f(x): return 0", "wrong", nil, nil},
		{"cp-067", inside("import os, json\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\x0f\\0\\0\\0V{\"kind\":\"pass\"}')\n    except OSError: pass\nos._exit(0)"), "incomplete runtime wrong", nil, nil},
		{"cp-067 blind", "import os\nos.write(4, b'\\x0b\\0\\0\\0[\"ok\",null]'*50)\nos._exit(0)", "incomplete wrong runtime", nil, nil},
		{"cp-068", "import sys, gc\ndef f(x):\n    g = sys._getframe()\n    seen = []\n    while g: seen += list(g.f_locals.values()) + list(g.f_globals.values()); g = g.f_back\n    return 42 if any(type(o) is str and 'assert' in o and '42' in o for o in seen + gc.get_objects()) else 0", "wrong", nil, nil},
		{"cp-069", "def f(x): return {1: 2}.get(x)", "wrong", nil, nil},
		{"cp-071", "def f(a):\n    a.clear()\n    return a", "wrong", "a = [3, 1]\nassert f(a) == sorted(a)", nil},
		{"cp-072", "def f(x):\n    while True: yield 1", "time memory wrong", "assert list(f(1)) == [1]", &Limits{CPUSeconds: 0.1}},
		{"cp-073", "def f(x): return float('nan')", "wrong", nil, nil},
		{"cp-074", "def f(x): return True", "wrong", []map[string]any{{"args": []int{1}, "expected": 1}}, nil},
		{"cp-074 text", "def f(x): return '1'", "wrong", []map[string]any{{"args": []int{1}, "expected": 1}}, nil},
		{"cp-070", "import os, time\ngraded = os.getcwd() == '/box' and os.getuid() in (0, 1) and time.time() > 0 and hash('x') == hash('x')\ndef f(x): return 2*x if graded else 0", "pass", nil, nil},
		{"cp-075", "import random\nrandom.seed()\ndef f(x): return 2*x if random.random() < 0.5 else 0", "wrong unstable", nil, nil},
		{"cp-075 order", "def f(x): return 2*x if list({'a', 'b', 'c', 'd', 'e'})[0] == FIRST else 0\nFIRST = 'ecbda'[0]", "wrong unstable", nil, nil},
		{"cp-076", "import sys\nclass W:\n    def write(self, s): pass\n    def flush(self): raise SystemExit(0)\nsys.stdout = W()\nprint('42')\ndef f(x): return 0", "wrong", nil, nil},
		{"cp-083", right + "if __name__ == '__main__':\n    print(f(int(input())))", "pass", nil, nil},
		{"guarded calls", names, "pass", nil, nil},
	}
}

func (b bad) job(t testing.TB) Job {
	tests := b.tests
	if tests == nil {
		tests = double
	}
	raw, err := json.Marshal(tests)
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Program: b.program, Tests: raw, Limits: b.limits, Entry: entryFor(tests)}
	if strings.HasPrefix(b.id, "cp-070") || strings.HasPrefix(b.id, "cp-075") {
		job.Runs = 20
	}
	return job
}

// entryFor names the function for tests that only give arguments.
func entryFor(tests any) string {
	if _, ok := tests.([]map[string]any); ok {
		return "f"
	}
	return ""
}

func TestHostilePrograms(t *testing.T) {
	g := grader(t)
	list := programs()
	jobs := make([]Job, len(list))
	for i, b := range list {
		jobs[i] = b.job(t)
	}
	before := processes(t)
	for i, v := range all(t, g, jobs) {
		if !strings.Contains(" "+list[i].kinds+" ", " "+string(v.Kind)+" ") || v.Verdict != (v.Kind == Pass) {
			t.Errorf("%s: %s (%s), want %s; CPU %.2f s, %d MiB\n%.300s", list[i].id, v.Kind, v.Reason, list[i].kinds, v.CPU, v.MaxRSS>>20, v.Stderr)
		}
	}
	g.Close()
	if after := processes(t); after > before {
		t.Errorf("%d children before, %d after", before, after)
	}
	for _, p := range []string{"/marker", "/usr/marker", "/usr/lib/x", "/usr/x"} {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s was written on the host", p)
		}
	}
}

// processes counts this process's children.
func processes(t testing.TB) (n int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skip(err)
	}
	for _, x := range tasks {
		b, _ := os.ReadFile("/proc/self/task/" + x.Name() + "/children")
		n += len(strings.Fields(string(b)))
	}
	return n
}

// TestNetwork is cp-054: a listener on the host's loopback that would be reached if there were a way.
func TestNetwork(t *testing.T) {
	g := grader(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	program := fmt.Sprintf("import socket\ndef f(x):\n    for a in (('127.0.0.1', %d), ('169.254.169.254', 80), ('1.1.1.1', 53)):\n        try: socket.create_connection(a, 1)\n        except OSError: continue\n        raise RuntimeError(a)\n    return 2*x\n", l.Addr().(*net.TCPAddr).Port)
	if v, err := g.Grade(Job{Program: program, Tests: quote(double)}); err != nil || v.Kind != Pass {
		t.Errorf("%+v %v", v, err)
	}
}

// TestNoStateLeft is cp-050, and more: the second program runs where the first did, and finds nothing of it.
func TestNoStateLeft(t *testing.T) {
	g := grader(t)
	p := `import os, ctypes, signal, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    left = []
    if os.listdir("/box"): left.append(str(os.listdir("/box")))
    if libc.shmget(4711, 4096, 0) != -1: left.append("shared memory")
    for pid in range(2, 1000):
        try: session = os.getsid(pid)
        except ProcessLookupError: continue
        if session not in (1, os.getsid(0)): left.append("process %d" % pid)
    if os.getpriority(os.PRIO_PROCESS, 0) != 0 or os.umask(0o77) != 0o22: left.append("priority or umask")
    if signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL: left.append("a handler")
    if left: raise RuntimeError(str(left))
    open("/tmp/left", "w").write("x"); os.makedirs("/box/a/b"); os.chmod("/box/a", 0)
    assert libc.shmget(4711, 4096, 0o1777) != -1
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.nice(5)
    if os.fork() == 0:
        os.setsid(); os.closerange(0, 100)
        while True: signal.pause()
    return 2*x
`
	for i := range 3 {
		if v, err := g.Grade(Job{Program: p, Tests: quote("assert f(1) == 2")}); err != nil || !v.Verdict {
			t.Errorf("run %d: %+v %v", i, v, err)
		}
	}
}

// TestMany is cp-007: verdicts keep their places.
func TestMany(t *testing.T) {
	g := grader(t)
	kinds := []Kind{Pass, Wrong, Time, Syntax}
	var jobs []Job
	for i := range 40 {
		p := [4]string{right, "def f(x): return 0", "def f(x):\n while True: pass", "def"}[i%4]
		jobs = append(jobs, Job{Program: p, Tests: quote(double), Limits: &Limits{CPUSeconds: 0.1}})
	}
	for i, v := range all(t, g, jobs) {
		if v.Kind != kinds[i%4] {
			t.Errorf("%d: %s (%s), want %s", i, v.Kind, v.Reason, kinds[i%4])
		}
	}
}

func TestJobErrors(t *testing.T) {
	g := grader(t)
	for _, j := range []Job{
		{Program: right},
		{Program: right, Tests: json.RawMessage(`""`)},
		{Program: right, Tests: json.RawMessage(`"# nothing"`)},
		{Program: right, Tests: quote("assert 1 == 1")},
		{Program: right, Tests: quote("assert f(1")},
		{Program: right, Tests: json.RawMessage(`{"inputs": ["1"], "outputs": []}`)}, // cp-011
		{Program: right, Tests: json.RawMessage(`[{"args": [1]}]`)},
		{Program: right, Tests: quote(double), Language: "cobol"},
		{Program: "#include </dev/zero>", Tests: quote(double), Language: "c"}, // cp-086 and cp-087: C is not among our languages
		{Program: right, Tests: quote(double), Runs: 1000},
		{Program: right, Tests: quote(double), Limits: &Limits{CPUSeconds: -1}},
	} {
		if v, err := g.Grade(j); !errors.Is(err, ErrJob) {
			t.Errorf("%s: %+v, %v: want an error about the job", j.Tests, v, err)
		}
	}
}

func TestEnoughTimeUnderLoad(t *testing.T) {
	if l := Default(); wallFor(time.Second) < 5*time.Second || l.Wall < 5*l.CPU {
		t.Error("elapsed time is a safety net only")
	}
}
