// Package grad is reverse-mode differentiation over the buffers of a pass: parameters with their gradients, and the tape that a network
// writes while it runs and that is read backwards.
package grad

import (
	"fmt"

	"github.com/pennyml/penny/kernel/vec"
	"github.com/pennyml/penny/tensor"
)

// Param is a tensor of a network.
type Param struct {
	Name  string    // as checkpoints call it
	Shape []int     // slowest first
	Value []float32 // the master values; nil for one that is not learnt and kept in bf16 only
	Half  []uint16  // the values in bf16, which products read under bf16 compute; nil: they read Value
	Grad  []float32 // the batch's gradient, complete after Params.Finish; nil for a tensor that no gradient reaches
}

// Len is the number of values.
func (p *Param) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Params are the tensors of a network in fixed order, and where the gradient of each use of them is added up. A parameter that a network uses
// more than once (an embedding that is also the head) has a sum for each use: with one for all, the order of additions would depend on how
// a batch is cut.
type Params struct {
	all      []*Param
	names    map[string]*Param
	matrices map[*tensor.Matrix]*use
	vectors  map[*float32]*use
	more     []*use // those after a parameter's first, in order
}

type use struct {
	*Param
	sum []float32
}

// NewParams makes an empty set.
func NewParams() *Params {
	return &Params{names: map[string]*Param{}, matrices: map[*tensor.Matrix]*use{}, vectors: map[*float32]*use{}}
}

// All are the tensors, learnt or not.
func (ps *Params) All() []*Param { return ps.all }

// Learnt are those with a gradient.
func (ps *Params) Learnt() []*Param {
	var l []*Param
	for _, p := range ps.all {
		if p.Grad != nil {
			l = append(l, p)
		}
	}
	return l
}

// Get is the tensor of a name, or nil.
func (ps *Params) Get(name string) *Param { return ps.names[name] }

// Add takes a tensor into the set.
func (ps *Params) Add(p *Param) {
	if ps.names[p.Name] != nil {
		panic(fmt.Sprintf("grad: two tensors %s", p.Name))
	}
	ps.all, ps.names[p.Name] = append(ps.all, p), p
}

// AddMatrix takes a tensor whose values the network reads as m.
func (ps *Params) AddMatrix(p *Param, m *tensor.Matrix) {
	ps.Add(p)
	ps.matrices[m] = &use{p, p.Grad}
}

// AddVector takes a tensor whose values the network reads as p.Value.
func (ps *Params) AddVector(p *Param) {
	ps.Add(p)
	ps.vectors[&p.Value[0]] = &use{p, p.Grad}
}

// Again is m for another use of it. Each use has to be a matrix of its own, since by it its sum is found.
func (ps *Params) Again(m *tensor.Matrix) *tensor.Matrix {
	first, again := ps.matrices[m], *m
	u := &use{Param: first.Param}
	if first.Grad != nil {
		u.sum = make([]float32, len(first.Grad))
		ps.more = append(ps.more, u)
	}
	ps.matrices[&again] = u
	return &again
}

// Matrix is where the gradient of m in this use is added up, or nil if m is not learnt.
func (ps *Params) Matrix(m *tensor.Matrix) []float32 {
	if u := ps.matrices[m]; u != nil {
		return u.sum
	}
	return nil
}

// Vector is the same for a norm's weight or a bias.
func (ps *Params) Vector(v []float32) []float32 {
	if len(v) == 0 {
		return nil
	}
	if u := ps.vectors[&v[0]]; u != nil {
		return u.sum
	}
	return nil
}

// Clear sets all sums to 0: the start of a batch.
func (ps *Params) Clear(e *tensor.Exec) {
	for _, p := range ps.all {
		e.Rows(len(p.Grad), func(lo, hi int) { clear(p.Grad[lo:hi]) })
	}
	for _, u := range ps.more {
		e.Rows(len(u.sum), func(lo, hi int) { clear(u.sum[lo:hi]) })
	}
}

// Finish adds the sums of further uses to the first, in order: the end of a batch.
func (ps *Params) Finish(e *tensor.Exec) {
	for _, u := range ps.more {
		e.Rows(len(u.sum), func(lo, hi int) { vec.Add(u.Grad[lo:hi], u.Grad[lo:hi], u.sum[lo:hi]) })
	}
}

// Round brings the bf16 copies up to the values, after these have changed.
func (ps *Params) Round(e *tensor.Exec) {
	for _, p := range ps.all {
		if p.Half != nil && p.Value != nil {
			e.Rows(len(p.Value), func(lo, hi int) { vec.F32ToBF16(p.Half[lo:hi], p.Value[lo:hi]) })
		}
	}
}
