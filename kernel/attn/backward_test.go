package attn

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/testutil"
	"github.com/pennyml/penny/kernel/fp"
	"github.com/pennyml/penny/kernel/vec"
	"pgregory.net/rapid"
)

// gradient is the problem of going back through the whole of d, with something in the gradients already.
func (d *data) gradient() *Gradient {
	r := rand.New(rand.NewPCG(d.seed, 8))
	g := &Gradient{Heads: d.heads, KVHeads: d.KVHeads, KeyDim: d.KeyDim, ValueDim: d.ValueDim, Scale: d.scale, Window: d.window, Tokens: d.n,
		Q: d.q, K: d.k, V: d.v, Out: make([]float32, d.n*d.heads*d.ValueDim), Max: make([]float32, d.n*d.heads), Sum: make([]float32, d.n*d.heads)}
	if d.Latent {
		g.V = nil
	}
	p := &Problem{Cache: d.blocks, Heads: d.heads, Scale: d.scale, Tokens: d.n, Q: d.q, Out: g.Out, Window: d.window, Sinks: d.sink, Max: g.Max, Sum: g.Sum}
	Forward(p, 0, p.Split(3), new(Scratch))
	g.DOut, g.DQ, g.DK = random(r, len(g.Out), d.wild), random(r, len(g.Q), d.wild), random(r, len(g.K), d.wild)
	g.DV, g.More = random(r, d.n*d.KVHeads*d.ValueDim, d.wild), d.seed%2 == 0
	return g
}

// run goes back on that many workers' cut, the units of a wave in a random order, and returns the gradients.
func (g Gradient) run(r *rand.Rand, workers int, s *Scratch) []float32 {
	g.DQ, g.DK, g.DV = slices.Clone(g.DQ), slices.Clone(g.DK), slices.Clone(g.DV)
	for wave := range g.Split(workers) {
		for _, u := range r.Perm(g.Units(wave)) {
			Backward(&g, wave, u, u+1, s)
		}
	}
	return slices.Concat(g.DQ, g.DK, g.DV)
}

// backward is section 8 of NUMERICS.md, word for word: the gradients of g as run returns them.
func (d *data) backward(g *Gradient) []float32 {
	dq, dk, dv := slices.Clone(g.DQ), slices.Clone(g.DK), slices.Clone(g.DV)
	if !g.More {
		clear(dq)
		clear(dk)
		clear(dv)
	}
	perKey := d.heads / d.KVHeads
	for i := range d.n {
		for h := range d.heads {
			row := i*d.heads + h
			q, do := d.q[row*d.KeyDim:][:d.KeyDim], g.DOut[row*d.ValueDim:][:d.ValueDim]
			D, r := vec.Dot(do, g.Out[row*d.ValueDim:][:d.ValueDim]), 1/g.Sum[row]
			for j := d.oldest(i); j <= i; j++ {
				k, v := d.key(j, h), d.value(j, h)
				var s, dp float32
				for e := range q {
					s = fp.FMA32(q[e], k[e], s)
				}
				for e := range do {
					dp = fp.FMA32(do[e], v[e], dp)
				}
				p := vec.Exp1(float32(s*g.Scale)-g.Max[row]) * r
				ds := float32(p*(dp-D)) * g.Scale
				kv := j*d.KVHeads + h/perKey
				for e := range q {
					dq[row*d.KeyDim+e] = fp.FMA32(ds, k[e], dq[row*d.KeyDim+e])
					dk[kv*d.KeyDim+e] = fp.FMA32(ds, q[e], dk[kv*d.KeyDim+e])
				}
				for e := range do {
					dv[kv*d.ValueDim+e] = fp.FMA32(p, do[e], dv[kv*d.ValueDim+e])
				}
			}
		}
	}
	return oneNaN(slices.Concat(dq, dk, dv))
}

// setupsF32 are the setups as learning has them: keys and values unrounded.
func setupsF32() (list []setup) {
	for _, c := range setups {
		c.Type = dtype.F32
		list = append(list, c)
	}
	return list
}

func TestBackwardIsTheDefinition(t *testing.T) {
	s := new(Scratch)
	for _, c := range setupsF32() {
		d := c.make()
		g := d.gradient()
		want := d.backward(g)
		testutil.EachLevel(t, func(t *testing.T, _ cpu.Level) {
			r := rand.New(rand.NewPCG(c.seed, 9))
			for _, workers := range []int{1, 2, 7} {
				if err := same(g.run(r, workers, s), want); err != nil {
					t.Errorf("%v, %d workers: %v", c, workers, err)
				}
			}
		})
	}
}

