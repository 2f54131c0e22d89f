package tokenizer

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"strings"
)

// none stands for "no token".
const none int32 = -1

// texts is a table of strings by id in one allocation without pointers, which the garbage collector need not look through.
type texts struct {
	blob string
	offs []uint32 // text i is blob[offs[i]:offs[i+1]]
}

func (t *texts) size() int { return len(t.offs) - 1 }

func (t *texts) at(id int) string { return t.blob[t.offs[id]:t.offs[id+1]] }

// textsBuilder makes a table, one text after the other.
type textsBuilder struct {
	blob []byte
	offs []uint32
}

// newTexts returns a builder for n texts of some bytes in all.
func newTexts(n, bytes int) *textsBuilder {
	return &textsBuilder{make([]byte, 0, bytes), append(make([]uint32, 0, n+1), 0)}
}

func (b *textsBuilder) end() { b.offs = append(b.offs, uint32(len(b.blob))) }

func (b *textsBuilder) add(s string) {
	b.blob = append(b.blob, s...)
	b.end()
}

// addBytes adds the bytes that s, in the byte-level alphabet, stands for, or else s itself, and reports which.
func (b *textsBuilder) addBytes(s string) (mapped bool) {
	n := len(b.blob)
	if b.blob, mapped = appendUnmapped(b.blob, s); !mapped {
		b.blob = append(b.blob[:n], s...)
	}
	b.end()
	return mapped
}

func (b *textsBuilder) done() (texts, error) {
	if len(b.blob) > math.MaxUint32 {
		return texts{}, fmt.Errorf("%d bytes of token texts", len(b.blob))
	}
	return texts{string(b.blob), b.offs}, nil
}

// textsOf makes a table of f of each string.
func textsOf(all []string, f func(id int, s string) string) (texts, error) {
	size := 0
	for _, s := range all {
		size += len(s)
	}
	b := newTexts(len(all), size)
	for id, s := range all {
		b.add(f(id, s))
	}
	return b.done()
}

// vocab maps texts to ids, for the model: a key is what a token covers in the (normalised) text. It is an open-addressing table of ids with
// hash tags, filled in a few milliseconds for 150k tokens.
type vocab struct {
	keys    texts
	slots   []uint64 // tag<<32 | id+1; 0 is empty
	mask    uint64
	seed    maphash.Seed
	longest int // bytes of the longest key
}

// newVocab indexes the keys of the ids that have the flag; empty ones are left out. Two equal keys are an error.
func newVocab(keys texts, flags []flag, want flag) (*vocab, error) {
	n := keys.size()
	size := 1 << bits.Len(uint(2*n))
	v := &vocab{keys: keys, slots: make([]uint64, size), mask: uint64(size - 1), seed: maphash.MakeSeed()}
	for id := range n {
		key := keys.at(id)
		if key == "" || flags[id]&want == 0 {
			continue
		}
		v.longest = max(v.longest, len(key))
		h := maphash.String(v.seed, key)
		i := h & v.mask
		for ; v.slots[i] != 0; i = (i + 1) & v.mask {
			if s := v.slots[i]; s>>32 == h>>32 && keys.at(int(uint32(s)-1)) == key {
				return nil, fmt.Errorf("token %q stands twice in the vocabulary, as %d and %d", key, uint32(s)-1, id)
			}
		}
		v.slots[i] = h>>32<<32 | uint64(id+1)
	}
	return v, nil
}

// id returns the token whose key is s, or none.
func (v *vocab) id(s string) int32 {
	h := maphash.String(v.seed, s)
	for i := h & v.mask; ; i = (i + 1) & v.mask {
		slot := v.slots[i]
		if slot == 0 {
			return none
		}
		if slot>>32 == h>>32 && v.keys.at(int(uint32(slot)-1)) == s {
			return int32(uint32(slot) - 1)
		}
	}
}

// bytesID is id of a byte slice.
func (v *vocab) bytesID(b []byte) int32 {
	h := maphash.Bytes(v.seed, b)
	for i := h & v.mask; ; i = (i + 1) & v.mask {
		slot := v.slots[i]
		if slot == 0 {
			return none
		}
		if slot>>32 == h>>32 && v.keys.at(int(uint32(slot)-1)) == string(b) {
			return int32(uint32(slot) - 1)
		}
	}
}

// wordwise reports whether ▁ stands only at the beginning of tokens (in a run, or before a word), so that no token spans two words.
func (v *vocab) wordwise(flags []flag) bool {
	for id := range v.keys.size() {
		if flags[id]&flagModel == 0 {
			continue
		}
		key := v.keys.at(id)
		for strings.HasPrefix(key, spmSpace) {
			key = key[len(spmSpace):]
		}
		if strings.Contains(key, spmSpace) {
			return false
		}
	}
	return true
}
