package ledger

// Label says how joules are known.
type Label string

// The labels, strongest first.
const (
	Measured  Label = "measured"  // by a counter of the hardware
	Estimated Label = "estimated" // by a stated model, with bounds
	Absent    Label = "absent"    // not known
)

var labels = []Label{Measured, Estimated, Absent}

// Energy is an amount of energy in joules. A sum has the weakest label of its parts, so what is measured and what is estimated never pass for
// one another. The zero value is nothing at all.
type Energy struct {
	Label             Label
	Joules, Low, High float64
	Measured          float64 // the part of Joules that was measured
}

// Plus adds up two amounts.
func (e Energy) Plus(f Energy) Energy {
	switch {
	case e.Label == "":
		e.Label = f.Label
	case f.Label == "", e.Label == f.Label, e.Label == Absent:
	case f.Label == Absent || f.Label == Estimated:
		e.Label = f.Label
	}
	e.Joules += f.Joules
	e.Low += f.Low
	e.High += f.High
	e.Measured += f.Measured
	return e
}

// Known is the amount, or nil where part of it is absent.
func (e Energy) Known() *float64 {
	if e.Label == Absent || e.Label == "" {
		return nil
	}
	return &e.Joules
}
