package data

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// documents draws whole documents, each once a pass, in an order of its own in each.
type documents struct {
	corpus
	order   order
	length  int
	long    string
	threads int
	stats   *Stats

	first uint64 // number of the first item fetched
	ready [][]Sequence
}

func (d *documents) pass() uint64 { return uint64(d.Len()) }

// fetchAhead is how many documents are read at a time, on several threads: those of a lazy corpus are tokenised then.
const fetchAhead = 64

func (d *documents) item(k uint64) ([]Sequence, error) {
	if k < d.first || k >= d.first+uint64(len(d.ready)) {
		if err := d.fetch(k); err != nil {
			return nil, err
		}
	}
	d.stats.Documents++
	var pieces []Sequence
	for _, s := range d.ready[k-d.first] {
		fit, err := d.fit(s)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", d.order.at(k)+1, err)
		}
		pieces = append(pieces, fit...)
	}
	return pieces, nil
}

// fetch reads documents from k on.
func (d *documents) fetch(k uint64) error {
	n := min(fetchAhead, int(d.pass()-k%d.pass())) // not beyond the pass: a run may end there
	places := make([]int, n)
	for i := range places {
		places[i] = int(d.order.at(k + uint64(i)))
	}
	ready, errs := make([][]Sequence, n), make([]error, n)
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			ready[i], errs[i] = d.Read(places[i])
		}
	}
	var wg sync.WaitGroup
	for range min(d.threads, n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	d.first, d.ready = k, ready
	return nil
}

// fit makes a document fit into rows.
func (d *documents) fit(s Sequence) ([]Sequence, error) {
	if len(s.IDs) > d.length {
		long := cmp.Or(d.long, "cut")
		if d.long == "" && s.Labels == nil {
			long = "split"
		}
		switch long {
		case "error":
			return nil, fmt.Errorf("%d tokens where a row holds %d", len(s.IDs), d.length)
		case "drop":
			d.drop(s)
			return nil, nil
		case "cut":
			d.stats.Cut++
			d.stats.Lost += int64(len(s.IDs) - d.length)
			s = s.slice(0, d.length)
		case "split":
			return d.split(s), nil
		}
	}
	if s.Learnt() == 0 {
		d.drop(s)
		return nil, nil
	}
	return []Sequence{s}, nil
}

func (d *documents) drop(s Sequence) {
	d.stats.Dropped++
	d.stats.Lost += int64(len(s.IDs))
}

// split cuts a document into pieces that each begin with the last token of the one before: so every token but the first is learnt, once.
func (d *documents) split(s Sequence) []Sequence {
	d.stats.Split++
	var pieces []Sequence
	for at := 0; at+1 < len(s.IDs); at += d.length - 1 {
		p := s.slice(at, min(at+d.length, len(s.IDs)))
		if p.Learnt() > 0 {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// bestFit packs pieces into rows of at most length tokens: the longest first, each into the row where it leaves the least room.
func bestFit(pieces []Sequence, length int) []Row {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b Sequence) int { return cmp.Compare(len(b.IDs), len(a.IDs)) })
	type open struct{ room, row int }
	var rows []Row
	var space []open // by room, then by row
	for _, s := range sorted {
		n := len(s.IDs)
		i := sort.Search(len(space), func(i int) bool { return space[i].room >= n })
		o := open{length, len(rows)}
		if i < len(space) {
			o = space[i]
			space = slices.Delete(space, i, i+1)
		} else {
			rows = append(rows, nil)
		}
		rows[o.row] = append(rows[o.row], s)
		o.room -= n
		at := sort.Search(len(space), func(i int) bool {
			return space[i].room > o.room || space[i].room == o.room && space[i].row > o.row
		})
		space = slices.Insert(space, at, o)
	}
	return rows
}

// threads is a number of threads, 0 meaning all.
func threads(n int) int {
	if n < 1 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}
