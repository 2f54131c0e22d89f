package model

import (
	"errors"
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// Decoder is what all decoder networks share: an embedding, layers that add to the residual stream, a final norm and a head. An architecture
// embeds it and says what a layer is.
type Decoder struct {
	Embed nn.Embedding
	Main  Stack

	config  *Config
	options Options
	pass    *nn.Pass
	runs    []nn.Run
	ids     []int32 // of all runs
	in      tensor.Input
	hidden  []float32
}

// Stack is a run of layers from an input to logits.
type Stack struct {
	// Input writes the first values of the residual stream, a row for each of the ids of all runs.
	Input func(p *nn.Pass, ids []int32, x []float32)
	// Layer adds layer i to the residual stream, p.Rows rows, and returns it; of the last (p.Last) the wanted rows.
	Layer   func(p *nn.Pass, i int, x []float32) []float32
	Layouts []attn.Layout // of each layer's cache
	Norm    []float32
	Head    *tensor.Matrix
}

// NewDecoder takes the embedding, the final norm and the head from w. The architecture adds Main.Layer and Main.Layouts.
func NewDecoder(c *Config, w *Weights, o Options) *Decoder {
	if o.CacheType == dtype.Invalid {
		o.CacheType = dtype.F16
		if o.Compute == tensor.F32 {
			o.CacheType = dtype.F32
		}
	}
	d := &Decoder{config: c, options: o, Embed: nn.Embedding{W: w.Matrix("model.embed_tokens.weight", c.Vocab, c.Hidden)}}
	d.Main = Stack{Norm: w.Vector("model.norm.weight", c.Hidden),
		Input: func(p *nn.Pass, ids []int32, x []float32) { d.Embed.Forward(p, x, ids) }}
	if c.Tied {
		d.Main.Head = w.Again(d.Embed.W)
		w.Ignore("lm_head.weight") // some checkpoints keep a copy
	} else {
		d.Main.Head = w.Matrix("lm_head.weight", c.Vocab, c.Hidden)
	}
	return d
}

// Start starts the workers. It comes after the weights have been found complete.
func (d *Decoder) Start() {
	d.pass = nn.NewPass(tensor.NewExec(d.options.Threads, d.options.Compute))
	if d.options.Probe != nil {
		d.pass.Route = d.options.Probe.Route
	}
}

// CacheType is the element type of the caches.
func (d *Decoder) CacheType() dtype.Type { return d.options.CacheType }

// Exec is what the network computes on.
func (d *Decoder) Exec() *tensor.Exec { return d.pass.Exec }

// Config is the network's configuration.
func (d *Decoder) Config() *Config { return d.config }

// Hidden is the state behind the logits of the last run.
func (d *Decoder) Hidden() []float32 { return d.hidden }

// Share calls f for spans of 0 to n-1 on the network's workers, which are free between passes.
func (d *Decoder) Share(n int, f func(lo, hi int)) { d.pass.Exec.Rows(n, f) }

// Close ends the workers.
func (d *Decoder) Close() error { d.pass.Close(); return nil }

// NewCache makes an empty cache for one sequence.
func (d *Decoder) NewCache(limit int) (*kvcache.Cache, error) {
	return kvcache.New(d.Main.Layouts, limit)
}

// Forward runs the next tokens of some sequences.
func (d *Decoder) Forward(batch []Chunk) ([]float32, error) { return d.Run(&d.Main, batch) }

// Run is Forward through any stack.
func (d *Decoder) Run(s *Stack, batch []Chunk) ([]float32, error) {
	rows, wanted, err := d.begin(batch)
	if err != nil {
		return nil, err
	}
	p, width := d.pass, d.config.Hidden
	x := p.Arena.F32(rows * width)
	s.Input(p, d.ids, x)
	for l := range s.Layouts {
		mark := p.Arena.Mark()
		p.Last = l == len(s.Layouts)-1
		x = s.Layer(p, l, x)
		p.Arena.Release(mark)
		if probe := d.options.Probe; s == &d.Main && probe != nil && probe.Hidden != nil {
			probe.Hidden(l, x)
		}
	}
	d.hidden = append(d.hidden[:0], x...) // the last layer has left the wanted rows
	if wanted == 0 {
		return nil, nil
	}
	p.RMSNorm(d.hidden, d.hidden, s.Norm, d.config.NormEps)
	logits := p.Arena.F32(wanted * d.config.Vocab)
	p.MatMul(logits, d.in.Set(d.hidden, wanted, width), s.Head)
	return logits, nil
}

// begin checks a batch, extends its caches and starts the pass.
func (d *Decoder) begin(batch []Chunk) (rows, wanted int, err error) {
	if len(batch) == 0 {
		return 0, 0, errors.New("model: nothing to run")
	}
	d.runs, d.ids = d.runs[:0], d.ids[:0]
	for i, c := range batch {
		if err = c.check(d.config); err == nil {
			var pos int
			if pos, err = c.Cache.Extend(len(c.IDs)); err == nil {
				d.runs = append(d.runs, nn.Run{Cache: c.Cache, First: rows, Rows: len(c.IDs), Pos: pos, Wanted: c.Logits})
			}
		}
		if err != nil {
			for j := i - 1; j >= 0; j-- {
				batch[j].Cache.Truncate(d.runs[j].Pos)
			}
			return 0, 0, err
		}
		rows, wanted, d.ids = rows+len(c.IDs), wanted+c.Logits, append(d.ids, c.IDs...)
	}
	d.pass.Begin(d.runs)
	return rows, wanted, nil
}

func (c *Chunk) check(config *Config) error {
	if len(c.IDs) == 0 || c.Logits < 0 || c.Logits > len(c.IDs) {
		return fmt.Errorf("model: %d tokens with logits wanted for %d", len(c.IDs), c.Logits)
	}
	for i, id := range c.IDs {
		if id < 0 || int(id) >= config.Vocab {
			return fmt.Errorf("model: token %d is %d, the vocabulary has %d", i, id, config.Vocab)
		}
	}
	return nil
}
