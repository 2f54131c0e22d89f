//go:build !unix || aix

package mmap

import (
	"fmt"
	"io"
	"os"
)

func mapFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read %d bytes: %w", size, err)
	}
	return data, nil
}

func unmap([]byte) error { return nil }

func advise([]byte, []byte, Advice) error { return nil }
