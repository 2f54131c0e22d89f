//go:build !unix

package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// lockPath makes a file that only one process can make. After a kill it must be deleted by hand.
func lockPath(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; if none is, delete %s", ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return removing{f, path}, nil
}

type removing struct {
	*os.File
	path string
}

func (r removing) Close() error { return errors.Join(r.File.Close(), os.Remove(r.path)) }

func locked(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
