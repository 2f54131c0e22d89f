package model

import "github.com/pennyml/penny/nn"

// The blocks that several architectures load alike.

// MLP takes a dense feed-forward layer below prefix.
func (w *Weights) MLP(prefix string, width, hidden int, bias bool) *nn.MLP {
	return &nn.MLP{
		Gate: w.Linear(prefix+"gate_proj", width, hidden, bias),
		Up:   w.Linear(prefix+"up_proj", width, hidden, bias),
		Down: w.Linear(prefix+"down_proj", hidden, width, bias),
	}
}

// MoE takes a mixture of experts below prefix.
func (w *Weights) MoE(prefix string, c *Config) *nn.MoE {
	e := c.MoE
	m := &nn.MoE{
		Routing: e.Routing,
		Router:  w.Matrix(prefix+"gate.weight", e.Experts, c.Hidden),
		Gate:    w.Experts(prefix+"experts.", "gate_proj", e.Experts, e.Intermediate, c.Hidden),
		Up:      w.Experts(prefix+"experts.", "up_proj", e.Experts, e.Intermediate, c.Hidden),
		Down:    w.Experts(prefix+"experts.", "down_proj", e.Experts, c.Hidden, e.Intermediate),
	}
	if e.Biased {
		m.Bias = w.Vector(prefix+"gate.e_score_correction_bias", e.Experts)
	}
	if e.Shared > 0 {
		m.Shared = w.MLP(prefix+"shared_experts.", e.Shared*e.Intermediate, c.Hidden, false)
	}
	return m
}

// Attention takes a grouped-query attention below prefix.
func (w *Weights) Attention(prefix string, c *Config, rope *nn.RopeTable) nn.Attention {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	a := nn.Attention{
		Q:     w.Linear(prefix+"q_proj", q, c.Hidden, c.AttnBias),
		K:     w.Linear(prefix+"k_proj", kv, c.Hidden, c.AttnBias),
		V:     w.Linear(prefix+"v_proj", kv, c.Hidden, c.AttnBias),
		O:     w.Linear(prefix+"o_proj", c.Hidden, q, c.OutBias),
		Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Rope: rope, NormEps: c.NormEps,
	}
	if c.QKNorm {
		a.QNorm = w.Vector(prefix+"q_norm.weight", c.HeadDim)
		a.KNorm = w.Vector(prefix+"k_norm.weight", c.HeadDim)
	}
	return a
}
