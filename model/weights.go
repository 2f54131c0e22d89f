package model

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unsafe"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// Weights hands out the tensors of a checkpoint by their Hugging Face names, whichever format holds them, and keeps account: each has to be
// taken exactly once, in the shape asked for. Mistakes are collected, so that a network reads its weights without a check a line, and Done
// reports them. Nothing large is copied: matrices point into the mapped file.
type Weights struct {
	format  Format
	path    string
	tensors map[string]*entry                     // by the file's own names
	invent  func(name string, shape []int) *entry // makes tensors up; nil for a checkpoint
	lacks   func(name string) bool                // of those made up: there is no such tensor; nil: there is any
	errs    []error                               // the first maxReported
	failed  int

	learning *learning // nil: tensors are used where and as they are
}

type entry struct {
	typ   dtype.Type
	dtype string
	shape []int // slowest first
	data  []byte
	taken bool
}

// GGUFWeights are the tensors of a GGUF file.
func GGUFWeights(f *gguf.File) *Weights {
	w := &Weights{format: GGUF, path: f.Path, tensors: make(map[string]*entry, len(f.Tensors))}
	for _, t := range f.Tensors {
		shape := slices.Clone(t.Dims)
		slices.Reverse(shape)
		w.tensors[t.Name] = &entry{typ: t.Type, dtype: t.Type.String(), shape: shape, data: t.Data}
	}
	w.ignore(func(name string) bool { return name == "rope_freqs.weight" }) // read with the configuration
	return w
}

// HFWeights are the tensors of a safetensors checkpoint.
func HFWeights(f *safetensors.File) *Weights {
	w := &Weights{format: HuggingFace, path: f.Path, tensors: make(map[string]*entry, len(f.Tensors))}
	for _, t := range f.Tensors {
		w.tensors[t.Name] = &entry{typ: t.Type, dtype: t.DType, shape: t.Shape, data: t.Data}
	}
	w.ignore(func(name string) bool { return strings.HasSuffix(name, ".rotary_emb.inv_freq") }) // buffers that old checkpoints carry
	return w
}

// Format is the format of the checkpoint.
func (w *Weights) Format() Format { return w.format }

// ignore marks tensors that carry nothing that the network reads from here.
func (w *Weights) ignore(is func(name string) bool) {
	for name, e := range w.tensors {
		e.taken = e.taken || is(name)
	}
}

// fileName is name as the file calls it.
func (w *Weights) fileName(name string) string {
	if w.format == HuggingFace {
		return name
	}
	if g, ok := GGUFName(name); ok {
		return g
	}
	return name
}

// Has reports whether the checkpoint holds a tensor. Made-up weights hold all that Hugging Face has names for.
func (w *Weights) Has(name string) bool {
	if w.learning != nil && onlyGGUF(name) { // what learns has the published layout
		return false
	}
	return w.tensors[w.fileName(name)] != nil || w.invent != nil && !onlyGGUF(name) && (w.lacks == nil || !w.lacks(name))
}

// Ignore takes a tensor, if it is there, that the network does not need, such as the head of a tied network.
func (w *Weights) Ignore(name string) {
	if e := w.tensors[w.fileName(name)]; e != nil {
		e.taken = true
	}
}

func (w *Weights) fail(name, format string, args ...any) {
	if w.failed++; w.failed > maxReported {
		return
	}
	w.errs = append(w.errs, fmt.Errorf("%s: tensor %s: %s", w.path, name, fmt.Sprintf(format, args...)))
}

// take finds a tensor of the given shape; nil, and an error noted, if it is missing, mis-shaped, taken before or of no type to compute with.
func (w *Weights) take(name string, shape ...int) *entry {
	name = w.fileName(name)
	if w.invent != nil {
		w.tensors[name] = w.invent(name, shape)
	}
	e := w.tensors[name]
	switch {
	case e == nil:
		w.fail(name, "missing")
		return nil
	case e.taken:
		w.fail(name, "used twice")
		return nil
	}
	e.taken = true
	switch {
	case !w.sameShape(e.shape, shape):
		w.fail(name, "shape is %v, want %v", e.shape, shape)
		return nil
	case !isWeight(e.typ):
		w.fail(name, "type %s cannot be a weight", e.dtype)
		return nil
	}
	return e
}

// sameShape compares shapes. GGUF files do not keep leading dimensions of 1.
func (w *Weights) sameShape(have, want []int) bool {
	if w.format == GGUF {
		have, want = trimOnes(have), trimOnes(want)
	}
	return slices.Equal(have, want)
}

func trimOnes(shape []int) []int {
	for len(shape) > 1 && shape[0] == 1 {
		shape = shape[1:]
	}
	return shape
}

func isWeight(t dtype.Type) bool {
	switch t {
	case dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3, dtype.F8E5M2:
		return true
	case dtype.Q8_1, dtype.Q8_K: // formats of activations
		return false
	}
	return t.Valid() && t.IsQuantized()
}

