// Package tensor is the product Y = X·Wᵀ as networks use it: weights of any storage type where they lie, activations rounded as the chosen
// compute asks and prepared once for all products that share them, output rows shared out over the cores. And the workspace that a forward
// pass keeps its activations in.
package tensor

import (
	"fmt"
	"unsafe"

	"github.com/pennyml/penny/dtype"
)

// FP8Block is the number of rows and of columns that share a scale of an F8 matrix.
const FP8Block = 128

// Matrix is a weight matrix of Rows outputs by Cols inputs, row-major, usually in a mapped file and never written to.
type Matrix struct {
	Type dtype.Type
	Rows int
	Cols int
	Data []byte // Rows times Type.RowBytes(Cols)

	// Scales multiply an F8 matrix in blocks of FP8Block by FP8Block, ⌈Rows/128⌉ by ⌈Cols/128⌉ of them; blocks end early at the edges.
	// Nil for none.
	Scales []float32
}

// NewMatrix checks that data and scales are what the shape asks for.
func NewMatrix(t dtype.Type, rows, cols int, data []byte, scales []float32) (*Matrix, error) {
	if rows < 1 || cols < 1 || !t.Valid() || cols%t.BlockSize() != 0 {
		return nil, fmt.Errorf("%d rows of %d columns cannot be %v", rows, cols, t)
	}
	if len(data)%rows != 0 || len(data)/rows != t.RowBytes(cols) {
		return nil, fmt.Errorf("%d bytes for %d rows of %d columns of %v", len(data), rows, cols, t)
	}
	if scales != nil && (t != dtype.F8E4M3 && t != dtype.F8E5M2 || len(scales) != blocks(rows)*blocks(cols)) {
		return nil, fmt.Errorf("%d scales for %d rows of %d columns of %v", len(scales), rows, cols, t)
	}
	return &Matrix{Type: t, Rows: rows, Cols: cols, Data: data, Scales: scales}, nil
}

// FromF32 wraps a float32 matrix.
func FromF32(x []float32, rows, cols int) *Matrix {
	if len(x) != rows*cols {
		panic(fmt.Sprintf("tensor: %d values for %d rows of %d columns", len(x), rows, cols))
	}
	return &Matrix{Type: dtype.F32, Rows: rows, Cols: cols, Data: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))}
}

func (m *Matrix) String() string { return fmt.Sprintf("%v [%d, %d]", m.Type, m.Rows, m.Cols) }

func blocks(n int) int { return (n + FP8Block - 1) / FP8Block }

// RowBytes is the size of one row.
func (m *Matrix) RowBytes() int { return m.Type.RowBytes(m.Cols) }

// Bytes is the size of the weights and their scales.
func (m *Matrix) Bytes() int64 { return int64(len(m.Data)) + 4*int64(len(m.Scales)) }

// DecodeRow writes the exact values of one row to dst, Cols long. An F8 value with a scale is rounded once.
func (m *Matrix) DecodeRow(dst []float32, row int) {
	n := m.RowBytes()
	dtype.Decode(m.Type, dst, m.Data[row*n:][:n])
	if m.Scales == nil {
		return
	}
	scales := m.Scales[row/FP8Block*blocks(m.Cols):]
	for k := range dst {
		dst[k] *= scales[k/FP8Block]
	}
}

// Slice is n rows of m from row first on. It shares m's bytes, unless block scales would be cut: then it holds the rows decoded to float32.
func (m *Matrix) Slice(first, n int) *Matrix {
	if first < 0 || n < 1 || first+n > m.Rows {
		panic(fmt.Sprintf("tensor: rows %d to %d of %v", first, first+n, m))
	}
	if m.Scales != nil && (first%FP8Block != 0 || n%FP8Block != 0 && first+n != m.Rows) {
		x := make([]float32, n*m.Cols)
		for r := range n {
			m.DecodeRow(x[r*m.Cols:][:m.Cols], first+r)
		}
		return FromF32(x, n, m.Cols)
	}
	s := &Matrix{Type: m.Type, Rows: n, Cols: m.Cols, Data: m.Data[first*m.RowBytes():][:n*m.RowBytes()]}
	if m.Scales != nil {
		per := blocks(m.Cols)
		s.Scales = m.Scales[first/FP8Block*per:][:blocks(n)*per]
	}
	return s
}

// Transpose is a new matrix of Cols by Rows. Floats keep their type, and F8 its scales; block formats, whose blocks run along rows, become
// float32.
func (m *Matrix) Transpose() *Matrix {
	t := &Matrix{Type: m.Type, Rows: m.Cols, Cols: m.Rows}
	switch m.Type {
	case dtype.F32, dtype.F16, dtype.BF16, dtype.F8E4M3, dtype.F8E5M2:
		t.Data = make([]byte, len(m.Data))
		m.TransposeTo(t)
	default:
		x, row := make([]float32, m.Rows*m.Cols), make([]float32, m.Cols)
		for r := range m.Rows {
			m.DecodeRow(row, r)
			for c, v := range row {
				x[c*m.Rows+r] = v
			}
		}
		return FromF32(x, m.Cols, m.Rows)
	}
	if m.Scales != nil {
		rows, cols := blocks(m.Rows), blocks(m.Cols)
		t.Scales = make([]float32, len(m.Scales))
		for i, s := range m.Scales {
			t.Scales[i%cols*rows+i/cols] = s
		}
	}
	return t
}

// TransposeTo writes the values of m, floats, to t, a transpose made before.
func (m *Matrix) TransposeTo(t *Matrix) {
	if m.Type != t.Type || m.Rows != t.Cols || m.Cols != t.Rows || m.Type.BlockSize() != 1 {
		panic(fmt.Sprintf("tensor: %v transposed into %v", m, t))
	}
	switch m.Type.BlockBytes() {
	case 1:
		transpose[[1]byte](t.Data, m.Data, m.Rows, m.Cols)
	case 2:
		transpose[[2]byte](t.Data, m.Data, m.Rows, m.Cols)
	default:
		transpose[[4]byte](t.Data, m.Data, m.Rows, m.Cols)
	}
}

// transpose works a band of rows at a time, so that both sides stay in the cache.
func transpose[T [1]byte | [2]byte | [4]byte](to, from []byte, rows, cols int) {
	const band = 32
	dst := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(to))), rows*cols)
	src := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(from))), rows*cols)
	for r0 := 0; r0 < rows; r0 += band {
		n := min(band, rows-r0)
		for c := range cols {
			line := dst[c*rows+r0:][:n]
			for i := range line {
				line[i] = src[(r0+i)*cols+c]
			}
		}
	}
}
