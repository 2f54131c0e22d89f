// Package data makes training batches of text, conversations, tables and token files: read, tokenised, shuffled, mixed, packed and masked.
//
// The records of a source (text, JSONL, Parquet) are tokenised once into a Store (token files, or memory), or each time one is drawn. A Loader draws
// from several sources by weight and yields batches. What it yields depends on the content of the files, the configuration and the seed, never on
// the number of threads; its Cursor is a few numbers from which the very same batches follow. Files may be larger than memory.
package data

// Ignore is the label of a token that is not to be learnt.
const Ignore = -100

// Sequence is a document or a piece of one: attention does not reach beyond it.
type Sequence struct {
	IDs []int32
	// Labels[t], of the same length, is the token to predict at t from those before it: IDs[t] or Ignore. Nil: all are learnt.
	Labels []int32
}

// Learnt is how many predictions are learnt: the first token of a sequence never is.
func (s Sequence) Learnt() int {
	if s.Labels == nil {
		return max(0, len(s.IDs)-1)
	}
	n := 0
	for t := 1; t < len(s.Labels); t++ {
		if s.Labels[t] != Ignore {
			n++
		}
	}
	return n
}

// slice is the piece [lo, hi) of a sequence.
func (s Sequence) slice(lo, hi int) Sequence {
	piece := Sequence{IDs: s.IDs[lo:hi:hi]}
	if s.Labels != nil {
		piece.Labels = s.Labels[lo:hi:hi]
	}
	return piece
}

// Row is what shares one row of a batch: a window of text, or documents packed together. The sum of their lengths is bounded, nothing else joins them.
type Row []Sequence

// Tokens is the number of tokens in the row.
func (r Row) Tokens() int {
	n := 0
	for _, s := range r {
		n += len(s.IDs)
	}
	return n
}

// Batch is the rows of one training step.
type Batch struct {
	Rows   []Row
	Tokens int // in all rows
	Learnt int // predictions that are learnt: the normaliser of the mean loss
}

func (b *Batch) add(r Row) {
	b.Rows = append(b.Rows, r)
	b.Tokens += r.Tokens()
	for _, s := range r {
		b.Learnt += s.Learnt()
	}
}
