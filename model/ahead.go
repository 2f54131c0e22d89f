package model

import (
	"errors"

	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/nn"
)

// Ahead is a network with a multi-token prediction module as its learner sees it: the module is a stack whose input is made of the main network's
// states, those behind its logits, and of the tokens that followed.
type Ahead interface {
	Predictor

	// Ahead is the module, to read the given states at its next run.
	Ahead(given []float32) *Stack
}

// ahead is how a module learns. Its row i of a sequence stands on the state at position i and the token of position i+1, and predicts that of
// position i+2; the main network's last row has no part in it.
type ahead struct {
	thread
	net    Ahead
	loss   Loss
	rows   []int // of the main network, whose states are read
	caches []*kvcache.Cache
	own    Stack // the module's, with an input that first selects the states
}

// LearnAhead has the multi-token prediction module learn too, from the next batch on: loss gets its predictions, of position 2 and on. It weighs
// them by itself: by lambda over their number in the batch for DeepSeek-V3's term. The states that the module reads learn from it, and embedding
// and head are the network's own. Nil: the module does not learn.
func (l *Learner) LearnAhead(loss Loss) error {
	if l.open {
		return errors.New("model: the losses cannot change within a batch")
	}
	if loss == nil {
		l.ahead = nil
		return nil
	}
	net, ok := l.net.(Ahead)
	if !ok {
		return errors.New("model: the network has no multi-token prediction module to learn")
	}
	if l.ahead == nil {
		l.ahead = &ahead{net: net}
	}
	l.ahead.loss = loss
	return nil
}

// begin lays out the rows of a micro-batch.
func (a *ahead) begin(l *Learner, batch []Sequence) error {
	a.runs, a.ids, a.targets, a.rows = a.runs[:0], a.ids[:0], a.targets[:0], a.rows[:0]
	for i := range batch {
		n := len(batch[i].IDs) - 2
		if n < 1 {
			continue
		}
		k := len(a.runs)
		if k == len(a.caches) {
			c, err := a.net.NewMTPCache(l.d.config.Context)
			if err != nil {
				return err
			}
			a.caches = append(a.caches, c)
		}
		a.caches[k].Truncate(0)
		if _, err := a.caches[k].Extend(n); err != nil {
			return err
		}
		a.runs = append(a.runs, nn.Run{Cache: a.caches[k], First: len(a.ids), Rows: n, Wanted: n})
		for t := range n {
			if label := batch[i].label(t + 2); label != Unlearnt {
				a.targets = append(a.targets, Row{Seq: i, Pos: t + 2, Label: label, row: len(a.ids) + t})
			}
			a.rows = append(a.rows, l.main.runs[i].First+t)
		}
		a.ids = append(a.ids, batch[i].IDs[1:n+1]...)
	}
	return nil
}

// learn runs the module forward and back, hidden the main network's states, and adds to their gradient.
func (a *ahead) learn(l *Learner, hidden []float32) error {
	if len(a.ids) == 0 {
		return nil
	}
	a.own = *a.net.Ahead(nil)
	a.own.Input = func(p *nn.Pass, ids []int32, x []float32) {
		l.tape.Outside(hidden, l.main.dHidden)
		a.net.Ahead(p.Select(hidden, a.rows, l.d.config.Hidden)).Input(p, ids, x)
	}
	a.stack = &a.own
	l.pass.Turn(a.runs)
	defer l.pass.Turn(l.main.runs)
	return a.thread.learn(l, a.loss, nil)
}

// PredictionsAhead is the number of positions that are learnt by a multi-token prediction module.
func (s *Sequence) PredictionsAhead() int { return s.learnt(2) }
