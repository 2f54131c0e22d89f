package vec

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/fp"
)

// AdamWStep holds the constants of one AdamW update: those of step t with the betas β1 and β2, computed in float64 and rounded once.
type AdamWStep struct {
	Clip  float32 // what each gradient is multiplied by first
	Rest1 float32 // 1 - β1
	Beta2 float32
	Rest2 float32 // 1 - β2
	Root  float32 // 1/√(1 - β2^t)
	Eps   float32
	Decay float32 // 1 - rate·weight decay
	Rate  float32 // -rate/(1 - β1^t)
}

// AdamW updates parameters p and their moments m and v by the gradients g (Loshchilov, Hutter 2019):
//
//	c = g·Clip
//	m = fma(Rest1, c-m, m)
//	v = fma(Rest2·c, c, v·Beta2)
//	p = fma(Rate, m / fma(√v, Root, Eps), p·Decay)
//
// half, unless nil, receives p rounded to bfloat16.
func AdamW(p, m, v, g []float32, half []uint16, s *AdamWStep) {
	sameLen("AdamW", len(p), len(m), len(v), len(g))
	if half != nil {
		sameLen("AdamW with half", len(p), len(half))
	}
	for i := adamWFast(half, p, m, v, g, s); i < len(p); i++ {
		c := g[i] * s.Clip
		m[i] = fp.Canon(fp.FMA32(s.Rest1, c-m[i], m[i]))
		v[i] = fp.Canon(fp.FMA32(s.Rest2*c, c, v[i]*s.Beta2))
		root := float32(math.Sqrt(float64(v[i])))
		p[i] = fp.Canon(fp.FMA32(s.Rate, m[i]/fp.FMA32(root, s.Root, s.Eps), p[i]*s.Decay))
		if half != nil {
			half[i] = dtype.F32ToBF16(p[i])
		}
	}
}
