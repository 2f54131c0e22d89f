package mathgrade

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/judged.txt
var judged string

// TestJudged holds the lenient verdict on pairs judged by hand, one by one.
func TestJudged(t *testing.T) {
	n := 0
	for line := range strings.Lines(judged) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "~")
		if strings.HasPrefix(line, "# ") {
			continue
		}
		if len(part) != 3 {
			t.Fatalf("%q", line)
		}
		v := Answer(part[1], part[2], Options{})
		if text, ok := strings.CutPrefix(part[1], "t:"); ok {
			v = Grade(text, part[2], Options{})
		}
		if v.Lenient != (part[0] == "T") {
			t.Errorf("%q against %q: %v, want %s; %q by %s: %s", part[1], part[2], v.Lenient, part[0], v.Extracted, v.Stage, v.Reason)
		}
		n++
	}
	t.Logf("%d pairs", n)
}

// TestPolicy holds the lenient verdict on pairs of many kinds, both as given answers and as texts to extract from.
func TestPolicy(t *testing.T) {
	pairs := []struct {
		p, g string
		want bool
	}{
		{"-5", "-5", true},
		{"$-5$", "-5", true},
		{"1,000,000.00", "1000000", true},
		{"1000", "1,000.0", true},
		{"$1/3 $", "1/3", true},
		{`$\frac{1}{3}$ meters`, `1/3`, true},
		{`$28\%$`, "28 percent", true},
		{`28 pct`, `$28\%$`, true},
		{`$x = 1/3$`, `$1/3$`, true},
		{`$(a+5)(b+2)$`, `$(a+5)(b+2)$`, true},
		{`$1 + \frac{2}{3}$`, "$5/3$", true},
		{`$[0,1)$`, `$(0,1)$`, false},
		{`$\{1,2,3\}$`, `$\{3,2,1\}$`, true},
		{`$\emptyset$`, `$\varnothing$`, true},
		{`$\{\}$`, `$\emptyset$`, true},
		{`\boxed{x \in [-2,7]}`, `[-2,7]`, true},
		{`$x \in (-\infty, 3)$`, `$x<3$`, true},
		{`$2\leq x$`, `$[2,\infty)$`, true},
		{`$-1<x<1$`, `$|x|<1$`, true},
		{`$y=2x+3$`, `$2x-y+3=0$`, true},
		{`$f(x)=x^2$`, `$x^2$`, true},
		{`$a=3, b=4$`, `$b=4, a=3$`, true},
		{`$(x,y)=(1,2)$`, `$x=1,y=2$`, true},
		{`$\frac{1}{2}, \frac{3}{4}$`, `$0.5,0.75$`, true},
		{`$\sqrt[3]{-8}$`, "-2", true},
		{`$\log_2 8$`, "3", true},
		{`$\sin 30^\circ$`, `0.5`, true},
		{`$\tan^{-1}(1)$`, `$\pi/4$`, true},
		{`\frac{\pi}{4}`, `45^\circ`, true},
		{`10^{-3}`, "0.001", true},
		{`1.5\times10^{3}`, "1500", true},
		{`3\cdot 10^8`, "3e8", true},
		{`\text{(B)}`, "B", true},
		{"B) 5", "B", true},
		{`\textbf{(D)}`, "D", true},
		{`(\text{A})`, "A", true},
		{`\$5.00`, "5", true},
		{"5 dollars", "5", true},
		{"$5", "5", true},
		{`5\text{ dollars}`, `\$5`, true},
		{`x^2+C`, `x^2+c`, true},
		{`\frac{x^2}{2}+C`, `0.5x^2+C`, true},
		{`e^{i\pi}`, "-1", true},
		{`\cos\theta`, `\cos(\theta)`, true},
		{`\sin^2x+\cos^2x`, "1", true},
		{`\binom{5}{2}`, "10", true},
		{`5!`, "120", true},
		{`\left\lfloor 3.7\right\rfloor`, "3", true},
		{`2^{10}`, "1024", true},
		{`0.\overline{3}`, `\frac13`, true},
		{`0.333...`, `\frac13`, true},
		{`\frac{a}{b}`, "a/b", true},
		{`ab`, "ba", true},
		{`(x-1)(x+1)`, "x^2-1", true},
		{`\frac{x}{y}`, `\frac{y}{x}`, false},
		{`3\frac{1}{2}`, "3.5", true},
		{`-3\frac12`, "-3.5", true},
		{"3 1/2", "3.5", true},
		{`\mathbf{v}=(1,2)`, "(1,2)", true},
		{`\langle 1,2,3\rangle`, "(1,2,3)", true},
		{`\begin{pmatrix}1\\2\\3\end{pmatrix}`, `\langle 1,2,3 \rangle`, true},
		{`\vec{i}+2\vec{j}`, `i+2j`, true},
		{`(-\infty, 0) \cup (0, \infty)`, `\mathbb{R}\setminus\{0\}`, true},
		{`\mathbb{R}`, `(-\infty,\infty)`, true},
		{`[0,\infty)`, `x\ge0`, true},
		{`1:2`, `1/2`, true},
		{"2:30", "2:30", true},
		{"2:30 pm", "2:30", true},
		{`\text{yes}`, "Yes", true},
		{`\text{True}`, "true", true},
		{"monday", "Monday", true},
		{`11_2`, `11_3`, false},
		{`\frac{3}{4}\pi`, `\frac{3\pi}{4}`, true},
		{`\pi r^2`, `πr²`, true},
		{"sqrt(2)/2", `\frac{\sqrt{2}}{2}`, true},
		{"1e-3", "0.001", true},
		{"x**2 + 1", "x^2+1", true},
		{"2*x", "2x", true},
		{"pi/2", `\frac{\pi}{2}`, true},
		{"exp(2)", "e^2", true},
		{"ln(2)", `\ln 2`, true},
		{"abs(x)", "|x|", true},
		{"3+4i", "4i+3", true},
		{"3+4i", "3-4i", false},
		{`\frac{1}{1+\frac{1}{2}}`, "2/3", true},
		{`16.67`, `\frac{50}{3}`, true},
		{"0.17", `\frac16`, false},
		{"1 000 000", "1000000", true},
		{`12{,}345`, "12345", true},
		{"$12,345$", "12345", true},
		{`\approx 3.1416`, "3.1416", true},
		{`x\approx 3.14`, "3.14", true},
		{`\{(1,2),(3,4)\}`, `(1,2),(3,4)`, true},
		{`(1,2),(3,4)`, `(3,4),(1,2)`, true},
		{`(1,2),(4,3)`, `(3,4),(1,2)`, false},
		{"no solution", "No solutions", true},
		{`\text{no solution}`, `\text{No solution.}`, true},
		{"[1, 2, 3]", "1, 2, 3", true},
		{"{1, 2, 3}", "[1,2,3]", true},
		{"x = 1, 2", "1, 2", true},
		{"x=1 \\text{ or } x=2", "1,2", true},
		{`x_1=1,x_2=2`, "1,2", true},
		{"-1 or 1", `\pm1`, true},
		{`\frac{-1\pm\sqrt5}{2}`, `\frac{-1+\sqrt5}{2},\frac{-1-\sqrt5}{2}`, true},
		{"2.0", "2", true},
		{"2.", "2", true},
		{"+5", "5", true},
		{"--5", "5", true},
		{"5%", "0.05", true},
		{".05", "5%", true},
		{"5\\%", "5", true},
		{`1\%`, `0.01\%`, false},
		{"100", "1", false},
		{"0", "", false},
		{"None", "0", false},
		{`2\pi\,\text{cm}`, `2\pi`, true},
		{`25\text{ cm}^2`, `25`, true},
		{`25\,\mathrm{cm^2}`, `25`, true},
		{`60\text{ mph}`, "60", true},
		{`\frac{5}{2}\text{ hours}`, "2.5", true},
		{"3 hours", "180 minutes", true},
		{`\angle ABC = 40^\circ`, "40", true},
		{`AB = 5`, "5", true},
		{`P(A)=\frac12`, "1/2", true},
		{`|AB| = 5`, "5", true},
		{`S=\frac{1}{2}`, "0.5", true},
		{`n(n+1)/2`, `\frac{n^2+n}{2}`, true},
		{`2^{n+1}-2^n`, "2^n", true},
		{`\frac{n!}{(n-1)!}`, "n", true},
		{`\sum_{k=1}^{10} k`, "55", true},
		{`\int_0^1 x\,dx`, "1/2", true},
		{`\lim_{x\to2} x^2`, "4", true},
		{`\sqrt{2}\sqrt{3}`, `\sqrt{6}`, true},
		{`\frac{2}{\sqrt{2}}`, `\sqrt2`, true},
		{`\sqrt{50}`, `5\sqrt2`, true},
		{`\sqrt{1+\sqrt{3}}`, `\sqrt{1+\sqrt{2}}`, false},
		{`\sinh x`, `\frac{e^x-e^{-x}}{2}`, true},
		{`\tan x`, `\frac{\sin x}{\cos x}`, true},
		{`\log_{10} 100`, "2", true},
		{`\lg 100`, "2", true},
		{`\ln e`, "1", true},
		{`a^{-1}`, `\frac1a`, true},
		{`x^{1/3}`, `\sqrt[3]{x}`, true},
		{`\max(1,2)`, "2", true},
		{`5\bmod 3`, "2", true},
		{`x\equiv 2\pmod 5`, `x \equiv 2 \pmod{5}`, true},
		{`\overline{AB}`, `AB`, true},
		{`\triangle ABC`, `\triangle ABC`, true},
		{`\text{A and B}`, `A, B`, false},
		{"A,B", "B,A", true},
		{`\infty`, "infinity", true},
		{`-\infty`, "-oo", true},
		{`1+2+3`, "6", true},
		{"1/3 + 1/3", "2/3", true},
		{`y'=2y`, `y' = 2y`, true},
		{`x>2 \text{ and } x<5`, `2<x<5`, true},
		{`x<1\text{ or }x>2`, `(-\infty,1)\cup(2,\infty)`, true},
		{`2 < x < 5`, `(2,5)`, true},
		{`p \ge 3`, `p>3`, false},
		{`\dfrac{7}{11}`, `\frac{7}{11}`, true},
		{`\frac{1}{2}\cdot 5`, "2.5", true},
	}
	for _, c := range pairs {
		for _, mode := range []string{"answer", "text"} {
			var v = Answer(c.p, c.g, Options{})
			if mode == "text" {
				v = Grade(c.p, c.g, Options{})
			}
			if v.Right != c.want {
				t.Errorf("%s %q vs %q: %v want %v; ext %q %s: %s", mode, c.p, c.g, v.Right, c.want, v.Extracted, v.Stage, v.Reason)
			}
		}
	}
}

