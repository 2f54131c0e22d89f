// Package par runs the loops of kernels on a few workers that stay hot between loops. A decode step is some hundred loops of a few microseconds,
// so starting one must cost about as little as a cache miss; and a machine with other work to do must not be kept busy by waiting.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Pool runs one loop at a time on its workers. The caller is worker 0; the others spin briefly for the next loop and then park.
type Pool struct {
	mu      sync.Mutex // held by the loop that runs
	workers []worker   // all but the caller

	// The loop that runs: what to call, written before state is published and read after an item was claimed.
	item func(worker, i int)
	span func(worker, lo, hi int)
	n    int // of a loop over spans: the end of the last
	size int // and the length of each

	segments []segment // of the items, one for each worker
	_        [64]byte
	state    atomic.Uint64 // number of the loop << 32 | items not yet claimed
	_        [56]byte
	open     atomic.Int64 // items not yet finished
	_        [56]byte

	waiting  atomic.Bool   // the caller is parked on finished
	finished chan struct{} // capacity 1
	failure  atomic.Pointer[failure]
	closed   atomic.Bool
	live     sync.WaitGroup
}

type worker struct {
	parked atomic.Bool
	wake   chan struct{} // capacity 1: sent to by whoever turned parked off
	_      [48]byte
}

// segment is a run of items: first << 32 | end. Its worker takes them from the front, and others, once they have none left, from the back, so that
// each worker walks through neighbouring memory.
type segment struct {
	atomic.Uint64
	_ [56]byte
}

type failure struct{ value any }

// How long to spin before parking, in rounds of pauses: about 25 us in all on current CPUs. Every few rounds other goroutines get their turn.
const (
	spinRounds  = 64
	yieldRounds = 16
	pauses      = 8
)

// New makes a pool of threads workers, the caller of Do included; threads below 1 means one for each CPU that the program may use. More
// workers than that would only wait for one another, so their number is capped there.
func New(threads int) *Pool {
	if most := runtime.GOMAXPROCS(0); threads < 1 || threads > most {
		threads = most
	}
	p := &Pool{workers: make([]worker, threads-1), segments: make([]segment, threads), finished: make(chan struct{}, 1)}
	p.live.Add(len(p.workers))
	for i := range p.workers {
		p.workers[i].wake = make(chan struct{}, 1)
		go p.work(i)
	}
	return p
}

// Threads is the number of workers, the caller included: worker numbers are below it.
func (p *Pool) Threads() int { return len(p.workers) + 1 }

// Close ends the workers. The pool must be idle and is not to be used again.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed.Store(true)
	for i := range p.workers {
		p.workers[i].unpark()
	}
	p.live.Wait()
}

// Do calls f(worker, i) for every 0 ≤ i < n, in no order, on all workers, and returns when the last call has. No two calls at a time have the
// same worker. A panic in f reaches the caller when the other items are done. f must not use the pool. Do allocates nothing; a func that is
// made anew for each call does.
func (p *Pool) Do(n int, f func(worker, i int)) {
	if len(p.workers) == 0 || n <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	p.mu.Lock()
	p.item, p.span = f, nil
	p.loop(n)
}

// Spans cuts 0 ≤ i < n into spans whose ends are multiples of grain (but for the last), a few for each worker so that a slow one does not keep
// the others waiting, and calls f(worker, lo, hi) for each, as Do does.
func (p *Pool) Spans(n, grain int, f func(worker, lo, hi int)) {
	if n <= 0 {
		return
	}
	size := p.spanSize(n, grain)
	if size >= n {
		f(0, 0, n)
		return
	}
	p.mu.Lock()
	p.item, p.span, p.n, p.size = nil, f, n, size
	p.loop((n + size - 1) / size)
}

const spansEach = 4 // spans for each worker

func (p *Pool) spanSize(n, grain int) int {
	if len(p.workers) == 0 {
		return n
	}
	grain = max(1, grain)
	size := (n + spansEach*p.Threads() - 1) / (spansEach * p.Threads())
	return (size + grain - 1) / grain * grain
}

// loop runs the loop that was set up under p.mu, and unlocks it.
func (p *Pool) loop(n int) {
	defer p.mu.Unlock()
	for w := range p.segments {
		lo, hi := n*w/len(p.segments), n*(w+1)/len(p.segments)
		p.segments[w].Store(uint64(lo)<<32 | uint64(hi))
	}
	p.open.Store(int64(n))
	p.state.Store((p.state.Load()>>32+1)<<32 | uint64(n))
	for i := range min(len(p.workers), n-1) {
		p.workers[i].unpark()
	}
	p.help(0)
	p.await()
	p.item, p.span = nil, nil
	if f := p.failure.Swap(nil); f != nil {
		panic(f.value)
	}
}

// await returns when no item is open: other workers may still be at theirs.
func (p *Pool) await() {
	for range spinRounds {
		if p.open.Load() == 0 {
			return
		}
		pause(pauses)
	}
	p.waiting.Store(true)
	if p.open.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
		return
	}
	<-p.finished // whoever turned waiting off sends
}

// help claims items of the loop that runs and works on them until none is left to claim.
func (p *Pool) help(worker int) {
	for {
		s := p.state.Load()
		left := uint32(s)
		if left == 0 {
			return
		}
		// The number of the loop is part of s, so a claim that comes too late fails, and a claimed item keeps its loop from ending.
		if !p.state.CompareAndSwap(s, s-1) {
			continue
		}
		p.run(worker, p.take(worker))
		if p.open.Add(-1) == 0 && worker != 0 && p.waiting.CompareAndSwap(true, false) {
			p.finished <- struct{}{}
		}
	}
}

// take is an item for a worker that has claimed one, of its own segment or else of the next that has any. As many were claimed as there are
// items, so there is one.
func (p *Pool) take(worker int) int {
	for w := worker; ; w = (w + 1) % len(p.segments) {
		for {
			s := p.segments[w].Load()
			lo, hi := s>>32, s&(1<<32-1)
			if lo == hi {
				break
			}
			if w == worker {
				if p.segments[w].CompareAndSwap(s, s+1<<32) {
					return int(lo)
				}
			} else if p.segments[w].CompareAndSwap(s, s-1) {
				return int(hi - 1)
			}
		}
	}
}

func (p *Pool) run(worker, i int) {
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &failure{v})
		}
	}()
	if p.item != nil {
		p.item(worker, i)
		return
	}
	lo := i * p.size
	p.span(worker, lo, min(lo+p.size, p.n))
}

func (p *Pool) work(i int) {
	defer p.live.Done()
	for !p.closed.Load() {
		p.help(i + 1)
		if !p.spin() {
			p.park(&p.workers[i])
		}
	}
}

// spin waits a little for items to claim.
func (p *Pool) spin() bool {
	for round := range spinRounds {
		if uint32(p.state.Load()) != 0 {
			return true
		}
		if round%yieldRounds == yieldRounds-1 {
			runtime.Gosched()
		}
		pause(pauses)
	}
	return false
}

func (p *Pool) park(w *worker) {
	w.parked.Store(true)
	if (uint32(p.state.Load()) != 0 || p.closed.Load()) && w.parked.CompareAndSwap(true, false) {
		return
	}
	<-w.wake
}

func (w *worker) unpark() {
	if w.parked.Load() && w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}
