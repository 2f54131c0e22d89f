// Package quant makes smaller checkpoints: which storage type each tensor of a model gets, and how much was lost by it.
//
// A mix such as q4_k_m is a recipe rather than a type: most matrices get its base type, those that models suffer most from get more bits. The
// choices are llama.cpp's (as of its commit 3f545becc, without an importance matrix), so that a file made here has the same tensor types,
// size and name as one made there.
package quant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/dtype"
)

// Mix is the lower-case name of a recipe, such as "q4_k_m".
type Mix string

// The mixes. Those from IQ1_S to IQ3_XXS, and Q2_K_S, need an importance matrix to be made well; dtype has no encoder for most of their types.
const (
	F32     Mix = "f32"
	F16     Mix = "f16"
	BF16    Mix = "bf16"
	Q4_0    Mix = "q4_0"
	Q4_1    Mix = "q4_1"
	Q5_0    Mix = "q5_0"
	Q5_1    Mix = "q5_1"
	Q8_0    Mix = "q8_0"
	Q2_K    Mix = "q2_k"
	Q2_K_S  Mix = "q2_k_s"
	Q3_K_S  Mix = "q3_k_s"
	Q3_K_M  Mix = "q3_k_m"
	Q3_K_L  Mix = "q3_k_l"
	Q4_K_S  Mix = "q4_k_s"
	Q4_K_M  Mix = "q4_k_m"
	Q5_K_S  Mix = "q5_k_s"
	Q5_K_M  Mix = "q5_k_m"
	Q6_K    Mix = "q6_k"
	IQ1_S   Mix = "iq1_s"
	IQ1_M   Mix = "iq1_m"
	IQ2_XXS Mix = "iq2_xxs"
	IQ2_XS  Mix = "iq2_xs"
	IQ2_S   Mix = "iq2_s"
	IQ2_M   Mix = "iq2_m"
	IQ3_XXS Mix = "iq3_xxs"
	IQ3_XS  Mix = "iq3_xs"
	IQ3_S   Mix = "iq3_s"
	IQ3_M   Mix = "iq3_m"
	IQ4_NL  Mix = "iq4_nl"
	IQ4_XS  Mix = "iq4_xs"
	TQ1_0   Mix = "tq1_0"
	TQ2_0   Mix = "tq2_0"
	MXFP4   Mix = "mxfp4_moe" // experts as MXFP4, the rest as Q8_0
)

// mixes gives for each mix the type of most tensors and the number under general.file_type in GGUF metadata.
var mixes = map[Mix]struct {
	base     dtype.Type
	fileType uint32
}{
	F32: {dtype.F32, 0}, F16: {dtype.F16, 1}, BF16: {dtype.BF16, 32},
	Q4_0: {dtype.Q4_0, 2}, Q4_1: {dtype.Q4_1, 3}, Q5_0: {dtype.Q5_0, 8}, Q5_1: {dtype.Q5_1, 9}, Q8_0: {dtype.Q8_0, 7},
	Q2_K: {dtype.Q2_K, 10}, Q2_K_S: {dtype.Q2_K, 21}, Q3_K_S: {dtype.Q3_K, 11}, Q3_K_M: {dtype.Q3_K, 12}, Q3_K_L: {dtype.Q3_K, 13},
	Q4_K_S: {dtype.Q4_K, 14}, Q4_K_M: {dtype.Q4_K, 15}, Q5_K_S: {dtype.Q5_K, 16}, Q5_K_M: {dtype.Q5_K, 17}, Q6_K: {dtype.Q6_K, 18},
	IQ1_S: {dtype.IQ1_S, 24}, IQ1_M: {dtype.IQ1_M, 31}, IQ2_XXS: {dtype.IQ2_XXS, 19}, IQ2_XS: {dtype.IQ2_XS, 20}, IQ2_S: {dtype.IQ2_XS, 28},
	IQ2_M: {dtype.IQ2_S, 29}, IQ3_XXS: {dtype.IQ3_XXS, 23}, IQ3_XS: {dtype.IQ3_S, 22}, IQ3_S: {dtype.IQ3_S, 26}, IQ3_M: {dtype.IQ3_S, 27},
	IQ4_NL: {dtype.IQ4_NL, 25}, IQ4_XS: {dtype.IQ4_XS, 30}, TQ1_0: {dtype.TQ1_0, 36}, TQ2_0: {dtype.TQ2_0, 37}, MXFP4: {dtype.MXFP4, 38},
}

// ParseMix finds a mix by name, in upper or lower case; "mxfp4" means mxfp4_moe. The error lists the names.
func ParseMix(name string) (Mix, error) {
	m := Mix(strings.ToLower(name))
	if m == "mxfp4" {
		m = MXFP4
	}
	if _, ok := mixes[m]; !ok {
		return "", fmt.Errorf("quant: unknown mix %q; known: %s", name, strings.Join(Names(), " "))
	}
	return m, nil
}

// Names lists the mixes.
func Names() (s []string) {
	for m := range mixes {
		s = append(s, string(m))
	}
	slices.Sort(s)
	return s
}

// Base is the type of most tensors.
func (m Mix) Base() dtype.Type { return mixes[m].base }

// FileType is the number of the mix under general.file_type in GGUF metadata.
func (m Mix) FileType() uint32 { return mixes[m].fileType }

// MixOfFileType is the inverse of FileType; false for a number that stands for no mix.
func MixOfFileType(n uint32) (Mix, bool) {
	for m, d := range mixes {
		if d.fileType == n {
			return m, true
		}
	}
	return "", false
}
