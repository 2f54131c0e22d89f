package optim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/grad"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
)

// network makes parameters of the shapes that a network has, with gradients, always the same.
func network() []*grad.Param {
	r := rand.New(rand.NewPCG(7, 7))
	var params []*grad.Param
	for name, shape := range [][]int{{53, 40}, {40}, {40, 40}, {96, 40}, {40, 96}, {130, 70}, {53, 40}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		p := &grad.Param{Name: fmt.Sprintf("layer.%d.weight", name), Shape: shape, Value: make([]float32, n), Grad: make([]float32, n), Half: make([]uint16, n)}
		for i := range n {
			p.Value[i], p.Grad[i] = float32(r.NormFloat64()), float32(r.NormFloat64()*1e-3)
		}
		params = append(params, p)
	}
	params[0].Name, params[6].Name = "model.embed_tokens.weight", "lm_head.weight"
	return params
}

// fingerprint is all bits that training goes on with.
func fingerprint(o *Optimizer, params []*grad.Param) string {
	var b strings.Builder
	add := func(name string, v []float32) {
		h := uint64(14695981039346656037)
		for _, x := range v {
			h = (h ^ uint64(math.Float32bits(x))) * 1099511628211
		}
		fmt.Fprintf(&b, "%s %x\n", name, h)
	}
	o.State(add)
	for _, p := range params {
		add(p.Name, p.Value)
		fmt.Fprintf(&b, "%x\n", p.Half[:16])
	}
	return b.String()
}

// TestSameBits: neither threads nor levels change a bit, nor does stopping and going on.
func TestSameBits(t *testing.T) {
	best := cpu.Best()
	defer func() { cpu.Use(best) }()
	for _, kind := range []Kind{AdamW, Muon, SGD} {
		want := ""
		for _, level := range cpu.Levels {
			if level > best {
				continue
			}
			if err := cpu.Use(level); err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 2} {
				c := Default()
				c.Kind = kind
				got := steps(t, c, threads, threads == 2)
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%s: other bits at %v with %d threads:\n%s\nwant\n%s", kind, level, threads, got, want)
				}
			}
		}
	}
}

// steps makes three updates; with resume set, by an optimiser that was saved after two and another that read what it saved.
func steps(t *testing.T, c Config, threads int, resume bool) string {
	pool := par.New(threads)
	defer pool.Close()
	params := network()
	o, err := New(c, params, pool)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if i == 2 && resume {
			saved := map[string][]float32{}
			o.State(func(name string, v []float32) { saved[name] = slices.Clone(v) })
			n := o.Steps()
			if o, err = New(c, params, pool); err != nil {
				t.Fatal(err)
			}
			o.State(func(name string, v []float32) { copy(v, saved[name]) })
			o.Resume(n)
		}
		o.Step(0.01, ClipFactor(o.Norm(), 0.5))
		for _, p := range params {
			slices.Reverse(p.Grad)
		}
	}
	return fingerprint(o, params)
}

// TestMuonSplit: a matrix that all workers share comes out as from one.
func TestMuonSplit(t *testing.T) {
	pool := par.New(2)
	defer pool.Close()
	var results [2]string
	for i := range results {
		params := network()
		c := Default()
		c.Kind = Muon
		o, err := New(c, params, pool)
		if err != nil {
			t.Fatal(err)
		}
		each := pool.Spans
		if i == 1 {
			each = func(n, _ int, f func(worker, lo, hi int)) { f(1, 0, n) }
		}
		for _, p := range o.params {
			if p.kind == Muon {
				o.moveMuon(&p, 0.1, 1, &o.muon[i], each)
			}
		}
		results[i] = fingerprint(o, params)
	}
	if results[0] != results[1] {
		t.Errorf("%s\nwant\n%s", results[1], results[0])
	}
}

func TestGroups(t *testing.T) {
	pool := par.New(1)
	defer pool.Close()
	c := Default()
	c.Kind = Muon
	none, half := 0.0, 0.5
	c.Groups = []Group{{Match: "layer.2.*", Kind: SGD, WeightDecay: &none}, {Match: "*", Dims: 2, LRScale: &half}}
	o, err := New(c, network(), pool)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		i     int
		kind  Kind
		scale float64
		decay float64
	}{{0, AdamW, 0.5, 0.1}, {1, AdamW, 1, 0}, {2, SGD, 1, 0}, {3, Muon, 0.5, 0.1}, {6, AdamW, 0.5, 0.1}} {
		if p := o.params[want.i]; p.kind != want.kind || p.scale != want.scale || p.decay != want.decay {
			t.Errorf("%s: %s, scale %v, decay %v; want %+v", p.Name, p.kind, p.scale, p.decay, want)
		}
	}
	for _, bad := range []Group{{Dims: 1, Kind: Muon}, {Kind: "adam"}, {Match: "[", Kind: SGD}} {
		c.Groups = []Group{bad}
		if _, err := New(c, network(), pool); err == nil {
			t.Errorf("group %+v accepted", bad)
		}
	}
}

// TestNotFinite: a gradient that overflowed shows in the norm, and never looks like a small one.
func TestNotFinite(t *testing.T) {
	pool := par.New(2)
	defer pool.Close()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e30} {
		params := network()
		params[3].Grad[77] = float32(bad)
		o, err := New(Default(), params, pool)
		if err != nil {
			t.Fatal(err)
		}
		if n := o.Norm(); !math.IsNaN(n) && !math.IsInf(n, 1) {
			t.Errorf("norm %v with a gradient of %v", n, bad)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, kind := range []Kind{AdamW, Muon, SGD} {
		b.Run(string(kind), func(b *testing.B) {
			pool := par.New(0)
			defer pool.Close()
			const n = 1024
			p := &grad.Param{Name: "w", Shape: []int{n, n}, Value: make([]float32, n*n), Grad: make([]float32, n*n), Half: make([]uint16, n*n)}
			for i := range p.Grad {
				p.Grad[i] = float32(i%97) * 1e-3
			}
			c := Default()
			c.Kind = kind
			o, err := New(c, []*grad.Param{p}, pool)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n * n * 30) // AdamW reads parameter, gradient and two moments, and writes all but the gradient, and the bf16 copy
			for b.Loop() {
				o.Step(1e-3, 1)
			}
		})
	}
}

// TestFLOPs: products that Muon makes count, five times X·Xᵀ, its square (half of each) and what multiplies X.
func TestFLOPs(t *testing.T) {
	pool := par.New(1)
	defer pool.Close()
	c := Default()
	c.Kind = Muon
	for _, shape := range [][]int{{10, 24}, {24, 10}} {
		p := &grad.Param{Name: "layer.weight", Shape: shape, Value: make([]float32, 240), Grad: make([]float32, 240)}
		vector := &grad.Param{Name: "norm.weight", Shape: []int{24}, Value: make([]float32, 24), Grad: make([]float32, 24)}
		o, err := New(c, []*grad.Param{p, vector}, pool)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := o.FLOPs(), int64(5*(10*11*24+10*11*10+2*10*10*24)); got != want {
			t.Errorf("%v: %d, want %d", shape, got, want)
		}
	}
}
