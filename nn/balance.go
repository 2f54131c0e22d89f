package nn

import "github.com/pennyml/penny/kernel/vec"

// Balance is the sequence-wise balance loss of DeepSeek-V3 (equations 17 to 20): for each sequence of T tokens, Weight · Σ_i f_i·P_i over the
// experts, f_i = E/(k·T) times the number of tokens that chose expert i, P_i the mean over the tokens of s_i/Σ_j s_j. f is constant under the
// derivative. The chosen experts are those that the network takes, the bias included; the paper's equation 18 leaves the bias out.
type Balance struct {
	Weight float32   // alpha over the number of sequences of the batch; 0: no such loss
	f      []float32 // of the sequence at hand
	share  float32   // Weight/T
}

// begin takes up a sequence, ids the k choices of each of its rows.
func (b *Balance) begin(ids []int32, rows, experts int) {
	b.f = resize(b.f, experts)
	clear(b.f)
	for _, e := range ids {
		b.f[e]++ // exact: counts of fewer than 2^24
	}
	vec.Scale(b.f, b.f, float32(experts)/float32(len(ids)))
	b.share = b.Weight / float32(rows)
}

// row adds to d the gradient of one row's affinities s and returns what the row adds to the loss.
func (b *Balance) row(d, s []float32) float32 {
	sum := vec.Sum(s)
	mean := vec.Dot(b.f, s) / sum
	scale := b.share / sum
	for i, f := range b.f {
		d[i] += float32(scale * (f - mean))
	}
	return b.share * mean
}

// UpdateBias moves the bias of each expert by rate towards balance (2408.15664): up where the expert's load in the batch is below the mean,
// down where it is above.
func UpdateBias(bias []float32, load []int64, rate float32) {
	total := sum(load)
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
	total, most := sum(load), int64(0)
	if total == 0 {
		return 0
	}
	for _, n := range load {
		most = max(most, n)
	}
	return float64(most)*float64(len(load))/float64(total) - 1
}

func sum(load []int64) (total int64) {
	for _, n := range load {
		total += n
	}
	return total
}
