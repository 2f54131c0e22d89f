package eval

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func near(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// Against the definition: the share of the k-subsets of n answers that hold a right one.
func TestPassAtKCountsSubsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "n")
		c, k := rapid.IntRange(0, n).Draw(t, "c"), rapid.IntRange(1, n).Draw(t, "k")
		all, with := 0, 0
		for set := range 1 << n {
			size, right := 0, 0
			for i := range n {
				if set>>i&1 == 1 {
					size++
					if i < c {
						right = 1
					}
				}
			}
			if size == k {
				all, with = all+1, with+right
			}
		}
		if got, want := PassAtK(n, c, k), float64(with)/float64(all); math.Abs(got-want) > 1e-12 {
			t.Fatalf("pass@%d of %d among %d = %v, want %v", k, c, n, got, want)
		}
	})
}

func TestMajAtK(t *testing.T) {
	answers := []string{"4", "5", "4", "", "7", "7", "4", "", ""}
	right := []bool{true, false, true, false, false, false, true, false, false}
	near(t, "maj@3", MajAtK(answers, right, 3), 1.0/3+1.0/3, 1e-12) // 4; 7; 4
	near(t, "maj@9", MajAtK(answers, right, 9), 1, 0)
	near(t, "maj@1", MajAtK(answers, right, 1), 3.0/9, 1e-12)
	near(t, "a tie goes to the earlier", MajAtK([]string{"a", "b"}, []bool{false, true}, 2), 0, 0)
	near(t, "nobody votes", MajAtK([]string{"", ""}, []bool{true, true}, 2), 0, 0)
}

// The interval has to hold the truth about 95 times in 100, with one answer a problem and with several, however problems differ.
func TestMeanCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, samples := range []int{1, 8} {
		const runs, problems = 2000, 120
		covered := 0
		for range runs {
			scores := make([]float64, problems)
			for i := range scores {
				p := rng.Float64() // of this problem: 0.5 on average
				for range samples {
					if rng.Float64() < p*p { // 1/3 on average
						scores[i] += 1 / float64(samples)
					}
				}
			}
			if m := MeanOf(scores); m.Low <= 1.0/3 && 1.0/3 <= m.High {
				covered++
			}
		}
		near(t, "coverage", float64(covered)/runs, 0.95, 0.02)
	}
}

func TestMeanOfExtremes(t *testing.T) {
	m := MeanOf([]float64{0, 0, 0, 0})
	if m.Value != 0 || m.Low != 0 || m.High < 0.4 || m.High > 0.6 {
		t.Errorf("four misses: %v, want 0 to about 0.49", m)
	}
	if m := MeanOf(nil); !math.IsNaN(m.Value) || m.Low != 0 || m.High != 1 {
		t.Errorf("no problems: %v, want to know nothing", m)
	}
}

func TestCompare(t *testing.T) {
	if _, err := Compare([]float64{1}, nil); err == nil {
		t.Error("different problems were compared")
	}
	a := []float64{0, 0, 0, 0, 0, 1, 1, 0}
	b := []float64{1, 1, 1, 1, 1, 1, 1, 0}
	r, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "exact p of five wins", r.P, 2.0/32, 1e-12)
	if r.Better != 5 || r.Worse != 0 || r.N != 8 {
		t.Errorf("counts %+v", r)
	}
	if r, _ := Compare(a, a); r.P != 1 || r.Mean.Value != 0 {
		t.Errorf("a model against itself: %+v", r)
	}
}

// Under equal models the test says p < 0.05 one time in twenty.
func TestCompareIsHonest(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const runs, n = 300, 60
	low := 0
	for range runs {
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			p := rng.Float64()
			for _, s := range []*float64{&a[i], &b[i]} {
				if rng.Float64() < p {
					*s = 1
				}
			}
		}
		if r, _ := Compare(a, b); r.P < 0.05 {
			low++
		}
	}
	near(t, "share of p < 0.05", float64(low)/runs, 0.05, 0.035)
}
