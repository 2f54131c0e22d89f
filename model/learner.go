package model

import (
	"errors"
	"fmt"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/nn"
	"github.com/pennyml/penny/tensor"
)

// LearnOptions are how a network learns.
type LearnOptions struct {
	Threads int            // 0: one for each CPU
	Compute tensor.Compute // F32 or BF16; Auto: F32

	// Recompute keeps only the residual stream between layers and runs each layer a second time before it is run back: less memory, a third
	// more arithmetic, the same bits.
	Recompute bool

	// Frozen says, by checkpoint name, what does not learn; nil: everything does.
	Frozen func(name string) bool

	// LoRA, when not nil, freezes the network and lets low-rank additions to its linear layers learn.
	LoRA *LoRA
}

// Options are those of the network that a learner wraps: under the same compute, with caches that hold what the learner sees.
func (o *LearnOptions) Options() (Options, error) {
	if err := o.LoRA.validate(); err != nil {
		return Options{}, err
	}
	switch o.Compute {
	case tensor.Auto, tensor.F32:
		return Options{Threads: o.Threads, Compute: tensor.F32, CacheType: dtype.F32}, nil
	case tensor.BF16:
		return Options{Threads: o.Threads, Compute: tensor.BF16, CacheType: dtype.F32}, nil
	}
	return Options{}, fmt.Errorf("model: learning under compute %v is not supported (f32 and bf16 are)", o.Compute)
}

// Unlearnt is the label of a token that is not learnt.
const Unlearnt = -100

// Sequence is token ids and what is learnt of predicting them.
type Sequence struct {
	IDs    []int32
	Labels []int32 // Labels[t] is to be predicted at position t, from the ids before it: IDs[t], or Unlearnt; nil: all of IDs
}

// label is what is learnt of predicting position t.
func (s *Sequence) label(t int) int32 {
	if s.Labels == nil {
		return s.IDs[t]
	}
	return s.Labels[t]
}

// Predictions is the number of positions that are learnt.
func (s *Sequence) Predictions() int { return s.learnt(1) }

// learnt is the number of positions from first on that are learnt.
func (s *Sequence) learnt(first int) (n int) {
	for t := first; t < len(s.IDs); t++ {
		if s.label(t) != Unlearnt {
			n++
		}
	}
	return n
}

// Stats are what a batch, or a part of it, came to.
type Stats struct {
	Loss      float64 // sum of the rows' losses
	Predicted int     // rows that something was learnt of
	Tokens    int     // ids of all sequences

	// Of the multi-token prediction module.
	AheadLoss      float64
	AheadPredicted int

	Balance float64 // the balance loss of all mixtures of experts; of a whole batch only
}

func (s Stats) minus(o Stats) Stats {
	return Stats{Loss: s.Loss - o.Loss, Predicted: s.Predicted - o.Predicted, Tokens: s.Tokens - o.Tokens, AheadLoss: s.AheadLoss - o.AheadLoss,
		AheadPredicted: s.AheadPredicted - o.AheadPredicted}
}

// Learner is a network that learns. A batch is any number of calls of Accumulate, each with whole sequences, and then Finish: how it is cut into
// calls changes no bit. Between batches the parameters may be changed, which Updated has to be told. Learner and network run in turn, not at once.
type Learner struct {
	net     Model
	d       *Decoder
	params  *grad.Params
	options LearnOptions
	pass    *nn.Pass
	tape    *grad.Tape
	open    bool // a batch is under way
	stats   Stats

	main   thread
	caches []*kvcache.Cache
	ahead  *ahead // of the multi-token prediction module; nil: it does not learn

	mixtures []*nn.MoE
	balance  float32 // weight of the balance loss of a sequence

	gradient [1]tensor.Gradient // of a head
}

