package train

import (
	"errors"
	"io"
	"math"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/train/data"
)

// Work is how much a stage does, as its data say.
type Work struct {
	Tokens         int64   // of a step, on the average of the first ones
	FLOPs          float64 // likewise, training
	Batches        int     // steps until there is nothing more to learn from; 0: there always is
	Evaluation     float64 // FLOPs of one evaluation
	EvaluationRows int
	Every          int // steps between evaluations; 0: one at the end
}

// sampled is how many batches tell what a step is like.
const sampled = 8

// Forecast reads the data of a stage and says how much it does with the network c, and with a teacher; nil: there is none.
func (s *Session) Forecast(c, teacher *model.Config, set *Settings) (Work, error) {
	d, err := s.openData(set)
	if err != nil {
		return Work{}, err
	}
	k := costsOf(c, s.Recompute, set.LoRA != nil, nil) // what LoRA adds is a few per cent
	var of *costs
	if teacher != nil {
		its := costsOf(teacher, false, false, nil)
		of = &its
	}
	w, err := work(d, &k, of, set)
	return w, errors.Join(err, d.Close())
}

func (s *Session) openData(set *Settings) (*data.Dataset, error) {
	seed := s.Progress.Seed + uint64(s.Progress.Stage)
	return data.Open(set.Data, s.Vocab, data.Options{Dirs: s.DataDirs, Cache: s.Cache, Threads: s.Pool.Threads(), Seed: seed})
}

// work reads some batches, all where the data end, and what is held out.
func work(d *data.Dataset, k, teacher *costs, set *Settings) (w Work, err error) {
	w.Every = set.Eval.Every
	l, err := d.Train(set.Batch.Global)
	if err != nil {
		return w, err
	}
	n := 0
	for ; n < sampled || set.Data.Epochs > 0; n++ {
		b, err := l.Next()
		if errors.Is(err, io.EOF) {
			w.Batches = n
			break
		}
		if err != nil {
			return w, err
		}
		if n < sampled {
			w.Tokens += positions(b.Rows)
			w.FLOPs += float64(k.training(b.Rows, set.Loss.MTP > 0 && k.module.row > 0))
			if teacher != nil {
				w.FLOPs += float64(teacher.rows(b.Rows, false))
			}
		}
	}
	if n = min(n, sampled); n > 0 {
		w.Tokens, w.FLOPs = w.Tokens/int64(n), w.FLOPs/float64(n)
	}
	return w, w.evaluation(d, k, set)
}

// evaluation adds up what is held out.
func (w *Work) evaluation(d *data.Dataset, k *costs, set *Settings) error {
	l, err := d.Val(set.MicroRows())
	if err != nil || l == nil {
		return err
	}
	for {
		b, err := l.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.Evaluation += float64(k.rows(b.Rows, false))
		w.EvaluationRows += len(b.Rows)
	}
}

// Steps is the number of steps until a stage ends, and by what: a bound of its budget, or of the run's, or its data; 0 where only time or money ends it.
func (w *Work) Steps(stage, run Budget) (n int, by string) {
	least := math.Inf(1)
	bound := func(name string, steps float64) {
		if steps > 0 && steps < least {
			least, by = math.Ceil(steps), name
		}
	}
	for _, b := range []Budget{stage, run} {
		bound("steps", float64(b.Steps))
		bound("tokens", float64(b.Tokens)/float64(max(w.Tokens, 1)))
		if w.Every > 0 {
			bound("flops", b.FLOPs/max(w.FLOPs+w.Evaluation/float64(w.Every), 1))
		} else if b.FLOPs > 0 {
			bound("flops", max(b.FLOPs-w.Evaluation, 1)/max(w.FLOPs, 1))
		}
	}
	bound(Epochs, float64(w.Batches))
	if least > 1<<40 {
		return 0, ""
	}
	return int(least), by
}

// After is what is left of a budget after so much.
func (b Budget) After(c Counts) Budget {
	left := b
	if b.Steps > 0 {
		left.Steps = max(b.Steps-c.Step, 1)
	}
	if b.Tokens > 0 {
		left.Tokens = max(b.Tokens-c.Tokens, 1)
	}
	if b.FLOPs > 0 {
		left.FLOPs = max(b.FLOPs-float64(c.FLOPs), 1)
	}
	return left
}
