package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
)

// Group is one prompt and the answers wanted to it.
type Group struct {
	Prompt    []int32
	Samples   int
	MaxTokens int                 // the most tokens of an answer, an end token included; 0 or less: as many as the context holds
	Params    sample.Params       // but for the seed
	Seed      func(i int) uint64  // of the i-th answer
	IsEnd     func(id int32) bool // tokens that end an answer; nil: none do
}

// Rollout is one answer to the prompt of a group.
type Rollout struct {
	Group, Sample int // numbers of the group in the run, and of the answer in the group
	IDs           []int32
	Logprobs      []float32 // of each id under the model's own distribution
	Drawn         []float32 // of each under what it was drawn from: Logprobs itself where Params are plain
	Finish        Finish    // stop or length
}

// RolloutStats are what a run, or the runs so far, came to.
type RolloutStats struct {
	Passes        int   // forward passes
	PrefillTokens int   // of prompts, each group's once
	SharedTokens  int   // of prompts that were not run again for the other answers
	DecodeTokens  int   // run one by one; the last of an answer is drawn but not run
	DrawnTokens   int   // of answers
	Attended      int64 // positions that the tokens run saw, themselves included: what attention costs
	Forward       time.Duration
	Sampling      time.Duration
}

// RolloutOptions bound the memory of a run.
type RolloutOptions struct {
	Sequences int // answers under way at a time; 0: DefaultSequences
	Chunk     int // prompt tokens in one pass; 0: model.DefaultChunk
	Context   int // positions of a sequence; 0: the network's context
}

// DefaultSequences is enough for a product to run near its peak, and few enough for the caches of a small network to stay near the processor.
const DefaultSequences = 128

// Rollouts samples many answers at once: an answer that ends makes room for the next in the same pass. A prompt is run once for its group. What
// an answer is depends on its prompt, parameters and seed alone, not on who else is under way, since neither the network's logits nor the
// sampler's draws do. A Rollouts is kept from run to run; it allocates for each answer, not for each token.
type Rollouts struct {
	m       model.Model
	o       RolloutOptions
	share   func(n int, f func(lo, hi int))
	idle    []*slot
	prompts []*kvcache.Cache // not in use

	// The run at hand.
	groups []Group
	next   int       // the first group whose prompt has not been begun
	ready  []*prompt // begun, in order; the first may have answers under way already
	active []*slot
	batch  []model.Chunk
	logits []float32
	draws  func(lo, hi int) // drawAll, made once
	stats  RolloutStats
}

// slot is the place of one answer under way.
type slot struct {
	cache         *kvcache.Cache
	smp           *sample.Sampler
	group, sample int
	limit         int
	isEnd         func(id int32) bool
	plain         bool
	ids           []int32
	logprobs      []float32
	drawn         []float32
	work          []float32 // logits of the distribution drawn from
	finish        Finish
	err           error
}

// prompt is a group whose prompt is being run, or has been and waits for room.
type prompt struct {
	group   int
	cache   *kvcache.Cache
	held    int       // tokens run
	started int       // answers begun
	logits  []float32 // of the last token
}

// NewRollouts makes a Rollouts over m, which it uses alone while it runs.
func NewRollouts(m model.Model, o RolloutOptions) *Rollouts {
	if o.Sequences <= 0 {
		o.Sequences = DefaultSequences
	}
	if o.Chunk <= 0 {
		o.Chunk = model.DefaultChunk
	}
	if o.Context <= 0 {
		o.Context = m.Config().Context
	}
	r := &Rollouts{m: m, o: o, share: func(n int, f func(lo, hi int)) { f(0, n) }}
	r.draws = r.drawAll
	if s, ok := m.(interface {
		Share(n int, f func(lo, hi int))
	}); ok {
		r.share = s.Share
	}
	return r
}

// Run samples every answer of every group and hands each to done when it ends, which is in no order. An error of done, of the network or of ctx
// ends the run, and with it the answers under way.
func (r *Rollouts) Run(ctx context.Context, groups []Group, done func(Rollout) error) (RolloutStats, error) {
	for i := range groups {
		if err := r.check(&groups[i]); err != nil {
			return RolloutStats{}, fmt.Errorf("engine: group %d: %w", i, err)
		}
	}
	r.groups, r.next, r.stats = groups, 0, RolloutStats{}
	defer r.reset()
	for {
		if err := r.admit(); err != nil {
			return r.stats, err
		}
		if err := r.collect(done); err != nil {
			return r.stats, err
		}
		if len(r.active) == 0 && len(r.ready) == 0 && r.next == len(groups) {
			return r.stats, nil
		}
		if err := ctx.Err(); err != nil {
			return r.stats, err
		}
		if err := r.pass(); err != nil {
			return r.stats, err
		}
	}
}

