package train

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/model"
)

// Teaching is the loss of a student that learns a teacher's distributions: Share·T²·KL + (1-Share)·cross-entropy, each times Weight a prediction.
type Teaching struct {
	teacher *model.Learner
	kl      model.Distill
	ce      model.CrossEntropy

	logits []float32 // of the teacher, for the micro-batch at hand
	at     []int     // row of position 0 of each sequence
	vocab  int
	spare  sync.Pool
}

// NewTeaching has a student learn from a teacher with the same vocabulary.
func NewTeaching(student, teacher *model.Learner, t *Teacher) (*Teaching, error) {
	s, m := student.Config(), teacher.Config()
	if s.Vocab != m.Vocab {
		return nil, fmt.Errorf("the teacher's vocabulary has %d tokens, the student's %d", m.Vocab, s.Vocab)
	}
	d := &Teaching{teacher: teacher, vocab: s.Vocab, kl: model.Distill{Temperature: float32(t.Temperature), Reverse: t.Reverse}}
	d.spare.New = func() any {
		buffer := make([]float32, s.Vocab)
		return &buffer
	}
	d.kl.Teacher = func(r model.Row) []float32 { return d.logits[(d.at[r.Seq]+r.Pos)*d.vocab:][:d.vocab] }
	return d, nil
}

// Weigh sets what each prediction counts: weight is usually one by their number in the batch.
func (d *Teaching) Weigh(share, weight, z float64) {
	if share == 0 {
		share = 1
	}
	d.kl.Weight = float32(share * weight)
	d.ce = model.CrossEntropy{Weight: float32((1 - share) * weight), ZLoss: float32(z)}
}

// Prepare runs the teacher over a micro-batch, whose logits are then at hand: as many numbers as it has positions and the vocabulary tokens.
func (d *Teaching) Prepare(batch []model.Sequence) error {
	d.at = d.at[:0]
	rows := 0
	for _, s := range batch {
		d.at = append(d.at, rows)
		rows += len(s.IDs)
	}
	d.logits = slices.Grow(d.logits[:0], rows*d.vocab)[:rows*d.vocab]
	return d.teacher.Visit(batch, func(r model.Row, logits []float32) { copy(d.logits[(d.at[r.Seq]+r.Pos)*d.vocab:][:d.vocab], logits) })
}

// Row is of model.Loss.
func (d *Teaching) Row(r model.Row, logits []float32) float32 {
	if d.ce.Weight == 0 {
		return d.kl.Row(r, logits)
	}
	buffer := d.spare.Get().(*[]float32)
	defer d.spare.Put(buffer)
	own := *buffer
	copy(own, logits)
	loss := d.ce.Row(r, own)
	loss += d.kl.Row(r, logits)
	vec.Add(logits, logits, own)
	return loss
}
