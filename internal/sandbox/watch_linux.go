package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process tree has taken.
type usage struct {
	cpu time.Duration
	rss int64 // bytes, pages shared with files not counted
}

// The watch looks at the tree every so often, but not at once: most programs are done before, looking costs as much as they do, and until then
// each process has its own limits.
const (
	firstLook = 100 * time.Millisecond
	nextLooks = 20 * time.Millisecond
)

// watch holds the limits that span the process tree: processor time, memory and elapsed time.
func (p *Process) watch() {
	defer close(p.watched)
	timer := time.NewTimer(min(firstLook, p.limits.Wall))
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-timer.C:
			timer.Reset(nextLooks)
		}
		u := tree(p.box.cmd.Process.Pid, 0)
		u.cpu -= p.before
		p.seen = usage{max(p.seen.cpu, u.cpu), max(p.seen.rss, u.rss)}
		switch {
		case u.cpu > p.limits.CPU:
			p.end(Time)
		case u.rss > p.limits.Memory:
			p.end(Memory)
		case time.Since(p.started) > p.limits.Wall:
			p.end(Wall)
		}
	}
}

// maxDepth bounds the walk over a tree that changes while it is walked; the limit on processes keeps real ones far below.
const maxDepth = 512

// tree sums over a process and its descendants. The first process itself counts only by what it reaped: what it does is our own work.
func tree(pid, depth int) usage {
	u, err := one(pid, depth == 0)
	if err != nil || depth > maxDepth {
		return usage{}
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return u
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for _, f := range bytes.Fields(b) {
			if child, err := strconv.Atoi(string(f)); err == nil {
				c := tree(child, depth+1)
				u.cpu += c.cpu
				u.rss += c.rss
			}
		}
	}
	return u
}

// ticksPerSecond is USER_HZ, which Linux fixes at 100 on every architecture Go supports.
const ticksPerSecond = 100

// one reads the processor time of a process and of the children it waited for, and its resident memory.
func one(pid int, reapedOnly bool) (usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	i := bytes.LastIndexByte(b, ')') // the name before it may hold anything
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 15 {
		return usage{}, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(f))
	}
	first := 11 // utime, stime, cutime, cstime are fields 14 to 17 counted from 1, the state after the name being 3
	if reapedOnly {
		first = 13
	}
	var ticks int64
	for _, x := range f[first:15] {
		n, err := strconv.ParseInt(string(x), 10, 64)
		if err != nil {
			return usage{}, err
		}
		ticks += n
	}
	u := usage{cpu: time.Duration(ticks) * time.Second / ticksPerSecond}
	if reapedOnly {
		return u, nil
	}
	if b, err = os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err != nil {
		return u, nil
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(b), &size, &resident, &shared); err == nil {
		u.rss = (resident - shared) * int64(os.Getpagesize())
	}
	return u, nil
}