// TestPolicyGiven holds the lenient verdict on given answers, among them such as try to be taken for right.
func TestPolicyGiven(t *testing.T) {
	for _, c := range []struct {
		p, g string
		want bool
	}{
		{`\boxed{}`, "5", false},
		{`\boxed{1 \text{ or } 2 \text{ or } 3}`, "2", false},
		{`\boxed{1, 2, 3}`, "2", false},
		{"The answer is 1 or 2", "2", false},
		{"1/0", "5", false},
		{"0/0", "1", false},
		{`\frac{0}{0}`, "0", false},
		{"x", "y", false},
		{"anything", "5", false},
		{`\text{the answer}`, "5", false},
		{"5 or something", "5", false},
		{`\infty-\infty`, "0", false},
		{"undefined", "0", false},
		{`5 \neq 5`, "5", false},
		{"x", "5", false},
		{"x=x", "5", false},
		{"5=6", "5", false},
		{`1=1`, "1", true},
		{`\int x dx`, "x^2/2", true},
		{"0.1+0.2", "0.3", true},
		{`10^{-30}`, "0", false},
		{`\sin(\pi)`, "0", true},
		{`\sin(10^{20})`, "0", false},
		{`e^{-1000}`, "0", false},
		{`\sqrt{2}-1.41421356`, "0", false},
		{`\pi^2`, "9.8696", true},
		{"355/113", `\pi`, false},
		{`e^{\pi\sqrt{163}}`, "262537412640768744", false},
		{"22/7", `\pi`, false},
		{`\frac{1}{3}`, "0.3333", true},
		{"0.3333", `\frac{1}{3}`, true},
		{"1.0000", "1", true},
		{"1.0001", "1", false},
		{"0.99999", "1", false},
		{"99.99\\%", "100\\%", false},
		{"12", "12.0000", true},
		{"12 cm", "12 m", false},
		{`12\text{ apples}`, `12\text{ oranges}`, true},
		{"10:30 am", "10:30 pm", false},
		{"3x", "3", false},
		{"3 x", "x 3", true},
		{"-x", "x", false},
		{"(1,2]", "[1,2)", false},
		{"1,2", "1,2,2", false},
		{`\{1,1,2\}`, `\{1,2\}`, true},
		{"AB", "BA", true},
		{"ABC", "CBA", true},
		{"13", "31", false},
		{`\frac{x+1}{x+1}`, "1", true},
		{"TRUE", "True", true},
		{"(A)", "A", true},
		{"A", "B", false},
		{"A) 12", "A", true},
		{"I", "1", false},
		{"2i", "2", false},
		{"i^2", "-1", true},
		{`\sqrt{-4}`, "2i", true},
		{"1.5 million", "1500000", true},
		{"2 dozen", "24", true},
		{"$1.5$ thousand", "1500", true},
		{"five", "5", true},
		{"twelve", "12", true},
		{"3rd", "3", true},
		{"1st", "1", true},
		{`3^{\text{rd}}`, "3", true},
		{`12^{th}`, "12", true},
		{`\frac{1}{2} \text{ or } 0.5`, "0.5", true},
		{`x = 3 \text{ and } y = 4`, "(3,4)", true},
		{`x=3,y=4`, "(3,4)", true},
		{`x=3,y=4`, "(4,3)", false},
		{`(x,y)=(3,4)`, `x=3, y=4`, true},
		{`a_n = 2n+1`, `2n+1`, true},
		{`a_n=2n+1`, `a_n = 2n-1`, false},
		{`f(x) = 2x`, `f(t) = 2t`, true},
		{`y = x`, `x = y`, true},
		{`\frac{1}{2}x + 3 = y`, `y = 0.5x+3`, true},
		{`x^2+y^2=1`, `y^2 = 1 - x^2`, true},
		{`k \in \mathbb{Z}`, `k \in \mathbb Z`, true},
		{`n\pi, n \in \mathbb{Z}`, `k\pi, k\in\mathbb{Z}`, true},
		{`\text{Monday}`, `\text{Tuesday}`, false},
		{`\$1,234.50`, "1234.5", true},
		{"1.234,50", "1234.5", false},
		{`100^\circ\text{C}`, "100", true},
		{`25^{\circ}\mathrm{F}`, "25", true},
		{`5\,\Omega`, "5", true},
		{`6.02\times10^{23}`, `6.02e23`, true},
		{`3.0\times 10^8\ \text{m/s}`, `3\times 10^8`, true},
		{`8 \text{ square units}`, "8", true},
		{`8 \text{ sq. units}`, "8", true},
		{`y=\frac{1}{2}x^2`, `x^2=2y`, true},
		{`\left[\frac12,1\right)`, `[0.5,1)`, true},
		{`\varnothing`, `\{\}`, true},
		{`no real solutions`, `\emptyset`, true},
	} {
		v := Answer(c.p, c.g, Options{})
		if v.Right != c.want {
			t.Errorf("%q vs %q: %v want %v; ext %q %s: %s", c.p, c.g, v.Right, c.want, v.Extracted, v.Stage, v.Reason)
		}
	}
}

