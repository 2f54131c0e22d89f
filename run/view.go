package run

import (
	"time"

	"github.com/pennyml/penny/ledger"
)

// View shows a run while it happens. The Recorder drives it, from one goroutine at a time; a View must not call the Recorder.
type View interface {
	Begin(Info, Progress)
	Row(Row, Progress)       // after a step
	Tick(Progress)           // about once a second
	Sample(Sample)           // a piece of text that the network made
	Event(name, text string) // a divergence, a checkpoint, a new stage: one line
	End(*ledger.Receipt)
}

// Info is what a View wants to know at the beginning.
type Info struct {
	Run, Dir string
	Machine  string
	Energy   string // where joules come from
	Rates    ledger.Rates
	Past     []Point // the metrics so far of a run that goes on
}

// Progress is where a run stands.
type Progress struct {
	Cost
	Step, Tokens int64
	Stage        string
	Fraction     float64       // of the budget, by what will be used up first; 0 without a budget
	By           string        // what that is: steps, tokens, flops, dollars, minutes
	Remaining    time.Duration // by the speed so far; negative where not known
	Purpose      ledger.Purpose
}

// Sample is a piece of text that the network made: how it completes Prompt, and what was thought of it.
type Sample struct {
	Step    int64
	Title   string // what it shows
	Prompt  string
	Text    string
	Verdict string // of a grader; empty where there is none
}

// Budget bounds a run: it ends at whichever comes first. What is zero does not bound.
type Budget struct {
	Steps, Tokens int64
	FLOPs         float64 // useful ones: a kill and its repetition do not change where the run ends
	Dollars       float64
	Minutes       float64
}

// used is the largest share of the budget that is used up, and of what.
func (b Budget) used(step, tokens int64, t ledger.Totals) (share float64, by string) {
	for _, c := range []struct {
		by        string
		have, all float64
	}{{"steps", float64(step), float64(b.Steps)}, {"tokens", float64(tokens), float64(b.Tokens)}, {"flops", t.Useful().Float(), b.FLOPs},
		{"dollars", t.All.Dollars, b.Dollars}, {"minutes", t.All.Seconds / 60, b.Minutes}} {
		if c.all > 0 && (by == "" || c.have/c.all > share) {
			share, by = c.have/c.all, c.by
		}
	}
	return share, by
}
