package data

import "fmt"

// sampler is what one corpus gives to draw from.
type sampler interface {
	// pass is the number of items in one pass through the corpus; 0: draws are made with replacement.
	pass() uint64
	// item is the k-th to draw, counted over all passes. The pieces of a window make up one row; those of a document are rows of their own or
	// are packed.
	item(k uint64) ([]Sequence, error)
}

// crops are windows at random places, as nanoGPT draws them: each of the places that a window fits in is as likely, with replacement.
type crops struct {
	stretch
	seed uint64
}

// stretch is the part of a store that windows are cut from.
type stretch struct {
	store  *Store
	lo, hi int64 // tokens of the store
	length int   // predictions of a window; it has one token more
	masked bool  // documents in a window do not see each other
}

func (s stretch) check() error {
	if s.hi-s.lo < int64(s.length)+1 {
		return fmt.Errorf("%d tokens are too few for windows of %d and the one after", s.hi-s.lo, s.length)
	}
	return nil
}

// window is the row of tokens at..at+n.
func (s stretch) window(at int64, n int) ([]Sequence, error) {
	whole, err := s.store.Slice(at, at+int64(n))
	if err != nil || !s.masked {
		return []Sequence{whole}, err
	}
	cuts, err := s.store.cuts(at, at+int64(n))
	if err != nil {
		return nil, err
	}
	var row []Sequence
	from := 0
	for _, cut := range append(cuts, at+int64(n)) {
		row = append(row, whole.slice(from, int(cut-at)))
		from = int(cut - at)
	}
	return row, nil
}

func (c crops) pass() uint64 { return 0 }

func (c crops) item(k uint64) ([]Sequence, error) {
	places := uint64(c.hi - c.lo - int64(c.length))
	return c.window(c.lo+int64(below(draw(c.seed, k), places)), c.length+1)
}

// windows are neighbouring windows, each once a pass, in an order of its own in each. Each begins with the token that the one before ended with, so
// a pass learns every token but the first once. The last window may be shorter.
type windows struct {
	stretch
	order order
}

func (w *windows) pass() uint64 {
	return uint64((w.hi - w.lo - 2 + int64(w.length)) / int64(w.length))
}

func (w *windows) item(k uint64) ([]Sequence, error) {
	at := w.lo + int64(w.order.at(k))*int64(w.length)
	return w.window(at, int(min(int64(w.length)+1, w.hi-at)))
}

// order is the places of pass after pass, each shuffled on its own.
type order struct {
	n, seed uint64
	plain   bool // the order of the files
	pass    uint64
	perm    *permutation // of the pass
}

func (o *order) at(k uint64) uint64 {
	pass, i := k/o.n, k%o.n
	if o.plain {
		return i
	}
	if o.perm == nil || o.pass != pass {
		o.pass, o.perm = pass, newPermutation(o.n, draw(o.seed, pass))
	}
	return o.perm.at(i)
}
