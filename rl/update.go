package rl

import (
	"fmt"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
)

// batch is what a step learns from.
type batch struct {
	stats   Stats
	answers []*answer
	update  *Update
	first   []view  // the tokens as they were sampled; with values where there is a critic
	parts   [][]int // the responses of each update, in the order of the updates
	next    int

	tokens, flops              int64 // since they were last told
	discarded, discardedTokens int64

	loss    Loss // of all updates
	updates int
}

func (b *batch) note(l Loss) {
	b.loss.Add(l)
	b.updates++
}

// numbers are those of the step, by their names in metrics.
func (b *batch) numbers(g int) map[string]float64 {
	m := b.stats.numbers(g)
	m["discarded_flops"] = float64(b.discarded)
	if b.updates > 1 {
		m["drift"], m["clipped"] = b.loss.Drift/float64(max(b.loss.Tokens, 1)), float64(b.loss.Clipped)/float64(max(b.loss.Tokens, 1))
	}
	if b.loss.KL != 0 {
		m["kl_loss"] = b.loss.KL / float64(b.updates)
	}
	if b.loss.Value != 0 {
		m["value_loss"] = b.loss.Value / float64(b.updates)
	}
	return m
}

// prepare makes a batch of the groups that are learnt from: those in which rewards differ, and the others too where something else than the rewards'
// differences may have a gradient.
func (l *Loop) prepare(b *batch, kept []*Tried) error {
	in := &Batch{}
	for _, t := range kept {
		in.Groups = append(in.Groups, len(t.Attempts))
		for i := range t.Attempts {
			a := &t.Attempts[i]
			mask := make([]bool, len(a.IDs))
			for j := range mask {
				mask[j] = !(l.c.MaskTruncated && a.Finish == engine.FinishLength)
			}
			s := newAnswer(t, i, l.sampler.params)
			s.label(mask)
			b.answers = append(b.answers, s)
			b.first = append(b.first, view{Policy: Policy{Logprobs: a.Drawn}})
			in.Responses = append(in.Responses, Response{Reward: a.Reward, Mask: mask, Old: a.Drawn})
		}
	}
	if b.discarded > 0 {
		if err := l.recorder.Discard(ledger.Rollout, b.discarded, b.discardedTokens, "groups without variance"); err != nil {
			return err
		}
	}
	if len(in.Responses) == 0 {
		return nil
	}
	if err := l.complete(b, in); err != nil {
		return err
	}
	var err error
	if b.update, err = l.objective.Assign(in); err != nil {
		return err
	}
	b.parts = l.cut(in)
	return nil
}

// complete adds to the responses what only a pass over them tells: what the critic and the reference say.
func (l *Loop) complete(b *batch, in *Batch) error {
	before := l.recorder.Enter(ledger.Learner)
	defer l.recorder.Enter(before)
	all := make([]int, len(b.answers))
	for i := range all {
		all[i] = i
	}
	if l.objective.NeedsValues() {
		views, err := l.look(b, l.learner, all, b.first)
		if err != nil {
			return err
		}
		b.first = views
		for i := range views {
			in.Responses[i].Values = views[i].Values
		}
	}
	if l.objective.NeedsReference() {
		views, err := l.look(b, l.ref, all, nil)
		if err != nil {
			return err
		}
		for i := range views {
			in.Responses[i].Ref = views[i].Logprobs
		}
	}
	return nil
}

// cut says which responses each update of the step learns from: whole groups, in an order of its own each time round.
func (l *Loop) cut(in *Batch) (parts [][]int) {
	first := make([]int, len(in.Groups)) // response of each group
	for g := 1; g < len(first); g++ {
		first[g] = first[g-1] + in.Groups[g-1]
	}
	n := min(l.c.Minibatches, len(in.Groups))
	for round := range l.c.Mu {
		order := make([]int, len(in.Groups))
		for g := range order {
			order[g] = g
		}
		if n > 1 {
			for i := len(order) - 1; i > 0; i-- {
				j := int(sample.Seed(l.seed, 4, uint64(l.mark.Step), uint64(round), uint64(i)) % uint64(i+1))
				order[i], order[j] = order[j], order[i]
			}
		}
		for k := range n {
			var part []int
			for _, g := range order[k*len(order)/n : (k+1)*len(order)/n] {
				for i := range in.Groups[g] {
					part = append(part, first[g]+i)
				}
			}
			parts = append(parts, part)
		}
	}
	return parts
}

// MicroRows is about how many rows of the network are run at a time: enough for products near their peak, few enough for memory.
const MicroRows = 4096

