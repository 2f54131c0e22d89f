package train

import (
	"math"
	"slices"
	"testing"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
)

// TestTeaching: the loss is share·T²·KL(teacher || student) + (1-share)·cross-entropy, of distributions that are computed here from both networks' logits.
func TestTeaching(t *testing.T) {
	open := func(hidden, vocab int, seed uint64) *model.Learner {
		f := model.Fresh{Arch: "llama", Vocab: vocab, Hidden: hidden, Layers: 1, Heads: 2, Context: 16}
		c, err := f.Config()
		if err != nil {
			t.Fatal(err)
		}
		l, err := zoo.LearnNew(c, model.FreshWeights(0.5, seed), model.LearnOptions{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	student, teacher := open(16, 11, 1), open(24, 11, 2)
	if _, err := NewTeaching(student, open(16, 12, 1), &Teacher{}); err == nil {
		t.Error("a teacher with another vocabulary was taken")
	}
	skip := int32(model.Unlearnt)
	batch := []model.Sequence{{IDs: []int32{1, 2, 3, 4, 5}}, {IDs: []int32{7, 8, 9}, Labels: []int32{skip, skip, 9}}}
	logits := func(l *model.Learner) map[model.Row][]float32 {
		rows := map[model.Row][]float32{}
		if err := l.Visit(batch, func(r model.Row, x []float32) { rows[r] = append([]float32(nil), x...) }); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	logProbs := func(x []float32, temperature float64) []float64 {
		sum, p := 0.0, make([]float64, len(x))
		for _, v := range x {
			sum += math.Exp(float64(v) / temperature)
		}
		for i, v := range x {
			p[i] = float64(v)/temperature - math.Log(sum)
		}
		return p
	}
	own, theirs := logits(student), logits(teacher)
	if len(own) != 5 {
		t.Fatalf("%d predictions, want 5", len(own))
	}
	for _, c := range []Teacher{{}, {Temperature: 2}, {Reverse: true, Temperature: 3}, {Share: 0.3, Temperature: 2}, {Share: 0.6, Reverse: true}} {
		share, temperature := c.Share, c.Temperature
		if share == 0 {
			share = 1
		}
		if temperature == 0 {
			temperature = 1
		}
		want := 0.0
		for r, x := range own {
			p, q := logProbs(theirs[r], temperature), logProbs(x, temperature)
			if c.Reverse {
				p, q = q, p
			}
			kl := 0.0
			for i := range p {
				kl += math.Exp(p[i]) * (p[i] - q[i])
			}
			want += share*temperature*temperature*kl - (1-share)*logProbs(x, 1)[r.Label]
		}
		want /= 5
		d, err := NewTeaching(student, teacher, &c)
		if err != nil {
			t.Fatal(err)
		}
		d.Weigh(c.Share, 1./5, 0)
		loss := func() float64 {
			if err := d.Prepare(batch); err != nil {
				t.Fatal(err)
			}
			if _, err := student.Accumulate(batch, d); err != nil {
				t.Fatal(err)
			}
			return student.Finish().Loss
		}
		got := loss()
		if math.Abs(got-want) > 1e-5*(1+want) {
			t.Errorf("%+v: loss %v, want %v", c, got, want)
		}
		against(t, c, student.Params(), loss, got)
	}
}

// against compares the gradient with what a small step against it does to the loss.
func against(t *testing.T, c Teacher, params []*grad.Param, loss func() float64, before float64) {
	t.Helper()
	var values [][]float32
	norm := 0.0
	for _, p := range params {
		values = append(values, slices.Clone(p.Value))
		for _, g := range p.Grad {
			norm += float64(g) * float64(g)
		}
	}
	norm = math.Sqrt(norm)
	const step = 1e-3
	for _, p := range params {
		for i, g := range p.Grad {
			p.Value[i] -= float32(step * float64(g) / norm)
		}
	}
	after := loss()
	for i, p := range params {
		copy(p.Value, values[i])
	}
	if fell := (before - after) / step; math.Abs(fell-norm) > 0.02*norm {
		t.Errorf("%+v: the loss falls by %v a step, its gradient says %v", c, fell, norm)
	}
}