// TestRandomGradients: any shape on any cut is the definition.
func TestRandomGradients(t *testing.T) {
	s := new(Scratch)
	rapid.Check(t, func(t *rapid.T) {
		c := setup{Layout: Layout{Type: dtype.F32,
			KVHeads:  rapid.IntRange(1, 3).Draw(t, "kv heads"),
			KeyDim:   rapid.IntRange(1, 40).Draw(t, "key dim"),
			ValueDim: rapid.IntRange(1, 40).Draw(t, "value dim"),
			Latent:   rapid.Bool().Draw(t, "latent"),
		}, sinks: rapid.Bool().Draw(t, "sinks"), wild: rapid.Bool().Draw(t, "wild"), n: rapid.IntRange(1, 150).Draw(t, "n"), scale: 0.3,
			window: rapid.SampledFrom([]int{0, 0, 1, 5, 64, 100}).Draw(t, "window"), seed: rapid.Uint64().Draw(t, "seed")}
		if c.Latent {
			c.KVHeads, c.KeyDim, c.ValueDim = 1, max(c.KeyDim, c.ValueDim), min(c.KeyDim, c.ValueDim)
		}
		c.heads = c.KVHeads * rapid.IntRange(1, 9).Draw(t, "group")
		d := c.make()
		g := d.gradient()
		got := g.run(rand.New(rand.NewPCG(c.seed, 9)), rapid.IntRange(1, 9).Draw(t, "workers"), s)
		if err := same(got, d.backward(g)); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
	})
}

// TestBackwardIsTheDerivative compares with differences of the loss Σ out·dOut in float64.
func TestBackwardIsTheDerivative(t *testing.T) {
	for _, c := range setupsF32() {
		if c.wild {
			continue
		}
		c.n = min(c.n, 70)
		d := c.make()
		g := d.gradient()
		g.More = false
		all := g.run(rand.New(rand.NewPCG(1, 1)), 1, new(Scratch))
		dq, dk, dv := all[:len(d.q)], all[len(d.q):][:len(d.k)], all[len(d.q)+len(d.k):]
		if d.Latent {
			for j := range d.n {
				for e := range d.ValueDim {
					dk[j*d.KeyDim+e] += dv[j*d.ValueDim+e]
				}
			}
		}
		loss := func() (sum float64) {
			for i := range d.n * d.heads {
				for e, o := range d.naive(i/d.heads, i%d.heads) {
					sum += o * float64(g.DOut[i*d.ValueDim+e])
				}
			}
			return sum
		}
		r := rand.New(rand.NewPCG(c.seed, 10))
		for name, x := range map[string][2][]float32{"q": {d.q, dq}, "k": {d.k, dk}, "v": {d.v, dv}} {
			if len(x[0]) == 0 {
				continue
			}
			for range 3 {
				i := r.IntN(len(x[0]))
				was := x[0][i]
				x[0][i] = was + 0x1p-8
				up := loss()
				x[0][i] = was - 0x1p-8
				down := loss()
				x[0][i] = was
				if want := (up - down) * 0x1p7; math.Abs(want-float64(x[1][i])) > 2e-4*max(1, math.Abs(want)) {
					t.Errorf("%v: d%s[%d] = %v, want %v", c, name, i, x[1][i], want)
				}
			}
		}
	}
}

// TestWavesTogether: the units of a wave on several workers at once.
func TestWavesTogether(t *testing.T) {
	for _, i := range []int{1, 8} {
		c := setupsF32()[i]
		d := c.make()
		g := d.gradient()
		want := d.backward(g)
		waves := g.Split(4)
		if waves < 2 {
			t.Fatalf("%d waves for 4 workers of %v", waves, c)
		}
		for wave := range waves {
			var next atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					var s Scratch
					for u := int(next.Add(1)) - 1; u < g.Units(wave); u = int(next.Add(1)) - 1 {
						Backward(g, wave, u, u+1, &s)
					}
				})
			}
			wg.Wait()
		}
		if err := same(slices.Concat(g.DQ, g.DK, g.DV), want); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestWrongGradientsPanic(t *testing.T) {
	d := setupsF32()[1].make()
	for name, spoil := range map[string]func(g *Gradient){
		"tokens": func(g *Gradient) { g.Tokens++ },
		"heads":  func(g *Gradient) { g.KVHeads = 0 },
		"v":      func(g *Gradient) { g.V = g.V[1:] },
		"latent": func(g *Gradient) { g.V, g.KeyDim = nil, 1 },
		"sum":    func(g *Gradient) { g.Sum = g.Sum[1:] },
		"dv":     func(g *Gradient) { g.DV = nil },
		"units":  func(g *Gradient) { g.Split(1); Backward(g, 0, 0, 100, new(Scratch)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a gradient with wrong %s is taken", name)
				}
			}()
			g := *d.gradient()
			spoil(&g)
			g.Split(1)
		}()
	}
}
