package attn

import (
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/internal/cpu"
)

// BenchmarkForward runs one layer on one core, at each level: decode of one token at a depth, and prefill of a chunk. It reports the bytes of
// cache read and the useful multiply-adds as GFLOP/s (two each).
func BenchmarkForward(b *testing.B) {
	gqa := func(t dtype.Type, heads, kv int) setup {
		return setup{Layout: Layout{Type: t, KVHeads: kv, KeyDim: 128, ValueDim: 128}, heads: heads, scale: 0.09}
	}
	mla := func(t dtype.Type, heads int) setup {
		return setup{Layout: Layout{Type: t, KVHeads: 1, KeyDim: 576, ValueDim: 512, Latent: true}, heads: heads, scale: 0.07}
	}
	for _, c := range []struct {
		name   string
		s      setup
		pos, n int
	}{
		{"decode4096/12x2-f16", gqa(dtype.F16, 12, 2), 4096, 1},
		{"decode4096/32x8-f16", gqa(dtype.F16, 32, 8), 4096, 1},
		{"decode4096/32x8-bf16", gqa(dtype.BF16, 32, 8), 4096, 1},
		{"decode4096/32x8-f32", gqa(dtype.F32, 32, 8), 4096, 1},
		{"decode4096/8x8-f16", gqa(dtype.F16, 8, 8), 4096, 1},
		{"decode4096/mla16-bf16", mla(dtype.BF16, 16), 4096, 1},
		{"decode4096/mla16-f16", mla(dtype.F16, 16), 4096, 1},
		{"decode4096/mla128-bf16", mla(dtype.BF16, 128), 4096, 1},
		{"prefill512/12x2-f16", gqa(dtype.F16, 12, 2), 0, 512},
		{"prefill512at2048/32x8-f16", gqa(dtype.F16, 32, 8), 2048, 512},
		{"prefill128at1024/mla16-bf16", mla(dtype.BF16, 16), 1024, 128},
	} {
		for _, l := range cpu.Levels[1:] {
			if l > cpu.Best() {
				continue
			}
			b.Run(c.name+"/"+l.String(), func(b *testing.B) {
				defer cpu.Use(cpu.Current())
				cpu.Use(l)
				benchmark(b, c.s, c.pos, c.n)
			})
		}
	}
}

func benchmark(b *testing.B, c setup, pos, n int) {
	c.n = pos + n
	// Enough layers that decode does not find them in the caches.
	layers := 1
	if n == 1 {
		layers = 1 + 64<<20/(c.n/Block*c.BlockBytes())
	}
	d := c.make()
	problems := make([]*Problem, layers)
	for i := range problems {
		blocks := d.blocks
		if i > 0 {
			blocks.Pages = nil
			for _, p := range d.blocks.Pages {
				blocks.Pages = append(blocks.Pages, append([]byte(nil), p...))
			}
		}
		problems[i] = &Problem{Cache: blocks, Heads: c.heads, Scale: c.scale, Pos: pos, Tokens: n,
			Q: d.q[pos*c.heads*c.KeyDim:], Out: make([]float32, n*c.heads*c.ValueDim)}
		problems[i].Split(1)
	}
	s := new(Scratch)
	units := problems[0].Split(1)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		Forward(problems[i%layers], 0, units, s)
		i++
	}
	seen := 0
	for p := pos; p < pos+n; p++ {
		seen += p + 1
	}
	sec := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64((pos+n)/Block*c.BlockBytes())/sec/1e9, "GB/s")
	b.ReportMetric(2*float64(seen*c.heads*(c.KeyDim+c.ValueDim))/sec/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(sec*1e3, "ms")
}
