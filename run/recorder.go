package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"time"

	"github.com/pennyml/penny/internal/atomicfile"
	"github.com/pennyml/penny/ledger"
	"github.com/pennyml/penny/meter"
)

// Options say how a run is recorded.
type Options struct {
	Threads int           // that the run may use: it pays for as many
	Rates   *ledger.Rates // prices; nil: the list's, for Threads
	Meter   meter.Options // CPUs: Threads if 0
	Roof    float64       // what the machine can do, in FLOP/s, measured; 0: no utilisation is shown
	Budget  Budget
	Formula string // how operations are derived, for the receipt
	View    View   // nil: none
	Events  Sink   // TensorBoard's event file, say; nil: none

	// Of a run that goes on: the step of the checkpoint and the tokens seen by then. Metrics after it are cut off, and what was spent after it
	// is booked as discarded.
	Resume       bool
	Step, Tokens int64
}

// Sink takes the numbers of each row, by name, and samples.
type Sink interface {
	Row(step int64, values Point) error
	Sample(Sample) error
	Close() error
}

// Recorder takes down everything about a run: it writes ledger.jsonl and metrics.jsonl, measures time and energy, drives the View, and seals the
// receipt. Time goes to the purpose that Enter named last; operations go to the purpose that Spend names.
//
//	rec.Enter(ledger.Pretrain)
//	for each step {
//		for each micro-batch { ...; rec.Spend(ledger.Pretrain, flops, tokens) }
//		if time to evaluate {
//			before := rec.Enter(ledger.Evaluation)
//			...; rec.Spend(ledger.Evaluation, flops, tokens)
//			rec.Enter(before)
//		}
//		rec.Step(row)                              // before the checkpoint of the same step
//		if time to save { rec.Checkpoint(...) }    // once the files are in place
//		if by, out := rec.Exhausted(); out { ... } // the budget
//	}
//	rec.Close(ledger.Done, "steps")
//
// Entries are written a few times a second at first, less often as a run gets longer; what is not entered yet is kept aside after each step. So a kill
// loses sight of at most the step that it interrupts, and of no more than about a second. The methods may be called from several goroutines; those that write return the first error that writing met.
type Recorder struct {
	mu      sync.Mutex
	dir     *Dir
	o       Options
	ledger  *ledger.Ledger
	meter   *meter.Meter
	metrics *os.File
	pending *pendingWriter
	err     error // the first
	closed  bool
	stop    chan struct{}
	stopped chan struct{}

	pots    map[ledger.Purpose]*ledger.Work // spent, but not yet written
	totals  ledger.Totals                   // of all, pots included
	purpose ledger.Purpose
	stage   string
	step    int64
	tokens  int64
	state   ledger.Hash
	flushed time.Time // when entries were last written
	kept    time.Time // when what is pending was
	begun   time.Time
	share   float64 // of the budget when this process began

	row    rate // at the last row
	latest Cost
}

// rate is what speed is computed from.
type rate struct {
	tokens         int64
	seconds, flops float64
}

