package tokenizer

// mergeLong merges the symbols in e.syms in O(n log n): a linked list of symbols and a heap of candidate pairs, keyed rank<<32 | position.
// An entry of the heap is stale when its symbol is gone or its pair has another rank by now.
func (m *bpe) mergeLong(e *encoder, piece string) {
	syms := e.syms
	e.links = e.links[:0]
	heap := e.heap[:0]
	for i := range syms {
		e.links = append(e.links, link{int32(i - 1), int32(i + 1)})
		if i+1 < len(syms) {
			s := &syms[i]
			if s.joined, s.rank = m.join(piece, s, &syms[i+1]); s.rank != noRank {
				heap = append(heap, uint64(s.rank)<<32|uint64(i))
			}
		}
	}
	links := e.links
	heap.init()
	for len(heap) > 0 {
		top := heap[0]
		at := int32(uint32(top))
		s := &syms[at]
		if s.rank != uint32(top>>32) {
			heap = heap.pop()
			continue
		}
		gone := links[at].next
		s.id, s.hi = s.joined, syms[gone].hi
		syms[gone].rank = noRank
		syms[gone].lo = syms[gone].hi
		next := links[gone].next
		links[at].next = next
		s.rank = noRank
		if int(next) < len(syms) {
			links[next].prev = at
			s.joined, s.rank = m.join(piece, s, &syms[next])
		}
		if s.rank != noRank { // the entry of this position is replaced in place
			heap[0] = uint64(s.rank)<<32 | uint64(at)
			heap.down(0)
		} else {
			heap = heap.pop()
		}
		if prev := links[at].prev; prev >= 0 {
			p := &syms[prev]
			if p.joined, p.rank = m.join(piece, p, s); p.rank != noRank {
				heap = heap.push(uint64(p.rank)<<32 | uint64(prev))
			}
		}
	}
	e.heap = heap
	for i := int32(0); int(i) < len(syms); i = links[i].next {
		m.emit(e, piece, &syms[i])
	}
}

type link struct{ prev, next int32 }

// pairHeap is a 4-ary min-heap.
type pairHeap []uint64

func (h pairHeap) init() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.down(i)
	}
}

func (h pairHeap) down(i int) {
	v := h[i]
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c] < h[least] {
				least = c
			}
		}
		if h[least] >= v {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = v
}

func (h pairHeap) push(v uint64) pairHeap {
	h = append(h, v)
	i := len(h) - 1
	for i > 0 && h[(i-1)/4] > v {
		h[i] = h[(i-1)/4]
		i = (i - 1) / 4
	}
	h[i] = v
	return h
}

func (h pairHeap) pop() pairHeap {
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	if last > 0 {
		h.down(0)
	}
	return h
}
