package model

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// learning is what Weights does for a network that is to learn: every tensor that is taken becomes a parameter, decoded to float32, under the
// name and in the layout of a Hugging Face checkpoint, whatever the file is.
type learning struct {
	config *Config
	params *grad.Params
	half   bool // products read bf16 copies
	frozen func(name string) bool
	lora   *LoRA
}

// Learn makes the tensors that the network c takes from now on its parameters, as o says. A network read from a GGUF file becomes, in c too, the one
// that its Hugging Face folder would hold.
func (w *Weights) Learn(c *Config, o *LearnOptions) *grad.Params {
	w.learning = &learning{config: c, params: grad.NewParams(), half: o.Compute == tensor.BF16, frozen: o.Frozen, lora: o.LoRA}
	if o.LoRA != nil {
		w.learning.frozen = func(string) bool { return true }
	}
	if w.format == GGUF {
		c.Source = HuggingFace
		if c.Arch == "llama" { // its rows are turned back below
			c.Rope.Layout = nn.Halves
		}
	}
	return w.learning.params
}

// Again is m, which was taken, for another use in the network, whose gradient is summed apart.
func (w *Weights) Again(m *tensor.Matrix) *tensor.Matrix {
	if w.learning == nil || m == nil {
		return m
	}
	return w.learning.params.Again(m)
}

// Shared is what the network reads as the tensor copied: the tensor itself, where a checkpoint has it; otherwise, and where it is to learn and holds
// the values of the tensor original still, that one, m, in another use.
func (w *Weights) Shared(copied, original string, m *tensor.Matrix) *tensor.Matrix {
	if m == nil {
		return nil
	}
	c, o := w.tensors[w.fileName(copied)], w.tensors[w.fileName(original)]
	if !w.Has(copied) || w.learning != nil && c != nil && o != nil && c.typ == o.typ && bytes.Equal(c.data, o.data) {
		w.Ignore(copied)
		return w.Again(m)
	}
	return w.Matrix(copied, m.Rows, m.Cols)
}

// learnMatrix makes a tensor that was found the parameter name.
func (w *Weights) learnMatrix(name string, m *tensor.Matrix) *tensor.Matrix {
	if m == nil || w.learning == nil {
		return m
	}
	l := w.learning
	value := w.decode(m)
	if heads := w.paired(name); heads > 0 {
		unpair(value, heads, m.Rows/heads, m.Cols)
	}
	return l.add(name, value, m.Rows, m.Cols)
}

// add makes a parameter of values.
func (l *learning) add(name string, value []float32, rows, cols int) *tensor.Matrix {
	return l.matrix(name, value, rows, cols, l.frozen != nil && l.frozen(name))
}

func (l *learning) matrix(name string, value []float32, rows, cols int, frozen bool) *tensor.Matrix {
	p := &grad.Param{Name: name, Shape: []int{rows, cols}, Value: value}
	if !frozen {
		p.Grad = make([]float32, len(value))
	}
	m := tensor.FromF32(value, rows, cols)
	if l.half && !isRouter(name) {
		p.Half = make([]uint16, len(value))
		for i, v := range value {
			p.Half[i] = dtype.F32ToBF16(v)
		}
		m = &tensor.Matrix{Type: dtype.BF16, Rows: rows, Cols: cols, Data: unsafe.Slice((*byte)(unsafe.Pointer(&p.Half[0])), 2*len(p.Half))}
		if frozen {
			p.Value = nil
		}
	}
	l.params.AddMatrix(p, m)
	return m
}

// learnVector makes a norm's weight or a bias the parameter name. What a router adds to the choice of experts has no gradient.
func (w *Weights) learnVector(name string, v []float32) []float32 {
	l := w.learning
	if v == nil || l == nil {
		return v
	}
	if w.invent == nil { // it may lie in a mapped file
		v = append([]float32(nil), v...)
	}
	if heads := w.paired(name); heads > 0 {
		unpair(v, heads, len(v)/heads, 1)
	}
	p := &grad.Param{Name: name, Shape: []int{len(v)}, Value: v}
	if (l.frozen == nil || !l.frozen(name)) && !strings.HasSuffix(name, hfRouterBias) {
		p.Grad = make([]float32, len(v))
	}
	l.params.AddVector(p)
	return v
}

// decode is the exact values of m: those themselves that were made up.
func (w *Weights) decode(m *tensor.Matrix) []float32 {
	if p := unsafe.Pointer(&m.Data[0]); w.invent != nil && m.Type == dtype.F32 {
		return unsafe.Slice((*float32)(p), m.Rows*m.Cols)
	}
	x := make([]float32, m.Rows*m.Cols)
	for r := range m.Rows {
		m.DecodeRow(x[r*m.Cols:][:m.Cols], r)
	}
	return x
}

// paired is the number of heads of a tensor of queries or keys in whose rows GGUF files put the halves of Llama's rotary pairs side by side; 0
// for all others.
func (w *Weights) paired(name string) int {
	c := w.learning.config
	switch {
	case w.format != GGUF || c.Arch != "llama":
	case strings.Contains(name, ".self_attn.q_proj."):
		return c.Heads
	case strings.Contains(name, ".self_attn.k_proj."):
		return c.KVHeads
	}
	return 0
}

// unpair puts the rows of each head, dim of them, back in the published order: first those that were even, then the odd ones.
func unpair(x []float32, heads, dim, cols int) {
	head := make([]float32, dim*cols)
	for h := range heads {
		rows := x[h*dim*cols:][:dim*cols]
		copy(head, rows)
		for i := range dim {
			copy(rows[(i%2*(dim/2)+i/2)*cols:][:cols], head[i*cols:])
		}
	}
}

// joined is kv_b of a file that holds its halves apart: for each head the keys' part, there transposed, then the values'. Nil if the file holds
// it whole.
func (w *Weights) joined(name string) *tensor.Matrix {
	stem, ok := strings.CutSuffix(name, "kv_b_proj.weight")
	if w.learning == nil || !ok || w.tensors[w.fileName(name)] != nil || w.tensors[w.fileName(stem+"k_b_proj.weight")] == nil {
		return nil
	}
	c := w.learning.config
	a := c.MLA
	kb := w.stack(stem+"k_b_proj.weight", c.Heads, a.KVLoRA, a.Nope)
	vb := w.stack(stem+"v_b_proj.weight", c.Heads, a.V, a.KVLoRA)
	if kb == nil || vb == nil {
		return nil
	}
	head := (a.Nope + a.V) * a.KVLoRA
	value := make([]float32, c.Heads*head)
	for h := range c.Heads {
		x := value[h*head:][:head]
		copy(x, w.decode(kb[h].Transpose()))
		copy(x[a.Nope*a.KVLoRA:], w.decode(vb[h]))
	}
	return w.learning.add(name, value, c.Heads*(a.Nope+a.V), a.KVLoRA)
}

// learntExperts makes parameters of a stack of experts.
func (w *Weights) learntExperts(ms []*tensor.Matrix, prefix, projection string) []*tensor.Matrix {
	if w.learning != nil {
		for e, m := range ms {
			ms[e] = w.learnMatrix(fmt.Sprintf("%s%d.%s.weight", prefix, e, projection), m)
		}
	}
	return ms
}
