//go:build unix && !aix

package mmap

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func mapFile(f *os.File, size int) ([]byte, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	return data, nil
}

func unmap(data []byte) error { return unix.Munmap(data) }

var kernelAdvice = [...]int{
	Normal: unix.MADV_NORMAL, Sequential: unix.MADV_SEQUENTIAL, Random: unix.MADV_RANDOM, WillNeed: unix.MADV_WILLNEED,
	Done: unix.MADV_DONTNEED, // of a shared mapping of a file: the content stays, in the page cache and on disk
}

// advise widens part to whole pages, since the kernel takes nothing less.
func advise(data, part []byte, a Advice) error {
	start := offsetOf(data, uintptr(unsafe.Pointer(unsafe.SliceData(part))))
	if start > uintptr(len(data)) || uintptr(len(part)) > uintptr(len(data))-start {
		panic("mmap: advice about memory outside the mapping")
	}
	page := uintptr(os.Getpagesize())
	first := start / page * page
	return unix.Madvise(data[first:start+uintptr(len(part))], kernelAdvice[a])
}
