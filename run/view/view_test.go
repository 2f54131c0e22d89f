package view

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/run"
)

func filled() *board {
	b := &board{o: Options{Title: "tiny", Charts: [][]string{{"loss", "val_loss"}, {"reward"}}}, values: map[string]float64{}, curves: map[string]*curve{}}
	j := 12.3
	b.begin(run.Info{Run: "r-1", Dir: "runs/r"}, run.Progress{})
	for s := int64(1); s <= 500; s++ {
		row := run.Row{Step: s, Loss: 5 / float64(s), LR: 1e-3, GradNorm: 2, Extra: map[string]float64{"reward": float64(s)}}
		if s%100 == 0 {
			row.ValLoss = &row.Loss
		}
		b.row(row, run.Progress{Step: s, Fraction: float64(s) / 500, By: "steps", Remaining: time.Minute, Stage: "pretrain",
			Cost: run.Cost{TokensPerSecond: 12345, Utilisation: 0.7, FLOPs: 1e12, Joules: &j, JoulesLabel: "estimated", Dollars: 0.00123, Seconds: 65}})
	}
	b.sample = run.Sample{Step: 400, Prompt: "2+2=", Text: "4 \x1b[2J\r\n\t日本語 " + strings.Repeat("long ", 100), Verdict: "right"}
	return b
}

// Nothing is wider or higher than the terminal, however small that is.
func TestLines(t *testing.T) {
	b := filled()
	for width := 1; width < 160; width += 3 {
		for height := 1; height < 45; height += 2 {
			lines := b.lines(width, height)
			if len(lines) > max(height-1, 1) {
				t.Fatalf("%dx%d: %d lines", width, height, len(lines))
			}
			for _, l := range lines {
				if w := ansi.StringWidth(l); w > width {
					t.Fatalf("%dx%d: %d columns: %q", width, height, w, l)
				}
				if plain := ansi.Strip(l); strings.ContainsAny(plain, "\x1b\r\n\t") {
					t.Fatalf("%dx%d: moves the cursor: %q", width, height, plain)
				}
			}
		}
	}
	all := ansi.Strip(strings.Join(b.lines(120, 40), "\n"))
	for _, want := range []string{"r-1 · tiny · pretrain", "100% of steps", "loss 0.01", "val_loss 0.01", "reward 500", "lr 0.001", "12.3k tokens/s", "70% of the roof", "1 TFLOP", "12.3 J est.",
		"$0.0012", "1m 05s", "sample, step 400 ── right", "━ val_loss", "⠉", "long"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not shown in\n%s", want, all)
		}
	}
	empty := &board{o: Options{Charts: [][]string{{"loss"}}}, values: map[string]float64{}, curves: map[string]*curve{}}
	if lines := empty.lines(80, 24); len(lines) == 0 {
		t.Error("nothing at all before the first step")
	}
}

func TestCurve(t *testing.T) {
	c := &curve{every: 1}
	for i := range 100_000 {
		c.add(float64(i), 2*float64(i))
	}
	c.add(1e9, math.NaN())
	if len(c.x) > curveSize || len(c.x) < curveSize/2 || len(c.x) != len(c.y) {
		t.Fatalf("%d points", len(c.x))
	}
	for i := range c.x {
		if math.Abs(c.y[i]-2*c.x[i]) > 1e-6 || i > 0 && c.x[i] <= c.x[i-1] {
			t.Fatalf("point %d: %v %v", i, c.x[i], c.y[i])
		}
	}
	if last := c.x[len(c.x)-1]; last < 99_000 {
		t.Errorf("ends at %v", last)
	}
}

// Without a terminal there are lines, and no escape sequences among them.
func TestPlain(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v := New(f, Options{Title: "tiny"})
	v.Begin(run.Info{Run: "r-1", Dir: "runs/r", Machine: "abacus", Energy: "model"}, run.Progress{})
	for s := int64(1); s <= 300; s++ {
		row := run.Row{Step: s, Loss: 2, LR: 1e-3}
		if s == 200 {
			row.ValLoss = &row.Loss
		}
		v.Row(row, run.Progress{Step: s, Fraction: float64(s) / 300, By: "steps", Remaining: time.Second})
		v.Tick(run.Progress{})
	}
	v.Event("divergence", "loss is NaN\x1b[2J")
	v.Sample(run.Sample{Step: 300, Prompt: "a", Text: "b\nc", Verdict: "right"})
	var totals ledger.Totals
	totals.Add(&ledger.Work{Purpose: ledger.Pretrain, FLOPs: ledger.Count(3e12), Seconds: 90, Joules: 200, JoulesLow: 150, JoulesHigh: 300, Label: ledger.Estimated, Dollars: 0.0123})
	v.End(&ledger.Receipt{Outcome: ledger.Done, Reason: "steps", Steps: 300, Tokens: 12345, Totals: totals})
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"r-1 tiny in runs/r\nabacus\nenergy: model\n", "step 1 · 0% of steps · loss 2", "step 200 · 67% of steps · loss 2 · val_loss 2", "step 300 ·", "divergence: loss is NaN\ufffd[2J\n",
		"sample at step 300:\n  | ab\n  | c\n  = right\n", "runs/r: done (steps). 300 steps, 12,345 tokens, 3 TFLOP, 1m 30s, 200 J estimated (150 to 300), $0.012\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n := strings.Count(string(text), "\nstep "); n != 3 || strings.Contains(string(text), "\x1b") {
		t.Errorf("%d rows in\n%s", n, text)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "?", 3200 * time.Millisecond: "3.2 s", 59400 * time.Millisecond: "59 s", 65 * time.Second: "1m 05s", 2*time.Hour + 3*time.Minute: "2h 03m",
		103 * time.Hour: "4d 07h"} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for v, want := range map[float64]string{0: "$0", 12.345: "$12.35", 1: "$1.00", 0.999: "$1.00", 0.05: "$0.050", 0.00123: "$0.0012", 0.5: "$0.50", 1e-9: "<$0.000001"} {
		if got := dollars(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
