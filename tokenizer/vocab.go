package tokenizer

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// none stands for "no token".
const none int32 = -1

// vocab maps texts to ids, for the model: keys[id] is what a token covers in the (normalised) text, "" where the model never makes it.
// It is an open-addressing table of ids with hash tags, filled in a few milliseconds for 150k tokens.
type vocab struct {
	keys  []string
	slots []uint64 // tag<<32 | id+1; 0 is empty
	mask  uint64
	seed  maphash.Seed
}

// newVocab indexes keys. Of two equal keys the first is found, and second is the id of one such repetition (none without any).
func newVocab(keys []string) (v *vocab, second int32) {
	size := 1 << bits.Len(uint(2*len(keys)))
	v = &vocab{keys: keys, slots: make([]uint64, size), mask: uint64(size - 1), seed: maphash.MakeSeed()}
	second = none
	for id, key := range keys {
		if key == "" {
			continue
		}
		h := maphash.String(v.seed, key)
		i := h & v.mask
		for ; v.slots[i] != 0; i = (i + 1) & v.mask {
			if s := v.slots[i]; s>>32 == h>>32 && keys[uint32(s)-1] == key {
				second = int32(id)
				break
			}
		}
		if v.slots[i] == 0 {
			v.slots[i] = h>>32<<32 | uint64(id+1)
		}
	}
	return v, second
}

// id returns the token whose key is s, or none.
func (v *vocab) id(s string) int32 {
	h := maphash.String(v.seed, s)
	for i := h & v.mask; ; i = (i + 1) & v.mask {
		s1 := v.slots[i]
		if s1 == 0 {
			return none
		}
		if s1>>32 == h>>32 && v.keys[uint32(s1)-1] == s {
			return int32(uint32(s1) - 1)
		}
	}
}

// pairTable maps two neighbouring tokens to what joining them gives.
type pairTable struct {
	slots []pairSlot
	shift uint
	mul   uint64 // odd and random, so that no file can be made to collide
}

type pairSlot struct {
	key  uint64 // left<<32 | right, plus one; 0 is empty
	rank uint32
	id   int32
}

func newPairTable(n int) *pairTable {
	log := bits.Len(uint(2 * n))
	return &pairTable{slots: make([]pairSlot, 1<<log), shift: uint(64 - log), mul: rand.Uint64() | 1}
}

func (p *pairTable) slot(key uint64) *pairSlot {
	h := key * p.mul
	h = (h ^ h>>32) * 0x9E3779B97F4A7C15
	for i := h >> p.shift; ; i = (i + 1) & uint64(len(p.slots)-1) {
		if s := &p.slots[i]; s.key == key || s.key == 0 {
			return s
		}
	}
}

func pairKey(left, right int32) uint64 { return (uint64(uint32(left))<<32 | uint64(uint32(right))) + 1 }

// add enters a merge; the first of two entries for one pair stays.
func (p *pairTable) add(left, right int32, rank uint32, id int32) {
	key := pairKey(left, right)
	if s := p.slot(key); s.key == 0 {
		*s = pairSlot{key, rank, id}
	}
}

// find returns the joined token and its rank, lower being joined sooner; rank noRank if the pair is not joined.
func (p *pairTable) find(left, right int32) (id int32, rank uint32) {
	if s := p.slot(pairKey(left, right)); s.key != 0 {
		return s.id, s.rank
	}
	return none, noRank
}

// bytesID is id of a byte slice.
func (v *vocab) bytesID(b []byte) int32 {
	h := maphash.Bytes(v.seed, b)
	for i := h & v.mask; ; i = (i + 1) & v.mask {
		s := v.slots[i]
		if s == 0 {
			return none
		}
		if s>>32 == h>>32 && v.keys[uint32(s)-1] == string(b) {
			return int32(uint32(s) - 1)
		}
	}
}
