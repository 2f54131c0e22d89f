// Package mmap maps files read-only into memory, so that opening a model costs no copy and its pages are shared between processes.
// Where the system has no mapping that we use, the file is read into memory instead; the interface is the same.
package mmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
)

// File is a file's content as it was when it was opened. The zero value is not usable; see Open.
type File struct {
	path   string
	data   []byte
	handle *os.File // kept to notice that the file shrank
}

// Open maps the regular file at path. An empty file, a directory, a pipe or a device is an error that says so.
func Open(path string) (*File, error) {
	// Before opening, because opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	if _, err := fileSize(path, info); err != nil {
		return nil, err
	}
	handle, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	f := &File{path: path, handle: handle}
	if err := f.load(); err != nil {
		handle.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) load() error {
	info, err := f.handle.Stat() // again: the path may have been replaced since
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	size, err := fileSize(f.path, info)
	if err != nil {
		return err
	}
	if f.data, err = mapFile(f.handle, size); err != nil {
		return fmt.Errorf("mmap: %s: %w", f.path, err)
	}
	if err := f.Check(); err != nil {
		unmap(f.data)
		return err
	}
	return nil
}

// fileSize is the length of a file that can be mapped, or why it cannot.
func fileSize(path string, info fs.FileInfo) (int, error) {
	switch {
	case info.IsDir():
		return 0, fmt.Errorf("mmap: %s: is a directory", path)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("mmap: %s: not a regular file (%v)", path, info.Mode().Type())
	case info.Size() == 0:
		return 0, fmt.Errorf("mmap: %s: file is empty", path)
	case info.Size() > math.MaxInt:
		return 0, fmt.Errorf("mmap: %s: %d bytes are more than this machine can address", path, info.Size())
	}
	return int(info.Size()), nil
}

// Path is the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Bytes is the content. It must not be written to, nor used after Close: either is a memory fault. Reading a mapping of a file that
// somebody has cut short since is one too; Guard turns it into an error, Check tells.
func (f *File) Bytes() []byte { return f.data }

// Check returns an error if the file is now shorter than its mapping.
func (f *File) Check() error {
	info, err := f.handle.Stat()
	if err != nil {
		return fmt.Errorf("mmap: %s: %w", f.path, err)
	}
	if info.Size() < int64(len(f.data)) {
		return fmt.Errorf("mmap: %s: file was cut from %d to %d bytes while open", f.path, len(f.data), info.Size())
	}
	return nil
}

// Close unmaps the file. A second call does nothing.
func (f *File) Close() error {
	if f.data == nil {
		return nil
	}
	err := errors.Join(unmap(f.data), f.handle.Close())
	f.data = nil
	if err != nil {
		return fmt.Errorf("mmap: %s: %w", f.path, err)
	}
	return nil
}

// Advice says how a stretch of a mapping is going to be read.
type Advice int

// The kinds of advice.
const (
	Normal     Advice = iota // the system's default read-ahead
	Sequential               // once, front to back
	Random                   // here and there: no read-ahead
	WillNeed                 // soon: start reading it in now
	Done                     // not again soon: its pages need not count as this process's memory
)

// Advise passes advice about part, a sub-slice of Bytes, to the system. It changes speed only, never content.
func (f *File) Advise(part []byte, a Advice) error {
	if len(part) == 0 {
		return nil
	}
	if err := advise(f.data, part, a); err != nil {
		return fmt.Errorf("mmap: %s: advise: %w", f.path, err)
	}
	return nil
}

// Guard runs read, which reads the mapping in this goroutine, and returns an error where the read faults: the file was cut short, or
// its device failed. Other panics pass through.
func (f *File) Guard(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface{ Addr() uintptr })
		if !ok || !within(f.data, fault.Addr()) {
			panic(r)
		}
		if err = f.Check(); err == nil {
			err = fmt.Errorf("mmap: %s: read error at byte %d", f.path, offsetOf(f.data, fault.Addr()))
		}
	}()
	return read()
}
