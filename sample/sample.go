// Package sample turns a row of logits into the next token: penalties, temperature, top-k, top-p, min-p and a seeded draw. The same logits,
// parameters and seed give the same token on every machine.
//
// The order is the one of Hugging Face's and vLLM's samplers: penalties, temperature, top-k, top-p, min-p. Ties go to the smaller id.
package sample

import (
	"fmt"
	"math"
	"math/rand/v2"

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

// Sampler draws tokens. It belongs to one sequence; Next does not allocate.
type Sampler struct {
	p       Params
	rng     *rand.Rand
	history []int32
	counts  []int32 // occurrences in the penalty window, by id
	work    []float32
	heap    []candidate
	kept    []candidate
}

type candidate struct {
	p  float32 // unnormalised probability
	id int32
}

// New makes a sampler over a vocabulary of n tokens.
func New(p Params, n int) (*Sampler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, fmt.Errorf("sample: vocabulary of %d tokens", n)
	}
	s := &Sampler{p: p, rng: rand.New(rand.NewPCG(p.Seed, 0x9e3779b97f4a7c15)), work: make([]float32, n)}
	if p.penalises() {
		s.counts = make([]int32, n)
	}
	if p.Temp > 0 {
		s.heap, s.kept = make([]candidate, n), make([]candidate, 0, n)
	}
	return s, nil
}

// Observe tells the sampler of a token of the sequence (prompt or answer), for the penalties. Next observes what it returns.
func (s *Sampler) Observe(id int32) {
	if s.counts == nil || int(id) >= len(s.counts) {
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
	row := logits
	if s.counts != nil {
		row = s.penalised(logits)
	}
	if s.p.Temp == 0 {
		id = int32(argmax(row))
	} else {
		id = s.draw(row)
	}
	s.Observe(id)
	return id, logits[id] - lse, nil
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

func (s *Sampler) penalised(logits []float32) []float32 {
	copy(s.work, logits)
	for id, n := range s.counts {
		if n == 0 {
			continue
		}
		v := float64(s.work[id])
		if r := s.p.Repeat; r != 0 {
			if v > 0 {
				v /= r
			} else {
				v *= r
			}
		}
		s.work[id] = float32(v - s.p.Presence - float64(float64(n)*s.p.Frequency))
	}
	return s.work
}

// draw samples from softmax(row/Temp) after the filters.
func (s *Sampler) draw(row []float32) int32 {
	invTemp, top := float32(1/s.p.Temp), row[argmax(row)]
	for i, v := range row {
		s.work[i] = float32((v - top) * invTemp)
	}
	vec.Exp(s.work, s.work)
	total := 0.0
	for _, p := range s.work {
		total += float64(p)
	}
	if s.p.TopK == 0 && (s.p.TopP == 0 || s.p.TopP == 1) && s.p.MinP == 0 {
		return s.drawAll(total)
	}
	return s.drawFiltered(total)
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

// drawFiltered pops the most likely tokens off a heap until a filter says stop, which is soon; sorting the whole vocabulary would cost more
// than the forward pass of a small model.
func (s *Sampler) drawFiltered(total float64) int32 {
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
	sum, n := 0.0, 0
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
	u := s.rng.Float64() * sum
	for _, c := range s.kept[:n] {
		if u -= float64(c.p); u < 0 {
			return c.id
		}
	}
	return s.kept[n-1].id
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
