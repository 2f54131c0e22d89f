package view

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/run"
	"github.com/pennyml/penny/run/plot"
)

// count writes a whole number with thousands apart: 12,345.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// duration writes a time span in two units: 3.2 s, 1m 05s, 2h 03m, 4d 07h.
func duration(d time.Duration) string {
	s := int64(d.Round(time.Second).Seconds())
	switch {
	case d < 0:
		return "?"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd %02dh", s/86400, s/3600%24)
}

// dollars writes money with two digits that count: $12.34, $0.0012.
func dollars(v float64) string {
	switch {
	case v == 0:
		return "$0"
	case v >= 0.995:
		return fmt.Sprintf("$%.2f", v)
	case v < 1e-6:
		return "<$0.000001"
	}
	digits := 2
	for w := v; w < 0.0995; w *= 10 {
		digits++
	}
	return fmt.Sprintf("$%.*f", digits, v)
}

// joules writes energy, and how it is known.
func joules(v *float64, label string) string {
	if v == nil {
		return ""
	}
	s := plot.Unit(*v, "J")
	if label == string(ledger.Estimated) {
		s += " est."
	}
	return s
}

// cost is what a run took so far, the parts that are known.
func cost(c run.Cost) []string {
	parts := []string{plot.Unit(c.FLOPs, "FLOP")}
	if j := joules(c.Joules, c.JoulesLabel); j != "" {
		parts = append(parts, j)
	}
	return append(parts, dollars(c.Dollars), duration(seconds(c.Seconds)))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// speed is how fast it goes.
func speed(c run.Cost) []string {
	var parts []string
	if c.TokensPerSecond > 0 {
		parts = append(parts, plot.Short(c.TokensPerSecond)+" tokens/s")
	}
	if c.Utilisation > 0 {
		parts = append(parts, fmt.Sprintf("%.0f%% of the roof", 100*c.Utilisation))
	}
	return parts
}

// of says how far a run is: step 12 of 2,000.
func of(p run.Progress) string {
	s := "step " + count(p.Step)
	if p.Fraction > 0 {
		s += fmt.Sprintf(" · %.0f%% of %s", 100*min(p.Fraction, 1), p.By)
	}
	return s
}

// numbers are the latest values of the charts' fields, and of what else matters.
func numbers(charts [][]string, values map[string]float64) []string {
	var parts []string
	for _, names := range append(append([][]string{}, charts...), []string{"lr", "grad_norm"}) {
		for _, name := range names {
			if v, ok := values[name]; ok {
				parts = append(parts, name+" "+number(v))
			}
		}
	}
	return parts
}

// number writes a metric with four digits that count.
func number(v float64) string {
	if m := math.Abs(v); m < 1e-3 || m >= 1e4 {
		return plot.Short(v)
	}
	return fmt.Sprintf("%.4g", v)
}

// closing is the last line: how the run ended and what it took.
func closing(dir string, r *ledger.Receipt) string {
	if r == nil {
		return dir + ": not sealed"
	}
	all := r.Totals.All
	s := fmt.Sprintf("%s: %s", dir, r.Outcome)
	if r.Reason != "" {
		s += " (" + r.Reason + ")"
	}
	s += fmt.Sprintf(". %s steps, %s tokens, %s", count(r.Steps), count(r.Tokens), plot.Unit(all.FLOPs.Float(), "FLOP"))
	if d := r.Totals.For[ledger.Discarded].FLOPs; !d.IsZero() {
		s += fmt.Sprintf(" (%s discarded)", plot.Short(d.Float()))
	}
	s += ", " + duration(seconds(all.Seconds))
	if j := all.Energy.Known(); j != nil {
		s += ", " + plot.Unit(*j, "J") + " " + string(all.Energy.Label)
		if all.Energy.Label == ledger.Estimated {
			s += fmt.Sprintf(" (%s to %s)", plot.Short(all.Energy.Low), plot.Short(all.Energy.High))
		}
	}
	return s + ", " + dollars(all.Dollars)
}

// printable is text without what would move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
