package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Ledger appends entries to a file. Its methods may be called from several goroutines.
type Ledger struct {
	mu     sync.Mutex
	f      *os.File
	chain  chain
	broken error // a failed write, after which nothing more is written
	torn   int64
}

// Create begins the ledger of a run at path, where nothing may stand yet.
func Create(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	return &Ledger{f: f, chain: newChain()}, nil
}

// Resume goes on with the ledger at path. A last line that a kill left half-written is cut off (Torn says how long it was); anything else that
// does not verify is an error.
func Resume(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	l := &Ledger{f: f}
	if err := l.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return l, nil
}

func (l *Ledger) resume() error {
	c, good, size, err := readChain(l.f, nil)
	if err != nil {
		return err
	}
	l.chain, l.torn = c, size-good
	if l.torn == 0 {
		return nil
	}
	return l.f.Truncate(good)
}

// Torn is the length in bytes of the half-written line that Resume cut off.
func (l *Ledger) Torn() int64 { return l.torn }

// Append writes an entry. It is in the file, though not yet on the disk, when Append returns: it outlives the process, not the machine.
func (l *Ledger) Append(b Body) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	if w, ok := b.(*Work); ok {
		if l.chain.rates == nil {
			return errors.New("ledger: work before the first open entry")
		}
		w.Machine, w.Power, w.Dollars = l.chain.rates.Dollars(w.Seconds, w.Joules)
	}
	e := Entry{Seq: l.chain.next, Prev: l.chain.head, Time: time.Now().UTC().Truncate(time.Millisecond), Body: b}
	line, err := e.encode()
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	c := l.chain
	c.totals = c.totals.Clone()
	if err := c.follow(e, line); err != nil {
		return fmt.Errorf("ledger: %s entry: %w", e.Kind(), err)
	}
	if _, err := l.f.Write(append(line, '\n')); err != nil {
		l.broken = fmt.Errorf("ledger: %w", err) // perhaps half a line: Resume will mend it
		return l.broken
	}
	l.chain = c
	return nil
}

// Totals is what the ledger adds up to so far.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.totals.Clone()
}

// Head is the number of entries and the hash of the last line.
func (l *Ledger) Head() (entries int64, head Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.next, l.chain.head
}

// Since is the operations and tokens spent after the last checkpoint of a step (after the beginning, for step 0 without one) and not yet thrown
// away: the work that resuming from it takes back. Of a checkpoint that the ledger does not know it says nothing.
func (l *Ledger) Since(step int64) map[Purpose]Sums {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[Purpose]Sums{}
	mark, known := l.chain.marks[step]
	if !known && step > 0 {
		return out
	}
	for p, now := range l.chain.totals.For {
		then := mark[p]
		if f, ok := now.FLOPs.Minus(then.FLOPs); ok && p != Discarded && (!f.IsZero() || now.Tokens > then.Tokens) {
			out[p] = Sums{FLOPs: f, Tokens: now.Tokens - then.Tokens}
		}
	}
	return out
}

// Closed reports whether the last process that worked on the run ended it properly.
func (l *Ledger) Closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.chain.open
}

// Sync waits until all entries are on the disk.
func (l *Ledger) Sync() error { return l.f.Sync() }

// Close closes the file, all entries on the disk.
func (l *Ledger) Close() error { return errors.Join(l.f.Sync(), l.f.Close()) }

// chain is the state of a ledger after some of its entries.
type chain struct {
	next     int64
	head     Hash
	run      string
	manifest Hash
	rates    *Rates
	open     bool // between an open entry and a close entry; a kill leaves it open
	totals   Totals
	marks    map[int64]map[Purpose]Sums // the sums at the last checkpoint of a step
	state    Hash
}

func newChain() chain {
	return chain{head: none, totals: Totals{For: map[Purpose]Sums{}}, marks: map[int64]map[Purpose]Sums{}}
}

