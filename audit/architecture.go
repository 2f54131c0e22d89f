package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pennyml/penny/model"
)

// Architecture is a network whose configuration is known, for the claims that train it.
type Architecture struct {
	ID       string          `json:"id"`
	Claims   []string        `json:"claims"`
	Context  int             `json:"context"` // tokens of a training sequence
	Standing Standing        `json:"standing"`
	Sources  []string        `json:"sources"`
	Config   json.RawMessage `json:"config"` // Hugging Face's config.json
}

// Exact is a count of a network's arithmetic from its shapes, in FLOP a token, a multiply-add as two. Input embeddings, norms and softmax
// are left out; a token attends to half of its sequence on average; latent attention is counted in its expanded form, as training runs it.
type Exact struct {
	Context   int
	Params    int64
	Active    int64   // embedding and head included
	Weights   float64 // products with the main network's weights, head included
	Attention float64 // scores and weighted sums
	MTP       float64 // multi-token prediction modules: weights, head and attention
}

// Forward is one token's forward pass without the prediction modules.
func (e Exact) Forward() float64 { return e.Weights + e.Attention }

// Training is one token's forward and backward pass, the backward taken as two forward ones, prediction modules included.
func (e Exact) Training() float64 { return 3 * (e.Forward() + e.MTP) }

// Count counts the arithmetic of training on sequences of the given length.
func Count(c *model.Config, context int) Exact {
	n := c.Count()
	e := Exact{Context: context, Params: n.Params, Active: n.Active, Weights: weightFLOPs(c)}
	perKey := 2 * c.HeadDim
	if c.MLA != nil {
		perKey = c.MLA.Nope + c.MLA.Rope + c.MLA.V
	}
	keys := float64(context+1) / 2
	layer := 2 * float64(c.Heads) * float64(perKey) * keys
	e.Attention = layer * float64(c.Layers)
	if c.MTP > 0 {
		wider := *c
		wider.Layers++
		if c.MoE != nil {
			moe := *c.MoE
			moe.Sparse = append(slices.Clone(moe.Sparse), true)
			wider.MoE = &moe
		}
		h := float64(c.Hidden)
		module := weightFLOPs(&wider) - e.Weights + 2*(2*h*h+h*float64(c.Vocab)) + layer
		e.MTP = module * float64(c.MTP)
	}
	return e
}

// weightFLOPs is the forward pass without attention to anything: the count is linear in the context.
func weightFLOPs(c *model.Config) float64 {
	none, one := c.FLOPs(0), c.FLOPs(1)
	return float64(none - (one - none))
}

// architecture finds the network of a claim, or nil.
func (d *Data) architecture(c *Claim) (*Architecture, *model.Config, error) {
	a := c.arch
	for _, known := range d.Architectures {
		if a == nil && slices.Contains(known.Claims, c.ID) {
			a = known
		}
	}
	if a == nil {
		return nil, nil, nil
	}
	cfg, err := model.ParseHFConfig(a.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("architecture %s: %w", a.ID, err)
	}
	if a.Context < 1 || a.Context > 1<<31 {
		return nil, nil, fmt.Errorf("architecture %s: context %d", a.ID, a.Context)
	}
	return a, cfg, nil
}

// WithArchitecture gives a claim the network of a config.json, trained on sequences of so many tokens. Parameters that the claim does not
// state are counted.
func (c *Claim) WithArchitecture(name string, config []byte, context int) error {
	c.arch = &Architecture{ID: name, Context: context, Standing: Given, Sources: []string{name}, Config: config}
	_, cfg, err := (&Data{}).architecture(c)
	if err != nil {
		return err
	}
	n := cfg.Count()
	for id, v := range map[string]int64{"params": n.Params, "active": n.Active} {
		if _, ok := c.Figures[id]; !ok {
			c.Figures[id] = Entry{Value: float64(v), Unit: "params", Note: "counted from " + name}
		}
	}
	return nil
}

// exactly puts the counted FLOP into the sheet, beside those by 6ND.
func (d *Data) exactly(r *Report) error {
	a, cfg, err := d.architecture(r.Claim)
	if err != nil || a == nil {
		return err
	}
	e := Count(cfg, a.Context)
	r.exact, r.config = &e, cfg
	formula := fmt.Sprintf("3 × (weights %s + attention %s + MTP %s) GFLOP, from the shapes, sequences of %s", digits(e.Weights/1e9, 4), digits(e.Attention/1e9, 3),
		digits(e.MTP/1e9, 3), grouped(float64(a.Context)))
	dim := base(dimFLOP).minus(base(dimToken))
	r.Sheet.Put(&Figure{ID: "flop_token", Title: "compute of one training token", Value: Value{Sharp(e.Training()), dim}, Unit: "GFLOP/token", Standing: Derived,
		Source: strings.Join(a.Sources, ", "), Formula: "3*(weights+attention+mtp)", Filled: formula})
	return nil
}

// counted are the figures that follow from an exact count.
var counted = []Rule{
	{"flop_exact", "training compute counted from the architecture", "FLOP", []string{"flop_token*tokens"}, ""},
	{"rate_exact", "achieved by the exact count", "TFLOP/s/GPU", []string{"flop_exact/hours"}, ""},
	{"mfu_exact", "of the dense peak by the exact count", "%", []string{"rate_exact/peak"}, ""},
	{"mfu_exact_bf16", "of the dense bf16 peak by the exact count", "%", []string{"rate_exact/peak_bf16"}, ""},
}
