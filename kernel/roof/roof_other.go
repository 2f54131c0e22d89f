//go:build !amd64

package roof

import "github.com/pennyml/penny/internal/cpu"

var loops map[cpu.Level][numKinds]loop

// ReadBytes reads b.
func ReadBytes(b []byte) { readWords(b) }
