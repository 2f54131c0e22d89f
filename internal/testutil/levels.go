// Package testutil holds what the tests of several packages share.
package testutil

import (
	"testing"

	"github.com/pennyml/penny/internal/cpu"
)

// EachLevel runs f as a subtest at every instruction-set level that this CPU has, none left out, and puts the level back.
func EachLevel(t *testing.T, f func(t *testing.T, l cpu.Level)) {
	t.Helper()
	was := cpu.Current()
	defer func() {
		if err := cpu.Use(was); err != nil {
			t.Error(err)
		}
	}()
	for _, l := range cpu.Levels {
		if l > cpu.Best() {
			t.Logf("level %v not run: this CPU's best is %v", l, cpu.Best())
			continue
		}
		t.Run(l.String(), func(t *testing.T) {
			if err := cpu.Use(l); err != nil {
				t.Fatal(err)
			}
			f(t, l)
		})
	}
}
