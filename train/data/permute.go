package data

import "math/bits"

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw is the random number at a place: a function of its arguments, so that any draw can be made again without those before it.
func draw(seed uint64, place ...uint64) uint64 {
	for _, p := range place {
		seed = mix(seed ^ mix(p))
	}
	return mix(seed)
}

// below is x, uniform over 64 bits, brought to 0..n-1. The bias is at most n/2^64.
func below(x, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}

// permutation orders 0..n-1 at random without holding the order: the swap-or-not shuffle of Hoang, Morris and Rogaway (CRYPTO 2012). Round by round x
// and its partner key - x either change places or do not, as a hash of the pair says.
type permutation struct {
	n    uint64
	seed uint64
	keys [swapRounds]uint64
}

const swapRounds = 96

func newPermutation(n, seed uint64) *permutation {
	p := &permutation{n: n, seed: seed}
	for r := range p.keys {
		p.keys[r] = below(draw(seed, uint64(r)), n)
	}
	return p
}

// at is the element at place x < n.
func (p *permutation) at(x uint64) uint64 {
	for r, key := range p.keys {
		partner := key - x
		if key < x {
			partner += p.n
		}
		if mix(p.seed^max(x, partner)*swapRounds+uint64(r))>>63 != 0 {
			x = partner
		}
	}
	return x
}