// Record begins to record a run, or to go on with one. The Recorder is to be closed; the Dir stays the caller's.
func Record(d *Dir, o Options) (*Recorder, error) {
	if o.Meter.CPUs == 0 {
		o.Meter.CPUs = o.Threads
	}
	if o.Rates == nil {
		r := ledger.DefaultRates(o.Threads)
		o.Rates = &r
	}
	if err := o.Rates.Check(); err != nil {
		return nil, err
	}
	m, err := meter.New(o.Meter)
	if err != nil {
		return nil, err
	}
	r := &Recorder{dir: d, o: o, meter: m, pots: map[ledger.Purpose]*ledger.Work{}, purpose: ledger.Other, step: o.Step, tokens: o.Tokens, begun: time.Now(), flushed: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	go r.watch()
	return r, nil
}

func (r *Recorder) open() error {
	var err error
	if r.o.Resume && ledger.Exists(r.dir.Join(LedgerFile)) { // a kill may have come before the first entry
		r.ledger, err = ledger.Resume(r.dir.Join(LedgerFile))
	} else {
		r.ledger, err = ledger.Create(r.dir.Join(LedgerFile))
	}
	if err != nil {
		return err
	}
	if err := enterPending(r.dir.Join(pendingFile), r.ledger); err != nil {
		return err
	}
	if r.pending, err = openPending(r.dir.Join(pendingFile)); err != nil {
		return err
	}
	if r.metrics, err = openMetrics(r.dir.Join(MetricsFile), r.o.Step); err != nil {
		return err
	}
	binary, err := thisBinary("")
	if err != nil {
		return err
	}
	if err := os.Remove(r.dir.Join(ReceiptFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // it would speak of a run that had ended
	}
	err = r.ledger.Append(&ledger.Open{Run: r.dir.Manifest.Run, Manifest: r.dir.sum, Binary: binary.SHA256, Machine: thisMachine(r.o.Threads).String(), Rates: *r.o.Rates,
		Energy: r.meter.Source(), Step: r.o.Step, TornBytes: r.ledger.Torn(), Lost: r.lost()})
	if err != nil {
		return err
	}
	if err := r.takeBack(); err != nil {
		return err
	}
	r.totals = r.ledger.Totals()
	r.row = r.speedometer()
	r.share, _ = r.o.Budget.used(r.step, r.tokens, r.totals)
	if r.o.View != nil {
		past, _ := ReadMetrics(r.dir.Join(MetricsFile))
		r.o.View.Begin(Info{r.dir.Manifest.Run, r.dir.Path, thisMachine(r.o.Threads).String(), r.meter.Source(), *r.o.Rates, past}, r.progress())
	}
	return nil
}

// lost bounds the seconds that a killed predecessor spent after its last entry.
func (r *Recorder) lost() float64 {
	if r.ledger.Closed() {
		return 0
	}
	return tick.Seconds()
}

// takeBack books as discarded what was spent after the checkpoint that the run goes on from.
func (r *Recorder) takeBack() error {
	if !r.o.Resume {
		return nil
	}
	since := r.ledger.Since(r.o.Step)
	for _, p := range ledger.Purposes {
		s, ok := since[p]
		if !ok {
			continue
		}
		err := r.ledger.Append(&ledger.Move{From: p, To: ledger.Discarded, Step: r.o.Step, FLOPs: s.FLOPs, Tokens: s.Tokens,
			Reason: fmt.Sprintf("resumed from step %d", r.o.Step)})
		if err != nil {
			return err
		}
	}
	return nil
}

// tick is how often time is read, if no step is; interval how far apart entries are. Steps that take less than keepInterval are not kept aside one by
// one: that would cost more than a hundredth of them.
const (
	tick         = time.Second
	keepInterval = 2 * time.Millisecond
)

func interval(t ledger.Totals) time.Duration {
	return max(time.Second/4, time.Duration(t.All.Seconds*float64(time.Second)/1000))
}

// watch reads the meter while a step takes long.
func (r *Recorder) watch() {
	defer close(r.stopped)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
			r.mu.Lock()
			r.lap()
			r.flush(false)
			if r.o.View != nil {
				r.o.View.Tick(r.progress())
			}
			r.mu.Unlock()
		}
	}
}

// Enter says what time is spent on from now on, and returns what it was spent on until now.
func (r *Recorder) Enter(p ledger.Purpose) (before ledger.Purpose) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	before, r.purpose = r.purpose, p
	return before
}

// Spend counts operations, derived from shapes, and tokens that went through the network.
func (r *Recorder) Spend(p ledger.Purpose, flops, tokens int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pour(p, ledger.Work{FLOPs: ledger.Count(flops), Tokens: tokens})
}

// Discard books operations and tokens that were spent on a purpose as thrown away.
func (r *Recorder) Discard(from ledger.Purpose, flops, tokens int64, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	r.flush(true) // what is moved must be in the ledger
	r.append(&ledger.Move{From: from, To: ledger.Discarded, Step: r.step, FLOPs: ledger.Count(flops), Tokens: tokens, Reason: reason})
	r.keep()
	if r.err == nil {
		r.totals = r.ledger.Totals()
	}
	return r.err
}

// lap adds the time since the last lap to the current purpose.
func (r *Recorder) lap() {
	u := r.meter.Lap()
	r.pour(r.purpose, ledger.Work{Seconds: u.Seconds, CPUSeconds: u.CPUSeconds, Joules: u.Energy.Joules, JoulesLow: u.Energy.Low, JoulesHigh: u.Energy.High, Label: u.Energy.Label})
}

