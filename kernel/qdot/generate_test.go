package qdot

import (
	"testing"

	"github.com/pennyml/penny/internal/testutil"
)

func TestGenerated(t *testing.T) {
	testutil.Generated(t, []string{"run", "./_gen"}, "avx2_amd64.s", "avx512_amd64.s", "kernels_amd64.go")
}
