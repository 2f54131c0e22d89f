package model

// Counts are what a network weighs, derived from its configuration alone.
type Counts struct {
	Params int64 // the main network; tied weights once, the routers' correction biases included
	Active int64 // those that take part in one token's forward pass, input embedding and head included
	MTP    int64 // all tensors of the multi-token prediction modules, their copies of embedding and head included
}

// size counts some weights: those in matrices, which cost a multiply-add a token each, and the others (norms and biases).
type size struct{ matrix, vector int64 }

func (s size) total() int64 { return s.matrix + s.vector }

// attention counts one layer's attention with its two norms.
func (c *Config) attention() size {
	h, heads, d := int64(c.Hidden), int64(c.Heads), int64(c.HeadDim)
	if m := c.MLA; m != nil {
		rank, kv := int64(m.QLoRA), int64(m.KVLoRA)
		queries := heads * d * h
		if rank > 0 {
			queries = rank*h + heads*d*rank
		}
		keys := (kv+int64(m.Rope))*h + heads*int64(m.Nope+m.V)*kv
		return size{queries + keys + heads*int64(m.V)*h, 2*h + rank + kv}
	}
	q, kv := heads*d, int64(c.KVHeads)*d
	s := size{2*q*h + 2*kv*h, 2 * h}
	if c.AttnBias {
		s.vector += q + 2*kv
	}
	if c.OutBias {
		s.vector += h
	}
	if c.QKNorm {
		s.vector += 2 * d
	}
	return s
}

// feedForward counts one layer's feed-forward part, with the given number of its routed experts.
func (c *Config) feedForward(layer, experts int) size {
	h := int64(c.Hidden)
	if !c.IsSparse(layer) {
		s := size{matrix: 3 * h * int64(c.Intermediate)}
		if c.MLPBias {
			s.vector = 2*int64(c.Intermediate) + h
		}
		return s
	}
	m := c.MoE
	s := size{matrix: int64(m.Experts)*h + int64(m.Shared+experts)*3*h*int64(m.Intermediate)}
	if m.Biased {
		s.vector = int64(m.Experts)
	}
	return s
}

// experts are the routed experts of a layer: all, and those that one token uses.
func (c *Config) experts() (all, used int) {
	if c.MoE == nil {
		return 0, 0
	}
	return c.MoE.Experts, c.MoE.Used
}

// Count adds up the parameters.
func (c *Config) Count() Counts {
	h, vocab := int64(c.Hidden), int64(c.Vocab)
	experts, used := c.experts()
	n := Counts{Params: vocab*h + h}
	if !c.Tied {
		n.Params += vocab * h
	}
	n.Active = n.Params
	for l := range c.Layers {
		n.Params += c.attention().total() + c.feedForward(l, experts).total()
		n.Active += c.attention().total() + c.feedForward(l, used).total()
	}
	module := 2*vocab*h + 2*h*h + 3*h + c.attention().total() + c.feedForward(c.Layers, experts).total()
	n.MTP = int64(c.MTP) * module
	return n
}

// FLOPs is the arithmetic of one token's forward pass with context tokens before it in the cache, a multiply-add counted as two: the
// products with weights, and attention's scores and weighted sums (latent attention in its absorbed form). Norms, softmax, RoPE and the
// embedding look-up are left out; they are well below one per cent.
func (c *Config) FLOPs(context int) int64 {
	_, used := c.experts()
	perKey := 2 * c.HeadDim
	if c.MLA != nil {
		perKey = 2*c.MLA.KVLoRA + c.MLA.Rope
	}
	macs := int64(c.Vocab) * int64(c.Hidden)
	for l := range c.Layers {
		macs += c.attention().matrix + c.feedForward(l, used).matrix + int64(c.Heads)*int64(perKey)*(int64(context)+1)
	}
	return 2 * macs
}

// CacheElements is the number of values that the cache holds for one token, over all main layers.
func (c *Config) CacheElements() int64 {
	perLayer := 2 * c.KVHeads * c.HeadDim
	if c.MLA != nil {
		perLayer = c.MLA.KVLoRA + c.MLA.Rope
	}
	return int64(c.Layers) * int64(perLayer)
}
