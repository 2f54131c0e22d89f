package train

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/train/optim"
)

// Needs is what a stage needs, as measured on the same network with fewer layers: the first and one of each kind, and one more of each. All that is in memory and all
// that takes time grows by the layer.
type Needs struct {
	Heap    int64         // bytes in use while learning: weights, gradients, optimiser, what layers compute, and all else
	Micro   time.Duration // a micro-batch forward and back
	Update  time.Duration // the optimiser's step
	Forward time.Duration // a micro-batch forward alone
	FLOPs   int64         // of the optimiser's step
}

// largestProbe bounds the parameters of the networks that are measured.
const largestProbe = 200 << 20

// ErrTooLarge says that not even a network of a few layers can be measured here.
var ErrTooLarge = errors.New("the network is too large to measure its layers here")

// Measure measures what a stage needs of a network c. build makes a fresh learner of a configuration.
func Measure(c *model.Config, set *Settings, pool *par.Pool, build func(*model.Config) (*model.Learner, error)) (Needs, error) {
	kinds := make([]bool, c.Layers) // of each layer: has experts
	for l := range kinds {
		kinds[l] = c.IsSparse(l)
	}
	// One layer of each kind first: what a pass over layers shares, such as the buffers of one that is run again, is then there, and counted once.
	base := kinds[:1:1]
	more := map[bool]int{}
	for _, sparse := range kinds[1:] {
		if more[sparse]++; more[sparse] == 1 {
			base = append(base, sparse)
		}
	}
	first, err := measure(c, base, set, pool, build)
	if err != nil {
		return Needs{}, err
	}
	total := first
	for _, sparse := range []bool{false, true} {
		if more[sparse] < 2 {
			continue
		}
		longer, err := measure(c, append(slices.Clone(base), sparse), set, pool, build)
		if err != nil {
			return Needs{}, err
		}
		total = total.plus(longer.minus(first), more[sparse]-1)
	}
	return total, nil
}

func (a Needs) minus(b Needs) Needs {
	return Needs{a.Heap - b.Heap, max(0, a.Micro-b.Micro), max(0, a.Update-b.Update), max(0, a.Forward-b.Forward), a.FLOPs - b.FLOPs}
}

func (a Needs) plus(b Needs, times int) Needs {
	n := time.Duration(times)
	return Needs{a.Heap + int64(times)*b.Heap, a.Micro + n*b.Micro, a.Update + n*b.Update, a.Forward + n*b.Forward, a.FLOPs + int64(times)*b.FLOPs}
}

// measure learns from one micro-batch with a network that has only some layers, sparse or not.
func measure(c *model.Config, kinds []bool, set *Settings, pool *par.Pool, build func(*model.Config) (*model.Learner, error)) (n Needs, err error) {
	short := *c
	short.Layers = len(kinds)
	if c.MoE != nil {
		moe := *c.MoE
		moe.Sparse, short.MoE = slices.Clone(kinds), &moe
	}
	if count := short.Count(); count.Params+count.MTP > largestProbe {
		return n, fmt.Errorf("%w: %d parameters with %d layers", ErrTooLarge, count.Params+count.MTP, len(kinds))
	}
	before := heap()
	l, err := build(&short)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	o, err := optim.New(set.Optimizer, l.Params(), pool)
	if err != nil {
		return n, err
	}
	var average *optim.EMA
	if set.Optimizer.EMA > 0 {
		average = optim.NewEMA(set.Optimizer.EMA, true, l.Params(), pool)
	}
	batch := set.example(&short)
	if short.MTP > 0 && set.Loss.MTP > 0 {
		if err := l.LearnAhead(&model.CrossEntropy{Weight: 1e-3}); err != nil {
			return n, err
		}
	}
	for try := range 3 { // the first makes the buffers
		start := time.Now()
		if _, err := losses(l, batch); err != nil {
			return n, err
		}
		n.Forward = shorter(try, n.Forward, &start)
		if _, err := l.Accumulate(batch, &model.CrossEntropy{Weight: 1e-3}); err != nil {
			return n, err
		}
		l.Finish()
		n.Micro = shorter(try, n.Micro, &start)
		o.Norm()
		o.Step(1e-6, 1)
		l.Updated()
		n.Update = shorter(try, n.Update, &start)
	}
	n.Heap, n.FLOPs = heap()-before, o.FLOPs()
	runtime.KeepAlive(o)
	runtime.KeepAlive(average)
	return n, nil
}

// shorter is the shorter of a time so far and that since start, which it moves to now.
func shorter(try int, least time.Duration, start *time.Time) time.Duration {
	now := time.Now()
	d := now.Sub(*start)
	*start = now
	if try < 2 {
		return d
	}
	return min(d, least)
}

// heap is the memory in use on the heap.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// example is a micro-batch of full rows.
func (set *Settings) example(c *model.Config) []model.Sequence {
	rows, n := set.MicroRows(), set.Data.Length+1
	batch := make([]model.Sequence, rows)
	x := uint32(1)
	for r := range batch {
		ids := make([]int32, min(n, c.Context+1))
		for t := range ids {
			x = x*1664525 + 1013904223
			ids[t] = int32(x>>8) % int32(c.Vocab)
		}
		batch[r].IDs = ids
	}
	return batch
}

// MicroRows is how many rows are learnt from at a time.
func (set *Settings) MicroRows() int {
	if set.Batch.Micro == 0 {
		return set.Batch.Global
	}
	return min(set.Batch.Micro, set.Batch.Global)
}
