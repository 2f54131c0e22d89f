package vec

import (
	"testing"

	"github.com/pennyml/penny/internal/testutil"
)

func TestGenerated(t *testing.T) {
	testutil.Generated(t, []string{"run", "../_asm", "vec"}, "kernels_amd64.s", "kernels_amd64.go", "kernels_other.go")
}
