package rl

import (
	"fmt"

	"github.com/pennyml/penny/kernel/fp"
)

// Importance weighs the policy's terms by old/sampler where what sampled is not quite the policy that learns (another engine, another
// precision, older weights): truncated importance sampling. Penny's own sampler is its learner, so the weights are 1 and it is off by default.
type Importance struct {
	Kind ImportanceKind `yaml:"kind"`
	Cap  float64        `yaml:"cap"`   // C: the largest weight
	Low  float64        `yaml:"floor"` // token_mask: the smallest weight that is not put to 0
}

// ImportanceKind is how weights that are far from 1 are dealt with.
type ImportanceKind string

// The kinds.
const (
	ImportanceOff     ImportanceKind = ""
	TokenTruncate     ImportanceKind = "token_truncate"    // min(w, C) a token (Yao et al. 2025, TIS)
	TokenMask         ImportanceKind = "token_mask"        // w where it lies in [floor, C], else 0 (IcePop, 2510.18855)
	SequenceTruncate  ImportanceKind = "sequence_truncate" // one weight a response, min(e^Σ, C)
	defaultImportance                = 2.0
)

func (m Importance) validate() error {
	switch m.Kind {
	case ImportanceOff:
		return nil
	case TokenTruncate, SequenceTruncate:
	case TokenMask:
		if err := within("importance: floor", m.Low, 0, 1); err != nil {
			return err
		}
	default:
		return fmt.Errorf("importance: kind %q: want token_truncate, token_mask, sequence_truncate or none", m.Kind)
	}
	return within("importance: cap", m.Cap, 1, 1e6)
}

// of is the weight of each token of a response; nil: all 1.
func (m Importance) of(r *Response) []float64 {
	if m.Kind == ImportanceOff || r.Sampler == nil {
		return nil
	}
	w, sum := make([]float64, r.Len()), 0.0
	for t, learnt := range r.Mask {
		if learnt {
			d := float64(r.Old[t]) - float64(r.Sampler[t])
			sum += d
			w[t] = fp.Exp64(d)
		} else {
			w[t] = 1
		}
	}
	whole := min(fp.Exp64(sum), m.Cap)
	for t := range w {
		switch {
		case m.Kind == SequenceTruncate:
			w[t] = whole
		case m.Kind == TokenMask && (w[t] < m.Low || w[t] > m.Cap):
			w[t] = 0
		default:
			w[t] = min(w[t], m.Cap)
		}
	}
	return w
}
