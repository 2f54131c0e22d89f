package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// unigram takes the sequence of pieces with the highest sum of scores.
type unigram struct {
	vocab   *vocab
	scores  []float64
	user    []bool // user-defined: scored by length
	lowest  float32
	highest float32
	unk     int32
	byteIDs *[256]int32 // what unknown characters become; nil: unk
	exact   bool        // sums in f64 (Hugging Face); SentencePiece keeps them in f32
	lengths []bool      // byte lengths that pieces have
}

func newUnigram(v *vocab, unk int32, byteIDs *[256]int32) *unigram {
	n := v.keys.size()
	u := &unigram{vocab: v, scores: make([]float64, n), user: make([]bool, n), unk: unk, byteIDs: byteIDs,
		lowest: math.MaxFloat32, highest: -math.MaxFloat32, lengths: make([]bool, v.longest+1)}
	for id := range n {
		if k := len(v.keys.at(id)); k <= v.longest {
			u.lengths[k] = true
		}
	}
	return u
}

// score sets the score of a piece that the model can make.
func (u *unigram) score(id int32, score float32, user bool) {
	u.scores[id], u.user[id] = float64(score), user
	if !user {
		u.lowest, u.highest = min(u.lowest, score), max(u.highest, score)
	}
}

// unknownPenalty is how far below the lowest score an unknown character lies.
const unknownPenalty = 10

// step is the best way to reach a position: the last piece, and where it starts.
type step struct {
	sum  float64
	from int32
	id   int32
}

func (u *unigram) encode(e *encoder, piece string) {
	for len(piece) > maxPiece {
		cut := maxPiece
		for !utf8.RuneStart(piece[cut]) {
			cut--
		}
		u.encode(e, piece[:cut])
		piece = piece[cut:]
	}
	best := make([]step, len(piece)+1)
	for i := range best {
		best[i].from = -1
	}
	for i := 0; i < len(piece); {
		_, width := utf8.DecodeRuneInString(piece[i:])
		single := false
		for n := 1; n <= min(u.vocab.longest, len(piece)-i); n++ {
			if !u.lengths[n] || i+n < len(piece) && !utf8.RuneStart(piece[i+n]) {
				continue
			}
			id := u.vocab.id(piece[i : i+n])
			if id == none {
				continue
			}
			score := u.scores[id]
			if u.user[id] {
				score = float64(float32(n)*u.highest) - 0.1
			}
			u.relax(best, i, i+n, id, score)
			single = single || n == width
		}
		if !single {
			u.relax(best, i, i+width, u.unk, float64(u.lowest-unknownPenalty))
		}
		i += width
	}
	u.emit(e, piece, best)
}

// relax offers the piece between two positions.
func (u *unigram) relax(best []step, from, to int, id int32, score float64) {
	sum := best[from].sum + score
	if b := &best[to]; b.from < 0 || sum > b.sum {
		if !u.exact {
			sum = float64(float32(sum))
		}
		*b = step{sum, int32(from), id}
	}
}

// emit appends the pieces of the best path; a run of unknown characters is one token.
func (u *unigram) emit(e *encoder, piece string, best []step) {
	first := len(e.out)
	unknown := false
	for to := len(piece); to > 0; to = int(best[to].from) {
		s := best[to]
		switch {
		case s.id != u.unk:
			e.out = append(e.out, s.id)
		case u.byteIDs != nil:
			for k := to - 1; k >= int(s.from); k-- {
				e.out = append(e.out, u.byteIDs[piece[k]])
			}
		case !unknown:
			e.out = append(e.out, u.unk)
		}
		unknown = s.id == u.unk
	}
	slices.Reverse(e.out[first:])
}

// buildUnigram makes the model of a tokenizer.json of type Unigram.
func (f *hfFile) buildUnigram(t *Tokenizer, names []string) error {
	m := &f.model
	if len(m.names) == 0 || len(m.scores) != len(m.names) {
		return fmt.Errorf("vocab is not a list of pieces with scores")
	}
	keys, err := textsOf(names, func(_ int, s string) string { return s })
	if err != nil {
		return err
	}
	v, err := newVocab(keys, t.flags, flagModel)
	if err != nil {
		return err
	}
	unk := none
	if id := m.set.UnkID; id != nil {
		if *id < 0 || *id >= int64(len(m.names)) {
			return fmt.Errorf("unk_id %d of %d pieces", *id, len(m.names))
		}
		unk = int32(*id)
	}
	var byteIDs *[256]int32
	if m.set.ByteFallback {
		byteIDs = byteTokens(v.id)
		if slices.Contains(byteIDs[:], none) {
			return fmt.Errorf("byte_fallback without all the tokens <0x00> to <0xFF>")
		}
	}
	if unk == none && byteIDs == nil {
		return fmt.Errorf("no unk_id")
	}
	u := newUnigram(v, unk, byteIDs)
	u.exact = true
	low := math.Inf(1)
	for id, s := range m.scores {
		u.score(int32(id), float32(s), false)
		u.scores[id] = s
		low = min(low, s)
	}
	u.lowest = float32(low)
	t.kind, t.model, t.roles.UNK = "Unigram", u, unk
	return nil
}
