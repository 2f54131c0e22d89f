package nn

import "github.com/pennyml/penny/kernel/vec"

// Which experts a token takes is a constant under the derivative: a gradient reaches the router through the weights of the chosen ones, and
// through the balance loss.

// weightsBackward adds to ds, the gradient of one token's affinities, that of its chosen weights dw.
func (r *Routing) weightsBackward(ds, affinity []float32, ids []int32, dw []float32) {
	if !r.Normalize {
		for i, e := range ids {
			ds[e] += float32(dw[i] * r.Scale)
		}
		return
	}
	var sum, dot float32
	for i, e := range ids {
		sum += affinity[e]
		dot += float32(float32(dw[i]*r.Scale) * affinity[e])
	}
	sum += 1e-20
	dot /= sum
	for i, e := range ids {
		ds[e] += (float32(dw[i]*r.Scale) - dot) / sum
	}
}

// scoringBackward turns the gradient of one token's affinities into that of its logits, in place.
func (s Scoring) backward(d, affinity []float32) {
	if s == Sigmoid {
		for i, a := range affinity {
			d[i] *= float32(a * (1 - a))
		}
		return
	}
	dot := vec.Dot(d, affinity)
	for i, a := range affinity {
		d[i] = a * (d[i] - dot)
	}
}
