package model

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/nn"
)

// LoRA says which linear layers learn by low-rank additions, Alpha/Rank · B·A (Hu et al. 2021), and how they begin: A uniform up to 1/sqrt(inputs)
// either way, B at 0, so that the network is at first what it was.
type LoRA struct {
	Rank    int
	Alpha   float32
	Targets []string // last parts of the layers' names, such as q_proj; nil: every linear layer of attention and dense feed-forward
	Seed    uint64
}

func (o *LoRA) validate() error {
	if o != nil && (o.Rank < 1 || o.Rank > maxWidth || !(o.Alpha > 0) || math.IsInf(float64(o.Alpha), 0)) {
		return fmt.Errorf("model: LoRA of rank %d and alpha %v, want both positive", o.Rank, o.Alpha)
	}
	return nil
}

// The names that the PEFT library gives to what is added to the layer "model.layers.0.self_attn.q_proj".
func loraName(layer, half string) string {
	return "base_model.model." + layer + ".lora_" + half + ".weight"
}

// adapter makes the addition to a layer; nil when it is not a target.
func (l *learning) adapter(layer string, rows, cols int) *nn.Adapter {
	o := l.lora
	if o == nil || o.Targets != nil && !slices.ContainsFunc(o.Targets, func(t string) bool { return layer == t || strings.HasSuffix(layer, "."+t) }) {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(layer))
	r := rand.New(rand.NewPCG(o.Seed, h.Sum64()))
	a := make([]float32, o.Rank*cols)
	for i := range a {
		a[i] = float32((2*r.Float64() - 1) / math.Sqrt(float64(cols)))
	}
	return &nn.Adapter{Scale: o.Alpha / float32(o.Rank), A: l.matrix(loraName(layer, "A"), a, o.Rank, cols, false),
		B: l.matrix(loraName(layer, "B"), make([]float32, rows*o.Rank), rows, o.Rank, false)}
}

// Merged are the tensors of the network with what was learnt by LoRA added to its weights: a plain checkpoint of float32 values. Tensors without
// an addition share their values with the network, those kept in bf16 only excepted.
func (l *Learner) Merged() []*grad.Param {
	var merged []*grad.Param
	for _, p := range l.params.All() {
		if strings.Contains(p.Name, ".lora_") {
			continue
		}
		q := &grad.Param{Name: p.Name, Shape: p.Shape, Value: p.Value}
		if q.Value == nil {
			q.Value = make([]float32, len(p.Half))
			for i, v := range p.Half {
				q.Value[i] = dtype.BF16ToF32(v)
			}
		}
		layer := strings.TrimSuffix(p.Name, ".weight")
		if a, b := l.params.Get(loraName(layer, "A")), l.params.Get(loraName(layer, "B")); a != nil {
			l.merge(q, a, b)
		}
		merged = append(merged, q)
	}
	return merged
}

// merge adds to each row of q the rows of A in order, weighted by B, times the scale.
func (l *Learner) merge(q, a, b *grad.Param) {
	rank, cols := a.Shape[0], a.Shape[1]
	scale, value := l.options.LoRA.Alpha/float32(rank), make([]float32, len(q.Value))
	l.pass.Exec.Rows(q.Shape[0], func(lo, hi int) {
		sum := make([]float32, cols)
		for n := lo; n < hi; n++ {
			clear(sum)
			for r := range rank {
				vec.Axpy(sum, a.Value[r*cols:][:cols], b.Value[n*rank+r])
			}
			row := value[n*cols:][:cols]
			copy(row, q.Value[n*cols:])
			vec.Axpy(row, sum, scale)
		}
	})
	q.Value = value
}
