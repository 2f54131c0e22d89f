package optim

import (
	"math"

	"github.com/pennyml/penny/kernel/vec"
)

// adamW is the update of Loshchilov and Hutter, 2019, as torch.optim.AdamW makes it.
func (o *Optimizer) adamW(p *piece, lr float64, clip float32) {
	c := &o.config
	lr *= p.scale
	s := vec.AdamWStep{Clip: clip, Rest1: float32(1 - c.Betas[0]), Beta2: float32(c.Betas[1]), Rest2: float32(1 - c.Betas[1]),
		Root: float32(1 / math.Sqrt(1-o.beta2)), Eps: float32(c.Eps), Decay: shrink(lr, p.decay), Rate: float32(-lr / (1 - o.beta1))}
	var half []uint16
	if p.Half != nil {
		half = p.Half[p.lo:p.hi]
	}
	vec.AdamW(p.Value[p.lo:p.hi], p.state[0][p.lo:p.hi], p.state[1][p.lo:p.hi], p.Grad[p.lo:p.hi], half, &s)
}

// shrink is the factor of decoupled weight decay.
func shrink(lr, decay float64) float32 { return float32(1 - float64(lr*decay)) }

// sgd is stochastic gradient descent with momentum as torch.optim.SGD makes it: g = g·clip + decay·p, b = μ·b + g, p = p - lr·(g + μ·b), or p - lr·b
// without Nesterov's step ahead.
func (o *Optimizer) sgd(p *piece, lr float64, clip float32) {
	var buffer [pieceLen]float32
	g, b, value := buffer[:p.hi-p.lo], p.state[0][p.lo:p.hi], p.Value[p.lo:p.hi]
	momentum := float32(o.config.Momentum)
	vec.Scale(g, p.Grad[p.lo:p.hi], clip)
	if p.decay != 0 {
		vec.Axpy(g, value, float32(p.decay))
	}
	vec.Scale(b, b, momentum)
	vec.Add(b, b, g)
	step := b
	if o.config.Nesterov {
		vec.Axpy(g, b, momentum)
		step = g
	}
	vec.Axpy(value, step, float32(-lr*p.scale))
	p.refresh(p.lo, p.hi)
}

// refresh renews the bf16 copy of a run of values.
func (p *parameter) refresh(lo, hi int) {
	if p.Half != nil {
		vec.F32ToBF16(p.Half[lo:hi], p.Value[lo:hi])
	}
}
