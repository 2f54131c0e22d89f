package zoo

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/model"
)

// TestGradients holds loss and gradients of whole networks to recorded ones.
func TestGradients(t *testing.T) {
	dir := filepath.Join(dataDir(t), "goldens")
	for _, name := range []string{"llama", "qwen3", "deepseek_v2-lite", "deepseek_v3"} {
		t.Run(name, func(t *testing.T) { checkGradients(t, dir, name) })
	}
}

func checkGradients(t *testing.T, dir, name string) {
	var want struct {
		Loss          float64
		LossTolerance float64 `json:"loss_tolerance"`
		Tensors       map[string]struct{ Tolerance float64 }
	}
	text, err := os.ReadFile(filepath.Join(dir, "gradients", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	f := openTensors(t, filepath.Join(dir, "gradients", name+".safetensors"))
	l, err := Learn(filepath.Join(dir, "networks", name), model.LearnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	inputs, labels := ids(t, f, "input_ids"), ids(t, f, "labels")
	var batch []model.Sequence
	n := 0
	for b := range inputs {
		batch = append(batch, model.Sequence{IDs: inputs[b], Labels: labels[b]})
		for _, label := range labels[b][1:] {
			if label != model.Unlearnt {
				n++
			}
		}
	}
	if _, err := l.Accumulate(batch, &model.CrossEntropy{Weight: 1 / float32(n)}); err != nil {
		t.Fatal(err)
	}
	s := l.Finish()
	if d := math.Abs(s.Loss - want.Loss); !(d <= want.LossTolerance) {
		t.Errorf("loss %v, want %v: %.2g apart, tolerance %.2g", s.Loss, want.Loss, d, want.LossTolerance)
	}
	if len(l.Params()) != len(want.Tensors) {
		t.Errorf("%d parameters, want %d", len(l.Params()), len(want.Tensors))
	}
	for _, p := range l.Params() {
		if d, tolerance := maxDiff(p.Grad, floats(t, f, "grad."+p.Name)), want.Tensors[p.Name].Tolerance; !(d <= tolerance) {
			t.Errorf("%s: gradient differs by %.2g, tolerance %.2g", p.Name, d, tolerance)
		}
	}
}
