package rl

// Aggregate says how the terms of the tokens of a batch become one number. Each is a weight a token that is known before the first forward pass,
// so cutting a batch into micro-batches changes nothing.
type Aggregate struct {
	kind  int
	limit int
}

const (
	responseMean = iota
	responseSum
	tokenMean
	constant
)

var (
	// ResponseMean is the mean over responses of the mean over their tokens (GRPO): tokens of long answers count less.
	ResponseMean = Aggregate{kind: responseMean}
	// ResponseSum is the mean over responses of the sum over their tokens (RLOO).
	ResponseSum = Aggregate{kind: responseSum}
	// TokenMean is the mean over all tokens of the batch (DAPO).
	TokenMean = Aggregate{kind: tokenMean}
)

// ConstantMean divides the sum over all tokens by responses times limit, whatever their lengths (Dr. GRPO).
func ConstantMean(limit int) Aggregate { return Aggregate{constant, limit} }

// Weights are those of the tokens of the responses numbered in part, which are one update; nil: all. Tokens that are not learnt have 0.
func (a Aggregate) Weights(b *Batch, part []int) [][]float64 {
	if part == nil {
		part = make([]int, len(b.Responses))
		for i := range part {
			part[i] = i
		}
	}
	tokens := 0
	for _, i := range part {
		tokens += b.Responses[i].learnt()
	}
	w := make([][]float64, len(part))
	for j, i := range part {
		r := &b.Responses[i]
		by := float64(len(part))
		switch a.kind {
		case responseMean:
			by *= float64(r.learnt())
		case tokenMean:
			by = float64(tokens)
		case constant:
			by *= float64(a.limit)
		}
		w[j] = make([]float64, r.Len())
		for t, m := range r.Mask {
			if m {
				w[j][t] = 1 / by
			}
		}
	}
	return w
}
