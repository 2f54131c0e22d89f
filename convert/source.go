package convert

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pennyml/penny/model"
)

// stock is what a checkpoint holds, with an account of what was taken, so that nothing is left out unnoticed.
type stock struct {
	path    string
	tensors map[string]*matrix
	taken   map[string]bool
	errs    []error
}

func newStock(path string, ms []*matrix) *stock {
	s := &stock{path: path, tensors: make(map[string]*matrix, len(ms)), taken: map[string]bool{}}
	for _, m := range ms {
		s.tensors[m.name] = m
	}
	return s
}

func (s *stock) fail(name, format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("%s: tensor %q: %s", s.path, name, fmt.Sprintf(format, args...)))
}

// take finds a tensor of the given shape; nil, and a mistake noted, if it is missing or mis-shaped.
func (s *stock) take(name string, shape ...int) *matrix {
	m := s.tensors[name]
	s.taken[name] = true
	switch {
	case m == nil:
		s.fail(name, "missing")
		return nil
	case !slices.Equal(m.shape, shape):
		s.fail(name, "shape is %v, want %v", m.shape, shape)
		return nil
	case !isWeight(m.typ) || len(shape) == 1 && m.typ.IsQuantized():
		s.fail(name, "type %v cannot be that of a weight of shape %v", m.typ, shape)
		return nil
	}
	return m
}

// maxReported bounds how many mistakes one error lists.
const maxReported = 8

// done reports what was missing or mis-shaped, and the tensors that nothing took.
func (s *stock) done() error {
	errs := s.errs
	var surplus []string
	for name := range s.tensors {
		if !s.taken[name] {
			surplus = append(surplus, name)
		}
	}
	sort.Strings(surplus)
	for _, name := range surplus {
		errs = append(errs, fmt.Errorf("%s: tensor %q: not part of this architecture", s.path, name))
	}
	if n := len(errs); n > maxReported {
		errs = append(errs[:maxReported:maxReported], fmt.Errorf("and %d more", n-maxReported))
	}
	return errors.Join(errs...)
}

// toGGUF puts the tensors of a GGUF file together from those of a Hugging Face checkpoint.
func (s *stock) toGGUF(c *model.Config) ([]*view, error) {
	for name := range s.tensors { // buffers that old checkpoints carry, and the head of a tied network, which no loader reads
		if strings.HasSuffix(name, ".rotary_emb.inv_freq") || c.Tied && name == "lm_head.weight" {
			s.taken[name] = true
		}
	}
	var vs []*view
	for _, it := range inventory(c) {
		if it.optional && s.tensors[it.name] == nil {
			continue
		}
		switch it.layout {
		case rotary:
			vs = s.add(vs, ggufName(it.name), s.heads(it, halvesToPairs))
		case experts:
			vs = s.add(vs, ggufName(it.name), s.stack(it, c.MoE.Experts))
		case latent:
			vs = s.splitLatent(vs, it, c)
		default:
			vs = s.add(vs, ggufName(it.name), s.plain(it.name, it.shape))
		}
	}
	return vs, s.done()
}

// toHF is the inverse.
func (s *stock) toHF(c *model.Config) ([]*view, error) {
	s.taken["rope_freqs.weight"] = true // goes into config.json
	var vs []*view
	for _, it := range inventory(c) {
		name := ggufName(it.name)
		if it.optional && s.tensors[name] == nil {
			continue
		}
		from := it
		from.name = name
		switch it.layout {
		case rotary:
			vs = s.add(vs, it.name, s.heads(from, pairsToHalves))
		case experts:
			vs = s.unstack(vs, it, c.MoE.Experts)
		case latent:
			vs = s.add(vs, it.name, s.joinLatent(from, c))
		default:
			vs = s.add(vs, it.name, s.plain(name, it.shape))
		}
	}
	return vs, s.done()
}

// add names a view that could be made.
func (s *stock) add(vs []*view, name string, v *view) []*view {
	if v == nil {
		return vs
	}
	v.name = name
	return append(vs, v)
}

func (s *stock) plain(name string, shape []int) *view {
	m := s.take(name, shape...)
	if m == nil {
		return nil
	}
	return whole(name, m)
}

// heads permutes the rows within each head.
func (s *stock) heads(it item, o order) *view {
	m := s.take(it.name, it.shape...)
	if m == nil {
		return nil
	}
	v := &view{shape: it.shape}
	if len(it.shape) == 1 { // a bias
		m = m.column()
	}
	dim := m.rows / it.heads
	for h := range it.heads {
		v.blocks = append(v.blocks, block{m, h * dim, dim, o})
	}
	return v
}

// stack puts the experts of a layer into one tensor.
func (s *stock) stack(it item, n int) *view {
	v := &view{shape: append([]int{n}, it.shape...)}
	for e := range n {
		m := s.take(it.expert(e), it.shape...)
		if m == nil {
			return nil
		}
		v.blocks = append(v.blocks, block{src: m, rows: m.rows})
	}
	return v
}

// unstack takes it apart again.
func (s *stock) unstack(vs []*view, it item, n int) []*view {
	m := s.take(ggufName(it.name), append([]int{n}, it.shape...)...)
	if m == nil {
		return vs
	}
	for e := range n {
		vs = append(vs, &view{it.expert(e), it.shape, []block{{src: m, row: e * it.shape[0], rows: it.shape[0]}}})
	}
	return vs
}

// splitLatent makes k_b, transposed head by head, and v_b of kv_b.
func (s *stock) splitLatent(vs []*view, it item, c *model.Config) []*view {
	m := s.take(it.name, it.shape...)
	if m == nil {
		return vs
	}
	a := c.MLA
	k := &view{name: latentHalf(it.name, "k_b"), shape: []int{c.Heads, a.KVLoRA, a.Nope}}
	v := &view{name: latentHalf(it.name, "v_b"), shape: []int{c.Heads, a.V, a.KVLoRA}}
	for h := range c.Heads {
		at := h * (a.Nope + a.V)
		k.blocks = append(k.blocks, block{m, at, a.Nope, transposed})
		v.blocks = append(v.blocks, block{m, at + a.Nope, a.V, asStored})
	}
	return append(vs, k, v)
}

// joinLatent is the inverse; from.name is that of the whole tensor, which older files hold.
func (s *stock) joinLatent(from item, c *model.Config) *view {
	if s.tensors[from.name] != nil {
		return s.plain(from.name, from.shape)
	}
	a := c.MLA
	hf, _ := model.HFName(from.name)
	k := s.take(latentHalf(hf, "k_b"), c.Heads, a.KVLoRA, a.Nope)
	v := s.take(latentHalf(hf, "v_b"), c.Heads, a.V, a.KVLoRA)
	if k == nil || v == nil {
		return nil
	}
	whole := &view{shape: from.shape}
	for h := range c.Heads {
		whole.blocks = append(whole.blocks, block{k, h * a.KVLoRA, a.KVLoRA, transposed}, block{v, h * a.V, a.V, asStored})
	}
	return whole
}

// latentHalf is the GGUF name of one half of kv_b.
func latentHalf(name, half string) string {
	return ggufName(strings.Replace(name, "kv_b_proj", half+"_proj", 1))
}

// ggufName translates a name of the inventory, which all have one.
func ggufName(hf string) string {
	name, ok := model.GGUFName(hf)
	if !ok {
		panic("convert: no GGUF name for " + hf)
	}
	return name
}
