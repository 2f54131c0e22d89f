package tokenizer

import "math/bits"

// pieceCache remembers the tokens of short pieces: a two-way table of fixed size, one for each encoder, a set to a cache line. Words repeat;
// merging each of them once is what makes encoding fast.
type pieceCache struct {
	sets []cacheSet
}

const (
	cacheBits  = 14 // log2 of the number of sets: 1 MiB in all
	cacheBytes = 15 // longest piece kept
	cacheIDs   = 3  // most tokens kept
)

// cacheKey is the piece itself with its length in the last byte.
type cacheKey struct{ lo, hi uint64 }

// cacheSet holds the last two pieces that fell to it, the later first.
type cacheSet [2]cacheEntry

type cacheEntry struct {
	key cacheKey
	ids [cacheIDs]int32
	n   int32
}

// key packs a piece; ok is false for one too long for the cache.
func (c *pieceCache) key(piece string) (k cacheKey, ok bool) {
	n := len(piece)
	if n > cacheBytes || n == 0 {
		return k, false
	}
	if n >= 8 {
		k.lo = load64(piece)
		k.hi = load64(piece[n-8:]) >> (8 * (16 - uint(n)) & 63)
		if n == 8 {
			k.hi = 0
		}
	} else {
		for i := n - 1; i >= 0; i-- {
			k.lo = k.lo<<8 | uint64(piece[i])
		}
	}
	k.hi |= uint64(n) << 56
	return k, true
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (k cacheKey) slot() uint64 {
	hi, lo := bits.Mul64(k.lo^0x9E3779B97F4A7C15, k.hi^0xD1B54A32D192ED03)
	return (hi ^ lo) >> (64 - cacheBits)
}

// get returns the entry of a piece, or nil.
func (c *pieceCache) get(k cacheKey) *cacheEntry {
	if c.sets == nil {
		c.sets = make([]cacheSet, 1<<cacheBits)
	}
	set := &c.sets[k.slot()]
	if set[0].key == k {
		return &set[0]
	}
	if set[1].key == k {
		set[0], set[1] = set[1], set[0]
		return &set[0]
	}
	return nil
}

// put enters a piece that get did not find.
func (c *pieceCache) put(k cacheKey, ids []int32) {
	if len(ids) > cacheIDs {
		return
	}
	set := &c.sets[k.slot()]
	set[1] = set[0]
	set[0].key = k
	set[0].n = int32(copy(set[0].ids[:], ids))
}
