package model

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sort"
	"strings"

	"github.com/pennyml/penny/dtype"
)

// SyntheticWeights are made up at random, of whatever tensors a network asks for: networks of real shapes to time and to test with. typ says
// what a matrix is stored as; a type whose blocks the rows do not fill is replaced by F16, and vectors and routers are F32. The same names and
// shapes always give the same bytes. Matrices of many rows repeat some.
func SyntheticWeights(typ func(name string, shape []int) dtype.Type) *Weights {
	w := &Weights{format: HuggingFace, path: "synthetic", tensors: map[string]*entry{}}
	w.invent = func(name string, shape []int) *entry { return synthesize(name, shape, typ(name, shape)) }
	return w
}

// Tensors calls f for each tensor of the checkpoint, by name.
func (w *Weights) Tensors(f func(name string, t dtype.Type, shape []int, data []byte)) {
	names := make([]string, 0, len(w.tensors))
	for name := range w.tensors {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		e := w.tensors[name]
		f(name, e.typ, e.shape, e.data)
	}
}

// distinctRows is how many different rows a synthetic matrix has: encoding takes far longer than copying.
const distinctRows = 31

func synthesize(name string, shape []int, t dtype.Type) *entry {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	cols, rows := shape[len(shape)-1], 1
	for _, n := range shape[:len(shape)-1] {
		rows *= n
	}
	mean, std := 0.0, 1/math.Sqrt(float64(cols))
	if len(shape) == 1 {
		mean, std = 1, 0.1
	}
	switch {
	case strings.HasSuffix(name, "_scale_inv"):
		t, mean, std = dtype.F32, 1, 0.1
	case len(shape) == 1 || isRouter(name):
		t = dtype.F32
	case cols%t.BlockSize() != 0:
		t = dtype.F16
	}
	size := t.RowBytes(cols)
	e := &entry{typ: t, dtype: t.String(), shape: shape, data: make([]byte, rows*size)}
	x := make([]float32, cols)
	for i := range min(rows, distinctRows) {
		for k := range x {
			x[k] = float32(mean + std*r.NormFloat64())
		}
		if err := dtype.Encode(t, e.data[i*size:][:size], x); err != nil {
			panic(err) // the values are small and finite
		}
	}
	for i := distinctRows; i < rows; i++ {
		copy(e.data[i*size:][:size], e.data[r.IntN(distinctRows)*size:])
	}
	return e
}
