//go:build unix

package mathgrade

import (
	"syscall"
	"testing"
	"time"
)

// processorTime is what this process has used, which does not depend on what else the machine does.
func processorTime(t *testing.T) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
