package data

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The documents of these tests are the numbers from 0 in letters, spelt as often as the document is long: "12" is "bc", or "bcbc", ... so that each is
// told by its text.
func spell(i, times int) string {
	digits := []byte(fmt.Sprint(i))
	for k := range digits {
		digits[k] += 'a' - '0'
	}
	return strings.Repeat(string(digits)+".", times)
}

const letters = "abcdefghij.|"

// drawFiles writes sources of documents with a separator and returns their configuration and documents.
func drawFiles(rt *rapid.T, dir string, weighted bool) (sources []Source, docs []string) {
	n := 0
	for f := range rapid.IntRange(1, 3).Draw(rt, "sources") {
		var list []string
		for range rapid.IntRange(1, 60).Draw(rt, "documents") {
			list = append(list, spell(n, rapid.IntRange(2, 12).Draw(rt, "length")))
			n++
		}
		docs = append(docs, list...)
		path := filepath.Join(dir, fmt.Sprintf("%d.txt", f))
		if err := os.WriteFile(path, []byte(strings.Join(list, "|")), 0o644); err != nil {
			rt.Fatal(err)
		}
		s := Source{Files: Paths{path}, Separator: "|"}
		if weighted {
			s.Weight = rapid.Float64Range(0.1, 5).Draw(rt, "weight")
		}
		sources = append(sources, s)
	}
	return sources, docs
}

func drawConfig(rt *rapid.T, dir string) (Config, []string) {
	c := Config{
		Sample:    rapid.SampledFrom([]string{"pack", "documents", "windows", "crops"}).Draw(rt, "sample"),
		Length:    rapid.IntRange(4, 40).Draw(rt, "row"),
		LookAhead: rapid.IntRange(1, 8).Draw(rt, "ahead"),
		Epochs:    rapid.IntRange(0, 3).Draw(rt, "epochs"),
	}
	var docs []string
	c.Sources, docs = drawFiles(rt, dir, rapid.Bool().Draw(rt, "weighted"))
	c.Store = rapid.SampledFrom([]string{"memory", "disk", "none"}).Draw(rt, "store")
	if c.windowed() {
		c.MaskDocuments = rapid.Bool().Draw(rt, "mask")
		c.Length = rapid.IntRange(1, 2).Draw(rt, "short row")
		if c.Store == "none" {
			c.Store = "memory"
		}
	}
	if c.Sample == "crops" {
		c.Epochs = 0
	}
	return c, docs
}

func mustOpen(rt *rapid.T, c Config, v Vocabulary, o Options) *Dataset {
	d, err := Open(c, v, o)
	if err != nil {
		rt.Fatal(err)
	}
	return d
}

func mustTrain(rt *rapid.T, d *Dataset, rows int) *Loader {
	l, err := d.Train(rows)
	if err != nil {
		rt.Fatal(err)
	}
	return l
}

// next is up to n batches.
func next(rt *rapid.T, l *Loader, n int) (out []Batch) {
	for range n {
		b, err := l.Next()
		if err != nil {
			break
		}
		out = append(out, b)
	}
	return out
}

// TestResume: from a cursor, written as JSON and sought in a loader made anew with other threads and another store, come the batches that would have come.
func TestResume(t *testing.T) {
	v := charVocabulary(t, letters)
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		c, _ := drawConfig(rt, dir)
		o := Options{Cache: filepath.Join(dir, "cache"), Threads: 1, Seed: rapid.Uint64().Draw(rt, "seed")}
		rows := rapid.IntRange(1, 7).Draw(rt, "rows")
		steps := rapid.IntRange(0, 12).Draw(rt, "steps")

		d := mustOpen(rt, c, v, o)
		defer d.Close()
		l := mustTrain(rt, d, rows)
		next(rt, l, steps)
		saved, err := json.Marshal(l.Cursor())
		if err != nil {
			rt.Fatal(err)
		}
		want := next(rt, l, 5)

		o.Threads = 4
		if other := map[string]string{"disk": "memory", "memory": "disk"}[c.Store]; other != "" {
			c.Store = other
		}
		d2 := mustOpen(rt, c, v, o)
		defer d2.Close()
		l2 := mustTrain(rt, d2, rows)
		var cur Cursor
		if err := json.Unmarshal(saved, &cur); err != nil {
			rt.Fatal(err)
		}
		if err := l2.Seek(cur); err != nil {
			rt.Fatal(err)
		}
		if got := next(rt, l2, 5); !cmp.Equal(got, want) {
			rt.Fatalf("after %d steps: %s", steps, cmp.Diff(want, got))
		}
	})
}

