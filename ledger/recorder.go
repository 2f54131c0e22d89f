package ledger

import (
	"errors"
	"reflect"
	"sync"
)

// Recorder takes down what work costs. Whatever computes takes one: flops is derived from shapes, a multiply-add as two; tokens are those that
// went through the network. It may be called from several goroutines.
type Recorder interface {
	Spend(p Purpose, flops, tokens int64)
}

// ErrNoRecorder is what users of a Recorder answer to a nil one.
var ErrNoRecorder = errors.New("no recorder: every computation is accounted for")

// Require returns ErrNoRecorder if r is nil, or an interface that holds a nil pointer.
func Require(r Recorder) error {
	if v := reflect.ValueOf(r); r == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return ErrNoRecorder
	}
	return nil
}

// Tally is a Recorder that keeps counts in memory, for work outside of a run.
type Tally struct {
	mu sync.Mutex
	m  map[Purpose]Sums
}

// Spend adds to the counts.
func (t *Tally) Spend(p Purpose, flops, tokens int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[Purpose]Sums{}
	}
	s := t.m[p]
	s.FLOPs = s.FLOPs.Plus(Count(flops))
	s.Tokens += tokens
	t.m[p] = s
}

// For is what was counted for a purpose.
func (t *Tally) For(p Purpose) (FLOPs, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m[p].FLOPs, t.m[p].Tokens
}
