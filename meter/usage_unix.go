//go:build unix

package meter

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuSeconds is the processor time of this process and its ended children.
func cpuSeconds() (float64, bool) {
	var sum float64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			return 0, false
		}
		sum += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return sum, true
}

// memory is VmRSS on Linux.
func memory() int64 {
	if n := status("VmRSS:"); n > 0 {
		return n
	}
	return peakMemory()
}

// status is a size from /proc/self/status, in bytes; 0 if there is none.
func status(field string) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), field); ok {
			if kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// peakMemory prefers Linux's VmHWM: ru_maxrss there starts from what ran before the exec.
func peakMemory() int64 {
	if n := status("VmHWM:"); n > 0 {
		return n
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return u.Maxrss // bytes there, kilobytes elsewhere
	}
	return int64(u.Maxrss) << 10
}

// onBattery reports whether the machine has one.
func onBattery() bool {
	found, _ := filepath.Glob("/sys/class/power_supply/BAT*")
	return len(found) > 0
}
