package train

import (
	"context"
	"fmt"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
)

// evaluate measures what the lessons measure themselves by: of the average of the weights where the stage keeps one. It returns what they have found beside
// a loss.
func (t *trainer) evaluate(ctx context.Context) (map[string]float64, error) {
	before := t.Recorder.Enter(ledger.Evaluation)
	defer t.Recorder.Enter(before)
	if t.state.Average != nil {
		t.swap()
		defer t.swap()
	}
	e, err := t.lessons.Evaluate(ctx)
	if err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	p := &t.state.Progress
	p.FLOPs += e.FLOPs
	if e.Loss == nil {
		return e.Extra, nil
	}
	if p.ValLoss = e.Loss; p.Best == nil || *e.Loss < *p.Best {
		p.Best = e.Loss
	}
	return e.Extra, nil
}

// swap exchanges the weights with their averages.
func (t *trainer) swap() {
	t.state.Average.Swap()
	t.learner.Updated()
}

// losses are -log p of each prediction that is learnt, in the order of sequences and positions.
func losses(l *model.Learner, batch []model.Sequence) ([]float64, error) {
	at := make([]int, len(batch)) // of position 0 of each sequence
	n := 0
	for i, s := range batch {
		at[i] = n
		n += len(s.IDs)
	}
	all, learnt := make([]float64, n), make([]bool, n)
	err := l.Visit(batch, func(r model.Row, logits []float32) {
		i := at[r.Seq] + r.Pos
		all[i], learnt[i] = float64(vec.LogSumExp(logits)-logits[r.Label]), true
	})
	var list []float64
	for i, v := range all {
		if learnt[i] {
			list = append(list, v)
		}
	}
	return list, err
}
