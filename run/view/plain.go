package view

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/run"
)

// plain prints lines: for files, pipes and small terminals.
type plain struct {
	out    *os.File
	o      Options
	dir    string
	last   time.Time
	shown  int64 // the step printed last
	latest run.Row
	p      run.Progress
}

// every is how often a line is printed at the most; steps that were evaluated always are.
const every = 2 * time.Second

func (v *plain) Begin(i run.Info, p run.Progress) {
	v.dir, v.shown = i.Dir, p.Step
	fmt.Fprintf(v.out, "%s in %s\n%s\nenergy: %s\n", strings.TrimSpace(i.Run+" "+v.o.Title), i.Dir, i.Machine, i.Energy)
}

func (v *plain) Row(r run.Row, p run.Progress) {
	v.latest, v.p = r, p
	if r.ValLoss != nil || time.Since(v.last) >= every {
		v.print()
	}
}

func (v *plain) print() {
	v.last, v.shown = time.Now(), v.latest.Step
	parts := append([]string{of(v.p)}, numbers(v.o.Charts, fields(v.latest))...)
	parts = append(append(parts, speed(v.p.Cost)...), cost(v.p.Cost)...)
	if v.p.Remaining >= 0 && v.p.Fraction < 1 {
		parts = append(parts, duration(v.p.Remaining)+" left")
	}
	fmt.Fprintln(v.out, strings.Join(parts, " · "))
}

func (v *plain) Tick(run.Progress) {}

func (v *plain) Sample(s run.Sample) {
	title := s.Title
	if title == "" {
		title = "sample"
	}
	fmt.Fprintf(v.out, "%s at step %s:\n", title, count(s.Step))
	for line := range strings.Lines(printable(s.Prompt + s.Text)) {
		fmt.Fprintf(v.out, "  | %s\n", strings.TrimRight(line, "\n"))
	}
	if s.Verdict != "" {
		fmt.Fprintf(v.out, "  = %s\n", printable(s.Verdict))
	}
}

func (v *plain) Event(name, text string) { fmt.Fprintf(v.out, "%s: %s\n", name, printable(text)) }

func (v *plain) End(r *ledger.Receipt) {
	if v.latest.Step != v.shown {
		v.print()
	}
	fmt.Fprintln(v.out, closing(v.dir, r))
}
