package data

import (
	"iter"
	"sort"
)

// corpus is tokenised documents that can be read in any order, by several goroutines.
type corpus interface {
	Len() int
	// Read returns the sequences of a document: one, or one for each answer.
	Read(i int) ([]Sequence, error)
}

// keyed is a corpus that knows the content key of each document.
type keyed interface {
	corpus
	Keys() iter.Seq2[uint64, error]
}

// subset is some documents of a corpus: those from lo to hi but for those left out, or only those listed.
type subset struct {
	of     corpus
	lo, hi int
	out    []int // ascending
	only   []int // ascending; nil: all but out
}

func (s subset) Len() int {
	if s.only != nil {
		return len(s.only)
	}
	return s.hi - s.lo - len(s.out)
}

func (s subset) Read(i int) ([]Sequence, error) {
	if s.only != nil {
		return s.of.Read(s.only[i])
	}
	i += s.lo
	return s.of.Read(i + sort.Search(len(s.out), func(k int) bool { return s.out[k]-k > i }))
}

// splitByHash holds out the documents whose key falls into a fraction of all keys.
func splitByHash(c keyed, fraction float64) (train, val subset, err error) {
	held := []int{}
	i := 0
	for key, err := range c.Keys() {
		if err != nil {
			return train, val, err
		}
		if float64(mix(key)>>11)/(1<<53) < fraction { // mixed: the key decides other things too
			held = append(held, i)
		}
		i++
	}
	return subset{of: c, hi: c.Len(), out: held}, subset{of: c, only: held}, nil
}

// split holds out a fraction of the documents.
func split(c keyed, by string, fraction float64) (train, val corpus, err error) {
	switch {
	case fraction == 0:
		return c, nil, nil
	case by == "hash":
		return splitByHash(c, fraction)
	}
	train, val = splitTail(c, fraction)
	return train, val, nil
}

// splitTail holds out the last fraction of the documents.
func splitTail(c corpus, fraction float64) (train, val subset) {
	n := c.Len()
	at := int(float64(n) * (1 - fraction))
	return subset{of: c, hi: at}, subset{of: c, lo: at, hi: n}
}

// joined is several corpora as one.
type joined []corpus

func (j joined) Len() int {
	n := 0
	for _, c := range j {
		n += c.Len()
	}
	return n
}

func (j joined) Read(i int) ([]Sequence, error) {
	for _, c := range j {
		if i < c.Len() {
			return c.Read(i)
		}
		i -= c.Len()
	}
	panic("data: a document beyond the last")
}

// lazy is the records of files, tokenised each time they are read.
type lazy struct {
	readers []indexed
	*encoder
}

// newLazy indexes files.
func newLazy(readers []reader, e *encoder) (*lazy, error) {
	l := &lazy{encoder: e}
	for _, r := range readers {
		x := r.(indexed)
		if err := x.index(); err != nil {
			return nil, err
		}
		l.readers = append(l.readers, x)
	}
	return l, nil
}

func (l *lazy) Len() int {
	n := 0
	for _, r := range l.readers {
		n += r.len()
	}
	return n
}

func (l *lazy) Read(i int) ([]Sequence, error) {
	for _, r := range l.readers {
		if i >= r.len() {
			i -= r.len()
			continue
		}
		rec, err := r.read(i)
		if err != nil {
			return nil, err
		}
		s, err := l.encode(&rec, true)
		if err != nil {
			return nil, rec.at(err)
		}
		return s, nil
	}
	panic("data: a record beyond the last")
}

// Keys reads the files through.
func (l *lazy) Keys() iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		for _, r := range l.readers {
			for rec, err := range r.scan() {
				var key uint64
				if err == nil {
					if key, err = rec.key(); err != nil {
						err = rec.at(err)
					}
				}
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}
