package optim

import (
	"math"

	"github.com/pennyml/penny/kernel/vec"
)

// Norm is the Euclidean norm over all gradients together. The squares of each run of 4,096 values of a tensor are summed in float32 as a dot product
// (docs/NUMERICS.md, section 2), the runs in float64 in the order of the parameters. It is infinite or NaN when a gradient is, or near overflow.
func (o *Optimizer) Norm() float64 {
	o.pool.Do(len(o.pieces), func(_, i int) {
		p := &o.pieces[i]
		g := p.Grad[p.lo:p.hi]
		o.sums[i] = float64(vec.Dot(g, g))
	})
	sum := 0.0
	for _, s := range o.sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// ClipFactor is what gradients of the given global norm are to be multiplied by for theirs not to exceed limit (as torch.nn.utils.clip_grad_norm_ has
// it); a limit of 0 means none.
func ClipFactor(norm, limit float64) float32 {
	if limit == 0 {
		return 1
	}
	return float32(min(1, limit/(norm+1e-6)))
}
