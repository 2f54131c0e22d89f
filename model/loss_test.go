package model

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/safetensors"
)

func randomRow(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(2 * r.NormFloat64())
	}
	return x
}

// TestLosses holds the gradient of each loss to the change of its value.
func TestLosses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 23
	teacher := randomRow(r, n)
	row := Row{Seq: 1, Pos: 2, Label: 5}
	at := func(v float32) [][]float32 { return [][]float32{nil, {0, 0, v}} }
	for name, loss := range map[string]Loss{
		"cross-entropy":           &CrossEntropy{Weight: 0.7},
		"cross-entropy, weighted": &CrossEntropy{Weight: 0.7, Weights: at(1.7), ZLoss: 0.01},
		"policy":                  &Policy{Credit: at(-0.6)},
		"policy and entropy":      &Policy{Credit: at(-0.6), Entropy: 0.4},
		"forward KL":              &Distill{Weight: 0.8, Teacher: func(Row) []float32 { return teacher }},
		"reverse KL":              &Distill{Weight: 0.8, Temperature: 1.7, Reverse: true, Teacher: func(Row) []float32 { return teacher }},
		"forward KL, T 2":         &Distill{Weight: 0.8, Temperature: 2, Teacher: func(Row) []float32 { return teacher }},
	} {
		x := randomRow(r, n)
		value := func(i int, step float32) float64 {
			y := slices.Clone(x)
			y[i] += step
			return float64(loss.Row(row, y))
		}
		grad := slices.Clone(x)
		loss.Row(row, grad)
		for i := range x {
			const h = 1.0 / 64
			want := (value(i, h) - value(i, -h)) / (2 * h)
			if d := math.Abs(float64(grad[i]) - want); !(d <= 2e-4) {
				t.Errorf("%s: gradient %d is %v, want %v", name, i, grad[i], want)
			}
		}
	}
}

// TestGoldenCrossEntropy holds the cross-entropy with z-loss to PyTorch's.
func TestGoldenCrossEntropy(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: no recorded gradients to compare with")
	}
	base := filepath.Join(dir, "goldens", "gradients", "ops")
	f, err := safetensors.Open(base + ".safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var ops struct {
		CrossEntropy struct {
			Attributes map[string]float32
			Tolerance  map[string]float64
		} `json:"cross_entropy"`
	}
	text, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &ops); err != nil {
		t.Fatal(err)
	}
	tensor := func(name string) ([]float32, []int) {
		x, ok := f.Tensor("cross_entropy." + name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		v := make([]float32, len(x.Data)/4)
		dtype.Decode(dtype.F32, v, x.Data)
		return v, x.Shape
	}
	logits, shape := tensor("logits")
	want, _ := tensor("loss")
	dlogits, _ := tensor("dlogits")
	labels, _ := f.Tensor("cross_entropy.labels")
	rows, learnt := shape[0], 0
	label := func(i int) int32 { return int32(binary.LittleEndian.Uint64(labels.Data[8*i:])) }
	for i := range rows {
		if label(i) != Unlearnt {
			learnt++
		}
	}
	c, o := &CrossEntropy{Weight: 1 / float32(learnt), ZLoss: ops.CrossEntropy.Attributes["z_loss"]}, &ops.CrossEntropy
	var loss float64
	for i := range rows {
		x := logits[i*shape[1]:][:shape[1]]
		if label(i) == Unlearnt {
			clear(x)
			continue
		}
		loss += float64(c.Row(Row{Label: label(i)}, x))
	}
	if d := math.Abs(loss - float64(want[0])); !(d <= o.Tolerance["loss"]) {
		t.Errorf("loss %v, want %v", loss, want[0])
	}
	for i := range logits {
		if d := math.Abs(float64(logits[i]) - float64(dlogits[i])); !(d <= o.Tolerance["dlogits"]) {
			t.Errorf("gradient %d is %v, want %v: %.2g apart", i, logits[i], dlogits[i], d)
		}
	}
}

// TestChunks: a chunk never ends between the two rows of a pair of a sequence.
func TestChunks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var targets []Row
		for s := range 1 + r.IntN(6) {
			for range r.IntN(9) {
				targets = append(targets, Row{Seq: s})
			}
		}
		n := 2 + r.IntN(5)
		for from := 0; from < len(targets); {
			end := chunkEnd(targets, from, n)
			if end <= from || end > from+n {
				t.Fatalf("chunk from %d to %d, size %d", from, end, n)
			}
			if end < len(targets) {
				before := 0
				for _, row := range targets[:end] {
					if row.Seq == targets[end].Seq {
						before++
					}
				}
				if before%2 == 1 {
					t.Fatalf("a chunk ends at %d, in a pair", end)
				}
			}
			from = end
		}
	}
}
