// Package atomicfile writes files that appear under their name only when they are complete. A file that is replaced keeps its old
// content for those who have it open or mapped, and a program that is killed leaves no half file behind under a name somebody reads.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// bufferSize is large because what is written this way is mostly tensors.
const bufferSize = 1 << 20

// Write makes the file at path hold what write writes, or, if that fails, leaves path as it was.
func Write(path string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("write %s: exists and is not a regular file", path) // renaming over a device would replace it
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, bufferSize)
	if err := errors.Join(write(b), b.Flush()); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// create opens a new file beside path. Unlike os.CreateTemp it leaves the permissions to the umask.
func create(path string) (*os.File, error) {
	for {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%08x.tmp", filepath.Base(path), rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
