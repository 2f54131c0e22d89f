// Package roof measures what the machine could do at best, in a third of a second: how fast memory is read, and how many multiply-adds each
// instruction-set level does. Decoding is bound by the first, prefill by the second; a kernel's speed means something only beside them.
package roof

import (
	"encoding/binary"
	"runtime"
	"time"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
)

// Roofs are the speeds of a machine: on one thread, and on all Threads of the pool at once.
type Roofs struct {
	Threads   int
	Read      Speed // memory read, 10^9 bytes/s
	Levels    []Level
	ReadBytes int // the size of the buffer that was read, larger than the caches it is meant to miss
}

// Level is the arithmetic of one instruction-set level, in 10^9 operations/s; a multiply-add is two operations.
type Level struct {
	Level           cpu.Level
	F32, BF16, Int8 Speed
}

// Speed is a rate on one thread and on all.
type Speed struct{ One, All float64 }

const (
	kindF32 = iota
	kindBF16
	kindInt8
	numKinds
)

// loop is a function that does n rounds of ops operations.
type loop struct {
	run func(n int)
	ops int
}

const (
	readBytes = 128 << 20
	readPiece = 4 << 20
	tries     = 3                    // the best counts: a shared machine only ever makes things slower
	slice     = 4 * time.Millisecond // of arithmetic a try
)

// Measure measures memory and the levels that this CPU has, on the workers of pool, which must be idle.
func Measure(pool *par.Pool) Roofs {
	r := Roofs{Threads: pool.Threads(), ReadBytes: readBytes, Read: Read(pool)}
	for _, l := range cpu.Levels {
		if _, ok := loops[l]; ok && l <= cpu.Best() {
			r.Levels = append(r.Levels, Arithmetic(pool, l))
		}
	}
	return r
}

// Arithmetic measures one level, which the CPU must have; the result is zero for a level without assembly.
func Arithmetic(pool *par.Pool, l cpu.Level) Level {
	if l > cpu.Best() {
		panic("roof: this CPU has no " + l.String())
	}
	kinds, ok := loops[l]
	if !ok {
		return Level{Level: l}
	}
	return Level{l, measure(pool, kinds[kindF32]), measure(pool, kinds[kindBF16]), measure(pool, kinds[kindInt8])}
}

// measure finds the number of rounds that fill a slice, then times that on one worker and on all.
func measure(pool *par.Pool, l loop) Speed {
	rounds := 1000
	for {
		d := timed(func() { l.run(rounds) })
		if d > slice/4 {
			rounds = int(float64(rounds) * float64(slice) / float64(d))
			break
		}
		rounds *= 4
	}
	work := func(_, _ int) { l.run(rounds) }
	rate := func(workers int) float64 {
		return float64(l.ops) * float64(rounds) * float64(workers) / float64(best(func() { pool.Do(workers, work) }))
	}
	return Speed{rate(1), rate(pool.Threads())}
}

// Read measures how fast memory is read, in 10^9 bytes/s.
func Read(pool *par.Pool) Speed {
	buf := make([]byte, readBytes)
	pool.Spans(readBytes, readPiece, func(_, lo, hi int) { // pages must be there, and not all the same one
		for i := lo; i < hi; i += 4096 {
			buf[i] = 1
		}
	})
	all := best(func() { pool.Spans(readBytes, readPiece, func(_, lo, hi int) { ReadBytes(buf[lo:hi]) }) })
	return Speed{readBytes / float64(best(func() { ReadBytes(buf) })), readBytes / float64(all)}
}

// best is the shortest of a few runs of f, in nanoseconds: a count over it is in units of 10^9 a second.
func best(f func()) time.Duration {
	d := timed(f)
	for range tries - 1 {
		d = min(d, timed(f))
	}
	return max(d, 1)
}

func timed(f func()) time.Duration {
	t := time.Now()
	f()
	return time.Since(t)
}

// readWords is ReadBytes for machines without assembly.
func readWords(b []byte) {
	var x uint64
	for ; len(b) >= 8; b = b[8:] {
		x ^= binary.LittleEndian.Uint64(b)
	}
	runtime.KeepAlive(x)
}
