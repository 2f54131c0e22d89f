// Package dtype names the element types that weights and activations are stored in, says how a row of each is laid out in memory, and
// converts between them and float32. Every decode here is exact: it is the definition that the kernels are held against.
//
// Layouts of the block formats follow the GGUF specification (ggml's block structs, little endian).
package dtype

import "fmt"

// Type is a storage type: a plain float, or a block format in which BlockSize neighbouring elements of a row share scales.
type Type uint8

// The storage types. The zero value is invalid so that a forgotten type is noticed.
const (
	Invalid Type = iota
	F32
	F16
	BF16
	F64
	I8
	I16
	I32
	I64
	U8
	Bool
	F8E4M3 // OCP e4m3fn: no infinities, NaN is 0x7F and 0xFF
	F8E5M2
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q8_0
	Q8_1
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	Q8_K
	IQ1_S
	IQ1_M
	IQ2_XXS
	IQ2_XS
	IQ2_S
	IQ3_XXS
	IQ3_S
	IQ4_NL
	IQ4_XS
	TQ1_0
	TQ2_0
	MXFP4
	numTypes
)

type layout struct {
	name  string
	block int // elements a block
	bytes int // bytes a block
}

// One row a type: name as GGUF tools print it, elements and bytes a block.
var layouts = [numTypes]layout{
	F32: {"f32", 1, 4}, F16: {"f16", 1, 2}, BF16: {"bf16", 1, 2}, F64: {"f64", 1, 8},
	I8: {"i8", 1, 1}, I16: {"i16", 1, 2}, I32: {"i32", 1, 4}, I64: {"i64", 1, 8}, U8: {"u8", 1, 1}, Bool: {"bool", 1, 1},
	F8E4M3: {"f8_e4m3", 1, 1}, F8E5M2: {"f8_e5m2", 1, 1},
	Q4_0: {"q4_0", 32, 18}, Q4_1: {"q4_1", 32, 20}, Q5_0: {"q5_0", 32, 22}, Q5_1: {"q5_1", 32, 24},
	Q8_0: {"q8_0", 32, 34}, Q8_1: {"q8_1", 32, 36},
	Q2_K: {"q2_k", 256, 84}, Q3_K: {"q3_k", 256, 110}, Q4_K: {"q4_k", 256, 144}, Q5_K: {"q5_k", 256, 176},
	Q6_K: {"q6_k", 256, 210}, Q8_K: {"q8_k", 256, 292},
	IQ1_S: {"iq1_s", 256, 50}, IQ1_M: {"iq1_m", 256, 56}, IQ2_XXS: {"iq2_xxs", 256, 66}, IQ2_XS: {"iq2_xs", 256, 74},
	IQ2_S: {"iq2_s", 256, 82}, IQ3_XXS: {"iq3_xxs", 256, 98}, IQ3_S: {"iq3_s", 256, 110},
	IQ4_NL: {"iq4_nl", 32, 18}, IQ4_XS: {"iq4_xs", 256, 136}, TQ1_0: {"tq1_0", 256, 54}, TQ2_0: {"tq2_0", 256, 66},
	MXFP4: {"mxfp4", 32, 17},
}

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool { return t > Invalid && t < numTypes }

// String is the lower-case name that GGUF tools use, such as "q4_k".
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(t))
	}
	return layouts[t].name
}

// Parse is the inverse of String.
func Parse(name string) (Type, error) {
	for t := Invalid + 1; t < numTypes; t++ {
		if layouts[t].name == name {
			return t, nil
		}
	}
	return Invalid, fmt.Errorf("dtype: unknown type %q", name)
}

// BlockSize is the number of elements that share one block; 1 for plain types.
func (t Type) BlockSize() int { return layouts[t].block }

// BlockBytes is the size of one block in bytes.
func (t Type) BlockBytes() int { return layouts[t].bytes }

// IsQuantized reports whether t is a block format.
func (t Type) IsQuantized() bool { return layouts[t].block > 1 }

// RowBytes is the size in bytes of n elements. It panics unless n is a multiple of the block size: rows never share a block.
func (t Type) RowBytes(n int) int {
	l := layouts[t]
	if !t.Valid() || n%l.block != 0 {
		panic(fmt.Sprintf("dtype: %d elements are not whole blocks of %v (%d)", n, t, l.block))
	}
	return n / l.block * l.bytes
}