// TestOncePerEpoch: each document comes once in every pass, whole or in pieces of which each token but the first is learnt once.
func TestOncePerEpoch(t *testing.T) {
	v := charVocabulary(t, letters)
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		c := Config{Length: rapid.IntRange(2, 50).Draw(rt, "row"), Epochs: rapid.IntRange(1, 3).Draw(rt, "epochs"),
			Sample: rapid.SampledFrom([]string{"pack", "documents"}).Draw(rt, "sample"), LookAhead: rapid.IntRange(1, 20).Draw(rt, "ahead"),
			Store: rapid.SampledFrom([]string{"memory", "none"}).Draw(rt, "store")}
		var docs []string
		c.Sources, docs = drawFiles(rt, dir, rapid.Bool().Draw(rt, "weighted"))
		d := mustOpen(rt, c, v, Options{Seed: rapid.Uint64().Draw(rt, "seed")})
		defer d.Close()
		got, want := map[string]int{}, map[string]int{}
		for b := range batches(t, mustTrain(rt, d, 3)) {
			for _, row := range b.Rows {
				if row.Tokens() > c.Length || len(row) == 0 || c.Sample == "documents" && len(row) > 1 {
					rt.Fatalf("a row of %d sequences, %d tokens", len(row), row.Tokens())
				}
				for _, s := range row {
					got[v.Tokenizer.Decode(s.IDs)]++
				}
			}
		}
		for _, doc := range docs {
			for at := 0; at+1 < len(doc); at += c.Length - 1 {
				want[doc[at:min(at+c.Length, len(doc))]] += c.Epochs
				if at+c.Length >= len(doc) {
					break
				}
			}
		}
		if !cmp.Equal(got, want) {
			rt.Fatal(cmp.Diff(want, got))
		}
	})
}

// TestBestFit: rows hold every piece once, none more than fits, and no two rows could have been one.
func TestBestFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		length := rapid.IntRange(1, 64).Draw(rt, "length")
		var pieces []Sequence
		for i, n := range rapid.SliceOf(rapid.IntRange(1, length)).Draw(rt, "lengths") {
			pieces = append(pieces, Sequence{IDs: slices.Repeat([]int32{int32(i)}, n)})
		}
		seen := make([]int, len(pieces))
		least := []int{math.MaxInt, math.MaxInt}
		for _, row := range bestFit(pieces, length) {
			if row.Tokens() > length {
				rt.Fatalf("a row of %d of %d", row.Tokens(), length)
			}
			least = append(least, row.Tokens())
			for _, s := range row {
				seen[s.IDs[0]] += len(s.IDs)
			}
		}
		slices.Sort(least)
		if least[1] < math.MaxInt && least[0]+least[1] <= length {
			rt.Errorf("rows of %d and %d of %d", least[0], least[1], length)
		}
		for i, n := range seen {
			if n != len(pieces[i].IDs) {
				rt.Errorf("piece %d comes with %d of %d tokens", i, n, len(pieces[i].IDs))
			}
		}
	})
}

// TestMixing: at any time each source's share of the tokens is within one document of its weight.
func TestMixing(t *testing.T) {
	v := charVocabulary(t, letters)
	rapid.Check(t, func(rt *rapid.T) {
		c := Config{Length: 40, Sample: rapid.SampledFrom([]string{"documents", "windows", "crops"}).Draw(rt, "sample")}
		c.Sources, _ = drawFiles(rt, t.TempDir(), true)
		if c.windowed() {
			c.Length = 2
		}
		d := mustOpen(rt, c, v, Options{Seed: rapid.Uint64().Draw(rt, "seed")})
		defer d.Close()
		l := mustTrain(rt, d, 1)
		weights := 0.0
		for _, f := range l.feeds {
			weights += f.weight
		}
		for range 200 {
			if len(next(rt, l, 1)) == 0 {
				rt.Fatal("it ends")
			}
			var total float64
			for _, f := range l.feeds {
				total += float64(f.Tokens)
			}
			for _, f := range l.feeds {
				if off := math.Abs(float64(f.Tokens) - total*f.weight/weights); off > 48*float64(len(l.feeds)) {
					rt.Fatalf("%v tokens off the share", off)
				}
			}
		}
	})
}

// TestSplit: what is held out is never trained on, the two are everything, and documents with the same content are on the same side.
func TestSplit(t *testing.T) {
	v := charVocabulary(t, letters)
	rapid.Check(t, func(rt *rapid.T) {
		c := Config{Sample: "pack", Length: 64, Epochs: 1, Val: Val{Fraction: rapid.Float64Range(0.05, 0.6).Draw(rt, "fraction"),
			By: rapid.SampledFrom([]string{"hash", "tail"}).Draw(rt, "by")}, Store: rapid.SampledFrom([]string{"memory", "none"}).Draw(rt, "store")}
		var docs []string
		c.Sources, docs = drawFiles(rt, t.TempDir(), false)
		if c.Val.By == "hash" { // some documents twice
			docs = append(docs, docs...)
			text, err := os.ReadFile(c.Sources[0].Files[0])
			if err != nil {
				rt.Fatal(err)
			}
			if err := os.WriteFile(c.Sources[0].Files[0], []byte(string(text)+"|"+string(text)), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		d := mustOpen(rt, c, v, Options{})
		defer d.Close()
		if d.Documents() == 0 {
			rt.Skip("all held out")
		}
		val, err := d.Val(2)
		if err != nil && strings.Contains(err.Error(), "no documents") {
			rt.Skip("none held out")
		} else if err != nil {
			rt.Fatal(err)
		}
		sides := map[string]int{}
		for side, l := range []*Loader{mustTrain(rt, d, 2), val} {
			for b := range batches(t, l) {
				for _, row := range b.Rows {
					for _, s := range row {
						sides[v.Tokenizer.Decode(s.IDs)] |= 1 << side
					}
				}
			}
		}
		for _, doc := range docs {
			if sides[doc] == 0 || sides[doc] == 3 {
				rt.Errorf("%q is on sides %b", doc, sides[doc])
			}
		}
	})
}
