package testutil

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is the time that f takes on this thread, without what the machine gave to others meanwhile: on a busy machine, benchmarks of one thread
// are worth something only by it.
func CPUTime(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	f()
	return threadTime() - start
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
