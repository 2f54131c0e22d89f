package model

import "github.com/pennyml/penny/nn"

// BalanceSequences puts the experts of every layer under the sequence-wise balance loss of DeepSeek-V3 (nn.Balance), from the next batch on: weight
// is alpha over the number of sequences of a batch, 0 for no such loss. Its value is Stats.Balance; it is not part of Stats.Loss.
func (l *Learner) BalanceSequences(weight float32) { l.balance = weight }

// beginExperts starts a batch.
func (l *Learner) beginExperts() {
	for _, m := range l.mixtures {
		m.Begin(l.balance)
	}
}

// Loads are, of each mixture of experts in the order of the layers (that of a multi-token prediction module last), how many of the batch's rows each
// expert got. They are complete after Finish, and good until the next batch.
func (l *Learner) Loads() [][]int64 {
	loads := make([][]int64, len(l.mixtures))
	for i, m := range l.mixtures {
		loads[i] = m.Learning.Load
	}
	return loads
}

// MaxViolation is nn.MaxViolation of the batch's loads, the mean over the mixtures of experts; 0 for a dense network.
func (l *Learner) MaxViolation() float64 {
	if len(l.mixtures) == 0 {
		return 0
	}
	sum := 0.0
	for _, m := range l.mixtures {
		sum += nn.MaxViolation(m.Learning.Load)
	}
	return sum / float64(len(l.mixtures))
}

// UpdateBiases moves the bias on the choice of each expert by rate towards balance, by the loads of the batch that was finished. Networks whose
// routers have no bias stay as they are.
func (l *Learner) UpdateBiases(rate float32) {
	for _, m := range l.mixtures {
		if m.Bias != nil {
			nn.UpdateBias(m.Bias, m.Learning.Load, rate)
		}
	}
}
