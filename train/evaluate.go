package train

import (
	"errors"
	"fmt"
	"io"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
)

// evaluate measures the mean cross-entropy over what is held out, if anything is: of the average of the weights where the stage keeps one.
func (t *trainer) evaluate() error {
	before := t.Recorder.Enter(ledger.Evaluation)
	defer t.Recorder.Enter(before)
	micro := t.set.Batch.Micro
	if micro == 0 {
		micro = t.set.Batch.Global
	}
	loader, err := t.data.Val(micro)
	if err != nil || loader == nil {
		return err
	}
	if t.state.Average != nil {
		t.swap()
		defer t.swap()
	}
	sum, n := 0.0, 0
	for {
		batch, err := loader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("validation: %w", err)
		}
		sequences := sequencesOf(batch.Rows)
		if len(sequences) == 0 {
			continue
		}
		loss, err := losses(t.learner, sequences)
		if err != nil {
			return fmt.Errorf("validation: %w", err)
		}
		for _, v := range loss {
			sum += v
		}
		n += len(loss)
		flops := t.costs.rows(batch.Rows, false)
		t.state.FLOPs += flops
		t.Recorder.Spend(ledger.Evaluation, flops, positions(batch.Rows))
	}
	if n == 0 {
		return nil
	}
	p := &t.state.Progress
	mean := sum / float64(n)
	p.ValLoss = &mean
	if p.Best == nil || mean < *p.Best {
		p.Best = &mean
	}
	return nil
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
