package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"
)

// Summary is what a ledger says when it verifies.
type Summary struct {
	Run      string
	Manifest Hash
	Entries  int64
	Head     Hash
	Torn     int64 // bytes of a half-written last line
	Opens    int   // processes that worked on the run
	Totals   Totals
	Rates    Rates     // of the last of them
	State    Hash      // of the last checkpoint
	Tokens   int64     // seen by the network in training, by the last checkpoint or close
	Closed   *Close    // how it ended; nil: it is running, or was killed
	Begun    time.Time // the first entry's
	Last     time.Time // the last entry's
}

// Verify walks through a ledger: each entry's form, the chain, the dollars of each entry by its rates, what is moved. The error is a *BadEntry
// that names the first entry that is wrong.
func Verify(r io.Reader) (*Summary, error) {
	s := &Summary{}
	c, good, size, err := readChain(r, func(e Entry) error {
		if s.Entries++; s.Entries == 1 {
			s.Begun = e.Time
		}
		s.Last, s.Closed = e.Time, nil
		switch b := e.Body.(type) {
		case *Open:
			s.Opens++
			s.Run, s.Manifest, s.Rates = b.Run, b.Manifest, b.Rates
		case *Checkpoint:
			s.Tokens = b.Tokens
		case *Close:
			s.Closed, s.Tokens = b, b.Tokens
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Head, s.Torn, s.Totals, s.State = c.head, size-good, c.totals, c.state
	return s, nil
}

// VerifyFile verifies the ledger at path.
func VerifyFile(path string) (*Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Verify(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Receipt seals a run: what it was, what it came to and what it took, with the hashes by which all of it can be checked.
type Receipt struct {
	Format   int      `json:"format"` // 1
	Run      string   `json:"run"`
	Outcome  Outcome  `json:"outcome"`
	Reason   string   `json:"reason,omitempty"`
	Steps    int64    `json:"steps"`
	Tokens   int64    `json:"tokens"`
	State    Hash     `json:"state_sha256,omitempty"`
	Manifest Hash     `json:"manifest_sha256"`
	Metrics  Hash     `json:"metrics_sha256"`
	Entries  int64    `json:"ledger_entries"`
	Head     Hash     `json:"ledger_head_sha256"` // of the ledger's last line
	Opens    int      `json:"processes"`
	Memory   int64    `json:"peak_memory_bytes,omitempty"` // of the last process
	Totals   Totals   `json:"totals"`
	Rates    Rates    `json:"rates"`
	Formula  string   `json:"flops_formula"`
	Limits   []string `json:"limits"` // what the receipt does not say
	Begun    string   `json:"begun"`
	Sealed   string   `json:"sealed"`
}

// limits are printed on every receipt.
var limits = []string{
	"operations are derived from shapes, not counted by hardware; copies, norms, softmax and optimiser steps are left out unless the formula says so",
	"joules carry a label; their boundary is what energy_source in the ledger's open entries says; cooling and power conversion outside it are left out",
	"nothing here can show that no other run was made before this one",
}

// Seal makes the receipt of a verified ledger, which must have been closed.
func (s *Summary) Seal(manifest, metrics Hash, formula string) (*Receipt, error) {
	if s.Closed == nil {
		return nil, errors.New("ledger: cannot seal a run that has not been closed")
	}
	return &Receipt{Format: 1, Run: s.Run, Outcome: s.Closed.Outcome, Reason: s.Closed.Reason, Steps: s.Closed.Step, Tokens: s.Closed.Tokens, State: s.State, Manifest: manifest, Metrics: metrics,
		Entries: s.Entries, Head: s.Head, Opens: s.Opens, Memory: s.Closed.Memory, Totals: s.Totals, Rates: s.Rates, Formula: formula, Limits: limits,
		Begun: s.Begun.Format(timeLayout), Sealed: time.Now().UTC().Format(timeLayout)}, nil
}

// Check holds a receipt against the ledger that it seals, figure by figure.
func (r *Receipt) Check(s *Summary) error {
	if s.Head != r.Head || s.Entries != r.Entries {
		if s.Entries == r.Entries {
			return &BadEntry{s.Entries - 1, fmt.Errorf("was changed after the receipt was sealed: its SHA-256 is %.12s, the receipt says %.12s", s.Head, r.Head)}
		}
		return fmt.Errorf("the ledger has %d entries, the receipt seals %d", s.Entries, r.Entries)
	}
	want, err := s.Seal(r.Manifest, r.Metrics, r.Formula)
	if err != nil {
		return err
	}
	want.Sealed = r.Sealed
	return sameFields(want, r)
}

// sameFields names the first field in which two receipts differ as they are written.
func sameFields(want, got *Receipt) error {
	var a, b map[string]any
	for _, p := range []struct {
		r *Receipt
		m *map[string]any
	}{{want, &a}, {got, &b}} {
		text, err := Canonical(p.r)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, p.m); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(a, b) {
		if !reflect.DeepEqual(a[key], b[key]) {
			return fmt.Errorf("receipt: %s is %v, the ledger makes %v", key, b[key], a[key])
		}
	}
	return nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sums) UnmarshalJSON(text []byte) error {
	var j sumsJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*s = Sums{FLOPs: j.FLOPs, Tokens: j.Tokens, Seconds: j.Seconds, CPUSeconds: j.CPUSeconds, Machine: j.Machine, Power: j.Power, Dollars: j.Dollars,
		Energy: Energy{Label: j.Label, Low: j.Low, High: j.High, Measured: j.Measured}}
	if j.Joules != nil {
		s.Energy.Joules = *j.Joules
	}
	return nil
}

func sortedKeys(ms ...map[string]any) []string {
	all := map[string]bool{}
	for _, m := range ms {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
