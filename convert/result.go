package convert

import (
	"math"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/quant"
)

// Result says what was made.
type Result struct {
	Tensors int               `json:"tensors"`
	Bytes   int64             `json:"bytes"` // of tensor data
	Types   map[string]*Share `json:"types"` // by the name of the type
	Error   Loss              `json:"error"`
	Notes   []string          `json:"notes,omitempty"` // what was rounded, left out or cannot be said in the target format
}

// Share is the part of a model that is stored in one type.
type Share struct {
	Tensors int   `json:"tensors"`
	Bytes   int64 `json:"bytes"`
}

// Loss is how far the values written are from those read.
type Loss struct {
	Figures
	Types map[string]Figures `json:"types"`
}

// Figures are the root mean square difference, the same over the originals' root mean square, and the largest absolute difference.
type Figures struct {
	RMSE     float64 `json:"rmse"`
	Relative float64 `json:"relative"`
	Max      float64 `json:"max"`
}

// figures are finite: of originals that are all zero, but not so what was written, the relative difference is the largest number there is.
func figures(e *quant.Error) Figures {
	return Figures{e.RMSE(), min(e.Relative(), math.MaxFloat64), e.Max}
}

// add counts a tensor.
func (r *Result) add(t dtype.Type, bytes int64) {
	if r.Types == nil {
		r.Types = map[string]*Share{}
	}
	s := r.Types[t.String()]
	if s == nil {
		s = &Share{}
		r.Types[t.String()] = s
	}
	s.Tensors++
	s.Bytes += bytes
	r.Tensors++
	r.Bytes += bytes
}

// addErrors enters what the conversion cost.
func (r *Result) addErrors(errors map[dtype.Type]*quant.Error) {
	var all quant.Error
	r.Error.Types = map[string]Figures{}
	for t := dtype.F32; t <= dtype.MXFP4; t++ { // in one order, for the sums' last bits
		if e := errors[t]; e != nil {
			all.Merge(*e)
			r.Error.Types[t.String()] = figures(e)
		}
	}
	r.Error.Figures = figures(&all)
}
