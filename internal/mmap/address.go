package mmap

import "unsafe"

// within reports whether addr lies in data's memory.
func within(data []byte, addr uintptr) bool {
	return len(data) > 0 && offsetOf(data, addr) < uintptr(len(data))
}

// offsetOf is the index in data of the byte at addr; past len(data) when addr is elsewhere.
func offsetOf(data []byte, addr uintptr) uintptr {
	return addr - uintptr(unsafe.Pointer(unsafe.SliceData(data)))
}
