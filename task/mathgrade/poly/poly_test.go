package poly

import (
	"testing"

	"github.com/pennyml/penny/task/mathgrade/expr"
)

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b      string
		equal, ok bool
	}{
		{"(x+1)^2", "x^2+2x+1", true, true},
		{"(x+1)^2", "x^2+2x-1", false, true},
		{`\frac{x^2-1}{x-1}`, "x+1", true, true},
		{`\sqrt{12}`, `2\sqrt{3}`, true, true},
		{`\sqrt6`, `\sqrt2\sqrt3`, true, true},
		{`\frac{1}{\sqrt2}`, `\frac{\sqrt2}{2}`, true, true},
		{`\frac{1}{1+\sqrt2}`, `\sqrt2-1`, true, true},
		{`\sqrt[3]{16}`, `2\sqrt[3]{2}`, true, true},
		{"(1+i)^2", "2i", true, true},
		{`\sin(2x)`, `\sin(x+x)`, true, true},
		{"e^{2x}", "(e^x)^2", true, true},
		{`\sqrt{x}^2`, "x", true, true},
		{`\sqrt{x^2}`, "x", false, false},
		{`\sin x`, `\cos x`, false, false},
		{`\frac{1}{x}+\frac1y`, `\frac{x+y}{xy}`, true, true},
		{"x", "y", false, true},
	} {
		a, err := expr.Parse(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := expr.Parse(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if equal, ok := Equal(a, b); equal != c.equal || ok != c.ok {
			t.Errorf("%s and %s: equal %v, proven %v; want %v, %v", c.a, c.b, equal, ok, c.equal, c.ok)
		}
	}
}
