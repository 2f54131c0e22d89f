package zoo

import (
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/model"
)

func benchModel(b *testing.B) *Loaded {
	return open(b, filepath.Join(dataDir(b), "weights", "smollm2", smollm2), model.Options{})
}

// BenchmarkDecode is one token of SmolLM2 after 128: it has to show 0 allocs/op.
func BenchmarkDecode(b *testing.B) {
	m := benchModel(b)
	c, err := m.NewCache(1024)
	if err != nil {
		b.Fatal(err)
	}
	prompt := make([]int32, 128)
	if _, err := model.Prefill(m, c, prompt, 0); err != nil {
		b.Fatal(err)
	}
	batch := []model.Chunk{{Cache: c, IDs: []int32{7}, Logits: 1}}
	step := func() {
		if _, err := m.Forward(batch); err != nil {
			b.Fatal(err)
		}
		c.Truncate(128)
	}
	step()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tok/s")
}

// BenchmarkPrefill is a prompt of 512 tokens.
func BenchmarkPrefill(b *testing.B) {
	m := benchModel(b)
	prompt := make([]int32, 512)
	for i := range prompt {
		prompt[i] = int32(i * 90 % m.Config().Vocab)
	}
	c, err := m.NewCache(512)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Truncate(0)
		if _, err := model.Prefill(m, c, prompt, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(512*b.N)/b.Elapsed().Seconds(), "tok/s")
}

// BenchmarkOpen is start-up, the file in the page cache.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(dataDir(b), "weights", "smollm2", smollm2)
	for b.Loop() {
		l, err := Open(path, model.Options{})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
