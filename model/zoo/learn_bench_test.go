package zoo

import (
	"math/rand/v2"
	"testing"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
	"github.com/pennyml/penny/kernel/roof"
	"github.com/pennyml/penny/model"
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
	} {
		b.Run(c.name, func(b *testing.B) { benchLearn(b, c.f, c.batch, c.seq) })
	}
}

func benchLearn(b *testing.B, f model.Fresh, batch, seq int) {
	config, err := f.Config()
	if err != nil {
		b.Fatal(err)
	}
	l, err := LearnNew(config, model.FreshWeights(0, 1), model.LearnOptions{})
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
	pool := par.New(0)
	top := roof.Arithmetic(pool, cpu.Current()).F32.All
	pool.Close()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	tokens := float64(b.N*batch*seq) / b.Elapsed().Seconds()
	flops := 3 * (float64(config.FLOPs(0)) + float64(config.FLOPs(seq)-config.FLOPs(0))/2)
	b.ReportMetric(tokens, "tok/s")
	b.ReportMetric(flops*tokens/1e9, "GFLOP/s")
	b.ReportMetric(100*flops*tokens/1e9/top, "%roof")
}
