package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// setup is one sequence in one layer: everything that a test may vary.
type setup struct {
	Layout
	heads  int
	n      int // positions
	window int
	sinks  bool
	seed   uint64
	scale  float32
	wild   bool // infinities, NaNs, denormals and huge numbers among the inputs
}

func (c setup) String() string {
	return fmt.Sprintf("%v/%dx%d/dk%d/dv%d/latent=%v/n%d/window%d", c.Type, c.heads, c.KVHeads, c.KeyDim, c.ValueDim, c.Latent, c.n, c.window)
}

type data struct {
	setup
	q, k, v, sink []float32
	blocks        Blocks
}

func random(r *rand.Rand, n int, wild bool) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
		if wild && r.IntN(200) == 0 {
			x[i] = []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), fp.NaN, 1e-40, -1e-40, 3e38, -3e38, 1e-20}[r.IntN(10)]
		}
	}
	return x
}

func (c setup) make() *data {
	r := rand.New(rand.NewPCG(c.seed, 7))
	d := &data{setup: c, blocks: Blocks{Layout: c.Layout}}
	d.q = random(r, c.n*c.heads*c.KeyDim, c.wild)
	d.k = random(r, c.n*c.KeyElems(), c.wild)
	d.v = random(r, c.n*c.ValueElems(), c.wild)
	if c.sinks {
		d.sink = random(r, c.heads, false)
	}
	for i := 0; i < c.n; i += Block {
		page := make([]byte, c.BlockBytes())
		for j := range page { // whatever stands at positions not yet written must not matter
			page[j] = byte(r.Uint32())
		}
		m := min(Block, c.n-i)
		c.Put(page, 0, d.k[i*c.KeyElems():][:m*c.KeyElems()], d.v[i*c.ValueElems():][:m*c.ValueElems()])
		d.blocks.Pages = append(d.blocks.Pages, page)
	}
	return d
}

// run attends positions from to to-1 with the given number of workers' cut.
func (d *data) run(from, to, workers int, s *Scratch) []float32 {
	qe, oe := d.heads*d.KeyDim, d.heads*d.ValueDim
	p := &Problem{Cache: d.blocks, Heads: d.heads, Scale: d.scale, Pos: from, Tokens: to - from, Q: d.q[from*qe : to*qe],
		Out: make([]float32, (to-from)*oe), Window: d.window, Sinks: d.sink}
	Forward(p, 0, p.Split(workers), s)
	return p.Out
}

// rounded is x as the cache's type holds it.
func (c setup) rounded(x float32) float32 {
	switch c.Type {
	case dtype.F16:
		return dtype.RoundF16(x)
	case dtype.BF16:
		return dtype.RoundBF16(x)
	}
	return x
}

func (d *data) key(pos, head int) []float32 {
	g := d.heads / d.KVHeads
	return d.k[pos*d.KeyElems()+head/g*d.KeyDim:][:d.KeyDim]
}

func (d *data) value(pos, head int) []float32 {
	if d.Latent {
		return d.k[pos*d.KeyDim:][:d.ValueDim]
	}
	g := d.heads / d.KVHeads
	return d.v[pos*d.ValueElems()+head/g*d.ValueDim:][:d.ValueDim]
}

func (d *data) oldest(pos int) int {
	if d.window == 0 {
		return 0
	}
	return max(0, pos-d.window+1)
}

// definition is section 7 of NUMERICS.md, word for word, for one query and head.
func (d *data) definition(pos, head int) []float32 {
	q := d.q[(pos*d.heads+head)*d.KeyDim:][:d.KeyDim]
	m, l, o := float32(math.Inf(-1)), float32(0), make([]float32, d.ValueDim)
	if d.sinks {
		m, l = d.sink[head], 1
	}
	for b := d.oldest(pos) / Block; b*Block <= pos; b++ {
		lo, hi := max(b*Block, d.oldest(pos)), min(b*Block+Block, pos+1)
		var s, p [Block]float32
		top := m
		for j := lo; j < hi; j++ {
			k := d.key(j, head)
			var acc float32
			for i := range q {
				acc = fp.FMA32(q[i], d.rounded(k[i]), acc)
			}
			s[j%Block] = acc * d.scale
			top = max(top, s[j%Block])
		}
		var c float32
		if !math.IsInf(float64(m), -1) {
			c = vec.Exp1(m - top)
		}
		for j := lo; j < hi; j++ {
			p[j%Block] = vec.Exp1(s[j%Block] - top)
		}
		var lanes [16]float32
		for i := range lanes {
			lanes[i] = ((p[i] + p[i+16]) + p[i+32]) + p[i+48]
		}
		l = float32(l*c) + fp.Fold16(&lanes)
		for i := range o {
			o[i] *= c
			for j := lo; j < hi; j++ {
				o[i] = fp.FMA32(p[j%Block], d.rounded(d.value(j, head)[i]), o[i])
			}
		}
		m = top
	}
	for i := range o {
		o[i] = fp.Canon(o[i] * (1 / l))
	}
	return o
}