// pour adds to what is to be written for a purpose.
func (r *Recorder) pour(p ledger.Purpose, w ledger.Work) {
	pot := r.pots[p]
	if pot == nil {
		pot = &ledger.Work{Purpose: p}
		r.pots[p] = pot
	}
	pot.FLOPs = pot.FLOPs.Plus(w.FLOPs)
	pot.Tokens += w.Tokens
	pot.Seconds += w.Seconds
	pot.CPUSeconds += w.CPUSeconds
	pot.Joules += w.Joules
	pot.JoulesLow += w.JoulesLow
	pot.JoulesHigh += w.JoulesHigh
	pot.Label = ledger.Energy{Label: pot.Label}.Plus(ledger.Energy{Label: w.Label}).Label
	w.Purpose = p
	w.Machine, w.Power, w.Dollars = r.o.Rates.Dollars(w.Seconds, w.Joules)
	r.totals.Add(&w)
}

// flush writes what was spent since the last time, if that was long enough ago or it must be now; else it keeps it where a kill does not lose it.
func (r *Recorder) flush(now bool) {
	if !now && time.Since(r.flushed) < interval(r.totals) {
		if time.Since(r.kept) > keepInterval {
			r.keep()
		}
		return
	}
	r.flushed = time.Now()
	for _, w := range r.ready() {
		r.append(w)
		delete(r.pots, w.Purpose)
	}
	r.keep()
}

// ready is what was spent, as entries of the ledger.
func (r *Recorder) ready() []*ledger.Work {
	var out []*ledger.Work
	for _, p := range ledger.Purposes {
		pot := r.pots[p]
		if pot == nil || pot.Seconds == 0 && pot.FLOPs.IsZero() && pot.Tokens == 0 {
			continue
		}
		if pot.Label == "" {
			pot.Label = ledger.Measured // of no joules at all
		}
		pot.Step = r.step
		out = append(out, pot)
	}
	return out
}

// keep puts aside what is ready. After each change of the ledger it must.
func (r *Recorder) keep() {
	r.kept = time.Now()
	next, _ := r.ledger.Head()
	if err := r.pending.write(pending{next, r.ready()}); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *Recorder) append(b ledger.Body) {
	if err := r.ledger.Append(b); err != nil && r.err == nil {
		r.err = err
	}
}

// Step writes a row of metrics.
func (r *Recorder) Step(row Row) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	r.step, r.tokens = row.Step, row.Tokens
	now := r.speedometer()
	if dt := now.seconds - r.row.seconds; dt > 0 {
		r.latest.TokensPerSecond = float64(now.tokens-r.row.tokens) / dt
		if r.o.Roof > 0 {
			r.latest.Utilisation = (now.flops - r.row.flops) / dt / r.o.Roof
		}
	}
	r.row = now
	p := r.progress()
	line, err := row.line(p.Cost, r.totals.All.FLOPs)
	if err != nil {
		return err
	}
	if _, err := r.metrics.Write(line); err != nil && r.err == nil {
		r.err = err
	}
	if r.o.Events != nil {
		if err := r.sink(row, line); err != nil && r.err == nil {
			r.err = err
		}
	}
	r.flush(false)
	if r.o.View != nil {
		r.o.View.Row(row, p)
	}
	return r.err
}

func (r *Recorder) sink(row Row, line []byte) error {
	var all map[string]any
	if err := json.Unmarshal(line, &all); err != nil {
		return err
	}
	values := Point{}
	for k, v := range all {
		if f, ok := v.(float64); ok && k != "step" {
			values[k] = f
		}
	}
	if math.IsNaN(row.Loss) || math.IsInf(row.Loss, 0) {
		values["loss"] = row.Loss // TensorBoard has a mark for it
	}
	return r.o.Events.Row(row.Step, values)
}

// speedometer reads what speed is computed from: training, not evaluation or what is written in between.
func (r *Recorder) speedometer() rate {
	n := rate{tokens: r.tokens}
	for p, s := range r.totals.For {
		if p != ledger.Evaluation && p != ledger.Other {
			n.seconds += s.Seconds
			n.flops += s.FLOPs.Float()
		}
	}
	return n
}

