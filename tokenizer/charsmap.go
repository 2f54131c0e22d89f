package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// charsmap is SentencePiece's precompiled map of characters (such as nmt_nfkc): a Darts double-array trie from strings to positions in a
// block of NUL-terminated replacements.
type charsmap struct {
	trie    []uint32
	strings string
}

// parseCharsmap reads the blob: the trie's size in bytes, the trie, the replacements.
func parseCharsmap(blob []byte) (*charsmap, error) {
	if len(blob) < 4 {
		return nil, fmt.Errorf("%d bytes are too short", len(blob))
	}
	size := binary.LittleEndian.Uint32(blob)
	blob = blob[4:]
	if size == 0 || size%4 != 0 || uint64(size) > uint64(len(blob)) {
		return nil, fmt.Errorf("a trie of %d bytes in a blob of %d", size, len(blob))
	}
	m := &charsmap{trie: make([]uint32, size/4), strings: string(blob[size:])}
	for i := range m.trie {
		m.trie[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	if len(m.strings) == 0 || m.strings[len(m.strings)-1] != 0 {
		return nil, fmt.Errorf("the replacements do not end in a NUL")
	}
	if !utf8.ValidString(m.strings) {
		return nil, fmt.Errorf("the replacements are %w", errUTF8)
	}
	return m, nil
}

// unit offsets, labels and leaves as in Darts-clone.
func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }

// longest returns the longest beginning of s in the trie and its value; n is 0 without one.
func (m *charsmap) longest(s string) (n int, value uint32) {
	at := unitOffset(m.trie[0])
	for i := 0; i < len(s); i++ {
		at ^= uint32(s[i])
		if uint64(at) >= uint64(len(m.trie)) {
			break
		}
		u := m.trie[at]
		if u&(1<<31|0xFF) != uint32(s[i]) {
			break
		}
		at ^= unitOffset(u)
		if u>>8&1 != 0 && uint64(at) < uint64(len(m.trie)) {
			n, value = i+1, m.trie[at]&(1<<31-1)
		}
	}
	return n, value
}

// prefix returns what the beginning of s that is in the map becomes, and its length.
func (m *charsmap) prefix(s string) (to string, size int, ok bool) {
	size, value := m.longest(s)
	if size == 0 || uint64(value) >= uint64(len(m.strings)) {
		return "", 0, false
	}
	to = m.strings[value:]
	return to[:strings.IndexByte(to, 0)], size, true
}

// normalize replaces from left to right, the longest match first.
func (m *charsmap) normalize(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		to, size, ok := m.prefix(s)
		if !ok {
			_, size = utf8.DecodeRuneInString(s)
			to = s[:size]
		}
		b.WriteString(to)
		s = s[size:]
	}
	return b.String()
}