// NewLearner makes a learner of a network whose weights were told to learn with the same options.
func NewLearner(net Model, params *grad.Params, o LearnOptions) (*Learner, error) {
	n, ok := net.(interface{ decoder() *Decoder })
	if !ok {
		return nil, fmt.Errorf("model: %T cannot learn", net)
	}
	d := n.decoder()
	l := &Learner{net: net, d: d, params: params, options: o, pass: nn.NewPass(d.pass.Exec)}
	l.tape = grad.NewTape(params, l.pass.Arena)
	if m, ok := net.(interface{ Mixtures() []*nn.MoE }); ok {
		l.mixtures = m.Mixtures()
		l.beginExperts()
	}
	return l, nil
}

func (d *Decoder) decoder() *Decoder { return d }

// Model is the network itself, which reads the same weights.
func (l *Learner) Model() Model { return l.net }

// Config is the network's configuration.
func (l *Learner) Config() *Config { return l.net.Config() }

// Params are the tensors that learn, in fixed order.
func (l *Learner) Params() []*grad.Param { return l.params.Learnt() }

// Tensors are all tensors of the network, those that do not learn too, in fixed order: a checkpoint.
func (l *Learner) Tensors() []*grad.Param { return l.params.All() }

// Exec is what the learner computes on, for who works on its parameters between batches.
func (l *Learner) Exec() *tensor.Exec { return l.pass.Exec }

// Close ends the workers.
func (l *Learner) Close() error { return l.net.Close() }

// Updated is to be called when Param.Value has changed.
func (l *Learner) Updated() {
	l.params.Round(l.pass.Exec)
	if r, ok := l.net.(interface{ Refresh() }); ok {
		r.Refresh()
	}
}

// Finish ends a batch: the parameters' gradients are complete. It returns what the whole of it came to.
func (l *Learner) Finish() Stats {
	if !l.open { // nothing was learnt
		l.params.Clear(l.pass.Exec)
		l.beginExperts()
	}
	l.params.Finish(l.pass.Exec)
	l.open = false
	s := l.stats
	for _, m := range l.mixtures {
		s.Balance += m.Learning.Loss
	}
	l.stats = Stats{}
	return s
}

// Accumulate runs a part of a batch forward and back and adds to the gradients. It returns what this part came to. After an error of the loss the
// batch has to begin again.
func (l *Learner) Accumulate(batch []Sequence, loss Loss) (Stats, error) {
	if err := l.begin(batch); err != nil {
		return Stats{}, err
	}
	if !l.open {
		l.params.Clear(l.pass.Exec)
		l.beginExperts()
		l.open = true
	}
	if l.ahead != nil {
		if err := l.ahead.begin(l, batch); err != nil {
			return Stats{}, err
		}
	}
	before := l.stats
	if err := l.learn(loss); err != nil {
		l.open, l.stats = false, Stats{}
		return Stats{}, err
	}
	l.stats.Tokens += countIDs(batch)
	return l.stats.minus(before), nil
}

func countIDs(batch []Sequence) (n int) {
	for _, s := range batch {
		n += len(s.IDs)
	}
	return n
}

// begin checks a micro-batch and lays out its rows.
func (l *Learner) begin(batch []Sequence) error {
	if len(batch) == 0 {
		return errors.New("model: no sequences to learn")
	}
	s := &l.main
	s.stack, s.runs, s.ids, s.targets = &l.d.Main, s.runs[:0], s.ids[:0], s.targets[:0]
	for i := range batch {
		if err := batch[i].check(l.d.config); err != nil {
			return fmt.Errorf("model: sequence %d: %w", i, err)
		}
		n := len(batch[i].IDs) - 1
		c, err := l.cache(i, n)
		if err != nil {
			return err
		}
		s.runs = append(s.runs, nn.Run{Cache: c, First: len(s.ids), Rows: n, Wanted: n})
		for t := range n {
			if label := batch[i].label(t + 1); label != Unlearnt {
				s.targets = append(s.targets, Row{Seq: i, Pos: t + 1, Label: label, row: len(s.ids) + t})
			}
		}
		s.ids = append(s.ids, batch[i].IDs[:n]...)
	}
	l.pass.Begin(s.runs)
	return nil
}

