package attn

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
	"github.com/pennyml/penny/kernel/vec"
)

// maxRows is the most query rows that a kernel takes at once: 6 rows by 64 keys fill 24 of the 32 vector registers of AVX-512.
const maxRows = 6

// The kernels as plain Go: what the assembly is held to.

// scoresRef writes to s, [rows][64], the unscaled products of the queries q, [rows][dim], with 64 keys k, [dim][64].
func scoresRef(s, q []float32, t dtype.Type, k []byte, rows, dim int) {
	for r := range rows {
		row := s[r*Block:][:Block]
		clear(row)
		for d, x := range q[r*dim:][:dim] {
			for j := range row {
				row[j] = fp.FMA32(x, element(t, k, d*Block+j), row[j])
			}
		}
	}
}

// softmaxRef turns each row of scores s, [rows][64], into probabilities against the running maximum m, which it raises, and adds them to the
// running sum l. c is the factor for what was summed before. Bit j of the row's mask says that it sees key j; it sees one at least.
func softmaxRef(s, m, l, c []float32, mask []uint64, scale float32) {
	for r := range m {
		row := s[r*Block:][:Block]
		top := m[r]
		for j := range row {
			row[j] *= scale
			if mask[r]>>j&1 == 1 {
				top = max(top, row[j])
			}
		}
		var lanes [16]float32
		for j := range row {
			p := vec.Exp1(row[j] - top)
			if mask[r]>>j&1 == 0 {
				p = 0
			}
			row[j] = p
			lanes[j%16] += p
		}
		c[r] = 0
		if m[r] != float32(math.Inf(-1)) {
			c[r] = vec.Exp1(m[r] - top)
		}
		l[r] = float32(l[r]*c[r]) + fp.Fold16(&lanes)
		m[r] = top
	}
}

// weighRef multiplies each output row of o, [rows][dim], with its c and adds n values, one at least, to it, weighted by the probabilities p, rows 64 apart.
// Values are pitch elements apart.
func weighRef(o, p, c []float32, t dtype.Type, v []byte, pitch, rows, n int) {
	dim := len(o) / rows
	for r := range rows {
		row := o[r*dim:][:dim]
		for d := range row {
			row[d] *= c[r]
		}
		for j := range n {
			for d := range row {
				row[d] = fp.FMA32(p[r*Block+j], element(t, v, j*pitch+d), row[d])
			}
		}
	}
}

// transposeRef writes 64 rows of dim elements, pitch apart, as columns: dst is [dim][64].
func transposeRef(dst []byte, elem int, src []byte, dim, pitch int) {
	for j := range Block {
		for d := range dim {
			copy(dst[(d*Block+j)*elem:][:elem], src[(j*pitch+d)*elem:])
		}
	}
}

// element is the float32 value of element i of b.
func element(t dtype.Type, b []byte, i int) float32 {
	switch t {
	case dtype.F16:
		return dtype.F16ToF32(as[uint16](b)[i])
	case dtype.BF16:
		return dtype.BF16ToF32(as[uint16](b)[i])
	}
	return as[float32](b)[i]
}
