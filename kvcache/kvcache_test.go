package kvcache

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/kernel/attn"
	"pgregory.net/rapid"
)

var layouts = []attn.Layout{
	{Type: dtype.F32, KVHeads: 2, KeyDim: 3, ValueDim: 5},
	{Type: dtype.BF16, KVHeads: 1, KeyDim: 20, ValueDim: 16, Latent: true},
	{Type: dtype.F16, KVHeads: 1, KeyDim: 16, ValueDim: 16},
}

// fill gives position pos of a sequence known by tag: small integers, exact in every type.
func fill(l attn.Layout, tag, pos, n int) (k, v []float32) {
	for p := pos; p < pos+n; p++ {
		for i := range l.KeyElems() {
			k = append(k, float32((tag*31+p*7+i)%200))
		}
		for i := range l.ValueElems() {
			v = append(v, float32((tag*17+p*3+i)%200))
		}
	}
	return k, v
}

// attend is what one query sees of a layer: enough to tell any two contents apart.
func attend(c *Cache, layer int) []float32 {
	b := c.Layer(layer)
	q := make([]float32, b.KVHeads*b.KeyDim)
	for i := range q {
		q[i] = float32(i%5) / 1000
	}
	p := &attn.Problem{Cache: b, Heads: b.KVHeads, Scale: 1, Pos: c.Len() - 1, Tokens: 1, Q: q, Out: make([]float32, b.KVHeads*b.ValueDim)}
	attn.Forward(p, 0, p.Split(1), new(attn.Scratch))
	return p.Out
}

// sequence is a cache and what it ought to hold: the tag under which each position was written.
type sequence struct {
	c    *Cache
	tags []int
}

func (s *sequence) extend(t *rapid.T, n, tag int) {
	pos, err := s.c.Extend(n)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range layouts {
		k, v := fill(l, tag, pos, n)
		s.c.Append(i, pos, k, v)
	}
	for range n {
		s.tags = append(s.tags, tag)
	}
}

func (s *sequence) check(t *rapid.T) {
	if s.c.Len() != len(s.tags) {
		t.Fatalf("holds %d positions, want %d", s.c.Len(), len(s.tags))
	}
	if len(s.tags) == 0 {
		return
	}
	fresh, err := New(layouts, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Extend(len(s.tags)); err != nil {
		t.Fatal(err)
	}
	for i, l := range layouts {
		for pos, tag := range s.tags {
			k, v := fill(l, tag, pos, 1)
			fresh.Append(i, pos, k, v)
		}
		got, want := attend(s.c, i), attend(fresh, i)
		for j := range want {
			if math.Float32bits(got[j]) != math.Float32bits(want[j]) {
				t.Fatalf("layer %d: element %d is %v, want %v", i, j, got[j], want[j])
			}
		}
	}
}

// TestForksKeepApart drives a family of caches through random Extend, Truncate and Fork: each must hold just what was written to it.
func TestForksKeepApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := New(layouts, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all := []*sequence{{c: c}}
		for tag := range rapid.IntRange(1, 12).Draw(t, "steps") {
			s := rapid.SampledFrom(all).Draw(t, "cache")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1:
				s.extend(t, rapid.IntRange(1, 100).Draw(t, "n"), tag)
			case 2:
				n := rapid.IntRange(0, len(s.tags)).Draw(t, "to")
				s.c.Truncate(n)
				s.tags = s.tags[:n]
			case 3:
				n := rapid.IntRange(0, len(s.tags)).Draw(t, "prefix")
				all = append(all, &sequence{c: s.c.Fork(n), tags: append([]int(nil), s.tags[:n]...)})
			case 4:
				if to := rapid.SampledFrom(all).Draw(t, "other"); to != s {
					n := rapid.IntRange(0, len(s.tags)).Draw(t, "prefix")
					s.c.ForkTo(to.c, n)
					to.tags = append(to.tags[:0], s.tags[:n]...)
				}
			}
		}
		for _, s := range all {
			s.check(t)
		}
	})
}

