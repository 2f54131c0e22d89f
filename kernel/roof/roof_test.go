package roof

import (
	"testing"

	"github.com/pennyml/penny/internal/cpu"
	"github.com/pennyml/penny/internal/par"
)

func TestMeasure(t *testing.T) {
	pool := par.New(0)
	defer pool.Close()
	r := Measure(pool)
	t.Logf("memory %.1f / %.1f GB/s", r.Read.One, r.Read.All)
	if r.Read.One <= 0 || r.Read.All <= 0 || r.Threads != pool.Threads() {
		t.Errorf("%+v", r)
	}
	levels := 0
	for l := range loops {
		if l <= cpu.Best() {
			levels++
		}
	}
	if len(r.Levels) != levels {
		t.Errorf("%d levels measured, want %d", len(r.Levels), levels)
	}
	for _, l := range r.Levels {
		t.Logf("%v: f32 %.0f / %.0f, bf16 %.0f / %.0f, int8 %.0f / %.0f Gop/s", l.Level, l.F32.One, l.F32.All, l.BF16.One, l.BF16.All, l.Int8.One, l.Int8.All)
		for _, s := range []Speed{l.F32, l.BF16, l.Int8} {
			if s.One <= 0 || s.All <= 0 {
				t.Errorf("%v: %+v", l.Level, l)
			}
		}
	}
}
