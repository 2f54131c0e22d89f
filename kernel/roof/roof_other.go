//go:build !amd64

package roof

import "github.com/pennyml/penny/internal/cpu"

var loops map[cpu.Level][numKinds]loop

func read(b []byte) { readWords(b) }
