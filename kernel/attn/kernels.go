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

// scoresRef writes to s, [rows][64], the unscaled products of the queries q, rows of dim elements that are pitch apart, with the
// first n of 64 keys k, [dim][64]. What is beyond them in s afterwards is nobody's business.
func scoresRef(s, q []float32, pitch int, t dtype.Type, k []byte, rows, dim, n int) {
	for r := range rows {
		row := s[r*Block:][:n]
		clear(row)
		for d, x := range q[r*pitch:][:dim] {
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

// transposeRef writes n rows of dim elements, pitch apart, as the first columns of dst, [dim][64]. Columns that follow may change too.
func transposeRef(dst []byte, elem int, src []byte, dim, pitch, n int) {
	for j := range n {
		for d := range dim {
			copy(dst[(d*Block+j)*elem:][:elem], src[(j*pitch+d)*elem:])
		}
	}
}

// softmaxBackRef turns rows of scores s and of the gradients of their probabilities ds, both [rows][64], into the probabilities and the gradients of
// the scores. m is a row's maximum, r one over its sum, d what its gradients are measured against. Where the mask has no bit, both become +0; elsewhere
// no score times scale is above the maximum.
func softmaxBackRef(s, ds, m, r, d []float32, mask []uint64, scale float32) {
	for i, seen := range mask {
		p, g := s[i*Block:][:Block], ds[i*Block:][:Block]
		for j := range p {
			p[j] = vec.Exp1(float32(p[j]*scale)-m[i]) * r[i]
			g[j] = float32(p[j]*(g[j]-d[i])) * scale
			if seen>>j&1 == 0 {
				p[j], g[j] = 0, 0
			}
		}
	}
}

// gainRef adds outer products to c, [rows][dim]: row i gains a[i*aRow+s*aStep] times row s of b, [n][dim], s after s. There is one step at least.
func gainRef(c, a, b []float32, dim, aRow, aStep, rows, n int) {
	for i := range rows {
		row := c[i*dim:][:dim]
		for s := range n {
			x := a[i*aRow+s*aStep]
			for d, y := range b[s*dim:][:dim] {
				row[d] = fp.FMA32(x, y, row[d])
			}
		}
	}
}

// copyRowsRef copies rows of dim elements, which begin dstPitch and srcPitch elements apart. NaNs become the one NaN.
func copyRowsRef(dst, src []float32, dim, dstPitch, srcPitch, rows int) {
	for r := range rows {
		for i, v := range src[r*srcPitch:][:dim] {
			dst[r*dstPitch+i] = fp.Canon(v)
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
