//go:build unix

package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPath takes the lock that the system gives back by itself when a process ends, however it ends.
func lockPath(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if try == 5 || !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(10 * time.Millisecond) // a listing holds a shared lock for a moment
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		var holder [64]byte
		n, _ := f.ReadAt(holder[:], 0)
		f.Close()
		return nil, fmt.Errorf("%w (process %s)", ErrLocked, holder[:n])
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d", os.Getpid()) // for people; the lock itself is the system's
	}
	return f, nil
}

// locked reports whether a process writes to the run.
func locked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
