package quant

import "github.com/pennyml/penny/dtype"

// plan is the choice of types for one model under way, layer by layer and within a layer by name.
type plan struct {
	Model
	mix  Mix
	base dtype.Type
	tied bool // no output.weight: the embedding serves as one

	attnVs             int // how many attnV tensors there are
	seenAttnV, seenFFN int // attnV and, in mixes of under 3 bits, ffnDown tensors seen so far
}

// choose applies the rules of the mix to one tensor, whatever its row length.
func (p *plan) choose(t Tensor) dtype.Type {
	r, layer := roleOf(t.Name), layerOf(t.Name)
	switch {
	case r == output || r == embedding && p.tied:
		return p.output(t.Dims[0])
	case p.mix == MXFP4: // tensors of three dimensions are taken for experts, also where they are the heads of MLA
		if len(t.Dims) > 2 && t.Dims[2] > 1 {
			return dtype.MXFP4
		}
		return dtype.Q8_0
	case r == embedding:
		return p.embedding()
	case p.under3Bits():
		return p.low(r)
	case r == attnV:
		return p.attnV()
	case r == attnK && p.Experts == 8:
		return dtype.Q8_0
	case r == attnK || r == attnQ:
		return p.attnQK()
	case r == attnOut:
		return p.attnOut()
	case r == ffnDown:
		return p.ffnDown(layer)
	case (r == ffnGate || r == ffnUp) && p.mix == IQ3_XS && layer >= p.Layers/8 && layer < 7*p.Layers/8:
		return dtype.IQ3_XXS
	}
	return p.base
}

// moreBits picks the layers that get more bits in a mix's M variant: the first and the last eighth, and each third between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

func (p *plan) under3Bits() bool {
	switch p.mix {
	case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M:
		return true
	}
	return false
}

func (p *plan) output(cols int) dtype.Type {
	switch {
	case p.mix == MXFP4 || p.base == dtype.Q8_0 || cols%p.base.BlockSize() != 0:
		return dtype.Q8_0
	case p.under3Bits() || p.mix == IQ3_XXS:
		return dtype.Q5_K
	}
	return dtype.Q6_K
}

func (p *plan) embedding() dtype.Type {
	switch p.mix {
	case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS:
		return dtype.Q2_K
	case IQ2_S, IQ2_M, IQ3_XXS:
		return dtype.IQ3_S
	case TQ1_0, TQ2_0:
		return dtype.Q4_K
	}
	return p.base
}

// low is for the mixes of under three bits, whose base type only the less delicate matrices can bear.
func (p *plan) low(r role) dtype.Type {
	better := dtype.Q2_K
	if p.mix == IQ2_S || p.mix == IQ2_M {
		better = dtype.IQ3_S
	}
	switch {
	case r == attnV && (p.gqa() >= 4 || p.Experts >= 4):
		return dtype.Q4_K
	case r == attnV:
		return better
	case r == attnK && p.Experts == 8:
		return dtype.Q4_K
	case r == attnOut && p.Experts == 8:
		return dtype.Q5_K
	case r == attnOut && (p.mix == IQ1_S || p.mix == IQ1_M):
		return dtype.IQ2_XXS
	case r == attnOut && better == dtype.IQ3_S:
		return better
	case r == ffnDown:
		if p.seenFFN++; p.seenFFN <= p.Layers/8 {
			return better
		}
	}
	return p.base
}

// attnV is for the values, which cost little where several heads share them and repay every bit.
func (p *plan) attnV() dtype.Type {
	i, shared, t := p.seenAttnV, p.gqa() >= 4, p.base
	p.seenAttnV++
	switch p.mix {
	case Q2_K:
		t = dtype.Q3_K
		if shared {
			t = dtype.Q4_K
		}
	case IQ3_XXS:
		t = dtype.IQ3_S
		if shared {
			t = dtype.Q4_K
		}
	case Q2_K_S, IQ3_XS, IQ3_S:
		if shared {
			t = dtype.Q4_K
		}
	case IQ3_M:
		t = dtype.Q4_K
	case Q3_K_M:
		t = dtype.Q4_K
		if i < 2 {
			t = dtype.Q5_K
		}
	case Q3_K_L:
		t = dtype.Q5_K
	case IQ4_NL, IQ4_XS:
		if shared {
			t = dtype.Q5_K
		}
	case Q4_K_M, Q5_K_M:
		if moreBits(i, p.attnVs) {
			t = dtype.Q6_K
		}
	case Q4_K_S:
		if i < 4 {
			t = dtype.Q5_K
		}
	}
	switch {
	case p.Experts == 8:
		return dtype.Q8_0
	case p.is70B() && (t == dtype.Q3_K || t == dtype.Q4_K):
		return dtype.Q5_K
	}
	return t
}

func (p *plan) attnQK() dtype.Type {
	switch p.mix {
	case IQ3_XS:
		return dtype.IQ3_XXS
	case IQ3_XXS:
		return dtype.IQ2_S
	}
	return p.base
}

func (p *plan) attnOut() dtype.Type {
	if p.Experts == 8 {
		switch p.mix {
		case Q2_K, Q3_K_S, Q3_K_M, Q4_K_S, Q4_K_M, IQ3_XXS, IQ3_XS, IQ3_S, IQ3_M, IQ4_NL, IQ4_XS:
			return dtype.Q5_K
		}
		return p.base
	}
	switch p.mix {
	case Q2_K:
		return dtype.Q3_K
	case IQ3_XXS:
		return dtype.IQ3_S
	case Q3_K_M, IQ3_M:
		return dtype.Q4_K
	case Q3_K_L:
		return dtype.Q5_K
	}
	return p.base
}

func (p *plan) ffnDown(layer int) dtype.Type {
	early := layer < p.Layers/8
	switch p.mix {
	case Q2_K:
		return dtype.Q3_K
	case IQ3_XXS:
		if !early {
			return dtype.Q3_K
		}
		return dtype.Q4_K
	case Q2_K_S:
		if early {
			return dtype.Q4_K
		}
	case Q3_K_M:
		if layer >= p.Layers/16 {
			return dtype.Q4_K
		}
		return dtype.Q5_K
	case Q3_K_L:
		return dtype.Q5_K
	case IQ3_M:
		if early || p.Experts == 8 && moreBits(layer, p.Layers) {
			return dtype.Q4_K
		}
	case Q4_K_S, IQ4_NL, IQ4_XS:
		if early {
			return dtype.Q5_K
		}
	case Q4_K_M, Q5_K_M:
		if moreBits(layer, p.Layers) {
			return dtype.Q6_K
		}
	}
	return p.base
}