// micro calls f for runs of the responses numbered in part, about MicroRows each.
func (b *batch) micro(part []int, f func(lo, hi int) error) error {
	for lo := 0; lo < len(part); {
		hi, rows := lo, 0
		for hi < len(part) && (hi == lo || rows+len(b.answers[part[hi]].ids) <= MicroRows) {
			rows += len(b.answers[part[hi]].ids)
			hi++
		}
		if err := f(lo, hi); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// look runs responses forward through a network and returns what it says of their tokens. expect, if not nil, is what it must say.
func (l *Loop) look(b *batch, net *model.Learner, part []int, expect []view) ([]view, error) {
	views := make([]view, len(part))
	err := b.micro(part, func(lo, hi int) error {
		p := l.pass(b, part[lo:hi])
		if expect != nil {
			p.expect = nil
			for _, i := range part[lo:hi] {
				p.expect = append(p.expect, expect[i].Logprobs)
			}
		}
		if err := net.Visit(p.sequences(), func(r model.Row, logits []float32) { p.Row(r, logits) }); err != nil {
			return err
		}
		copy(views[lo:], p.views)
		flops, rows := int64(0), int64(0)
		for _, a := range p.answers {
			flops += l.cost.Forward(len(a.ids), a.learnt())
			rows += int64(len(a.ids) - 1)
		}
		l.recorder.Spend(ledger.Learner, flops, rows)
		b.flops += flops
		return l.check(p, part[lo:hi])
	})
	return views, err
}

func (l *Loop) pass(b *batch, part []int) *pass {
	p := &pass{value: l.value, scratch: l.drafts}
	for _, i := range part {
		p.answers = append(p.answers, b.answers[i])
		p.views = append(p.views, newView(b.answers[i].len(), l.value >= 0))
	}
	return p
}

func (p *pass) sequences() []model.Sequence {
	s := make([]model.Sequence, len(p.answers))
	for i, a := range p.answers {
		s[i] = a.sequence()
	}
	return s
}

// check reports a token whose log-probability was not what it had to be.
func (l *Loop) check(p *pass, part []int) error {
	m := p.strange.Load()
	if m == nil {
		return nil
	}
	return fmt.Errorf("rl: step %d: token %d of response %d has log-probability %v, but %v when it was sampled: sampler and learner are not the same network",
		l.mark.Step, m.token, part[m.seq], m.got, m.want)
}

// update runs the responses of one update forward and back.
func (l *Loop) update(b *batch, part []int) (Loss, error) {
	now := b.first
	if b.next > 0 { // the policy has moved
		views, err := l.look(b, l.learner, part, nil)
		if err != nil {
			return Loss{}, err
		}
		now = make([]view, len(b.answers))
		for j, i := range part {
			now[i] = views[j]
		}
	}
	weights := b.update.Weights(part)
	var total Loss
	var worth []int // numbers in part of the responses that have a gradient
	grads := make([]Policy, len(part))
	for j, i := range part {
		n := b.answers[i].len()
		grads[j].Logprobs = make([]float32, n)
		if l.value >= 0 {
			grads[j].Values = make([]float32, n)
		}
		total.Add(b.update.Loss(i, weights[j], now[i].Policy, grads[j]))
		if l.c.Entropy != 0 && b.answers[i].learnt() > 0 || !allZero(grads[j].Logprobs) || !allZero(grads[j].Values) {
			worth = append(worth, j)
		}
	}
	chosen := make([]int, len(worth))
	for k, j := range worth {
		chosen[k] = part[j]
	}
	err := b.micro(chosen, func(lo, hi int) error {
		p := l.pass(b, chosen[lo:hi])
		for _, j := range worth[lo:hi] {
			p.grads, p.expect = append(p.grads, grads[j]), append(p.expect, now[part[j]].Logprobs)
			if l.c.Entropy != 0 {
				bonus := make([]float64, len(weights[j]))
				for t, w := range weights[j] {
					bonus[t] = float64(l.c.Entropy * w)
				}
				p.entropy = append(p.entropy, bonus)
			}
		}
		return l.accumulate(b, p, chosen[lo:hi])
	})
	l.learner.Finish()
	return total, err
}

// accumulate runs one micro-batch.
func (l *Loop) accumulate(b *batch, p *pass, part []int) error {
	if _, err := l.learner.Accumulate(p.sequences(), p); err != nil {
		return err
	}
	flops, rows := int64(0), int64(0)
	for _, a := range p.answers {
		flops += l.cost.Learn(len(a.ids), a.learnt())
		rows += int64(len(a.ids) - 1)
	}
	l.recorder.Spend(ledger.Learner, flops, rows)
	b.flops += flops
	b.tokens += rows
	return l.check(p, part)
}

func allZero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}
