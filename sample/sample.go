// Package sample turns a row of logits into the next token: penalties, temperature, top-k, top-p, min-p and a seeded draw. The same logits,
// parameters and seed give the same token on every machine.
//
// The order is the one of Hugging Face's and vLLM's samplers: penalties, temperature, top-k, top-p, min-p. Ties go to the smaller id.
package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/pennyml/penny/kernel/vec"
)

// Params says how to sample. The zero value is greedy.
type Params struct {
	Temp      float64 // 0 takes the most likely token
	TopK      int     // keep the K most likely; 0 keeps all
	TopP      float64 // keep the most likely until their probabilities reach TopP; 0 and 1 keep all
	MinP      float64 // drop what is less likely than MinP times the most likely
	Repeat    float64 // repetition penalty (CTRL, 1909.05858): logits of tokens seen are divided (if > 0) or multiplied; 0 and 1 do nothing
	Presence  float64 // subtracted once from the logit of each token seen
	Frequency float64 // subtracted per occurrence
	LastN     int     // how many past tokens the penalties look at; 0 looks at all
	Banned    []int32 // never drawn
	Seed      uint64
}

// Validate reports a parameter outside its range, by name.
func (p Params) Validate() error {
	check := func(name string, v, lo, hi float64) error {
		if !(v >= lo && v <= hi) {
			return fmt.Errorf("sample: %s = %v is outside %v to %v", name, v, lo, hi)
		}
		return nil
	}
	for _, err := range []error{
		check("temperature", p.Temp, 0, 100), check("top-k", float64(p.TopK), 0, math.MaxInt32), check("top-p", p.TopP, 0, 1), check("min-p", p.MinP, 0, 1),
		check("repetition penalty", p.Repeat, 0, 100), check("presence penalty", p.Presence, -100, 100),
		check("frequency penalty", p.Frequency, -100, 100), check("penalty window", float64(p.LastN), 0, math.MaxInt32),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p Params) penalises() bool {
	return (p.Repeat != 0 && p.Repeat != 1) || p.Presence != 0 || p.Frequency != 0
}

// filters says whether some tokens are left out of the draw.
func (p Params) filters() bool { return p.TopK != 0 || p.TopP != 0 && p.TopP != 1 || p.MinP != 0 }

// Plain says whether tokens are drawn from the model's own distribution, unchanged.
func (p Params) Plain() bool {
	return p.Temp == 1 && !p.filters() && !p.penalises() && len(p.Banned) == 0
}

// Sampler draws tokens. It belongs to one sequence at a time; Next does not allocate.
type Sampler struct {
	p       Params
	pcg     rand.PCG
	rng     *rand.Rand
	history []int32
	counts  []int32 // occurrences in the penalty window, by id; nil without penalties
	row     []float32
	work    []float32 // unnormalised probabilities of the draw
	heap    []candidate
	kept    []candidate // those that the filters leave, most likely first
}

type candidate struct {
	p  float32 // unnormalised probability
	id int32
}

// New makes a sampler over a vocabulary of n tokens.
func New(p Params, n int) (*Sampler, error) {
	if n <= 0 {
		return nil, fmt.Errorf("sample: vocabulary of %d tokens", n)
	}
	s := &Sampler{work: make([]float32, n)}
	s.rng = rand.New(&s.pcg)
	return s, s.Reset(p)
}

// Reset makes the sampler as New would, for another sequence over the same vocabulary.
func (s *Sampler) Reset(p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	n := len(s.work)
	if len(p.Banned) >= n {
		return fmt.Errorf("sample: %d tokens are banned of a vocabulary of %d", len(p.Banned), n)
	}
	for _, id := range p.Banned {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("sample: banned token %d is outside the vocabulary of %d", id, n)
		}
	}
	s.p, s.history, s.kept = p, s.history[:0], s.kept[:0]
	s.pcg.Seed(p.Seed, 0x9e3779b97f4a7c15)
	if s.counts = s.counts[:0]; p.penalises() {
		s.counts = slices.Grow(s.counts, n)[:n]
		clear(s.counts)
	}
	if s.row == nil && (p.penalises() || len(p.Banned) > 0) {
		s.row = make([]float32, n)
	}
	if s.heap == nil && p.filters() {
		s.heap, s.kept = make([]candidate, n), make([]candidate, 0, n)
	}
	return nil
}

// Observe tells the sampler of a token of the sequence (prompt or answer), for the penalties. Next observes what it returns.
func (s *Sampler) Observe(id int32) {
	if int(id) >= len(s.counts) {
		return
	}
	s.history = append(s.history, id)
	s.counts[id]++
	if n := s.p.LastN; n > 0 && len(s.history) > n {
		s.counts[s.history[len(s.history)-1-n]]--
	}
}

// Next draws a token. The log-probability is the model's own, before penalties, temperature and filters: what scoring the same ids gives.
// Logits that hold a NaN or no finite value are an error.
func (s *Sampler) Next(logits []float32) (id int32, logprob float32, err error) {
	if len(logits) != len(s.work) {
		panic(fmt.Sprintf("sample: %d logits for a vocabulary of %d", len(logits), len(s.work)))
	}
	lse := vec.LogSumExp(logits)
	if math.IsNaN(float64(lse)) || math.IsInf(float64(lse), 0) {
		return 0, 0, fmt.Errorf("sample: the logits are not finite (log-sum-exp %v)", lse)
	}
	if row := s.adjusted(logits); s.p.Temp == 0 {
		id = int32(argmax(row))
	} else {
		id = s.draw(s.weigh(row))
	}
	s.Observe(id)
	return id, logits[id] - lse, nil
}

