package convert

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/format/safetensors"
)

// matrix is a tensor of the source: rows of cols elements, all dimensions but the last being rows.
type matrix struct {
	name       string
	typ        dtype.Type
	shape      []int // slowest first
	rows, cols int
	data       []byte
	scales     []float32 // of F8 weights: a factor for each block, row by row; nil for none
	block      [2]int    // rows and columns of such a block
}

// newMatrix views a tensor's bytes, which the format's reader has checked against its shape.
func newMatrix(name string, typ dtype.Type, shape []int, data []byte) *matrix {
	m := &matrix{name: name, typ: typ, shape: shape, rows: 1, cols: 1, data: data}
	for i, d := range shape {
		if i == len(shape)-1 {
			m.cols = d
		} else {
			m.rows *= d
		}
	}
	return m
}

// column is a vector as a matrix of one column, so that its elements can be moved as rows.
func (m *matrix) column() *matrix {
	c := *m
	c.rows, c.cols = m.rows*m.cols, 1
	return &c
}

// bytes are rows as they are stored.
func (m *matrix) bytes(row, rows int) []byte {
	n := m.typ.RowBytes(m.cols)
	return m.data[row*n:][:rows*n]
}

// decode writes rows to dst.
func (m *matrix) decode(dst []float32, row, rows int) {
	dtype.Decode(m.typ, dst[:rows*m.cols], m.bytes(row, rows))
	if m.scales == nil {
		return
	}
	across := (m.cols + m.block[1] - 1) / m.block[1]
	for r := range rows {
		factors := m.scales[(row+r)/m.block[0]*across:][:across]
		for c, line := 0, dst[r*m.cols:][:m.cols]; c < m.cols; c++ {
			line[c] *= factors[c/m.block[1]]
		}
	}
}

// setScales gives an F8 weight its factors.
func (m *matrix) setScales(s *matrix, block [2]int) error {
	if block[0] < 1 || block[1] < 1 {
		return fmt.Errorf("tensor %q: config.json does not say over which blocks the scales of F8 weights go (weight_block_size)", m.name)
	}
	down, across := (m.rows+block[0]-1)/block[0], (m.cols+block[1]-1)/block[1]
	if len(m.shape) != 2 || len(s.shape) != 2 || s.rows != down || s.cols != across || !isFloat(s.typ) {
		return fmt.Errorf("tensor %q: shape %v of %v, want [%d %d] floats, the scales of %q", s.name, s.shape, s.typ, down, across, m.name)
	}
	m.block, m.scales = block, make([]float32, down*across)
	s.decode(m.scales, 0, s.rows)
	return nil
}

// isFloat reports the plain floats that weights come in, F8 excepted.
func isFloat(t dtype.Type) bool {
	return t == dtype.F32 || t == dtype.F16 || t == dtype.BF16 || t == dtype.F64
}

// isWeight reports the types that weights can have.
func isWeight(t dtype.Type) bool {
	return isFloat(t) || isF8(t) || t.IsQuantized() && t != dtype.Q8_1 && t != dtype.Q8_K // those two are formats of activations
}

func isF8(t dtype.Type) bool { return t == dtype.F8E4M3 || t == dtype.F8E5M2 }

// ggufMatrices are the tensors of a GGUF file.
func ggufMatrices(f *gguf.File) []*matrix {
	ms := make([]*matrix, len(f.Tensors))
	for i, t := range f.Tensors {
		ms[i] = newMatrix(t.Name, t.Type, reversed(t.Dims), t.Data)
	}
	return ms
}

const scaleSuffix = "_scale_inv"

// hfMatrices are the tensors of a safetensors checkpoint. Scales are joined with the weights they belong to.
func hfMatrices(f *safetensors.File, block [2]int) ([]*matrix, error) {
	var ms []*matrix
	for _, t := range f.Tensors {
		if isScale(f, t.Name) {
			continue
		}
		if !isFloat(t.Type) && !isF8(t.Type) {
			return nil, fmt.Errorf("%s: tensor %q: type %s is not one of weights that can be converted (F32, F16, BF16, F64, F8_E4M3)", f.Path, t.Name, t.DType)
		}
		m := newMatrix(t.Name, t.Type, t.Shape, t.Data)
		if isF8(t.Type) {
			s, ok := f.Tensor(t.Name + scaleSuffix)
			if !ok {
				return nil, fmt.Errorf("%s: tensor %q: %s without its %s", f.Path, t.Name, t.DType, t.Name+scaleSuffix)
			}
			if !isFloat(s.Type) {
				return nil, fmt.Errorf("%s: tensor %q: type %s, want a float", f.Path, s.Name, s.DType)
			}
			if err := m.setScales(newMatrix(s.Name, s.Type, s.Shape, s.Data), block); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// isScale reports whether a tensor holds the scales of an F8 weight.
func isScale(f *safetensors.File, name string) bool {
	if len(name) <= len(scaleSuffix) || name[len(name)-len(scaleSuffix):] != scaleSuffix {
		return false
	}
	w, ok := f.Tensor(name[:len(name)-len(scaleSuffix)])
	return ok && isF8(w.Type)
}

func reversed(dims []int) []int {
	r := make([]int, len(dims))
	for i, d := range dims {
		r[len(dims)-1-i] = d
	}
	return r
}