func (r *Rollouts) check(g *Group) error {
	if g.Samples < 1 || g.Seed == nil {
		return fmt.Errorf("%d samples wanted, with a seed for each: %v", g.Samples, g.Seed != nil)
	}
	if len(g.Prompt) == 0 || len(g.Prompt) > r.o.Context {
		return fmt.Errorf("the prompt has %d tokens, want 1 to %d", len(g.Prompt), r.o.Context)
	}
	vocab := r.m.Config().Vocab
	for i, id := range g.Prompt {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("id %d at position %d of the prompt is outside the vocabulary of %d", id, i, vocab)
		}
	}
	return g.Params.Validate()
}

// reset makes everything idle again, whatever became of the run.
func (r *Rollouts) reset() {
	r.idle = append(r.idle, r.active...)
	for _, p := range r.ready {
		r.prompts = append(r.prompts, p.cache)
	}
	r.active, r.ready, r.groups = r.active[:0], r.ready[:0], nil
}

// admit begins answers while there is room, and prompts while there will be.
func (r *Rollouts) admit() error {
	for len(r.ready) > 0 && r.ready[0].logits != nil && len(r.active) < r.o.Sequences {
		p := r.ready[0]
		if err := r.begin(p); err != nil {
			return err
		}
		if p.started == r.groups[p.group].Samples {
			r.prompts, r.ready = append(r.prompts, p.cache), r.ready[1:]
		}
	}
	// One answer more than there is room for: then a place that becomes free is taken at once.
	for waiting := r.waiting(); r.next < len(r.groups) && waiting <= r.o.Sequences-len(r.active); r.next++ {
		p := &prompt{group: r.next}
		if last := len(r.prompts) - 1; last >= 0 {
			p.cache, r.prompts = r.prompts[last], r.prompts[:last]
			p.cache.Truncate(0)
		} else {
			var err error
			if p.cache, err = r.m.NewCache(r.o.Context); err != nil {
				return err
			}
		}
		r.ready = append(r.ready, p)
		waiting += r.groups[r.next].Samples
	}
	return nil
}

// waiting is how many answers the prompts that were begun have still to get.
func (r *Rollouts) waiting() (n int) {
	for _, p := range r.ready {
		n += r.groups[p.group].Samples - p.started
	}
	return n
}

// begin starts the next answer of a prompt: with the prompt's cache and its first token.
func (r *Rollouts) begin(p *prompt) error {
	g := &r.groups[p.group]
	s, err := r.slot()
	if err != nil {
		return err
	}
	r.active = append(r.active, s)
	params := g.Params
	params.Seed = g.Seed(p.started)
	if err := s.smp.Reset(params); err != nil {
		return fmt.Errorf("engine: group %d: %w", p.group, err)
	}
	for _, id := range g.Prompt {
		s.smp.Observe(id)
	}
	s.group, s.sample, s.isEnd, s.plain, s.finish, s.err = p.group, p.started, g.IsEnd, params.Plain(), "", nil
	s.ids, s.logprobs, s.drawn = s.ids[:0], s.logprobs[:0], s.drawn[:0]
	s.limit = r.o.Context - len(g.Prompt) + 1 // the last token needs no place in the cache
	if g.MaxTokens > 0 {
		s.limit = min(s.limit, g.MaxTokens)
	}
	if p.started++; p.started == g.Samples { // the last takes the prompt's cache over
		s.cache, p.cache = p.cache, s.cache
	} else {
		p.cache.ForkTo(s.cache, len(g.Prompt))
		r.stats.SharedTokens += len(g.Prompt)
	}
	s.draw(p.logits)
	return s.err
}

