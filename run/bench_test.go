package run

import (
	"path/filepath"
	"testing"

	"github.com/pennyml/penny/ledger"
)

// What recording costs a step.
func BenchmarkStep(b *testing.B) {
	m, err := NewManifest("bench", "train", "1", 1)
	if err != nil {
		b.Fatal(err)
	}
	d, err := Create(filepath.Join(b.TempDir(), "r"), m)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	r, err := Record(d, Options{Threads: 1, Budget: Budget{Steps: 1 << 40}})
	if err != nil {
		b.Fatal(err)
	}
	r.Enter(ledger.Pretrain)
	s := int64(0)
	for b.Loop() {
		s++
		r.Spend(ledger.Pretrain, 1e6, 64)
		if err := r.Step(Row{Step: s, Tokens: 64 * s, Loss: 3 / float64(s)}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := r.Close(ledger.Done, ""); err != nil {
		b.Fatal(err)
	}
}
