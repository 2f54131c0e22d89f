//go:build !amd64

package qdot

import (
	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

func mulAt(_ cpu.Level, y []float32, ldy int, a *Acts, t dtype.Type, w []byte, n0, n1 int, s *Scratch) {
	mulReference(y, ldy, a, t, w, n0, n1, s)
}

func quantizeRow(_ cpu.Level, form Form, rec []byte, step int, x []float32) {
	quantizeReference(form, rec, step, x)
}