// naive is softmax attention in float64.
func (d *data) naive(pos, head int) []float64 {
	q := d.q[(pos*d.heads+head)*d.KeyDim:][:d.KeyDim]
	var sum float64
	o := make([]float64, d.ValueDim)
	if d.sinks {
		sum = math.Exp(float64(d.sink[head]))
	}
	for j := d.oldest(pos); j <= pos; j++ {
		var s float64
		for i, k := range d.key(j, head) {
			s += float64(q[i]) * float64(d.rounded(k))
		}
		p := math.Exp(s * float64(d.scale))
		sum += p
		for i, v := range d.value(j, head) {
			o[i] += p * float64(d.rounded(v))
		}
	}
	for i := range o {
		o[i] /= sum
	}
	return o
}

func same(a, b []float32) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d and %d elements", len(a), len(b))
	}
	for i := range a {
		if x, y := math.Float32bits(a[i]), math.Float32bits(b[i]); x != y {
			return fmt.Errorf("element %d of %d: %08x (%g) and %08x (%g)", i, len(a), x, a[i], y, b[i])
		}
	}
	return nil
}

var setups = []setup{
	{Layout: Layout{Type: dtype.F32, KVHeads: 1, KeyDim: 8, ValueDim: 8}, heads: 1, n: 5},
	{Layout: Layout{Type: dtype.F16, KVHeads: 1, KeyDim: 64, ValueDim: 64}, heads: 7, n: 130},
	{Layout: Layout{Type: dtype.BF16, KVHeads: 2, KeyDim: 32, ValueDim: 80}, heads: 8, n: 70, sinks: true},
	{Layout: Layout{Type: dtype.F32, KVHeads: 3, KeyDim: 12, ValueDim: 20}, heads: 3, n: 200, window: 65},
	{Layout: Layout{Type: dtype.BF16, KVHeads: 1, KeyDim: 16, ValueDim: 48}, heads: 5, n: 150, window: 7, sinks: true},
	{Layout: Layout{Type: dtype.F16, KVHeads: 1, KeyDim: 72, ValueDim: 64, Latent: true}, heads: 8, n: 70},
	{Layout: Layout{Type: dtype.BF16, KVHeads: 1, KeyDim: 13, ValueDim: 9, Latent: true}, heads: 4, n: 67},
	{Layout: Layout{Type: dtype.F32, KVHeads: 1, KeyDim: 40, ValueDim: 32, Latent: true}, heads: 7, n: 66, window: 30},
	{Layout: Layout{Type: dtype.F16, KVHeads: 2, KeyDim: 16, ValueDim: 16}, heads: 6, n: 90, wild: true},
	{Layout: Layout{Type: dtype.F32, KVHeads: 1, KeyDim: 16, ValueDim: 16, Latent: true}, heads: 3, n: 90, wild: true},
}

func init() {
	for i := range setups {
		setups[i].scale = float32(1 / math.Sqrt(float64(setups[i].KeyDim)))
		setups[i].seed = uint64(i)
	}
}

func TestForwardIsTheDefinition(t *testing.T) {
	for _, c := range setups {
		d := c.make()
		want := make([]float32, 0, c.n*c.heads*c.ValueDim)
		for i := range c.n * c.heads {
			want = append(want, d.definition(i/c.heads, i%c.heads)...)
		}
		testutil.EachLevel(t, func(t *testing.T, _ cpu.Level) {
			if err := same(d.run(0, c.n, 1, new(Scratch)), want); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		})
	}
}

func TestForwardIsAttention(t *testing.T) {
	for _, c := range setups {
		if c.wild {
			continue
		}
		d := c.make()
		got := d.run(0, c.n, 1, new(Scratch))
		for i := range c.n * c.heads {
			for j, want := range d.naive(i/c.heads, i%c.heads) {
				if g := got[i*c.ValueDim+j]; math.Abs(float64(g)-want) > 2e-6 {
					t.Fatalf("%v: token %d head %d element %d: %v, want %v", c, i/c.heads, i%c.heads, j, g, want)
				}
			}
		}
	}
}

// TestChunks: one piece, token by token and random chunks on a random number of workers give the same bits.
func TestChunks(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, c := range setups {
		d := c.make()
		testutil.EachLevel(t, func(t *testing.T, _ cpu.Level) {
			s := new(Scratch)
			whole := d.run(0, c.n, 1, s)
			var single, chunks []float32
			for i := range c.n {
				single = append(single, d.run(i, i+1, 1+r.IntN(9), s)...)
			}
			for i := 0; i < c.n; {
				n := 1 + r.IntN(c.n-i)
				chunks = append(chunks, d.run(i, i+n, 1+r.IntN(9), s)...)
				i += n
			}
			if err := same(single, whole); err != nil {
				t.Errorf("%v: token by token: %v", c, err)
			}
			if err := same(chunks, whole); err != nil {
				t.Errorf("%v: in chunks: %v", c, err)
			}
		})
	}
}