// follow takes the next entry, or says why it cannot be the next.
func (c *chain) follow(e Entry, line []byte) error {
	if e.Seq != c.next {
		return fmt.Errorf("is numbered %d, entry %d should stand here", e.Seq, c.next)
	}
	if e.Prev != c.head {
		return errChain
	}
	if err := e.check(); err != nil {
		return err
	}
	switch b := e.Body.(type) {
	case *Open:
		if c.run == "" {
			c.run, c.manifest = b.Run, b.Manifest
		}
		if b.Run != c.run || b.Manifest != c.manifest {
			return fmt.Errorf("opens run %q with manifest %.12s, this is %q with %.12s", b.Run, b.Manifest, c.run, c.manifest)
		}
		c.rates, c.open = &b.Rates, true
	case *Work:
		if err := c.priced(b); err != nil {
			return err
		}
	}
	if !c.open {
		return fmt.Errorf("%s entry outside of open and close", e.Kind())
	}
	if err := c.totals.add(e.Body); err != nil {
		return err
	}
	switch b := e.Body.(type) {
	case *Checkpoint:
		c.marks[b.Step], c.state = c.totals.Clone().For, b.State
	case *Close:
		c.open = false
		if b.State != "" {
			c.state = b.State
		}
	}
	c.next, c.head = c.next+1, HashOf(line)
	return nil
}

var errChain = errors.New("does not follow the entry before")

// priced holds a work entry's dollars against the rates in force.
func (c *chain) priced(w *Work) error {
	if c.rates == nil {
		return errors.New("work before the first open entry")
	}
	m, p, d := c.rates.Dollars(w.Seconds, w.Joules)
	for _, v := range [][2]float64{{w.Machine, m}, {w.Power, p}, {w.Dollars, d}} {
		if diff := v[0] - v[1]; !(diff <= 1e-9*v[1] && -diff <= 1e-9*v[1]) {
			return fmt.Errorf("dollars %v, %v, %v: the rates make %v, %v, %v of %v seconds and %v joules", w.Machine, w.Power, w.Dollars, m, p, d, w.Seconds, w.Joules)
		}
	}
	return nil
}

// maxLine bounds a line; a real one has some hundred bytes.
const maxLine = 1 << 20

// readChain walks through a ledger. good is the length of what stands whole; size that of all. Only a last line that is cut short (no newline,
// or no JSON) may make the two differ.
func readChain(r io.Reader, visit func(Entry) error) (c chain, good, size int64, err error) {
	c = newChain()
	all, err := io.ReadAll(r)
	if err != nil {
		return c, 0, 0, err
	}
	size = int64(len(all))
	var before []byte
	for len(all) > 0 {
		line, rest, whole := bytes.Cut(all, []byte{'\n'})
		if !whole {
			return c, good, size, nil
		}
		if len(line) > maxLine {
			return c, good, size, &BadEntry{c.next, errors.New("is too long")}
		}
		e, err := decode(line)
		if err != nil {
			if len(rest) == 0 && !bytes.HasSuffix(line, []byte{'}'}) {
				return c, good, size, nil
			}
			return c, good, size, &BadEntry{c.next, err}
		}
		if err := c.follow(e, line); err != nil {
			if errors.Is(err, errChain) && before != nil {
				return c, good, size, &BadEntry{c.next - 1, fmt.Errorf("was changed after entry %d was written: its SHA-256 is %.12s, entry %d says %.12s", c.next, HashOf(before), c.next, e.Prev)}
			}
			return c, good, size, &BadEntry{c.next, err}
		}
		if visit != nil {
			if err := visit(e); err != nil {
				return c, good, size, err
			}
		}
		before, all = line, rest
		good += int64(len(line)) + 1
	}
	return c, good, size, nil
}

// BadEntry is the first entry of a ledger that does not verify.
type BadEntry struct {
	Seq int64
	Err error
}

func (b *BadEntry) Error() string { return fmt.Sprintf("entry %d (line %d) %v", b.Seq, b.Seq+1, b.Err) }

func (b *BadEntry) Unwrap() error { return b.Err }

// Exists reports whether a ledger stands at path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
