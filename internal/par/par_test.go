package par

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestDo(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(max(threads, runtime.GOMAXPROCS(0)))
		p := New(threads)
		if p.Threads() != threads {
			t.Fatalf("%d workers, want %d", p.Threads(), threads)
		}
		for n := range 40 {
			counts, busy := make([]atomic.Int32, n), make([]atomic.Int32, threads)
			p.Do(n, func(w, i int) {
				if busy[w].Add(1) != 1 {
					t.Errorf("worker %d runs twice at a time", w)
				}
				counts[i].Add(1)
				busy[w].Add(-1)
			})
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("%d threads, n=%d: item %d ran %d times", threads, n, i, c)
				}
			}
		}
		p.Close()
	}
}

func TestSpans(t *testing.T) {
	p := New(2)
	defer p.Close()
	for _, n := range []int{0, 1, 15, 16, 17, 100, 1000, 1001} {
		for _, grain := range []int{0, 1, 16, 64} {
			counts := make([]atomic.Int32, n)
			p.Spans(n, grain, func(w, lo, hi int) {
				if lo >= hi || lo%max(1, grain) != 0 || hi%max(1, grain) != 0 && hi != n {
					t.Errorf("n=%d grain=%d: span %d to %d", n, grain, lo, hi)
				}
				for i := lo; i < hi; i++ {
					counts[i].Add(1)
				}
			})
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("n=%d grain=%d: item %d ran %d times", n, grain, i, c)
				}
			}
		}
	}
}

// Loops of all lengths in quick succession, with pauses that let the workers park: nothing may be lost or run in another loop's name.
func TestManyLoops(t *testing.T) {
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	p := New(4)
	defer p.Close()
	var sum atomic.Int64
	f := func(_, i int) { sum.Add(int64(i)) }
	want := int64(0)
	for i := range 20_000 {
		n := i % 9
		p.Do(n, f)
		want += int64(n * (n - 1) / 2)
		if got := sum.Load(); got != want {
			t.Fatalf("loop %d: sum %d, want %d", i, got, want)
		}
		if i%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func TestPanic(t *testing.T) {
	p := New(2)
	defer p.Close()
	var ran atomic.Int32
	for range 100 {
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			p.Do(8, func(_, i int) {
				ran.Add(1)
				if i == 3 {
					panic("boom")
				}
			})
		}()
	}
	if ran.Load() != 800 {
		t.Errorf("%d items ran, want 800", ran.Load())
	}
}

func TestNoAllocation(t *testing.T) {
	p := New(2)
	defer p.Close()
	f, g := func(_, _ int) {}, func(_, _, _ int) {}
	if a := testing.AllocsPerRun(1000, func() { p.Do(8, f); p.Spans(100, 1, g) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// Idle workers must not use the CPU: that they park is seen by a wake-up being needed.
func TestParks(t *testing.T) {
	p := New(2)
	defer p.Close()
	if p.Threads() < 2 {
		t.Skip("one CPU")
	}
	p.Do(2, func(_, _ int) {})
	for deadline := time.Now().Add(5 * time.Second); !p.workers[0].parked.Load(); {
		if time.Now().After(deadline) {
			t.Fatal("the worker still spins")
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkDo(b *testing.B) {
	p := New(2)
	defer p.Close()
	f := func(_, _ int) {}
	for b.Loop() {
		p.Do(2, f)
	}
}

// BenchmarkRegion is a loop with a microsecond of work for each worker and a microsecond between loops: what is above 2000 ns is the pool's.
func BenchmarkRegion(b *testing.B) {
	p := New(2)
	defer p.Close()
	f := func(_, _ int) { busy(time.Microsecond) }
	for b.Loop() {
		p.Do(2, f)
		busy(time.Microsecond)
	}
}

func busy(d time.Duration) {
	for t := time.Now(); time.Since(t) < d; {
	}
}
