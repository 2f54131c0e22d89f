package tokenizer

import (
	"fmt"
	"strings"
)

// mergeBuilder enters a list of merges. Their texts are spelt as in the files: for a byte-level model in its alphabet.
type mergeBuilder struct {
	m     *bpe
	check bool // both parts must be tokens; of two equal merges the later counts (Hugging Face)
	buf   []byte
	n     uint32
	last  int32 // what the merge before gave: in most files the next gives the next token
}

// add enters the next merge.
func (b *mergeBuilder) add(left, right string) error {
	m, cut, skip := b.m, 0, 0
	if m.bytes != nil {
		var ok1, ok2 bool
		b.buf, ok1 = appendUnmapped(b.buf[:0], left)
		cut = len(b.buf)
		b.buf, ok2 = appendUnmapped(b.buf, right)
		if !ok1 || !ok2 {
			return fmt.Errorf("merge %d, %q and %q: not in the byte-level alphabet", b.n, left, right)
		}
	} else {
		b.buf = append(append(b.buf[:0], left...), right...)
		cut = len(left)
		if m.prefix != "" {
			skip = len(right) - len(strings.TrimPrefix(right, m.prefix))
		}
	}
	if b.check && (b.id(b.buf[:cut]) == none || b.id(b.buf[cut:]) == none) {
		return fmt.Errorf("merge %d, %q and %q: one of them is not in the vocabulary", b.n, left, right)
	}
	joined := b.id(append(b.buf[:cut], b.buf[cut+skip:]...))
	if joined == none {
		return fmt.Errorf("merge %d: %q and %q join to what is not in the vocabulary", b.n, left, right)
	}
	m.addMerge(joined, cut, b.n, b.check)
	b.n++
	b.last = joined
	return nil
}

// id looks a token up, the cheap ways first.
func (b *mergeBuilder) id(s []byte) int32 {
	keys := &b.m.vocab.keys
	switch next := int(b.last) + 1; {
	case len(s) == 1 && b.m.bytes != nil:
		return b.m.bytes[s[0]]
	case next < keys.size() && keys.at(next) == string(s):
		return int32(next)
	}
	return b.m.vocab.bytesID(s)
}
