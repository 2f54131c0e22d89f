package data

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestPermutation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Uint64Range(1, 3000).Draw(rt, "n")
		p := newPermutation(n, rapid.Uint64().Draw(rt, "seed"))
		seen := make([]bool, n)
		for i := range n {
			x := p.at(i)
			if x >= n || seen[x] {
				rt.Fatalf("%d of %d goes to %d", i, n, x)
			}
			seen[x] = true
		}
	})
}

// TestPermutationUniform holds the frequency with which each element comes at each place, over many seeds, to chance.
func TestPermutationUniform(t *testing.T) {
	for _, n := range []uint64{2, 3, 5, 16, 37} {
		const seeds = 4000
		counts := make([]float64, n*n)
		for s := range uint64(seeds) {
			p := newPermutation(n, s)
			for i := range n {
				counts[i*n+p.at(i)]++
			}
		}
		want, chi := seeds/float64(n), 0.0
		for _, c := range counts {
			chi += (c - want) * (c - want) / want
		}
		freedom := float64((n - 1) * (n - 1))
		if limit := freedom + 5*math.Sqrt(2*freedom) + 8; chi > limit {
			t.Errorf("n=%d: chi square %.1f, want below %.1f", n, chi, limit)
		}
	}
}

// TestPermutationOrders counts the orders of four elements: all 24 must be about as frequent.
func TestPermutationOrders(t *testing.T) {
	const seeds = 24000
	counts := map[[4]uint64]float64{}
	for s := range uint64(seeds) {
		p := newPermutation(4, s)
		counts[[4]uint64{p.at(0), p.at(1), p.at(2), p.at(3)}]++
	}
	chi := 0.0
	for _, c := range counts {
		chi += (c - seeds/24) * (c - seeds/24) / (seeds / 24)
	}
	if len(counts) != 24 || chi > 70 {
		t.Errorf("%d orders, chi square %.1f", len(counts), chi)
	}
}

func BenchmarkPermutation(b *testing.B) {
	p := newPermutation(1<<24+7, 1)
	for i := 0; b.Loop(); i++ {
		p.at(uint64(i) % p.n)
	}
}