func (r *Recorder) progress() Progress {
	all := r.totals.All
	c := r.latest
	c.FLOPs, c.Dollars, c.Seconds = all.FLOPs.Float(), all.Dollars, all.Seconds
	c.JoulesLabel = string(all.Energy.Label)
	if j := all.Energy.Known(); j != nil {
		v := *j
		c.Joules = &v
	}
	p := Progress{Cost: c, Step: r.step, Tokens: r.tokens, Stage: r.stage, Purpose: r.purpose, Remaining: -1}
	p.Fraction, p.By = r.o.Budget.used(r.step, r.tokens, r.totals)
	if done := p.Fraction - r.share; done > 0 {
		p.Remaining = time.Duration(max(0, 1-p.Fraction) / done * float64(time.Since(r.begun)))
	}
	return p
}

// Exhausted reports whether the budget is used up, and by what. A run with a budget of FLOPs ends at the same step whether it was killed or not.
func (r *Recorder) Exhausted() (by string, out bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	share, by := r.o.Budget.used(r.step, r.tokens, r.totals)
	return by, by != "" && share >= 1
}

// Totals is what the run has taken so far.
func (r *Recorder) Totals() ledger.Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	return r.totals.Clone()
}

// Progress is where the run stands.
func (r *Recorder) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	return r.progress()
}

// Checkpoint records that the state after a step has been written: its hash, and where (inside the run directory).
func (r *Recorder) Checkpoint(step, tokens int64, state ledger.Hash, path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step, r.tokens, r.state = step, tokens, state
	r.lap()
	r.flush(true)
	r.append(&ledger.Checkpoint{Step: step, Tokens: tokens, State: state, Path: path})
	r.keep()
	if r.err == nil {
		r.err = errors.Join(r.ledger.Sync(), r.metrics.Sync())
	}
	if r.o.View != nil {
		r.o.View.Event("checkpoint", fmt.Sprintf("step %d, state %.12s", step, state))
	}
	return r.err
}

// Note records that something happened: event is one word (divergence, skip), text says what.
func (r *Recorder) Note(event, text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(&ledger.Note{Step: r.step, Event: event, Text: text})
	r.keep()
	if r.o.View != nil {
		r.o.View.Event(event, text)
	}
	return r.err
}

// Stage records that a stage of the recipe begins.
func (r *Recorder) Stage(name string) error {
	r.mu.Lock()
	r.stage = name
	r.mu.Unlock()
	return r.Note("stage", name)
}

// Sample shows a piece of text that the network made.
func (r *Recorder) Sample(s Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.o.View != nil {
		r.o.View.Sample(s)
	}
	if r.o.Events != nil {
		if err := r.o.Events.Sample(s); err != nil && r.err == nil {
			r.err = err
		}
	}
}

// Close writes what is left, ends this process's part of the ledger and seals the receipt. A second Close does nothing.
func (r *Recorder) Close(outcome ledger.Outcome, reason string) (*ledger.Receipt, error) {
	if r == nil {
		return nil, ledger.ErrNoRecorder
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, nil
	}
	r.closed = true
	close(r.stop)
	r.mu.Unlock()
	<-r.stopped
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lap()
	r.flush(true)
	r.append(&ledger.Close{Step: r.step, Tokens: r.tokens, Outcome: outcome, Reason: reason, State: r.state, Memory: meter.PeakMemory()})
	receipt, err := (*ledger.Receipt)(nil), errors.Join(r.err, r.closeFiles())
	if err == nil {
		receipt, err = Seal(r.dir.Path, r.o.Formula)
	}
	if r.o.View != nil {
		r.o.View.End(receipt)
	}
	return receipt, err
}

func (r *Recorder) closeFiles() error {
	var errs []error
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close())
	}
	if r.metrics != nil {
		errs = append(errs, r.metrics.Sync(), r.metrics.Close())
	}
	if r.pending != nil {
		errs = append(errs, r.pending.remove())
	}
	if r.o.Events != nil {
		errs = append(errs, r.o.Events.Close())
	}
	return errors.Join(errs...)
}

// Seal writes the receipt of the closed run in a directory.
func Seal(dir, formula string) (*ledger.Receipt, error) {
	s, manifest, metrics, err := verify(dir)
	if err != nil {
		return nil, err
	}
	receipt, err := s.Seal(manifest, metrics, formula)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return nil, err
	}
	return receipt, atomicfile.Write(join(dir, ReceiptFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}
