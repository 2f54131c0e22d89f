package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/quant"
)

// encoder writes views in their target types, a few units at a time on all workers, and adds up what that costs.
type encoder struct {
	ctx      context.Context
	pool     *par.Pool
	progress func(done, total int64)

	scratch     [][3][]float32 // of each worker: values, values read back, values to be transposed
	slots       []slot
	done, total int64  // elements
	mapped      int64  // elements read since release was called
	release     func() // tells the system that what was read of the source is not needed again
	errors      map[dtype.Type]*quant.Error
}

// slot is where a unit's result waits for its turn.
type slot struct {
	bytes []byte
	error quant.Error
	err   error
}

// releaseElements is after how many elements the source's pages are let go of, so that the memory of a long conversion does not grow with the
// model, not even on paper.
const releaseElements = 1 << 24

// unitsEach is how many units a worker gets between two writes.
const unitsEach = 8

func newEncoder(ctx context.Context, threads int, progress func(done, total int64)) *encoder {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	e := &encoder{ctx: ctx, pool: par.New(threads), progress: progress, errors: map[dtype.Type]*quant.Error{}}
	e.scratch = make([][3][]float32, e.pool.Threads())
	e.slots = make([]slot, unitsEach*e.pool.Threads())
	return e
}

// write writes all of a view as type t.
func (e *encoder) write(w io.Writer, v *view, t dtype.Type) error {
	if e.errors[t] == nil {
		e.errors[t] = new(quant.Error)
	}
	for us := v.units(); len(us) > 0; {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		batch := us[:min(len(us), len(e.slots))]
		us = us[len(batch):]
		e.pool.Do(len(batch), func(worker, i int) { e.slots[i].fill(&e.scratch[worker], batch[i], t) })
		for i, u := range batch {
			s := &e.slots[i]
			if s.err != nil {
				return fmt.Errorf("%s: %w", u.src.name, s.err)
			}
			if _, err := w.Write(s.bytes); err != nil {
				return err
			}
			e.errors[t].Merge(s.error)
			e.done += int64(u.elements())
			e.mapped += int64(u.elements())
		}
		if e.mapped > releaseElements {
			e.mapped = 0
			e.release()
		}
		e.progress(e.done, e.total)
	}
	return nil
}

// fill converts one unit. The source is mapped: where it was cut short meanwhile, reading faults, which becomes an error.
func (s *slot) fill(scratch *[3][]float32, u unit, t dtype.Type) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			s.err = errors.New("the file cannot be read any more: it was cut short, or its device failed")
		}
	}()
	n := u.elements()
	x, back, aside := grown(&scratch[0], n), grown(&scratch[1], n), grown(&scratch[2], n)
	s.bytes, s.error, s.err = grown(&s.bytes, t.RowBytes(n)), quant.Error{}, nil
	u.decode(x, aside)
	if i := notFinite(x); i >= 0 {
		s.err = fmt.Errorf("%s is %v, not a finite number", u.at(i), x[i])
		return
	}
	if u.src.typ == t && u.copyTo(s.bytes) {
		s.error.Add(x, x)
		return
	}
	if err := dtype.Encode(t, s.bytes, x); err != nil {
		s.err = fmt.Errorf("from %s on: %w", u.at(0), err)
		return
	}
	dtype.Decode(t, back, s.bytes)
	if i := notFinite(back); i >= 0 {
		s.err = fmt.Errorf("%s is %v, too large for %v", u.at(i), x[i], t)
		return
	}
	s.error.Add(x, back)
}

// notFinite is the index of the first infinity or NaN, -1 if there is none.
func notFinite(x []float32) int {
	for i, v := range x {
		if v-v != 0 {
			return i
		}
	}
	return -1
}

// grown is *b at length n, on new memory if need be.
func grown[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = make([]T, n)
	}
	*b = (*b)[:n]
	return *b
}

// exactAs reports whether a tensor's values are all values of type t.
func exactAs(v *view, t dtype.Type) bool {
	var scratch [3][]float32
	for _, u := range v.units() {
		n := u.elements()
		x, back, bytes := grown(&scratch[0], n), grown(&scratch[1], n), make([]byte, t.RowBytes(n))
		u.decode(x, grown(&scratch[2], n))
		if dtype.Encode(t, bytes, x) != nil {
			return false
		}
		dtype.Decode(t, back, bytes)
		for i := range x {
			if x[i] != back[i] {
				return false
			}
		}
	}
	return true
}
