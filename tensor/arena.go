package tensor

import "unsafe"

// Arena hands out the float32 buffers of a pass, stack fashion. A place in the stack keeps the largest buffer it has been asked for, so once a
// pass has run, the next of the same shape allocates nothing. Buffers hold whatever was there before.
type Arena struct {
	bufs [][]float32 // of every place, those handed out as long as they were asked for
	used int         // places handed out
}

// Mark is the place to Release to.
func (a *Arena) Mark() int { return a.used }

// Release takes back all buffers handed out since Mark.
func (a *Arena) Release(mark int) { a.used = mark }

// F32 is a buffer of n values.
func (a *Arena) F32(n int) []float32 {
	if a.used == len(a.bufs) {
		a.bufs = append(a.bufs, nil)
	}
	b := &a.bufs[a.used]
	if a.used++; cap(*b) < n {
		*b = nil // let go of the old one first
		*b = make([]float32, n)
	}
	*b = (*b)[:n]
	return (*b)[:n:n]
}

// Find says which buffer handed out since mark x is part of: its place, counted from 0, and length, and where in it x begins. place is -1 when it is in none.
func (a *Arena) Find(mark int, x []float32) (place, size, offset int) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	for i := a.used - 1; i >= mark; i-- { // who asks mostly means a recent one
		b := a.bufs[i]
		if from := uintptr(unsafe.Pointer(unsafe.SliceData(b))); at >= from && at < from+4*uintptr(len(b)) {
			return i, len(b), int(at-from) / 4
		}
	}
	return -1, 0, 0
}

// Bytes is the memory that the arena holds.
func (a *Arena) Bytes() int64 {
	var n int64
	for _, b := range a.bufs {
		n += 4 * int64(cap(b))
	}
	return n
}
