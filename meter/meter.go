// Package meter says what a stretch of work took from the machine: seconds, processor seconds, peak memory, and joules, either measured by the
// hardware's counters or estimated by a stated model with bounds. Which of the two it is stands on every figure.
package meter

import (
	"fmt"
	"sync"
	"time"

	"github.com/pennyml/penny/ledger"
)

// Options say where a meter reads. The zero value is right for most machines.
type Options struct {
	CPUs     int     // hardware threads that the work keeps for itself; at least 1
	Idle     float64 // watts of one of them doing nothing, by the user's own measurement; used where Busy is given
	Busy     float64 // watts of one of them at work, by the user's own measurement; replaces the table
	Powercap string  // where the kernel shows RAPL; /sys/class/powercap if empty
}

// Usage is what a stretch of work took.
type Usage struct {
	Seconds    float64
	CPUSeconds float64 // user and system, children that have ended included
	Energy     ledger.Energy
}

// Meter measures from one Lap to the next. Its methods may be called from several goroutines.
type Meter struct {
	mu     sync.Mutex
	model  model
	rapl   *rapl // nil: no counter can be read
	hidden bool  // there are counters, but not for this user
	wall   time.Time
	cpu    float64
}

// New starts a meter.
func New(o Options) (*Meter, error) {
	if o.CPUs < 1 {
		return nil, fmt.Errorf("meter: %d CPUs", o.CPUs)
	}
	if o.Idle < 0 || o.Busy < 0 || o.Idle > o.Busy {
		return nil, fmt.Errorf("meter: %v W idle and %v W busy", o.Idle, o.Busy)
	}
	if o.Powercap == "" {
		o.Powercap = "/sys/class/powercap"
	}
	m := &Meter{model: newModel(o, identify()), wall: time.Now()}
	m.rapl, m.hidden = openRAPL(o.Powercap)
	m.cpu, _ = cpuSeconds()
	return m, nil
}

// Source says in words where the joules come from and what they cover.
func (m *Meter) Source() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rapl != nil {
		return m.rapl.String()
	}
	if m.hidden {
		return m.model.String() + " (this machine has RAPL counters, readable by root only)"
	}
	return m.model.String()
}

// Lap is what was taken since the last Lap (since New, for the first). RAPL's counters wrap within minutes on large machines, so it wants to be
// called at least once a minute where they are read.
func (m *Meter) Lap() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	u := Usage{Seconds: now.Sub(m.wall).Seconds()}
	m.wall = now
	cpu, known := cpuSeconds()
	if known {
		u.CPUSeconds = max(cpu-m.cpu, 0)
		m.cpu = cpu
	}
	if m.rapl != nil {
		joules, err := m.rapl.lap()
		if err == nil {
			u.Energy = ledger.Energy{Label: ledger.Measured, Joules: joules, Low: joules, High: joules, Measured: joules}
			return u
		}
		m.rapl = nil // from here on by the model, and labelled so
	}
	if !known {
		u.Energy.Label = ledger.Absent
		return u
	}
	u.Energy = m.model.energy(u.Seconds, u.CPUSeconds)
	return u
}

// PeakMemory is the largest resident size of the process so far, in bytes; 0 where the system does not say.
func PeakMemory() int64 { return peakMemory() }

// Memory is the resident size of the process now, in bytes, or the peak where the system tells only that; 0 where it does not say.
func Memory() int64 { return memory() }
