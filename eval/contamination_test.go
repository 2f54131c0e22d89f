package eval

import (
	"strings"
	"testing"
)

func TestOverlap(t *testing.T) {
	problems := []string{
		"Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did she sell?",
		"Short one: 7 plus 5?",
		"Nothing of this stands anywhere in the training text, not even a bit of it, however long one searches there for it.",
		"",
	}
	train := `{"text": "natalia SOLD clips to 48 of her friends in April and then she sold half as many clips in may"}` + "\nwhat is short one 7 plus 5\nnothing of this"
	o := NewOverlap(13, problems)
	if err := o.Read("train.jsonl", strings.NewReader(train)); err != nil {
		t.Fatal(err)
	}
	h := o.Hits()
	if h[0].Share < 0.5 || h[0].Share > 0.6 || h[0].Where != "train.jsonl:1" {
		t.Errorf("a copy of 20 of 26 words: %+v, want 8 of 14 runs found in line 1", h[0])
	}
	if h[1].Share != 1 || h[1].Where != "train.jsonl:2" {
		t.Errorf("a short problem, whole: %+v", h[1])
	}
	if h[2].Share != 0 || h[3].Share != 0 {
		t.Errorf("found what is not there: %+v %+v", h[2], h[3])
	}
}