func (s *Sequence) check(c *Config) error {
	if len(s.IDs) < 2 || s.Labels != nil && len(s.Labels) != len(s.IDs) {
		return fmt.Errorf("%d ids with %d labels, want at least 2 ids and a label for each", len(s.IDs), len(s.Labels))
	}
	if len(s.IDs) > c.Context+1 {
		return fmt.Errorf("%d ids, the context holds %d", len(s.IDs), c.Context)
	}
	for t, id := range s.IDs {
		if id < 0 || int(id) >= c.Vocab {
			return fmt.Errorf("id %d at position %d, the vocabulary has %d", id, t, c.Vocab)
		}
		if label := s.label(t); label != Unlearnt && (label < 0 || int(label) >= c.Vocab) {
			return fmt.Errorf("label %d at position %d, the vocabulary has %d", label, t, c.Vocab)
		}
	}
	return nil
}

// cache is the i-th cache of a micro-batch, holding n positions that are yet to be written.
func (l *Learner) cache(i, n int) (*kvcache.Cache, error) {
	if i == len(l.caches) {
		c, err := l.net.NewCache(l.d.config.Context)
		if err != nil {
			return nil, err
		}
		l.caches = append(l.caches, c)
	}
	c := l.caches[i]
	c.Truncate(0)
	_, err := c.Extend(n)
	return c, err
}

// learn runs the micro-batch that was begun.
func (l *Learner) learn(loss Loss) error {
	l.tape.Reset()
	l.pass.Tape = l.tape
	defer func() { l.pass.Tape, l.pass.Again = nil, false }()
	var between func(hidden []float32) error
	if l.ahead != nil {
		between = func(hidden []float32) error { return l.ahead.learn(l, hidden) }
	}
	if err := l.main.learn(l, loss, between); err != nil {
		return err
	}
	for _, v := range l.main.losses {
		l.stats.Loss += float64(v)
	}
	l.stats.Predicted += len(l.main.losses)
	if l.ahead != nil && len(l.ahead.ids) > 0 {
		for _, v := range l.ahead.losses {
			l.stats.AheadLoss += float64(v)
		}
		l.stats.AheadPredicted += len(l.ahead.losses)
	}
	return nil
}

// Logprobs are the log-probabilities, before any learning, of each id after those before it: len(IDs)-1 values a sequence. They are the bits
// that sampling from Model saw.
func (l *Learner) Logprobs(batch []Sequence) ([][]float32, error) {
	out := make([][]float32, len(batch))
	all := make([]Sequence, len(batch))
	for i, s := range batch {
		out[i], all[i] = make([]float32, max(len(s.IDs)-1, 0)), Sequence{IDs: s.IDs}
	}
	return out, l.Visit(all, func(r Row, logits []float32) {
		out[r.Seq][r.Pos-1] = logits[r.Label] - vec.LogSumExp(logits)
	})
}

// Visit runs sequences forward only and shows f the logits that each label is to be predicted from. Several goroutines call it at once, for
// different rows, in no order; it may use the slice as scratch.
func (l *Learner) Visit(batch []Sequence, f func(r Row, logits []float32)) error {
	if err := l.begin(batch); err != nil {
		return err
	}
	p := l.pass
	x := p.Arena.F32(p.Rows * l.d.config.Hidden)
	l.d.Main.Input(p, l.main.ids, x)
	for i := range l.d.Main.Layouts {
		mark := p.Arena.Mark()
		x = l.d.Main.Layer(p, i, x)
		p.Arena.Release(mark)
	}
	p.RMSNorm(x, x, l.d.Main.Norm, l.d.config.NormEps)
	return l.main.head(l, x, nil, visit(f))
}