// TestPolicyText holds the lenient verdict on texts that the answer is taken out of.
func TestPolicyText(t *testing.T) {
	for _, c := range []struct {
		p, g string
		want bool
	}{
		{"The answer is $\\boxed{5}$ or maybe $\\boxed{6}$", "6", false},
		{"<think>\\boxed{5}", "5", true},
		{"<answer>5</answer> <answer>6</answer>", "6", true},
		{"The answer is: **42**", "42", true},
		{"**Answer:** 42", "42", true},
		{"Answer: \\(\\frac{3}{4}\\)", "3/4", true},
		{"Therefore, x = 5.", "5", true},
		{"So the total is 3 + 4 = 7 apples.", "7", true},
		{"The final answer is $\\frac{1}{2}$.", "0.5", true},
		{"I think it's 12, not 13", "12", false},
		{"The cost is $5.", "5", true},
		{"He pays $1,200.50 in total.", "1200.5", true},
		{"所以答案是 \\boxed{8}", "8", true},
		{"答案：15", "15", true},
		{"最终答案为 $\\frac{2}{3}$。", "2/3", true},
		{"Thus the interval is $[2,5)$.", "[2,5)", true},
		{"Thus $x=3$ and $y=4$.", "x=3,y=4", true},
		{"The roots are $2$ and $3$.", "2,3", true},
		{"The value is $x = 3$ or $x = 4$.", "3,4", true},
		{"The value is $x = 3$ or $x = 4$.", "4", false},
		{"The answer is $2$ and $3$.", "2,3", true},
		{"The area is $25\\pi$ square units.", "25\\pi", true},
		{"It takes 3 hours and 20 minutes. The answer is 200 minutes.", "200", true},
		{"#### -12", "-12", true},
		{"#### 3/4", "0.75", true},
		{"The probability is 1/6.", "\\frac16", true},
		{"which is 33%", "33\\%", true},
		{"$$x^2+1$$", "x^2+1", true},
		{"The answer is (C) because...", "C", true},
		{"**C**", "C", true},
		{"C. foo", "C", true},
		{"I pick B", "B", true},
		{"The correct choice is D", "D", true},
		{"Option A", "A", true},
		{"\\boxed{\\text{(E)}}", "E", true},
		{"Both A and B", "B", false},
	} {
		v := Grade(c.p, c.g, Options{})
		if v.Right != c.want {
			t.Errorf("%q vs %q: %v want %v; ext %q %s: %s", c.p, c.g, v.Right, c.want, v.Extracted, v.Stage, v.Reason)
		}
	}
}
