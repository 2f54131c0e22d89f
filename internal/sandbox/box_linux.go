package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

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

// box is a set of namespaces with this binary as their first process, seen from outside.
type box struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	kind string // the programs it is for
}

// kindOf is what programs must have in common to be run in one box, one after another.
func kindOf(s Spec) (string, error) {
	b, err := json.Marshal(Spec{ReadOnly: s.ReadOnly, Writable: s.Writable, Limits: s.Limits})
	return string(b), err
}

func newBox(kind string) (*box, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "orders"), os.NewFile(uintptr(pair[1]), "orders")
	defer theirs.Close()
	conn, err := net.FileConn(mine)
	mine.Close()
	if err != nil {
		return nil, err
	}
	b := &box{conn: conn.(*net.UnixConn), kind: kind}
	b.cmd = &exec.Cmd{Path: exe, Args: []string{initName}, Env: []string{"GODEBUG=madvdontneed=1", "GOMAXPROCS=1"}, ExtraFiles: []*os.File{theirs}, SysProcAttr: namespaces()}
	if err := b.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: make namespaces: %v", ErrRefused, err)
	}
	return b, nil
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

// order tells the first process to run a program with these descriptors.
func (b *box) order(o order, files []*os.File) error {
	m, err := encode(o)
	if err != nil {
		return err
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if _, _, err := b.conn.WriteMsgUnix(m[:8], unix.UnixRights(fds...), nil); err != nil {
		return err
	}
	_, err = b.conn.Write(m[8:])
	return err
}

// report waits for the end of the program.
func (b *box) report() (r report, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(b.conn, head); err != nil {
		return r, err
	}
	return r, decode(b.conn, head, &r)
}

// kill ends the first process, and with it, by the kernel, every other.
func (b *box) kill() { b.cmd.Process.Kill() }

// close ends everything in the box and waits for it.
func (b *box) close() {
	b.kill()
	b.cmd.Wait()
	b.conn.Close()
}

// Pool starts programs in boxes that it keeps: a box whose program ended by itself runs the next program with the same views and limits, which then need
// not be made again. Programs in a box follow each other; nothing of one is left for the next. The zero Pool is ready.
type Pool struct {
	mu   sync.Mutex
	idle []*box
}

// maxIdle is how many boxes a pool keeps; the one unused for longest goes first.
const maxIdle = 16

func (p *Pool) take(kind string) *box {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range slices.Backward(p.idle) {
		if b.kind == kind {
			p.idle = slices.Delete(p.idle, i, i+1)
			return b
		}
	}
	return nil
}

// release keeps a box.
func (p *Pool) release(b *box) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, b)
	if len(p.idle) > maxIdle {
		p.idle[0].close()
		p.idle = slices.Delete(p.idle, 0, 1)
	}
}

// Close ends the boxes that are idle. Programs that run keep theirs, which end with them.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.idle {
		b.close()
	}
	p.idle = nil
}

// Start starts a program. Errors that wrap [ErrRefused] say that this host cannot isolate it.
func (p *Pool) Start(s Spec) (*Process, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return start(s, p, false)
}

// Run runs a program to its end.
func (p *Pool) Run(s Spec) (Result, error) {
	proc, err := p.Start(s)
	if err != nil {
		return Result{}, err
	}
	return proc.Wait()
}
