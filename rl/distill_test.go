package rl

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/model/zoo"
	"github.com/pennyml/penny/train"
)

// TestDistiller: a student's own answers come to be what the teacher would have said, by either divergence.
func TestDistiller(t *testing.T) {
	c := echoConfig()
	f := model.Fresh{Arch: "llama", Vocab: echoVocab, Hidden: 24, Layers: 1, Heads: 2, Context: 32}
	config, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := zoo.LearnNew(config, model.FreshWeights(0.4, 3), model.LearnOptions{Threads: 1, Frozen: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { teacher.Close() })
	for _, reverse := range []bool{false, true} {
		t.Run(fmt.Sprintf("reverse %v", reverse), func(t *testing.T) {
			b := newBench(t, c, setting{threads: 2})
			d, err := NewDistiller(c, Parts{Learner: b.learner, Task: echo{4}, Text: echoText, Recorder: b.tally, Seed: 5}, teacher, &train.Teacher{From: "x", Reverse: reverse})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			var first, last float64
			for step := range 60 {
				l, err := d.Gradient(context.Background())
				if err != nil || !l.Last || l.Tokens == 0 || l.FLOPs == 0 {
					t.Fatalf("%+v, %v", l, err)
				}
				if last = l.Loss; step == 0 {
					first = l.Loss
				}
				b.opt.Step(0.01, 1)
				b.learner.Updated()
			}
			if !(first > 0.1) || !(last < first/4) || math.IsNaN(last) {
				t.Errorf("divergence %v at first, %v in the end", first, last)
			}
		})
	}
	b := newBench(t, c, setting{threads: 1})
	p := Parts{Learner: b.learner, Task: echo{4}, Text: echoText, Recorder: b.tally, Seed: 5}
	if _, err := NewDistiller(c, p, teacher, &train.Teacher{Share: 0.5}); err == nil || !strings.Contains(err.Error(), "no data") {
		t.Errorf("error %v", err)
	}
}
