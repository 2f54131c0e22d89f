package sample

import "testing"

func TestSeed(t *testing.T) {
	seen := map[uint64][]uint64{}
	for _, c := range [][]uint64{{}, {0}, {0, 0}, {0, 0, 0}, {1}, {1, 0}, {0, 1}, {1, 2, 3}, {3, 2, 1}, {1, 3, 2}, {2, 2}, {1, 1}} {
		s := Seed(c...)
		if o, ok := seen[s]; ok {
			t.Errorf("counters %v and %v give the same seed", o, c)
		}
		seen[s] = c
	}
	if Seed(7) != 0xc46fcc244537fb19 {
		t.Errorf("the seed of 7 is %#x: recorded runs could not be repeated", Seed(7))
	}
}
