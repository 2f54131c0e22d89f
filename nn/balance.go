package nn

import "github.com/pennyml/penny/kernel/vec"

// Balance is the sequence-wise balance loss of DeepSeek-V3 (equations 17 to 20): for each sequence of T tokens, Weight · Σ_i f_i·P_i over the
// experts, f_i = E/(k·T) times the number of tokens that chose expert i, P_i the mean over the tokens of s_i/Σ_j s_j. f is constant under the
// derivative. The chosen experts are those that the network takes, the bias included; the paper's equation 18 leaves the bias out.
type Balance struct {
	Weight float32 // alpha over the number of sequences of the batch
	f, p   []float32
}

// sequence adds to ds the gradient of the affinities of one sequence, T rows of E values, and returns the loss. ids holds the k choices of
// each row.
func (b *Balance) sequence(ds, affinity []float32, ids []int32, experts int) float64 {
	rows := len(affinity) / experts
	b.f, b.p = resize(b.f, experts), resize(b.p, experts)
	clear(b.f)
	clear(b.p)
	for _, e := range ids {
		b.f[e]++ // exact: counts of fewer than 2^24
	}
	unit := float32(experts) / float32(len(ids))
	for i := range b.f {
		b.f[i] *= unit
	}
	share := b.Weight / float32(rows)
	for r := range rows {
		s, d := affinity[r*experts:][:experts], ds[r*experts:][:experts]
		sum := vec.Sum(s)
		dot, scale := vec.Dot(b.f, s)/sum, share/sum
		for i, a := range s {
			b.p[i] += a / sum
			d[i] += float32(scale * (b.f[i] - dot))
		}
	}
	return float64(share * vec.Dot(b.f, b.p))
}

// UpdateBias moves the bias of each expert by rate towards balance (2408.15664): up where the expert's load in the batch is below the mean,
// down where it is above.
func UpdateBias(bias []float32, load []int64, rate float32) {
	var total int64
	for _, n := range load {
		total += n
	}
	for i, n := range load {
		switch above := n*int64(len(load)) - total; {
		case above > 0:
			bias[i] -= rate
		case above < 0:
			bias[i] += rate
		}
	}
}

// MaxViolation is how far the most loaded expert lies above the mean load, relative to it: 0 is perfect balance.
func MaxViolation(load []int64) float64 {
	var total, most int64
	for _, n := range load {
		total += n
		most = max(most, n)
	}
	if total == 0 {
		return 0
	}
	return float64(most)*float64(len(load))/float64(total) - 1
}
