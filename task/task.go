package task

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
)

// Task is problems with a prompt and a grader. One serves supervised training, reinforcement learning, rejection sampling and evaluation.
// A Task is safe for use by many goroutines at once.
type Task interface {
	// Problems yields the problems that a query asks for, in an order that depends on the query alone. Generated tasks go on for ever
	// (unless Distinct runs dry); the caller stops. After an error nothing more comes.
	Problems(q Query) iter.Seq2[Problem, error]

	// Grade judges a model's text for a problem of this task. An error means that no verdict could be reached (a damaged problem, a
	// sandbox that is missing), never that the answer is wrong.
	Grade(p Problem, text string) (Verdict, error)
}

// Demonstrator is a task that can show how its problems are solved.
type Demonstrator interface {
	// Demonstrate writes a text that solves p: a search that tries, rejects and goes on. The seed picks among many such texts.
	Demonstrate(p Problem, seed uint64) (string, error)
}

// ErrNoDemonstrations says that a task cannot show how its problems are solved.
var ErrNoDemonstrations = errors.New("it has no demonstrations")

// Problem is one problem: plain data, so that it can be stored, sent and graded elsewhere.
type Problem struct {
	ID         string          `json:"id"`
	Prompt     string          `json:"prompt"`
	Answer     string          `json:"answer,omitempty"` // the expected answer, or one of the right ones
	Difficulty float64         `json:"difficulty"`       // on the task's own scale
	Split      Split           `json:"split"`
	Key        string          `json:"key"`            // canonical text: problems that are the same up to wording have the same key
	Data       json.RawMessage `json:"data,omitempty"` // what the task's grader needs beyond the answer
}

// Query asks a task for problems.
type Query struct {
	Seed     uint64  // generated tasks: which problems; data sets: 0 for the order of the file, else which order
	Split    Split   // All by default
	Min, Max float64 // bounds of the difficulty; Max 0 is no bound
	Distinct bool    // no key twice
}

// Fits says whether a problem lies in the split and the range of difficulty asked for.
func (q Query) Fits(p Problem) bool {
	return (q.Split == All || p.Split == q.Split) && p.Difficulty >= q.Min && (q.Max == 0 || p.Difficulty <= q.Max)
}

// Split is the part of the problems that one belongs to.
type Split string

// The splits. What belongs to HeldOut never appears in Train.
const (
	All     Split = ""
	Train   Split = "train"
	HeldOut Split = "heldout"
)

// ParseSplit reads a split's name; "all" is All.
func ParseSplit(s string) (Split, error) {
	switch s {
	case "", "all":
		return All, nil
	case "train", "heldout":
		return Split(s), nil
	}
	return All, fmt.Errorf("split %q: want train, heldout or all", s)
}

// heldOutShare is the share of all keys that is held out. It is not an option: two runs with two shares would leak into each other.
const heldOutShare = 0.1

// SplitOf puts a key into Train or HeldOut by its hash and nothing else. So whatever the seed, the wording or the range of difficulty, a
// problem is always on the same side.
func SplitOf(key string) Split {
	h := sha256.Sum256([]byte("split 1\n" + key))
	if float64(binary.BigEndian.Uint64(h[:])>>11)/(1<<53) < heldOutShare {
		return HeldOut
	}
	return Train
}

// KeyID is a short name for a key: twelve hexadecimal digits of its hash.
func KeyID(key string) string {
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:6])
}

// TextKey is the key of a question in words: its letters and digits in lower case, and its operators, so that spacing, punctuation and
// typesetting of the same question do not matter.
func TextKey(question string) string {
	var b strings.Builder
	for _, r := range question {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
		case strings.ContainsRune(`+-*/<>=^_|!`, r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Graded turns parts into a verdict: right where the gate's value is 1, with the combined reward.
func Graded(v Verdict, gate string, parts ...Part) (Verdict, error) {
	r, err := Combine(gate, parts...)
	v.Reward, v.Parts = r, parts
	return v, err
}
