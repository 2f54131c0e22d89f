package data

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawSequence draws a document; half of the time some of it is not learnt.
func drawSequence(rt *rapid.T, vocab int) Sequence {
	s := Sequence{IDs: rapid.SliceOfN(rapid.Int32Range(0, int32(vocab)-1), 0, 40).Draw(rt, "ids")}
	if rapid.Bool().Draw(rt, "masked") {
		s.Labels = slices.Clone(s.IDs)
		for t := range s.Labels {
			if rapid.Bool().Draw(rt, "not") {
				s.Labels[t] = Ignore
			}
		}
	}
	return s
}

// labelled is a sequence with labels, for comparison.
func labelled(s Sequence) Sequence {
	if s.Labels == nil {
		s.Labels = s.IDs
	}
	return Sequence{append([]int32{}, s.IDs...), append([]int32{}, s.Labels...)}
}

// TestStore: what is written comes back, from files and from memory, by document and by stretch.
func TestStore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		vocab := rapid.SampledFrom([]int{2, 65, 65536, 65537, 1 << 20}).Draw(rt, "vocabulary")
		dir := ""
		if rapid.Bool().Draw(rt, "disk") {
			dir = t.TempDir()
		}
		w := storeWriter{dir: dir, vocab: vocab}
		var docs []Sequence
		var flat Sequence
		var ends []int64
		var keys []uint64
		for i := range rapid.IntRange(1, 12).Draw(rt, "documents") {
			var doc Sequence
			for parts := rapid.IntRange(1, 3).Draw(rt, "parts"); parts > 0; parts-- {
				s := drawSequence(rt, vocab)
				if err := w.add(s, uint64(i)*7, parts == 1); err != nil {
					rt.Fatal(err)
				}
				s = labelled(s)
				doc.IDs, doc.Labels = append(doc.IDs, s.IDs...), append(doc.Labels, s.Labels...)
			}
			docs, keys = append(docs, labelled(doc)), append(keys, uint64(i)*7)
			flat.IDs, flat.Labels = append(flat.IDs, doc.IDs...), append(flat.Labels, doc.Labels...)
			ends = append(ends, int64(len(flat.IDs)))
			if rapid.IntRange(0, 3).Draw(rt, "new file") == 0 {
				if err := w.finish(); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if err := w.finish(); err != nil {
			rt.Fatal(err)
		}
		if len(flat.IDs) == 0 {
			rt.Skip("nothing")
		}
		var s *Store
		var err error
		if dir == "" {
			s, err = newStore(w.done)
		} else {
			s, err = OpenStore(dir, 0, -1)
		}
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		if s.Len() != len(docs) || s.Tokens() != int64(len(flat.IDs)) {
			rt.Fatalf("%d documents, %d tokens", s.Len(), s.Tokens())
		}
		for i, want := range docs {
			got, err := s.Read(i)
			if err != nil || !cmp.Equal(labelled(got[0]), want) {
				rt.Fatalf("document %d: %v %s", i, err, cmp.Diff(want, labelled(got[0])))
			}
		}
		i := 0
		for key, err := range s.Keys() {
			if err != nil || key != keys[i] {
				rt.Fatalf("key %d is %d, %v", i, key, err)
			}
			i++
		}
		lo := rapid.IntRange(0, len(flat.IDs)).Draw(rt, "lo")
		hi := rapid.IntRange(lo, len(flat.IDs)).Draw(rt, "hi")
		got, err := s.Slice(int64(lo), int64(hi))
		if want := labelled(flat.slice(lo, hi)); err != nil || !cmp.Equal(labelled(got), want) {
			rt.Fatalf("%d to %d: %v %s", lo, hi, err, cmp.Diff(want, labelled(got)))
		}
		if lo == hi {
			return
		}
		cuts, err := s.cuts(int64(lo), int64(hi))
		var want []int64
		for _, e := range ends {
			if e > int64(lo) && e < int64(hi) && !slices.Contains(want, e) {
				want = append(want, e)
			}
		}
		if err != nil || !slices.Equal(cuts, want) {
			rt.Fatalf("cuts of %d to %d: %v, want %v (%v)", lo, hi, cuts, want, err)
		}
	})
}