// slot is a place for an answer.
func (r *Rollouts) slot() (*slot, error) {
	if last := len(r.idle) - 1; last >= 0 {
		s := r.idle[last]
		r.idle = r.idle[:last]
		return s, nil
	}
	c, err := r.m.NewCache(r.o.Context)
	if err != nil {
		return nil, err
	}
	smp, err := sample.New(sample.Params{}, r.m.Config().Vocab)
	if err != nil {
		return nil, err
	}
	return &slot{cache: c, smp: smp}, nil
}

// draw adds a token to the answer.
func (s *slot) draw(logits []float32) {
	if !s.plain { // before Next, which takes note of what it draws
		s.work = append(s.work[:0], logits...)
		s.smp.Distribution(s.work)
	}
	id, logprob, err := s.smp.Next(logits)
	if err != nil {
		s.err = fmt.Errorf("engine: group %d, sample %d, token %d: %w", s.group, s.sample, len(s.ids), err)
		return
	}
	s.ids, s.logprobs = append(s.ids, id), append(s.logprobs, logprob)
	if !s.plain {
		s.drawn = append(s.drawn, s.work[id]-vec.LogSumExp(s.work))
	}
	switch {
	case s.isEnd != nil && s.isEnd(id):
		s.finish = FinishStop
	case len(s.ids) >= s.limit:
		s.finish = FinishLength
	}
}

// collect hands over the answers that have ended.
func (r *Rollouts) collect(done func(Rollout) error) error {
	left := r.active[:0]
	var err error
	for _, s := range r.active {
		if s.err != nil {
			err = errors.Join(err, s.err)
			s.err = nil
		}
		if s.finish == "" || err != nil {
			left = append(left, s)
			continue
		}
		out := Rollout{Group: s.group, Sample: s.sample, IDs: append([]int32(nil), s.ids...), Logprobs: append([]float32(nil), s.logprobs...), Finish: s.finish}
		if out.Drawn = out.Logprobs; !s.plain {
			out.Drawn = append([]float32(nil), s.drawn...)
		}
		r.stats.DrawnTokens += len(s.ids)
		r.idle = append(r.idle, s)
		err = done(out)
	}
	r.active = left
	return err
}

// pass runs the last token of every answer under way and what is to come of the prompts that were begun, and draws.
func (r *Rollouts) pass() error {
	r.batch = r.batch[:0]
	for _, s := range r.active {
		r.add(s.cache, s.ids[len(s.ids)-1:], 1)
	}
	room := r.o.Chunk
	decoding := len(r.batch)
	for _, p := range r.ready {
		ids := r.groups[p.group].Prompt[p.held:]
		if ids = ids[:min(len(ids), room)]; len(ids) == 0 {
			continue
		}
		rows := 0
		if p.held+len(ids) == len(r.groups[p.group].Prompt) {
			rows = 1
		}
		r.add(p.cache, ids, rows)
		room -= len(ids)
		r.stats.PrefillTokens += len(ids)
	}
	if len(r.batch) == 0 { // answers of one token have ended, others are yet to begin
		return nil
	}
	r.stats.DecodeTokens += decoding
	start := time.Now()
	logits, err := r.m.Forward(r.batch)
	if err != nil {
		return err
	}
	mid := time.Now()
	r.logits = logits
	vocab := r.m.Config().Vocab
	r.share(len(r.active), r.draws)
	at := decoding // row of the logits
	for i, c := decoding, 0; i < len(r.batch); i++ {
		for r.ready[c].cache != r.batch[i].Cache {
			c++
		}
		p := r.ready[c]
		if p.held += len(r.batch[i].IDs); r.batch[i].Logits == 1 {
			p.logits = append([]float32(nil), logits[at*vocab:][:vocab]...)
			at++
		}
	}
	r.stats.Passes++
	r.stats.Forward += mid.Sub(start)
	r.stats.Sampling += time.Since(mid)
	return nil
}

func (r *Rollouts) drawAll(lo, hi int) {
	vocab := r.m.Config().Vocab
	for i := lo; i < hi; i++ {
		r.active[i].draw(r.logits[i*vocab:][:vocab])
	}
}

func (r *Rollouts) add(c *kvcache.Cache, ids []int32, rows int) {
	n, pos := int64(len(ids)), int64(c.Len())
	r.stats.Attended += n*pos + n*(n+1)/2
	r.batch = append(r.batch, model.Chunk{Cache: c, IDs: ids, Logits: rows})
}
