package task

import (
	"math"
	"testing"
)

func TestCombine(t *testing.T) {
	parts := []Part{{Name: "answer", Weight: 3, Value: 1}, {Name: "format", Weight: 1, Value: 0.5}}
	r, err := Combine("answer", parts...)
	if err != nil || r != 3.5/4 {
		t.Errorf("reward %v, %v; want %v", r, err, 3.5/4)
	}
	parts[0].Value = 0
	if r, err = Combine("answer", parts...); err != nil || r != 0 {
		t.Errorf("a wrong answer in good form is paid %v, %v", r, err)
	}
	if want := "[answer > 0] · (3·answer(0) + 1·format(0.5)) / (3 + 1)"; Formula("answer", parts...) != want {
		t.Errorf("formula %q, want %q", Formula("answer", parts...), want)
	}
	for _, bad := range [][]Part{{}, {{Name: "answer", Weight: -1}}, {{Name: "answer", Weight: 1, Value: 2}}, {{Name: "answer", Weight: math.NaN()}}, {{Name: "x", Weight: 1}}} {
		if _, err := Combine("answer", bad...); err == nil {
			t.Errorf("%+v are combined", bad)
		}
	}
}
