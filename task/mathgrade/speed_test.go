package mathgrade

import "testing"

// TestSpeed: simple verdicts for a second of processor time.
func TestSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	pairs := [][2]string{{"42", "42"}, {`\frac{1}{2}`, "0.5"}, {"1,234", "1234"}, {`2\sqrt{3}`, `\sqrt{12}`}, {"x^2+2x+1", "(x+1)^2"}, {"17", "18"}, {"(1,2)", "(1, 2)"}, {`50\%`, "50"}}
	const n = 4000
	start := processorTime(t)
	for i := range n {
		p := pairs[i%len(pairs)]
		Answer(p[0], p[1], Options{})
	}
	perMinute := n / (processorTime(t) - start).Minutes()
	t.Logf("%.0f verdicts a minute of processor time", perMinute)
	if perMinute < 100000 {
		t.Errorf("%.0f verdicts a minute, want 100,000", perMinute)
	}
}
