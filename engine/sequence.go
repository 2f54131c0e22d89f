package engine

import (
	"github.com/pennyml/penny/kvcache"
	"github.com/pennyml/penny/model"
)

// Sequence is a model with the cache of one sequence: the Network that everything here runs.
type Sequence struct {
	model model.Model
	cache *kvcache.Cache
	chunk [1]model.Chunk // kept, so that a decode step allocates nothing
}

var _ Network = (*Sequence)(nil)

// NewSequence makes an empty sequence of at most limit tokens.
func NewSequence(m model.Model, limit int) (*Sequence, error) {
	c, err := m.NewCache(limit)
	if err != nil {
		return nil, err
	}
	return &Sequence{model: m, cache: c}, nil
}

// VocabSize is the number of logits a position.
func (s *Sequence) VocabSize() int { return s.model.Config().Vocab }

// Capacity is how many positions the cache can hold.
func (s *Sequence) Capacity() int { return s.cache.Limit() }

// Len is how many positions the cache holds.
func (s *Sequence) Len() int { return s.cache.Len() }

// Truncate forgets every position from n on.
func (s *Sequence) Truncate(n int) { s.cache.Truncate(n) }

// Forward appends ids and returns the logits of the last rows of them, good until the next Forward.
func (s *Sequence) Forward(ids []int32, rows int) ([]float32, error) {
	s.chunk[0] = model.Chunk{Cache: s.cache, IDs: ids, Logits: rows}
	return s.model.Forward(s.chunk[:])
}
