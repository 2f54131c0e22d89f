package zoo

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tensor"
)

// BenchmarkLearn is the gradient of a batch: forward and back, without the optimiser. The sizes are those of bench/train. It reports tokens a
// second, and the share of the roof of f32 arithmetic that 6 operations a parameter and token, and attention's products, make.
func BenchmarkLearn(b *testing.B) {
	for _, c := range []struct {
		name       string
		f          model.Fresh
		batch, seq int
	}{
		{"1m", model.Fresh{Arch: "llama", Vocab: 65, Hidden: 128, Layers: 4, Heads: 4, Intermediate: 344, Tied: true}, 12, 64},
		{"10m", model.Fresh{Arch: "llama", Vocab: 65, Hidden: 384, Layers: 6, Heads: 6, Intermediate: 1024, Tied: true}, 8, 256},
		{"100m", model.Fresh{Arch: "llama", Vocab: 32000, Hidden: 768, Layers: 12, Heads: 12, Intermediate: 2048, Tied: true}, 2, 512},
		{"moe-1m", model.Fresh{Arch: "deepseek_v3", Vocab: 65, Hidden: 128, Layers: 4, Heads: 4, Intermediate: 344, Tied: true,
			MLA: model.FreshMLA{KVLoRA: 48, Nope: 24, Rope: 8, V: 32},
			MoE: model.FreshMoE{Experts: 8, Used: 2, Shared: 1, Intermediate: 112, DenseLayers: 1, Scale: 2.5}}, 12, 64},
		{"moe-10m", model.Fresh{Arch: "deepseek_v3", Vocab: 65, Hidden: 384, Layers: 6, Heads: 6, Intermediate: 1024, Tied: true,
			MLA: model.FreshMLA{KVLoRA: 128, Nope: 48, Rope: 16, V: 64},
			MoE: model.FreshMoE{Experts: 16, Used: 4, Shared: 1, Intermediate: 192, DenseLayers: 1, Scale: 2.5}}, 8, 256},
	} {
		for _, compute := range []tensor.Compute{tensor.F32, tensor.BF16} {
			b.Run(c.name+"/"+compute.String(), func(b *testing.B) { benchLearn(b, c.f, c.batch, c.seq, compute) })
		}
	}
}

func benchLearn(b *testing.B, f model.Fresh, batch, seq int, compute tensor.Compute) {
	config, err := f.Config()
	if err != nil {
		b.Fatal(err)
	}
	l, err := LearnNew(config, model.FreshWeights(0, 1), model.LearnOptions{Compute: compute})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := rand.New(rand.NewPCG(1, 1))
	var sequences []model.Sequence
	for range batch {
		sequences = append(sequences, model.Sequence{IDs: randomIDs(r, seq+1, config.Vocab)})
	}
	loss := &model.CrossEntropy{Weight: 1 / float32(batch*seq)}
	step := func() {
		if _, err := l.Accumulate(sequences, loss); err != nil {
			b.Fatal(err)
		}
		l.Finish()
	}
	step()
	top := arithmetic(compute)
	b.ReportAllocs()
	var best time.Duration // others only ever make it slower
	for b.Loop() {
		start := time.Now()
		step()
		if d := time.Since(start); best == 0 || d < best {
			best = d
		}
	}
	tokens := float64(batch*seq) / best.Seconds()
	flops := 3 * (float64(config.FLOPs(0)) + float64(config.FLOPs(seq)-config.FLOPs(0))/2)
	b.ReportMetric(tokens, "tok/s")
	b.ReportMetric(flops*tokens/1e9, "GFLOP/s")
	b.ReportMetric(100*flops*tokens/1e9/max(top, arithmetic(compute)), "%roof")
}

// arithmetic is what all cores together could do.
func arithmetic(compute tensor.Compute) float64 {
	pool := par.New(0)
	defer pool.Close()
	r := roof.Arithmetic(pool, cpu.Current())
	if compute == tensor.BF16 {
		return r.BF16.All
	}
	return r.F32.All
}
