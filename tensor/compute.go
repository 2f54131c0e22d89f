package tensor

import (
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/qdot"
)

// Compute chooses how activations are rounded in front of a product (docs/NUMERICS.md section 5).
type Compute uint8

const (
	Auto Compute = iota // by the weights' type: the fast path of each
	F32                 // not at all
	BF16                // to bfloat16
	Q8                  // to 8 bits in blocks
)

var computes = [...]string{"auto", "f32", "bf16", "q8"}

func (c Compute) String() string { return computes[c] }

// ParseCompute is the inverse of String.
func ParseCompute(s string) (Compute, error) {
	for c, name := range computes {
		if name == s {
			return Compute(c), nil
		}
	}
	return 0, fmt.Errorf("unknown compute %q (want auto, f32, bf16 or q8)", s)
}

// form is a rounding of the activations together with the layout that a product wants them in.
type form uint8

const (
	formF32       form = iota // as they are
	formBF16                  // bf16, for weights with an exact bf16 value
	formRounded               // rounded to bf16, kept as f32, for all other weights
	formQ32                   // 8-bit blocks of 32, for weights with an integer product
	formQ256                  // of 256
	formDecoded32             // 8-bit blocks turned back to f32, for all other weights
	formDecoded256
	numForms
)

// formOf is the form that a product over weights of type t takes under c.
func formOf(c Compute, t dtype.Type) form {
	narrow := t == dtype.BF16 || t == dtype.F8E4M3 || t == dtype.F8E5M2
	if c == Auto {
		switch {
		case t.IsQuantized():
			c = Q8
		case narrow || t == dtype.F16:
			c = BF16
		default:
			c = F32
		}
	}
	switch {
	case c == F32:
		return formF32
	case c == BF16 && narrow:
		return formBF16
	case c == BF16:
		return formRounded
	case qdot.Supported(t) && qdot.FormOf(t) == qdot.Block256:
		return formQ256
	case qdot.Supported(t):
		return formQ32
	case t.BlockSize() == 256:
		return formDecoded256
	}
	return formDecoded32
}
