package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Purpose says what work was for.
type Purpose string

// The purposes. Other is what belongs to no arithmetic of a network: loading, writing checkpoints, waiting.
const (
	Pretrain   Purpose = "pretrain"
	SFT        Purpose = "sft"
	Rollout    Purpose = "rollout"    // sampling answers to learn from
	Reward     Purpose = "reward"     // grading them
	Learner    Purpose = "learner"    // reinforcement learning's forward and backward passes, reference and critic included
	Evaluation Purpose = "evaluation" // measuring on held-out data
	Discarded  Purpose = "discarded"  // done and thrown away: filtered groups, steps that a kill took back
	Distill    Purpose = "distill"    // teacher and student
	Other      Purpose = "other"
)

// Purposes lists every purpose, in the order in which accounts print them.
var Purposes = []Purpose{Pretrain, SFT, Distill, Rollout, Reward, Learner, Evaluation, Discarded, Other}

// Hash is a SHA-256 as 64 hex digits.
type Hash string

// HashOf is the SHA-256 of text.
func HashOf(text []byte) Hash {
	sum := sha256.Sum256(text)
	return Hash(hex.EncodeToString(sum[:]))
}

// Valid reports whether h has the form of a hash.
func (h Hash) Valid() bool {
	return len(h) == 64 && strings.Trim(string(h), "0123456789abcdef") == ""
}

// none is what the first entry carries in place of a hash.
const none = Hash("0000000000000000000000000000000000000000000000000000000000000000")

// Entry is one line of the ledger. Seq counts from 0; Prev is the SHA-256 of the line before, without its newline.
type Entry struct {
	Seq  int64
	Prev Hash
	Time time.Time // UTC, to the millisecond
	Body Body
}

// Body is what an entry says: *Open, *Work, *Move, *Checkpoint, *Note or *Close.
type Body interface{ kind() string }

// Open begins a process's part of a run.
type Open struct {
	Run       string  `json:"run"`
	Manifest  Hash    `json:"manifest_sha256"`
	Binary    Hash    `json:"binary_sha256"`
	Machine   string  `json:"machine"`
	Rates     Rates   `json:"rates"`
	Energy    string  `json:"energy_source"`                        // where joules come from, in words
	Step      int64   `json:"step"`                                 // goes on from here
	TornBytes int64   `json:"torn_bytes,omitempty"`                 // of a half-written last line that was cut off
	Lost      float64 `json:"unrecorded_seconds_at_most,omitempty"` // that a killed predecessor may have spent after its last entry
}

// Work is what was spent on one purpose since the entry before.
type Work struct {
	Purpose    Purpose `json:"purpose"`
	Step       int64   `json:"step"`   // the last step completed
	FLOPs      FLOPs   `json:"flops"`  // derived from shapes
	Tokens     int64   `json:"tokens"` // that went through the network
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Joules     float64 `json:"joules"`
	JoulesLow  float64 `json:"joules_low"`
	JoulesHigh float64 `json:"joules_high"`
	Label      Label   `json:"joules_label"`
	Machine    float64 `json:"dollars_machine"`
	Power      float64 `json:"dollars_power"`
	Dollars    float64 `json:"dollars"` // Machine, and Power unless the machine's price includes it
}

// Move books operations and tokens that are already counted under another purpose. Seconds, joules and dollars stay where they were spent.
type Move struct {
	From   Purpose `json:"from"`
	To     Purpose `json:"to"`
	Step   int64   `json:"step"`
	FLOPs  FLOPs   `json:"moved_flops"`
	Tokens int64   `json:"moved_tokens"`
	Reason string  `json:"reason"`
}

// Checkpoint says what the state was after a step.
type Checkpoint struct {
	Step   int64  `json:"step"`
	Tokens int64  `json:"tokens_seen"`
	State  Hash   `json:"state_sha256"`
	Path   string `json:"path,omitempty"` // inside the run directory
}

// Note records something that happened: a divergence, a skipped step.
type Note struct {
	Step  int64  `json:"step"`
	Event string `json:"event"` // one word
	Text  string `json:"text"`
}

