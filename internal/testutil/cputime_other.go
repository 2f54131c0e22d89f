//go:build !linux

package testutil

import "time"

// CPUTime is the time that f takes.
func CPUTime(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
