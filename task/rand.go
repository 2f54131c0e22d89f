package task

import "math/bits"

// Rand is a PCG32 generator (O'Neill 2014, PCG-XSH-RR 64/32). It is our own so that a seed means the same problems on every machine and with
// every release of Go.
type Rand struct{ state, inc uint64 }

const pcgMultiplier = 6364136223846793005

// NewRand is the generator of one seed and stream. Both are mixed first, so that neighbouring seeds and streams have nothing in common.
func NewRand(seed, stream uint64) *Rand {
	return newPCG(mix(seed^mix(stream)), mix(stream+0x632be59bd9b4e019))
}

// newPCG seeds as the reference implementation does.
func newPCG(seed, stream uint64) *Rand {
	r := &Rand{inc: stream<<1 | 1}
	r.Uint32()
	r.state += seed
	r.Uint32()
	return r
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Uint32 is the next 32 bits.
func (r *Rand) Uint32() uint32 {
	old := r.state
	r.state = old*pcgMultiplier + r.inc
	return bits.RotateLeft32(uint32((old>>18^old)>>27), -int(old>>59))
}

// Uint64 is the next 64 bits.
func (r *Rand) Uint64() uint64 { return uint64(r.Uint32())<<32 | uint64(r.Uint32()) }

// IntN is uniform over 0..n-1, without bias (Lemire 2019). It panics where n is not positive.
func (r *Rand) IntN(n int) int {
	if n <= 0 {
		panic("task: Rand.IntN of a bound that is not positive")
	}
	hi, lo := bits.Mul64(r.Uint64(), uint64(n))
	if lo < uint64(n) {
		for least := -uint64(n) % uint64(n); lo < least; {
			hi, lo = bits.Mul64(r.Uint64(), uint64(n))
		}
	}
	return int(hi)
}

// Between is uniform over lo..hi, both included.
func (r *Rand) Between(lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// Shuffle orders n elements at random by swaps (Fisher and Yates).
func (r *Rand) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, r.IntN(i+1))
	}
}

// Perm is a random order of 0..n-1.
func (r *Rand) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	r.Shuffle(n, func(i, j int) { p[i], p[j] = p[j], p[i] })
	return p
}
