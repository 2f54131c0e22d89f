package roof

import (
	"unsafe"

	"github.com/pennyml/penny/internal/cpu"
)

func fmaAVX2(n int)
func maddAVX2(n int)
func fmaAVX512(n int)
func dpBF16AVX512(n int)
func dpInt8AVX512(n int)

//go:noescape
func readAVX2(p *byte, n int)

// loops are the arithmetic of each level: what runs, and how many operations a round does (a multiply-add is two). AVX2 has no bf16
// instruction; its bf16 products are f32 multiply-adds.
var loops = map[cpu.Level][numKinds]loop{
	cpu.AVX2:   {{fmaAVX2, 2 * 12 * 8}, {fmaAVX2, 2 * 12 * 8}, {maddAVX2, 2 * 12 * 32}},
	cpu.AVX512: {{fmaAVX512, 2 * 12 * 16}, {dpBF16AVX512, 2 * 12 * 32}, {dpInt8AVX512, 2 * 12 * 64}},
}

// ReadBytes reads b, a whole number of 256 bytes.
func ReadBytes(b []byte) {
	if cpu.Best() < cpu.AVX2 {
		readWords(b)
		return
	}
	readAVX2(unsafe.SliceData(b), len(b))
}