// Close ends a process's part of a run.
type Close struct {
	Step    int64   `json:"step"`
	Tokens  int64   `json:"tokens_seen"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	State   Hash    `json:"state_sha256,omitempty"`
	Memory  int64   `json:"peak_memory_bytes,omitempty"` // largest resident size of the process
}

// Outcome is how a run ended.
type Outcome string

// The outcomes.
const (
	Done        Outcome = "done"        // all steps, or the budget
	Interrupted Outcome = "interrupted" // by the user; may go on
	Failed      Outcome = "failed"      // by an error or a divergence
)

func (*Open) kind() string       { return "open" }
func (*Work) kind() string       { return "work" }
func (*Move) kind() string       { return "move" }
func (*Checkpoint) kind() string { return "checkpoint" }
func (*Note) kind() string       { return "note" }
func (*Close) kind() string      { return "close" }

// Kind is the word that the entry's kind has in the file.
func (e Entry) Kind() string { return e.Body.kind() }

const timeLayout = "2006-01-02T15:04:05.000Z"

// encode is the entry's line, without the newline.
func (e Entry) encode() ([]byte, error) {
	text, err := json.Marshal(e.Body)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for k, v := range map[string]any{"seq": e.Seq, "prev": e.Prev, "time": e.Time.UTC().Format(timeLayout), "kind": e.Kind()} {
		if fields[k], err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	return Canonical(fields)
}

// decode reads a line, and refuses what encode would not have written.
func decode(line []byte) (Entry, error) {
	var e Entry
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return e, fmt.Errorf("is no JSON object: %w", err)
	}
	var kind, at string
	for k, to := range map[string]any{"seq": &e.Seq, "prev": &e.Prev, "time": &at, "kind": &kind} {
		if err := json.Unmarshal(fields[k], to); err != nil {
			return e, fmt.Errorf("%s: %w", k, err)
		}
		delete(fields, k)
	}
	var err error
	if e.Time, err = time.Parse(timeLayout, at); err != nil {
		return e, err
	}
	for _, b := range []Body{new(Open), new(Work), new(Move), new(Checkpoint), new(Note), new(Close)} {
		if b.kind() == kind {
			e.Body = b
		}
	}
	if e.Body == nil {
		return e, fmt.Errorf("unknown kind %q", kind)
	}
	rest, err := json.Marshal(fields)
	if err != nil {
		return e, err
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e.Body); err != nil {
		return e, err
	}
	if back, err := e.encode(); err != nil || !bytes.Equal(back, line) {
		return e, fmt.Errorf("is not in canonical form")
	}
	return e, e.check()
}

// check refuses what cannot be: unknown purposes, negative or endless spending.
func (e Entry) check() error {
	switch b := e.Body.(type) {
	case *Work:
		if !slices.Contains(Purposes, b.Purpose) {
			return fmt.Errorf("unknown purpose %q", b.Purpose)
		}
		if !slices.Contains(labels, b.Label) {
			return fmt.Errorf("unknown label %q of joules", b.Label)
		}
		for name, v := range map[string]float64{"seconds": b.Seconds, "cpu_seconds": b.CPUSeconds, "joules": b.Joules, "joules_low": b.JoulesLow, "joules_high": b.JoulesHigh,
			"tokens": float64(b.Tokens)} {
			if !(v >= 0) || math.IsInf(v, 0) {
				return fmt.Errorf("%s is %v", name, v)
			}
		}
		if b.JoulesLow > b.Joules || b.Joules > b.JoulesHigh {
			return fmt.Errorf("joules %v are not within %v to %v", b.Joules, b.JoulesLow, b.JoulesHigh)
		}
	case *Move:
		if !slices.Contains(Purposes, b.From) || !slices.Contains(Purposes, b.To) || b.Tokens < 0 {
			return fmt.Errorf("moves %v tokens from %q to %q", b.Tokens, b.From, b.To)
		}
	case *Checkpoint:
		if !b.State.Valid() {
			return fmt.Errorf("state_sha256 %q is no hash", b.State)
		}
	case *Open:
		return b.Rates.check()
	}
	return nil
}
