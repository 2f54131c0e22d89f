package tensor

// Arena hands out the float32 buffers of a forward pass, stack fashion. Once it has grown to the deepest point of a pass it allocates nothing.
// Buffers hold whatever was there before.
type Arena struct {
	slab []float32
	used int // values handed out; beyond the slab they were allocated one by one
	peak int
}

// Mark is the place to Release to.
func (a *Arena) Mark() int { return a.used }

// Release takes back all buffers handed out since Mark.
func (a *Arena) Release(mark int) {
	if a.used = mark; mark == 0 && a.peak > len(a.slab) {
		a.slab = make([]float32, a.peak)
	}
}

// lineFloats keeps buffers on cache lines of their own.
const lineFloats = 16

// F32 is a buffer of n values.
func (a *Arena) F32(n int) []float32 {
	from := a.used
	a.used += (n + lineFloats - 1) &^ (lineFloats - 1)
	a.peak = max(a.peak, a.used)
	if a.used > len(a.slab) {
		return make([]float32, n)
	}
	return a.slab[from : from+n : from+n]
}