// Distribution turns logits, in place, into those of the distribution that a token is drawn from: divided by the temperature, and -Inf for what the
// filters leave out. The log-probability of a token that was drawn is its value less the log-sum-exp of all. Who learns from tokens that were not
// drawn from the model's own distribution has to do the same to the learner's logits.
func (s *Sampler) Distribution(logits []float32) {
	negInf := float32(math.Inf(-1))
	row := s.adjusted(logits)
	if s.p.Temp == 0 {
		best := argmax(row)
		for i := range logits {
			logits[i] = negInf
		}
		logits[best] = 0
		return
	}
	total := s.weigh(row)
	if s.p.filters() {
		s.filter(total)
	}
	invTemp, top := float32(1/s.p.Temp), row[argmax(row)]
	for i, v := range row {
		logits[i] = float32((v - top) * invTemp)
	}
	if !s.p.filters() {
		return
	}
	for i := range s.work {
		s.work[i] = negInf
	}
	for _, c := range s.kept {
		s.work[c.id] = logits[c.id]
	}
	copy(logits, s.work)
}

func argmax(row []float32) int {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return best
}

// adjusted is the logits with penalties and bans, in s.row; the logits themselves where there are none.
func (s *Sampler) adjusted(logits []float32) []float32 {
	if len(s.counts) == 0 && len(s.p.Banned) == 0 {
		return logits
	}
	copy(s.row, logits)
	for id, n := range s.counts {
		if n == 0 {
			continue
		}
		v := float64(s.row[id])
		if r := s.p.Repeat; r != 0 {
			if v > 0 {
				v /= r
			} else {
				v *= r
			}
		}
		s.row[id] = float32(v - s.p.Presence - float64(float64(n)*s.p.Frequency))
	}
	for _, id := range s.p.Banned {
		s.row[id] = float32(math.Inf(-1))
	}
	return s.row
}

// weigh sets s.work to the unnormalised probabilities of softmax(row/Temp) and returns their sum.
func (s *Sampler) weigh(row []float32) float64 {
	invTemp, top := float32(1/s.p.Temp), row[argmax(row)]
	for i, v := range row {
		s.work[i] = float32((v - top) * invTemp)
	}
	vec.Exp(s.work, s.work)
	total := 0.0
	for _, p := range s.work {
		total += float64(p)
	}
	return total
}

// draw picks one of the weighed tokens.
func (s *Sampler) draw(total float64) int32 {
	if !s.p.filters() {
		return s.drawAll(total)
	}
	u := s.rng.Float64() * s.filter(total)
	for _, c := range s.kept {
		if u -= float64(c.p); u < 0 {
			return c.id
		}
	}
	return s.kept[len(s.kept)-1].id
}

// drawAll walks the cumulative distribution in id order: no sort is needed when nothing is filtered.
func (s *Sampler) drawAll(total float64) int32 {
	u, last := s.rng.Float64()*total, 0
	for i, p := range s.work {
		if p == 0 {
			continue
		}
		last = i
		if u -= float64(p); u < 0 {
			break
		}
	}
	return int32(last)
}

// filter leaves in s.kept what the filters let through and returns their sum. It pops the most likely tokens off a heap until a filter says stop,
// which is soon; sorting the whole vocabulary would cost more than the forward pass of a small model.
func (s *Sampler) filter(total float64) (sum float64) {
	s.heap, s.kept = s.heap[:len(s.work)], s.kept[:0]
	for i, p := range s.work {
		s.heap[i] = candidate{p, int32(i)}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		siftDown(s.heap, i)
	}
	if k := s.p.TopK; k > 0 && k < len(s.heap) { // top-p then shares out what top-k leaves
		total = 0
		for range k {
			total += float64(s.pop())
		}
		s.heap = s.heap[:0]
	}
	enough := math.Inf(1)
	if s.p.TopP > 0 && s.p.TopP < 1 {
		enough = s.p.TopP * total
	}
	n := 0
	for ; sum < enough; n++ {
		if n == len(s.kept) {
			if len(s.heap) == 0 {
				break
			}
			s.pop()
		}
		p := s.kept[n].p
		if n > 0 && (p == 0 || float64(p) < s.p.MinP*float64(s.kept[0].p)) {
			break
		}
		sum += float64(p)
	}
	s.kept = s.kept[:n]
	return sum
}

// pop moves the most likely token of the heap to kept.
func (s *Sampler) pop() float32 {
	c, n := s.heap[0], len(s.heap)-1
	s.kept = append(s.kept, c)
	s.heap[0], s.heap = s.heap[n], s.heap[:n]
	siftDown(s.heap, 0)
	return c.p
}

// less orders the heap: more likely first, then the smaller id.
func less(a, b candidate) bool { return a.p > b.p || (a.p == b.p && a.id < b.id) }

func siftDown(h []candidate, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && less(h[c+1], h[c]) {
			c++
		}
		if !less(h[c], h[i]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