func TestLimit(t *testing.T) {
	c, err := New(layouts, 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Extend(100); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, math.MaxInt, -1} {
		if _, err := c.Extend(n); err == nil || !strings.Contains(err.Error(), "100") {
			t.Errorf("Extend(%d) of a full cache: %v", n, err)
		}
	}
	if c.Len() != 100 {
		t.Errorf("a failed Extend left %d positions", c.Len())
	}
	if err := c.Reserve(101); err == nil {
		t.Error("Reserve beyond the limit is no error")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, bad := range []attn.Layout{
		{Type: dtype.Q8_0, KVHeads: 1, KeyDim: 32, ValueDim: 32},
		{Type: dtype.F16, KVHeads: 0, KeyDim: 32, ValueDim: 32},
		{Type: dtype.F16, KVHeads: 1, KeyDim: -1, ValueDim: 32},
		{Type: dtype.F16, KVHeads: 2, KeyDim: 64, ValueDim: 32, Latent: true},
		{Type: dtype.F16, KVHeads: 1, KeyDim: 32, ValueDim: 64, Latent: true},
		{Type: dtype.F32, KVHeads: 1 << 16, KeyDim: 1 << 16, ValueDim: 1},
	} {
		if _, err := New([]attn.Layout{bad}, 10); err == nil {
			t.Errorf("New takes %+v", bad)
		}
	}
	if _, err := New(nil, 10); err == nil {
		t.Error("New takes no layers")
	}
	if _, err := New(layouts, 0); err == nil {
		t.Error("New takes a limit of 0")
	}
}

// TestSteadyDecode: after Reserve a step allocates nothing.
func TestSteadyDecode(t *testing.T) {
	c, err := New(layouts, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reserve(4096); err != nil {
		t.Fatal(err)
	}
	var ks, vs [][]float32
	for _, l := range layouts {
		k, v := fill(l, 1, 0, 1)
		ks, vs = append(ks, k), append(vs, v)
	}
	if n := testing.AllocsPerRun(1000, func() {
		pos, err := c.Extend(1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range layouts {
			c.Append(i, pos, ks[i], vs[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestLatentCost: a latent position costs its 576 elements and no more.
func TestLatentCost(t *testing.T) {
	c, err := New([]attn.Layout{{Type: dtype.BF16, KVHeads: 1, KeyDim: 576, ValueDim: 512, Latent: true}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.PositionBytes(); got != 1152 {
		t.Errorf("a position costs %v bytes, want 1152", got)
	}
}

// TestForkShares: full pages are shared until written.
func TestForkShares(t *testing.T) {
	c, _ := New(layouts, 1000)
	if _, err := c.Extend(130); err != nil {
		t.Fatal(err)
	}
	f := c.Fork(100)
	if _, err := f.Extend(1); err != nil {
		t.Fatal(err)
	}
	if &f.pages[0][0] != &c.pages[0][0] {
		t.Error("the first page was copied")
	}
	if &f.pages[1][0] == &c.pages[1][0] || !bytes.Equal(f.pages[1], c.pages[1]) {
		t.Error("the page that is written was not copied")
	}
}

// TestForkToRecycles: a cache that takes forks of like lengths in turn allocates nothing.
func TestForkToRecycles(t *testing.T) {
	c, _ := New(layouts, 1000)
	f, _ := New(layouts, 1000)
	if _, err := c.Extend(100); err != nil {
		t.Fatal(err)
	}
	turn := func() {
		c.ForkTo(f, 90)
		if _, err := f.Extend(60); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	if n := testing.AllocsPerRun(10, turn); n != 0 {
		t.Errorf("%v allocations a fork", n)
	}
}

// BenchmarkAppend fills one layer of 8 heads of 128, a chunk or one position at a time.
func BenchmarkAppend(b *testing.B) {
	for _, l := range []attn.Layout{{Type: dtype.F16, KVHeads: 8, KeyDim: 128, ValueDim: 128}, {Type: dtype.BF16, KVHeads: 1, KeyDim: 576, ValueDim: 512, Latent: true}} {
		for _, n := range []int{1, 512} {
			b.Run(fmt.Sprintf("latent=%v/%d", l.Latent, n), func(b *testing.B) {
				c, err := New([]attn.Layout{l}, 4096)
				if err != nil {
					b.Fatal(err)
				}
				k, v := make([]float32, n*l.KeyElems()), make([]float32, n*l.ValueElems())
				for b.Loop() {
					if c.Len()+n > c.Limit() {
						c.Truncate(0)
					}
					pos, err := c.Extend(n)
					if err != nil {
						b.Fatal(err)
					}
					c.Append(0, pos, k, v)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/position")
			})
		}
	}
}