// TestRandomProblems: any shape, any piece of a sequence, on any cut is the definition.
func TestRandomProblems(t *testing.T) {
	s := new(Scratch) // one for all: it must not matter what it was used for
	rapid.Check(t, func(t *rapid.T) {
		c := setup{Layout: Layout{
			Type:     rapid.SampledFrom([]dtype.Type{dtype.F32, dtype.F16, dtype.BF16}).Draw(t, "type"),
			KVHeads:  rapid.IntRange(1, 3).Draw(t, "kv heads"),
			KeyDim:   rapid.IntRange(1, 40).Draw(t, "key dim"),
			ValueDim: rapid.IntRange(1, 90).Draw(t, "value dim"),
			Latent:   rapid.Bool().Draw(t, "latent"),
		}, sinks: rapid.Bool().Draw(t, "sinks"), wild: rapid.Bool().Draw(t, "wild"), n: rapid.IntRange(1, 200).Draw(t, "n"), scale: 0.3,
			window: rapid.SampledFrom([]int{0, 0, 1, 5, 64, 100}).Draw(t, "window"), seed: rapid.Uint64().Draw(t, "seed")}
		if c.Latent {
			c.KVHeads, c.KeyDim, c.ValueDim = 1, max(c.KeyDim, c.ValueDim), min(c.KeyDim, c.ValueDim)
		}
		c.heads = c.KVHeads * rapid.IntRange(1, 9).Draw(t, "group")
		d := c.make()
		from := rapid.IntRange(0, c.n-1).Draw(t, "from")
		to := rapid.IntRange(from+1, c.n).Draw(t, "to")
		out := d.run(from, to, rapid.IntRange(1, 20).Draw(t, "workers"), s)
		for range 4 {
			pos, head := rapid.IntRange(from, to-1).Draw(t, "pos"), rapid.IntRange(0, c.heads-1).Draw(t, "head")
			got := out[((pos-from)*c.heads+head)*c.ValueDim:][:c.ValueDim]
			if err := same(got, d.definition(pos, head)); err != nil {
				t.Fatalf("%v: token %d head %d: %v", c, pos, head, err)
			}
		}
	})
}

// TestUnitsTogether: units run one by one, by several workers at once, cover the whole.
func TestUnitsTogether(t *testing.T) {
	d := setups[1].make()
	want := d.run(0, d.n, 1, new(Scratch))
	p := &Problem{Cache: d.blocks, Heads: d.heads, Scale: d.scale, Tokens: d.n, Q: d.q, Out: make([]float32, len(want))}
	units := p.Split(4)
	if units < 4 {
		t.Fatalf("%d units for 4 workers", units)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var s Scratch
			for u := int(next.Add(1)) - 1; u < units; u = int(next.Add(1)) - 1 {
				Forward(p, u, u+1, &s)
			}
		})
	}
	wg.Wait()
	if err := same(p.Out, want); err != nil {
		t.Error(err)
	}
}

func TestNothingAllocates(t *testing.T) {
	for _, c := range []setup{setups[1], setups[5]} {
		d := c.make()
		s := new(Scratch)
		p := &Problem{Cache: d.blocks, Heads: d.heads, Scale: d.scale, Pos: d.n - 1, Tokens: 1,
			Q: d.q[:d.heads*d.KeyDim], Out: make([]float32, d.heads*d.ValueDim)}
		if n := testing.AllocsPerRun(10, func() { Forward(p, 0, p.Split(2), s) }); n != 0 {
			t.Errorf("%v: %v allocations a call", c, n)
		}
	}
}

func TestWrongProblemsPanic(t *testing.T) {
	d := setups[1].make()
	good := Problem{Cache: d.blocks, Heads: d.heads, Scale: 1, Pos: 3, Tokens: 2, Q: d.q[:2*d.heads*d.KeyDim], Out: make([]float32, 2*d.heads*d.ValueDim)}
	for name, spoil := range map[string]func(p *Problem){
		"tokens":       func(p *Problem) { p.Tokens = 3 },
		"no tokens":    func(p *Problem) { p.Tokens, p.Q, p.Out = 0, nil, nil },
		"heads":        func(p *Problem) { p.Heads = 0 },
		"beyond cache": func(p *Problem) { p.Pos = 3 * Block },
		"out":          func(p *Problem) { p.Out = p.Out[1:] },
		"sinks":        func(p *Problem) { p.Sinks = make([]float32, 1) },
		"type":         func(p *Problem) { p.Cache.Type = dtype.Q8_0 },
		"units":        func(p *Problem) { p.Split(1); Forward(p, 0, 100, new(Scratch)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a problem with wrong %s is taken", name)
				}
			}()
			p := good
			spoil(&p)
			p.Split(1)
		}()
	}
}
