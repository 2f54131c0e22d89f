package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Rate is tokens a second over several repetitions.
type Rate struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// RateOf summarises tokens a second of repetitions that each ran n tokens.
func RateOf(n int, took []time.Duration) Rate {
	var tps []float64
	for _, d := range took {
		tps = append(tps, float64(n)/d.Seconds())
	}
	slices.Sort(tps)
	mid := len(tps) / 2
	median := tps[mid]
	if len(tps)%2 == 0 {
		median = (tps[mid-1] + tps[mid]) / 2
	}
	return Rate{median, tps[0], tps[len(tps)-1]}
}

// Benchmark times a network the way llama-bench does: random ids; prefill of prompt tokens in one go with logits for the last only; decode of gen single
// tokens; both with depth tokens in the cache first; one warm-up run that does not count.
func Benchmark(net Network, prompt, gen, depth, repeat, chunk int) (prefill, decode []time.Duration, err error) {
	if prompt < 0 || gen < 0 || depth < 0 || repeat < 1 {
		return nil, nil, fmt.Errorf("engine: benchmark of %d prompt tokens, %d generated, depth %d, %d times", prompt, gen, depth, repeat)
	}
	if need := depth + max(prompt, gen); need > net.Capacity() {
		return nil, nil, fmt.Errorf("engine: the benchmark needs %d positions, the context holds %d", need, net.Capacity())
	}
	b := bencher{net: net, chunk: max(chunk, 1), rng: rand.New(rand.NewPCG(1, 2))}
	if err := b.read(min(prompt+1, 32), 1); err != nil { // warm-up: faults the weights in
		return nil, nil, err
	}
	if err := b.deepen(depth); err != nil {
		return nil, nil, err
	}
	for i := range repeat + 1 {
		if prompt > 0 {
			net.Truncate(depth)
			d, err := b.timed(func() error { return b.read(prompt, 1) })
			if err != nil {
				return nil, nil, err
			}
			if i > 0 {
				prefill = append(prefill, d)
			}
		}
	}
	for range repeat {
		if gen > 0 {
			net.Truncate(depth)
			d, err := b.timed(func() error { return b.step(gen) })
			if err != nil {
				return nil, nil, err
			}
			decode = append(decode, d)
		}
	}
	return prefill, decode, nil
}

type bencher struct {
	net   Network
	chunk int
	rng   *rand.Rand
	ids   []int32
}

func (b *bencher) timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// deepen leaves exactly depth tokens in the cache.
func (b *bencher) deepen(depth int) error {
	b.net.Truncate(0)
	return b.read(depth, 0)
}

// read appends n random tokens in chunks; rows is 1 when the last one's logits are wanted.
func (b *bencher) read(n, rows int) error {
	for n > 0 {
		k := min(n, b.chunk)
		n -= k
		b.ids = b.ids[:0]
		for range k {
			b.ids = append(b.ids, b.rng.Int32N(int32(b.net.VocabSize())))
		}
		want := 0
		if n == 0 {
			want = rows
		}
		if _, err := b.net.Forward(b.ids, want); err != nil {
			return err
		}
	}
	return nil
}

// step appends n random tokens one at a time, with logits each.
func (b *bencher) step(n int) error {
	for range n {
		if err := b.read(1, 1); err != nil {
			return err
		}
	}
	return nil
}
