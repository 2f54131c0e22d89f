package optim

import (
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/vec"
)

// EMA is an exponential average of parameters: e = (1-w)·e + w·p after each step. From the start, e begins as the parameters before the first step and
// w is 1 - decay; otherwise the average is over the steps made alone, w = (1-decay)/(1-decay^t), which is Adam's correction of the bias towards the start.
type EMA struct {
	decay  float64
	power  float64 // decay^t; 0 from the start
	params []*grad.Param
	values [][]float32
	pool   *par.Pool
}

// NewEMA starts an average with the values that params have now, which count if fromStart is set.
func NewEMA(decay float64, fromStart bool, params []*grad.Param, pool *par.Pool) *EMA {
	e := &EMA{decay: decay, power: 1, params: params, pool: pool}
	if fromStart {
		e.power = 0
	}
	for _, p := range params {
		e.values = append(e.values, append([]float32(nil), p.Value...))
	}
	return e
}

// Update adds the parameters' values of now.
func (e *EMA) Update() {
	e.power *= e.decay
	w := (1 - e.decay) / (1 - e.power)
	for i, p := range e.params {
		v := e.values[i]
		e.pool.Spans(len(v), pieceLen, func(_, lo, hi int) {
			vec.Scale(v[lo:hi], v[lo:hi], float32(1-w))
			vec.Axpy(v[lo:hi], p.Value[lo:hi], float32(w))
		})
	}
}

// Swap exchanges the parameters' values with their averages: to evaluate or save the averages, and back. bf16 copies are not touched.
func (e *EMA) Swap() {
	for i, p := range e.params {
		v := e.values[i]
		e.pool.Spans(len(v), pieceLen, func(_, lo, hi int) {
			for j := lo; j < hi; j++ {
				v[j], p.Value[j] = p.Value[j], v[j]
			}
		})
	}
}

// State shows f each average, in the order of the parameters: to save it, or to fill it.
func (e *EMA) State(f func(name string, values []float32)) {
	for i, p := range e.params {
		f("average."+p.Name, e.values[i])
	}
}

// Resume sets the number of updates made, after State has been filled from a checkpoint.
func (e *EMA) Resume(updates int) {
	if e.power == 0 {
		return
	}
	e.power = 1
	for range updates {
		e.power *= e.decay
	}
}
