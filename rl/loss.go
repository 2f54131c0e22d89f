package rl

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
)

// answer is a response as the learner sees it: the ids of prompt and answer.
type answer struct {
	ids    []int32
	prompt int // how many of them are the prompt's
	labels []int32
	params sample.Params // how it was sampled: the policy is what the tokens were drawn from
}

// newAnswer is answer i to a problem.
func newAnswer(t *Tried, i int, params sample.Params) *answer {
	return &answer{ids: append(append([]int32(nil), t.Prompt...), t.Attempts[i].IDs...), prompt: len(t.Prompt), params: params}
}

// all is a mask that leaves nothing out.
func (a *answer) all() []bool {
	m := make([]bool, a.len())
	for i := range m {
		m[i] = true
	}
	return m
}

func (a *answer) len() int { return len(a.ids) - a.prompt }

// sequence is what is learnt of it.
func (a *answer) sequence() model.Sequence { return model.Sequence{IDs: a.ids, Labels: a.labels} }

// label says which tokens the learner has to predict: those of the mask.
func (a *answer) label(mask []bool) {
	a.labels = make([]int32, len(a.ids))
	for t := range a.labels {
		if a.labels[t] = model.Unlearnt; t >= a.prompt && mask[t-a.prompt] {
			a.labels[t] = a.ids[t]
		}
	}
}

// learnt is how many tokens are.
func (a *answer) learnt() (n int) {
	for _, label := range a.labels {
		if label != model.Unlearnt {
			n++
		}
	}
	return n
}

// view is what the network says of the tokens of one response in a pass over it.
type view struct {
	Policy
	entropy []float32
}

func newView(n int, values bool) view {
	v := view{Policy: Policy{Logprobs: make([]float32, n)}, entropy: make([]float32, n)}
	if values {
		v.Values = make([]float32, n)
	}
	return v
}

// pass is what happens at each token of the responses of one micro-batch: their log-probabilities are read off the logits, compared with what they
// ought to be, and where a gradient is wanted, put in its place.
type pass struct {
	answers []*answer
	views   []view
	value   int32 // the token whose logit is the critic's value; -1 without one
	scratch *sync.Pool

	expect  [][]float32 // log-probabilities that must be found, to the bit; nil: none
	strange atomic.Pointer[mismatch]

	grads   []Policy    // dL/d what the network says; nil: forward only
	entropy [][]float64 // by how much the loss falls for each nat of a token's entropy; nil: not at all
}

// mismatch is a token whose log-probability is not what it was when it was sampled.
type mismatch struct {
	seq, token int
	want, got  float32
}

// draft is one goroutine's working memory.
type draft struct {
	smp  *sample.Sampler
	prob []float32
}

func newScratch(vocab int) *sync.Pool {
	return &sync.Pool{New: func() any {
		smp, err := sample.New(sample.Params{}, vocab)
		if err != nil {
			panic(err) // the vocabulary is not empty
		}
		return &draft{smp, make([]float32, vocab)}
	}}
}

// Row is of model.Loss.
func (p *pass) Row(r model.Row, logits []float32) float32 {
	a, v := p.answers[r.Seq], &p.views[r.Seq]
	t := r.Pos - a.prompt
	d := p.scratch.Get().(*draft)
	defer p.scratch.Put(d)
	if p.value >= 0 {
		v.Values[t] = logits[p.value]
	}
	perLogit := float32(1) // derivative of the policy's logits by the network's
	if !a.params.Plain() {
		if err := d.smp.Reset(a.params); err != nil {
			panic(err) // it has been sampled with
		}
		d.smp.Distribution(logits)
		perLogit = float32(1 / a.params.Temp)
	}
	lse := vec.LogSumExp(logits)
	lp := logits[r.Label] - lse
	v.Logprobs[t] = lp
	if p.expect != nil {
		if want := p.expect[r.Seq][t]; math.Float32bits(want) != math.Float32bits(lp) {
			p.strange.CompareAndSwap(nil, &mismatch{r.Seq, t, want, lp})
		}
	}
	for i := range logits {
		logits[i] -= lse
	}
	vec.Exp(d.prob, logits)
	h := float32(0)
	for i, q := range d.prob {
		if q > 0 {
			h -= float32(q * logits[i])
		}
	}
	v.entropy[t] = h
	if p.grads != nil {
		p.differentiate(r.Seq, t, r.Label, logits, d.prob, perLogit)
	}
	return 0
}

// differentiate puts the gradient by the network's logits in the place of the policy's log-probabilities.
func (p *pass) differentiate(seq, t int, label int32, logits, prob []float32, perLogit float32) {
	credit, bonus := p.grads[seq].Logprobs[t], float32(0)
	if p.entropy != nil {
		bonus = float32(p.entropy[seq][t])
	}
	h := p.views[seq].entropy[t]
	for i, q := range prob {
		g := -float32(credit * q)
		if bonus != 0 && q > 0 {
			g += float32(float32(bonus*q) * (logits[i] + h))
		}
		logits[i] = g
	}
	logits[label] += credit
	if perLogit != 1 {
		vec.Scale(logits, logits, perLogit)
	}
	if p.value >= 0 {
		logits[p.value] = p.grads[seq].Values[t]
	}
}