// Matrix takes a weight of rows outputs by cols inputs. An F8 weight comes with the scales of its blocks.
func (w *Weights) Matrix(name string, rows, cols int) *tensor.Matrix {
	if m := w.joined(name); m != nil {
		return m
	}
	e := w.take(name, rows, cols)
	if e == nil {
		return nil
	}
	return w.learnMatrix(name, w.matrix(name, e, rows, cols))
}

func (w *Weights) matrix(name string, e *entry, rows, cols int) *tensor.Matrix {
	var scales []float32
	if e.typ == dtype.F8E4M3 || e.typ == dtype.F8E5M2 {
		scales = w.scales(name+"_scale_inv", rows, cols)
		if scales == nil {
			return nil
		}
	}
	m, err := tensor.NewMatrix(e.typ, rows, cols, e.data, scales)
	if err != nil {
		w.fail(w.fileName(name), "%v", err)
		return nil
	}
	return m
}

func (w *Weights) scales(name string, rows, cols int) []float32 {
	e := w.take(name, (rows+tensor.FP8Block-1)/tensor.FP8Block, (cols+tensor.FP8Block-1)/tensor.FP8Block)
	if e == nil {
		return nil
	}
	return w.floats(name, e)
}

// floats is a tensor as float32: in place where that is what the file holds, at an address fit for it.
func (w *Weights) floats(name string, e *entry) []float32 {
	n := 1
	for _, d := range e.shape {
		n *= d
	}
	if n == 0 || len(e.data) != e.typ.RowBytes(n) {
		w.fail(w.fileName(name), "%d bytes for shape %v of %v", len(e.data), e.shape, e.typ)
		return nil
	}
	if p := unsafe.Pointer(unsafe.SliceData(e.data)); e.typ == dtype.F32 && uintptr(p)%4 == 0 {
		return unsafe.Slice((*float32)(p), n)
	}
	x := make([]float32, n)
	dtype.Decode(e.typ, x, e.data)
	return x
}

// Vector takes a norm's weight or a bias.
func (w *Weights) Vector(name string, n int) []float32 {
	e := w.take(name, n)
	if e == nil {
		return nil
	}
	if e.typ.IsQuantized() {
		w.fail(w.fileName(name), "type %v, want a float", e.typ)
		return nil
	}
	return w.learnVector(name, w.floats(name, e))
}

// Linear takes NAME.weight and, if bias is set, NAME.bias.
func (w *Weights) Linear(name string, rows, cols int, bias bool) nn.Linear {
	l := nn.Linear{W: w.Matrix(name+".weight", rows, cols)}
	if bias {
		l.Bias = w.Vector(name+".bias", rows)
	}
	if w.learning != nil && l.W != nil {
		l.Adapter = w.learning.adapter(name, rows, cols)
	}
	return l
}

// Experts takes one projection of all experts below prefix (".../mlp.experts."): one tensor an expert in a Hugging Face checkpoint, slices of
// one stack in a GGUF file.
func (w *Weights) Experts(prefix, projection string, experts, rows, cols int) []*tensor.Matrix {
	if w.format == GGUF {
		return w.learntExperts(w.stack(prefix+projection+".weight", experts, rows, cols), prefix, projection)
	}
	var ms []*tensor.Matrix
	for e := range experts {
		m := w.Matrix(fmt.Sprintf("%s%d.%s.weight", prefix, e, projection), rows, cols)
		if m == nil { // how many there are is only a claim until they are found
			return nil
		}
		ms = append(ms, m)
	}
	return ms
}

// Stack takes a tensor of n matrices.
func (w *Weights) Stack(name string, n, rows, cols int) []*tensor.Matrix {
	if w.learning != nil {
		panic(fmt.Sprintf("model: %s is to be learnt as a stack, which checkpoints do not have", name))
	}
	return w.stack(name, n, rows, cols)
}

func (w *Weights) stack(name string, n, rows, cols int) []*tensor.Matrix {
	e := w.take(name, n, rows, cols)
	if e == nil {
		return nil
	}
	all := w.matrix(name, e, n*rows, cols)
	if all == nil {
		return nil
	}
	ms := make([]*tensor.Matrix, n)
	for i := range ms {
		ms[i] = all.Slice(i*rows, rows)
	}
	return ms
}

// maxReported bounds how many mistakes one error lists.
const maxReported = 8

// Done reports the tensors that were missing or mis-shaped, and those that nothing took.
func (w *Weights) Done() error {
	var surplus []string
	for name, e := range w.tensors {
		if !e.taken {
			surplus = append(surplus, name)
		}
	}
	sort.Strings(surplus)
	for _, name := range surplus {
		w.fail(name, "not part of this architecture")
	}
	if w.failed > maxReported {
		w.errs = append(w.errs, fmt.Errorf("%s: and %d more", w.path, w.failed-maxReported))
	}
	return errors.Join(w.errs...)
}
