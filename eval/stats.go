package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// PassAtK is the unbiased estimate of the chance that at least one of k answers is right, from n answers of which c are right:
// 1 − C(n−c, k)/C(n, k) (Chen et al., 2107.03374, section 2.1). It panics unless 0 ≤ c ≤ n and 1 ≤ k ≤ n.
func PassAtK(n, c, k int) float64 {
	if c < 0 || c > n || k < 1 || k > n {
		panic(fmt.Sprintf("eval: pass@%d of %d right among %d", k, c, n))
	}
	if n-c < k {
		return 1
	}
	miss := 1.0
	for i := n - c + 1; i <= n; i++ {
		miss *= 1 - float64(k)/float64(i)
	}
	return 1 - miss
}

// MajAtK is the share of right majorities when the answers, in the order they were sampled, are cut into groups of k (what is left over is
// not used). The most frequent answer of a group wins, the earlier one of equals; samples without an answer ("") do not vote.
func MajAtK(answers []string, right []bool, k int) float64 {
	if k < 1 || k > len(answers) || len(answers) != len(right) {
		panic(fmt.Sprintf("eval: maj@%d of %d answers and %d verdicts", k, len(answers), len(right)))
	}
	hits, groups := 0, len(answers)/k
	for g := range groups {
		if w := majority(answers[g*k:][:k]); w >= 0 && right[g*k+w] {
			hits++
		}
	}
	return float64(hits) / float64(groups)
}

// majority is the first place of the most frequent answer; −1 if there is none.
func majority(answers []string) int {
	best, most := -1, 0
	for i, a := range answers {
		if a == "" || slices.Index(answers, a) < i {
			continue
		}
		n := 0
		for _, b := range answers[i:] {
			if a == b {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	return best
}

// Mean is an average with its 95 % interval.
type Mean struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func (m Mean) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", m.Value, m.Low, m.High) }

const z95 = 1.959963984540054

// MeanOf is the average of one score a problem, each in 0 to 1. The problems are the sample: several answers to one problem are one score, so that
// they do not pass for independent ones. The interval is Wilson's, with the number of problems that would explain the variance seen; where all
// scores are equal, with the number of problems that there are.
func MeanOf(scores []float64) Mean {
	n := float64(len(scores))
	if n == 0 {
		return Mean{math.NaN(), 0, 1}
	}
	m, variance := moments(scores)
	effective := n
	if se2 := variance / n; n > 1 && se2 > 0 && m > 0 && m < 1 {
		effective = m * (1 - m) / se2
	}
	low, high := wilson(m, effective)
	return Mean{m, low, high}
}

// moments are the average and the sample variance.
func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	if len(x) > 1 {
		variance /= float64(len(x) - 1)
	}
	return mean, variance
}

// wilson is the score interval of a proportion p of n.
func wilson(p, n float64) (low, high float64) {
	z2 := z95 * z95
	centre := p + z2/(2*n)
	half := z95 * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	return max(0, (centre-half)/(1+z2/n)), min(1, (centre+half)/(1+z2/n))
}

// Difference compares two models on the same problems.
type Difference struct {
	Mean   Mean    `json:"difference"` // b − a, with its 95 % interval
	P      float64 `json:"p"`          // two-sided, of the paired sign-flip test
	Better int     `json:"better"`     // problems on which b scored higher
	Worse  int     `json:"worse"`
	N      int     `json:"n"`
}

// flips is how many random sign flips the paired test draws where there are too many to try all.
const flips = 20000

// Compare tests whether b differs from a on the same problems, by flipping the signs of the differences at random: a test without
// assumptions on how scores are distributed. All 2^n flips are tried while there are no more than 2^14. The seed is fixed, so the answer is one.
func Compare(a, b []float64) (Difference, error) {
	if len(a) != len(b) || len(a) == 0 {
		return Difference{}, fmt.Errorf("eval: %d and %d scores, want the same problems on both sides", len(a), len(b))
	}
	d := make([]float64, len(a))
	r := Difference{N: len(a)}
	for i := range d {
		d[i] = b[i] - a[i]
		if d[i] > 0 {
			r.Better++
		} else if d[i] < 0 {
			r.Worse++
		}
	}
	m, variance := moments(d)
	half := z95 * math.Sqrt(variance/float64(len(d)))
	r.Mean = Mean{m, max(-1, m-half), min(1, m+half)}
	r.P = signFlip(slices.DeleteFunc(d, func(v float64) bool { return v == 0 }))
	return r, nil
}

// signFlip is the share of sign assignments whose sum is at least as far from zero as the one seen.
func signFlip(d []float64) float64 {
	if len(d) == 0 {
		return 1
	}
	seen := 0.0
	for _, v := range d {
		seen += v
	}
	seen = math.Abs(seen) * (1 - 1e-12)
	if len(d) <= 14 {
		hits, all := 0, 1<<len(d)
		for signs := range all {
			sum := 0.0
			for i, v := range d {
				if signs>>i&1 == 1 {
					v = -v
				}
				sum += v
			}
			if math.Abs(sum) >= seen {
				hits++
			}
		}
		return float64(hits) / float64(all)
	}
	rng, hits := rand.New(rand.NewPCG(1, 2)), 1 // the assignment seen is one of them
	for range flips {
		sum, bits := 0.0, uint64(0)
		for i, v := range d {
			if i%64 == 0 {
				bits = rng.Uint64()
			}
			if bits>>(i%64)&1 == 1 {
				v = -v
			}
			sum += v
		}
		if math.Abs(sum) >= seen {
			hits++
		}
	}
	return float64(hits) / (flips + 1)
}
