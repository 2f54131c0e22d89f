package ledger

import (
	"encoding/json"
	"fmt"
)

// Sums is what was spent, on one purpose or on all.
type Sums struct {
	FLOPs      FLOPs
	Tokens     int64
	Seconds    float64
	CPUSeconds float64
	Energy     Energy
	Machine    float64 // dollars for the machine's hours
	Power      float64 // dollars for the joules
	Dollars    float64
}

func (s Sums) plus(w *Work) Sums {
	s.FLOPs = s.FLOPs.Plus(w.FLOPs)
	s.Tokens += w.Tokens
	s.Seconds += w.Seconds
	s.CPUSeconds += w.CPUSeconds
	s.Energy = s.Energy.Plus(w.energy())
	s.Machine += w.Machine
	s.Power += w.Power
	s.Dollars += w.Dollars
	return s
}

func (w *Work) energy() Energy {
	e := Energy{Label: w.Label, Joules: w.Joules, Low: w.JoulesLow, High: w.JoulesHigh}
	if w.Label == Measured {
		e.Measured = w.Joules
	}
	return e
}

type sumsJSON struct {
	FLOPs      FLOPs    `json:"flops"`
	Tokens     int64    `json:"tokens"`
	Seconds    float64  `json:"seconds"`
	CPUSeconds float64  `json:"cpu_seconds"`
	Joules     *float64 `json:"joules"`
	Low        float64  `json:"joules_low"`
	High       float64  `json:"joules_high"`
	Measured   float64  `json:"joules_measured"`
	Label      Label    `json:"joules_label"`
	Machine    float64  `json:"dollars_machine"`
	Power      float64  `json:"dollars_power"`
	Dollars    float64  `json:"dollars"`
}

// MarshalJSON names the fields as entries do; joules are null where part of them is absent.
func (s Sums) MarshalJSON() ([]byte, error) {
	e := s.Energy
	if e.Label == "" {
		e.Label = Absent
	}
	return json.Marshal(sumsJSON{s.FLOPs, s.Tokens, s.Seconds, s.CPUSeconds, e.Known(), e.Low, e.High, e.Measured, e.Label, s.Machine, s.Power, s.Dollars})
}

// Totals is what a ledger adds up to.
type Totals struct {
	All  Sums             `json:"all"`
	For  map[Purpose]Sums `json:"by_purpose"`
	Step int64            `json:"step"` // the last completed
}

// Clone is a copy that shares nothing.
func (t Totals) Clone() Totals {
	m := make(map[Purpose]Sums, len(t.For))
	for k, v := range t.For {
		m[k] = v
	}
	t.For = m
	return t
}

// Useful is what was not thrown away. It is the same for a run that was killed and resumed as for one that never was.
func (t Totals) Useful() FLOPs {
	f, _ := t.All.FLOPs.Minus(t.For[Discarded].FLOPs)
	return f
}

// Add books work that may not stand in a ledger yet.
func (t *Totals) Add(w *Work) {
	step := t.Step
	_ = t.add(w) // only moves can fail
	t.Step = max(step, w.Step)
}

// add books an entry.
func (t *Totals) add(b Body) error {
	if t.For == nil {
		t.For = map[Purpose]Sums{}
	}
	switch b := b.(type) {
	case *Open:
		t.Step = b.Step
	case *Work:
		t.All = t.All.plus(b)
		t.For[b.Purpose] = t.For[b.Purpose].plus(b)
		t.Step = b.Step
	case *Checkpoint:
		t.Step = b.Step
	case *Close:
		t.Step = b.Step
	case *Move:
		from, to := t.For[b.From], t.For[b.To]
		left, ok := from.FLOPs.Minus(b.FLOPs)
		if !ok || from.Tokens < b.Tokens {
			return fmt.Errorf("moves %v operations and %d tokens from %s, which has %v and %d", b.FLOPs, b.Tokens, b.From, from.FLOPs, from.Tokens)
		}
		from.FLOPs, from.Tokens = left, from.Tokens-b.Tokens
		t.For[b.From] = from
		if b.From == b.To {
			to = from
		}
		to.FLOPs, to.Tokens = to.FLOPs.Plus(b.FLOPs), to.Tokens+b.Tokens
		t.For[b.To] = to
	}
	return nil
}
