package check

import "testing"

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		pred, gold string
		want       Opinion
	}{
		{`\frac{1}{2}`, "0.5", Equal},
		{`\frac12`, "1/2", Equal},
		{`2\sqrt{3}`, `\sqrt{12}`, Equal},
		{`(x+1)^2`, "x^2+2x+1", Equal},
		{`(x+1)^2`, "x^2+2x", Different},
		{"1,234", "1234", Equal},
		{"(1,2)", "(2,1)", Different},
		{`\{1,2\}`, `\{2,1\}`, Equal},
		{"x=2", "2", Equal},
		{`50\%`, "0.5", Equal},
		{`50\%`, "50", Equal},
		{`3\frac{1}{2}`, "3.5", Equal},
		{"[0,1)", "[0,1]", Different},
		{`10\text{ cm}`, "10", Equal},
		{`\sin(x)`, `\cos(x)`, Different},
		{`\sqrt[3]{8}`, "2", Equal},
		{"x+1", "t+1", Different},
		{`\begin{pmatrix}1\end{pmatrix}`, "1", Unknown},
		{"some words here", "1", Unknown},
		{"", "1", Unknown},
	} {
		if got := Compare(c.pred, c.gold); got != c.want {
			t.Errorf("%q against %q: %v, want %v", c.pred, c.gold, got, c.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add(`\frac{1}{2}`, "0.5")
	f.Add(`\sqrt[3]{x}^{2}`, "{1,2}")
	f.Add("((((1))))", "-----1%")
	f.Fuzz(func(t *testing.T, a, b string) {
		if o := Compare(a, a); o == Different {
			t.Errorf("%q differs from itself", a)
		}
		Compare(a, b)
	})
}
