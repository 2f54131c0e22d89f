package expr

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ src, key string }{
		{"1 1/2", "+(*(1,^(2,-1)),1)"},
		{`2\frac12`, "+(2,frac(1,2))"},
		{`-x^2`, "*(-1,^(x,2))"},
		{`2^3^2`, "^(2,^(3,2))"},
		{`0.0\overline{3}`, "1/30"},
		{`1.5E3`, "1500"},
		{`2e+3`, "+(*(2,e),3)"},
		{`\sin^{-1} x`, "arcsin(x)"},
		{`\sin^2 x`, "^(sin(x),2)"},
		{`[0,1)`, "g[)(0,1)"},
		{`\{3,1\}`, "set(1,3)"},
		{`a<b\le c`, "a<b≤c"},
		{`3:4`, ":(3,4)"},
		{`204_5`, "based(204,5)"},
		{`10 \text{ cm}^2`, "unit(10,'cm^2')"},
		{`x_{n+1}`, "x_n+1"},
		{`45^\circ`, "deg(45)"},
		{`\int_0^1 3x\,dx`, "int(*(1,3,x),x,0,1)"},
		{`1\pm\sqrt2`, "pm(1,^(2,^(2,-1)))"},
		{`\frac{d}{dx} x^2`, "diff(^(x,2),x)"},
		{`π·r²`, "*(^(r,2),pi)"},
		{`x=1 or x=2`, "list(x=1,x=2)"},
	} {
		n, err := Parse(c.src)
		if err != nil {
			t.Errorf("%q: %v", c.src, err)
			continue
		}
		if n.Key() != c.key {
			t.Errorf("%q parses as %s, want %s", c.src, n.Key(), c.key)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, s := range []string{"", "(", "1.2.3", "a +", `\frac{1}{}`, `\sqrt`, "1 2", "f(", "()", `\cos`, "a,,b", "||x|", `\frac{d}{dx}`, "@", `\left(1`, "x is 3",
		"1e99999", strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500), strings.Repeat("1", MaxBytes+1), strings.Repeat("-", 3000) + "1", strings.Repeat("x^", 2000) + "x"} {
		if n, err := Parse(s); err == nil {
			t.Errorf("%.60q parses as %.60s", s, n.Key())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`\frac{1}{2}`, `\begin{pmatrix}1&2\\3&4\end{pmatrix}`, `\int_0^1 x dx`, `{n \choose k}`, `|x|`, `\sqrt[3]{2}`, `\frac12`, `\text{if } x`, `0.\overline{3}`,
		`\sum_{k=1}^n k`, `x'_1''`, `\variable{a}\%`, `1 1/2`, `\lim_{x\to 0} x`, `a:=b`, `\mathrm{cm}`, `]0,1[`, `\{x : x>1\}`, `²³½`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		n.Vars()
		if n.Key() == "" {
			t.Errorf("%q has no key", s)
		}
	})
}
