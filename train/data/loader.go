package data

import (
	"fmt"
	"io"
)

// feed is a corpus that a loader draws from, and how far it has come.
type feed struct {
	name string
	sampler
	weight float64
	limit  uint64 // items that may be drawn; 0: no limit
	barren uint64 // items without a token since the last that had any
	FeedCursor
}

// FeedCursor is how much was drawn from one corpus.
type FeedCursor struct {
	Items  uint64 `json:"items"`
	Tokens uint64 `json:"tokens"`
}

// Cursor is a place in the batches of a Loader: whoever seeks it gets the same batches as if there had been no break.
type Cursor struct {
	Data    string       `json:"data"`    // which data and settings it is of
	Batches uint64       `json:"batches"` // already given out
	Feeds   []FeedCursor `json:"feeds"`   // where the group begins
	Group   uint64       `json:"group"`   // number of the group
	Row     int          `json:"row"`     // rows of the group already given out
}

// Stats are figures of what was drawn since the loader was made.
type Stats struct {
	Rows      int64
	Tokens    int64 // in the rows
	Capacity  int64 // tokens that the rows could hold
	Learnt    int64
	Documents int64 // drawn
	Cut       int64 // documents that were shortened
	Split     int64 // documents that became several pieces
	Dropped   int64 // documents left out: over-long, or with nothing to learn
	Lost      int64 // tokens left out by cutting and dropping
}

// Efficiency is the share of the rows' room that holds tokens.
func (s Stats) Efficiency() float64 { return float64(s.Tokens) / float64(max(1, s.Capacity)) }

// Loader yields batches. It is for one goroutine.
type Loader struct {
	feeds    []*feed
	rows     int // of a batch
	capacity int // tokens that a row can hold
	sample   string
	ahead    int    // tokens that are packed together; 0: one item at a time
	most     int    // rows in all; 0: no limit
	seed     uint64 // for ties and the order of rows
	data     string

	batches uint64
	group   uint64 // number of the next group
	begin   Cursor // at the group at hand
	pending []Row  // rows of the group
	row     int    // of them given out
	stats   Stats
}

// What random numbers are drawn for, besides the order of the documents of a corpus.
const (
	ties uint64 = 1<<32 + iota
	rowOrder
)

// Next returns the next batch; the last one may have fewer rows. The error is io.EOF when every corpus has been passed through as often as was asked.
func (l *Loader) Next() (Batch, error) {
	var b Batch
	want := l.rows
	if l.most > 0 {
		if want = min(want, l.most-int(l.stats.Rows)); want == 0 {
			return b, io.EOF
		}
	}
	for len(b.Rows) < want {
		if l.row == len(l.pending) {
			if err := l.refill(); err == io.EOF && len(b.Rows) > 0 {
				break
			} else if err != nil {
				return Batch{}, err
			}
		}
		b.add(l.pending[l.row])
		l.row++
	}
	l.batches++
	l.stats.Rows += int64(len(b.Rows))
	l.stats.Tokens += int64(b.Tokens)
	l.stats.Learnt += int64(b.Learnt)
	l.stats.Capacity += int64(len(b.Rows)) * int64(l.capacity)
	return b, nil
}

// Cursor is the place after the last batch.
func (l *Loader) Cursor() Cursor {
	c := l.begin
	c.Feeds = append([]FeedCursor(nil), c.Feeds...)
	c.Data, c.Batches, c.Row = l.data, l.batches, l.row
	return c
}

// Seek goes to a place that Cursor gave, of a loader with the same data and settings.
func (l *Loader) Seek(c Cursor) error {
	if c.Data != l.data || len(c.Feeds) != len(l.feeds) {
		return fmt.Errorf("data: the cursor is of other data or settings (%.12s, here %.12s)", c.Data, l.data)
	}
	for i, f := range l.feeds {
		f.FeedCursor = c.Feeds[i]
	}
	l.group, l.pending, l.row, l.batches = c.Group, nil, 0, c.Batches
	l.begin = l.here()
	if c.Row == 0 {
		return nil
	}
	if err := l.refill(); err != nil {
		return fmt.Errorf("data: seeking: %w", err)
	}
	if c.Row > len(l.pending) {
		return fmt.Errorf("data: the cursor is at row %d of a group of %d", c.Row, len(l.pending))
	}
	l.row = c.Row
	return nil
}

// Stats are the figures so far.
func (l *Loader) Stats() Stats { return l.stats }

func (l *Loader) here() Cursor {
	c := Cursor{Group: l.group}
	for _, f := range l.feeds {
		c.Feeds = append(c.Feeds, f.FeedCursor)
	}
	return c
}

// refill draws the next group of rows; it has at least one.
func (l *Loader) refill() error {
	l.begin, l.pending, l.row = l.here(), nil, 0
	for len(l.pending) == 0 {
		if err := l.draw(); err != nil {
			return err
		}
		l.group++
	}
	return nil
}

// draw draws a group: one item, or, to be packed, items of so many tokens. A group may turn out to be empty, when all of its documents are dropped.
func (l *Loader) draw() error {
	var pieces []Sequence
	for tokens := 0; tokens < max(1, l.ahead); {
		f := l.turn()
		if f == nil {
			if len(pieces) == 0 {
				return io.EOF
			}
			break
		}
		item, err := f.next()
		if err != nil {
			return err
		}
		pieces = append(pieces, item...)
		tokens += Row(item).Tokens()
	}
	l.pending = l.arrange(pieces)
	return nil
}

// arrange makes rows of the pieces of a group.
func (l *Loader) arrange(pieces []Sequence) []Row {
	switch l.sample {
	case "pack":
		packed := bestFit(pieces, l.capacity)
		rows := make([]Row, len(packed)) // in another order: the fullest come first
		p := newPermutation(uint64(len(rows)), draw(l.seed, rowOrder, l.group))
		for i, r := range packed {
			rows[p.at(uint64(i))] = r
		}
		return rows
	case "documents":
		rows := make([]Row, len(pieces))
		for i, s := range pieces {
			rows[i] = Row{s}
		}
		return rows
	}
	return []Row{pieces}
}

// turn is the corpus to draw from next: of those not at their end, the one with the fewest tokens for its weight, so that each share stays within one item
// of what it should be.
func (l *Loader) turn() *feed {
	var best *feed
	var least float64
	for i, f := range l.feeds {
		if f.limit > 0 && f.Items >= f.limit {
			continue
		}
		share := float64(f.Tokens) / f.weight
		if best == nil || share < least || share == least && draw(l.seed, ties, l.group, uint64(i))&1 == 0 {
			best, least = f, share
		}
	}
	return best
}

// next draws an item.
func (f *feed) next() ([]Sequence, error) {
	item, err := f.item(f.Items)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", f.name, err)
	}
	f.Items++
	f.Tokens += uint64(Row(item).Tokens())
	if f.barren++; len(item) > 0 {
		f.barren = 0
	} else if f.barren == f.pass() {
		return nil, fmt.Errorf("data: %s: none of %d documents has anything to learn", f.name, f.barren)
	}
	return item, nil
}
