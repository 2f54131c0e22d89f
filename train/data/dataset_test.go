package data

import (
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pennyml/penny/tokenizer"
)

// shared is a file of the shared data.
func shared(t testing.TB, name string) string {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is unset: it names the folder with the shared data")
	}
	return filepath.Join(dir, name)
}

// charVocabulary is the characters of texts.
func charVocabulary(t testing.TB, texts ...string) Vocabulary {
	t.Helper()
	b, err := tokenizer.TrainChars(nil, slices.Values(texts))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.ParseJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return Vocabulary{Tokenizer: tok, ID: digest(string(b))}
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func openData(t testing.TB, c Config, v Vocabulary, o Options) *Dataset {
	t.Helper()
	d, err := Open(c, v, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func trainLoader(t testing.TB, d *Dataset, rows int) *Loader {
	t.Helper()
	l, err := d.Train(rows)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// batches yields the batches of a loader to its end.
func batches(t testing.TB, l *Loader) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for {
			b, err := l.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(b) {
				return
			}
		}
	}
}

func take(t testing.TB, l *Loader, n int) (out []Batch) {
	for b := range batches(t, l) {
		if out = append(out, b); len(out) == n {
			break
		}
	}
	return out
}

// TestShakespeare is nanoGPT's character-level data: 1,003,854 tokens to train on, 111,540 held out.
func TestShakespeare(t *testing.T) {
	path := shared(t, "text/tinyshakespeare.txt")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := charVocabulary(t, string(text))
	c := Config{Sources: []Source{{Files: Paths{path}}}, Sample: "crops", Length: 64, Val: Val{Fraction: 0.1}}
	d := openData(t, c, v, Options{Seed: 1337})
	s := d.train[0].stretch
	if v.Tokenizer.VocabSize() != 65 || s.hi != 1_003_854 || d.val[0].hi-d.val[0].lo != 111_540 {
		t.Fatalf("vocabulary %d, %d tokens", v.Tokenizer.VocabSize(), s.hi)
	}
	l := trainLoader(t, d, 12)
	for _, b := range take(t, l, 20) {
		if len(b.Rows) != 12 || b.Tokens != 12*65 || b.Learnt != 12*64 {
			t.Fatalf("%d rows, %d tokens, %d learnt", len(b.Rows), b.Tokens, b.Learnt)
		}
		for _, r := range b.Rows {
			if got := v.Tokenizer.Decode(r[0].IDs); len(r) != 1 || !strings.Contains(string(text[:s.hi]), got) {
				t.Errorf("not a stretch of the text: %q", got)
			}
		}
	}
	val, err := d.Val(12)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	learnt := 0
	for b := range batches(t, val) {
		for _, r := range b.Rows {
			got.WriteString(v.Tokenizer.Decode(r[0].IDs[1:]))
		}
		learnt += b.Learnt
	}
	if want := string(text[s.hi+1:]); got.String() != want || learnt != len(want) {
		t.Errorf("validation goes through %d characters, want %d", learnt, len(want))
	}
}

// TestCropsUniform holds the places of crops to chance.
func TestCropsUniform(t *testing.T) {
	text := "abcdefghijklmnopqrst"
	v := charVocabulary(t, text)
	c := Config{Sources: []Source{{Files: Paths{write(t, "a.txt", text)}}}, Sample: "crops", Length: 4}
	l := trainLoader(t, openData(t, c, v, Options{Seed: 3}), 1000)
	counts := map[string]float64{}
	for _, r := range take(t, l, 16)[3].Rows {
		counts[v.Tokenizer.Decode(r[0].IDs)]++
	}
	if len(counts) != 16 {
		t.Fatalf("%d places of 16: %v", len(counts), counts)
	}
	chi := 0.0
	for _, n := range counts {
		chi += (n - 1000.0/16) * (n - 1000.0/16) / (1000.0 / 16)
	}
	if chi > 45 {
		t.Errorf("chi square %.1f: %v", chi, counts)
	}
}

func TestWindowsOncePerEpoch(t *testing.T) {
	text := strings.Repeat("abcdefghij", 10) + "klm"
	v := charVocabulary(t, text)
	for _, length := range []int{1, 3, 7, 50, 101, 102} {
		c := Config{Sources: []Source{{Files: Paths{write(t, "a.txt", text)}}}, Length: length, Epochs: 2}
		d := openData(t, c, v, Options{})
		l := trainLoader(t, d, 4)
		learnt := map[byte]int{}
		total := 0
		for b := range batches(t, l) {
			total += b.Learnt
			for _, r := range b.Rows {
				for _, id := range r[0].IDs[1:] {
					learnt[v.Tokenizer.TokenBytes(id)[0]]++
				}
			}
		}
		want := map[byte]int{}
		for i := range text[1:] {
			want[text[i+1]] += 2
		}
		if total != 2*(len(text)-1) || !cmp.Equal(learnt, want) {
			t.Errorf("length %d: %d learnt, want %d: %v", length, total, 2*(len(text)-1), cmp.Diff(want, learnt))
		}
	}
}