func TestPlainTokens(t *testing.T) {
	le := binary.LittleEndian
	var u16, u32 []byte
	for i := range 10 {
		u16, u32 = le.AppendUint16(u16, uint16(i*1000)), le.AppendUint32(u32, uint32(i*100_000))
	}
	header := func(magic, version uint32, n int, tokens []byte) string {
		h := make([]byte, 1024)
		le.PutUint32(h, magic)
		le.PutUint32(h[4:], version)
		le.PutUint32(h[8:], uint32(n))
		return string(h) + string(tokens)
	}
	for name, c := range map[string]struct {
		content string
		width   int
		end     int32
		want    []int32 // the first three
		docs    int
		err     string
	}{
		"nanoGPT":           {content: string(u16), end: -1, want: []int32{0, 1000, 2000}, docs: 1},
		"documents":         {content: string(u16), end: 4000, want: []int32{0, 1000, 2000}, docs: 2},
		"four bytes":        {content: string(u32), width: 4, end: -1, want: []int32{0, 100_000, 200_000}, docs: 1},
		"llm.c":             {content: header(20240520, 1, 10, u16), end: -1, want: []int32{0, 1000, 2000}, docs: 1},
		"llm.c, four bytes": {content: header(20240801, 7, 10, u32), end: -1, want: []int32{0, 100_000, 200_000}, docs: 1},
		"llm.c, cut short":  {content: header(20240520, 1, 11, u16), end: -1, err: "its header says 22 bytes of tokens, it has 20"},
		"odd":               {content: string(u16) + "x", end: -1, err: "no whole number of tokens"},
		"width":             {content: string(u16), width: 3, end: -1, err: "want 2 or 4"},
	} {
		path := write(t, "a.bin", c.content)
		s, err := OpenStore(path, c.width, c.end)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("%s: error %v, want %s", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := s.Slice(0, 3)
		if err != nil || !slices.Equal(got.IDs, c.want) || s.Len() != c.docs || s.Tokens() != 10 {
			t.Errorf("%s: %v, %d documents, %d tokens, %v", name, got.IDs, s.Len(), s.Tokens(), err)
		}
		s.Close()
	}
}

// TestPlainKeys: documents of a plain file with the same tokens have the same key, others another.
func TestPlainKeys(t *testing.T) {
	s, err := OpenStore(write(t, "a.bin", "\x01\x00\x09\x00"+"\x02\x00\x09\x00"+"\x01\x00\x09\x00"+"\x01\x00"), 2, 9)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var keys []uint64
	for key, err := range s.Keys() {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if len(keys) != 4 || keys[0] != keys[2] || keys[0] == keys[1] || keys[3] == keys[0] || keys[3] == keys[1] {
		t.Errorf("keys %x", keys)
	}
}

// FuzzTokenFile: whatever a token file holds, reading it gives tokens or an error.
func FuzzTokenFile(f *testing.F) {
	dir := f.TempDir()
	w := storeWriter{dir: dir, vocab: 9}
	for i := range 5 {
		s := Sequence{IDs: []int32{1, 2, 3, int32(i)}, Labels: []int32{1, Ignore, 3, int32(i)}}
		if err := w.add(s, uint64(i), true); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "00000"+tokenExt))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b, 0))
	f.Add([]byte("\x01\x00\x02\x00"))
	path := filepath.Join(dir, "a.bin")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(path, 0, 2)
		if err != nil {
			return
		}
		defer s.Close()
		if s.Len() > 100 {
			return
		}
		for i := range s.Len() {
			_, _ = s.Read(i)
		}
		if _, err := s.Slice(0, s.Tokens()); err != nil {
			t.Error(err)
		}
		_, _ = s.cuts(0, s.Tokens())
		for range s.Keys() {
		}
	})
}

// TestCache: token files are written once for the same content and settings, and again for others.
func TestCache(t *testing.T) {
	dir := t.TempDir()
	v := charVocabulary(t, letters)
	path := write(t, "a.txt", spell(1, 5)+"|"+spell(2, 7))
	c := Config{Sources: []Source{{Files: Paths{path}, Separator: "|"}}, Sample: "documents", Length: 64, Store: "disk", Epochs: 1}
	o := Options{Cache: filepath.Join(dir, "cache"), Seed: 4}
	count := func(want int, what string) {
		t.Helper()
		got, err := filepath.Glob(filepath.Join(o.Cache, "*", "index.json"))
		if err != nil || len(got) != want {
			t.Errorf("%s: %d stores, want %d", what, len(got), want)
		}
		if left, _ := filepath.Glob(filepath.Join(o.Cache, "writing-*")); len(left) > 0 {
			t.Errorf("%s: %s is left", what, left)
		}
	}
	first := take(t, trainLoader(t, openData(t, c, v, o), 8), 1)
	count(1, "first")
	again := take(t, trainLoader(t, openData(t, c, v, o), 8), 1)
	count(1, "again")
	if !cmp.Equal(first, again) {
		t.Error(cmp.Diff(first, again))
	}
	moved := c
	moved.Sources = []Source{{Files: Paths{write(t, "b.txt", spell(1, 5)+"|"+spell(2, 7))}, Separator: "|"}}
	openData(t, moved, v, o)
	count(1, "the same content elsewhere")
	moved.Sources[0].Separator = "."
	openData(t, moved, v, o)
	count(2, "another separator")
	other := v
	other.ID = "another tokenizer"
	openData(t, c, other, o)
	count(3, "another tokenizer")

	stores, _ := filepath.Glob(filepath.Join(o.Cache, "*", "*"+tokenExt))
	for _, s := range stores {
		if err := os.Truncate(s, 70); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(c, v, o); err == nil || !strings.Contains(err.Error(), o.Cache) {
		t.Errorf("a damaged cache: error %v", err)
	}
}

func TestVocabularyBound(t *testing.T) {
	w := storeWriter{vocab: 10}
	for _, id := range []int32{-1, 10} {
		if err := w.add(Sequence{IDs: []int32{id}}, 0, true); err == nil || !strings.Contains(err.Error(), fmt.Sprint(id)) {
			t.Errorf("token %d: error %v", id, err)
		}
	}
}
