package attn

import (
	"testing"

	"github.com/pennyml/penny/internal/testutil"
)

func TestGenerated(t *testing.T) {
	testutil.Generated(t, []string{"run", "../_asm", "attn"}, "kernels_amd64.s", "stubs_amd64.go")
}
