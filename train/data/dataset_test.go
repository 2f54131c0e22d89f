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

// TestStats counts what becomes of documents that are too long or have nothing to learn.
func TestStats(t *testing.T) {
	v := charVocabulary(t, "abcdefgh|")
	text := "abc|abcdefgh|a|abcdefghabcdefgh"
	for long, want := range map[string]Stats{
		"split": {Rows: 7, Tokens: 3 + 5 + 4 + 5 + 5 + 5 + 4, Capacity: 35, Learnt: 2 + 7 + 15, Documents: 4, Split: 2, Dropped: 1, Lost: 1},
		"cut":   {Rows: 3, Tokens: 13, Capacity: 15, Learnt: 10, Documents: 4, Cut: 2, Dropped: 1, Lost: 1 + 3 + 11},
		"drop":  {Rows: 1, Tokens: 3, Capacity: 5, Learnt: 2, Documents: 4, Dropped: 3, Lost: 1 + 8 + 16},
	} {
		c := Config{Sources: []Source{{Files: Paths{write(t, "a.txt", text)}, Separator: "|"}}, Sample: "documents", Length: 5, Long: long, Epochs: 1}
		l := trainLoader(t, openData(t, c, v, Options{}), 2)
		take(t, l, 100)
		if got := l.Stats(); got != want {
			t.Errorf("%s: %s", long, cmp.Diff(want, got))
		}
	}
	c := Config{Sources: []Source{{Files: Paths{write(t, "a.txt", text)}, Separator: "|"}}, Sample: "documents", Length: 5, Long: "error"}
	l := trainLoader(t, openData(t, c, v, Options{}), 5)
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "where a row holds 5") {
		t.Errorf("a long document: error %v", err)
	}
}

// TestNothingToLearn: a corpus without an answer is an error, not an endless search for one.
func TestNothingToLearn(t *testing.T) {
	v := charVocabulary(t, "ab<>:\n userasitn")
	v.Template = chatTemplate(t, `{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}`)
	c := Config{Sources: []Source{{Files: Paths{write(t, "a.jsonl", `{"messages": [{"role": "user", "content": "a"}]}`)}}}, Sample: "pack", Length: 50}
	_, err := Open(c, v, Options{})
	if err == nil {
		t.Fatal("no error")
	}
	c.Store = "none"
	l := trainLoader(t, openData(t, c, v, Options{}), 1)
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "none of 1 documents has anything to learn") {
		t.Errorf("error %v", err)
	}
}

// TestGSM8K packs the answers of GSM8K, put into a chat template: nothing but answers is learnt, and rows are nearly full.
func TestGSM8K(t *testing.T) {
	v := Vocabulary{Tokenizer: sharedTokenizer(t, "goldens/tokenizers/smollm2/tokenizer.json.gz"), ID: "smollm2",
		Template: chatTemplate(t, "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"+
			"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")}
	c := Config{Sources: []Source{{Files: Paths{"datasets/gsm8k/train.jsonl"}, Prompt: "question", Completion: "answer", Chat: true}}, Sample: "pack",
		Length: 768, Epochs: 1, Val: Val{Fraction: 0.02}}
	d := openData(t, c, v, Options{Dirs: []string{"no such folder", shared(t, "")}, Seed: 1})
	l := trainLoader(t, d, 8)
	n := 0
	for b := range batches(t, l) {
		for _, row := range b.Rows {
			for _, s := range row {
				answer := learnt(v, s)
				if n++; strings.Count(answer, "#### ") != 1 || !strings.HasSuffix(answer, "<|im_end|>") || strings.Contains(answer, "¦") {
					t.Fatalf("learnt: %q", answer)
				}
			}
		}
	}
	s := l.Stats()
	t.Logf("%d documents, %d rows, %.2f %% full", n, s.Rows, 100*s.Efficiency())
	if held := d.val[0].corpus.Len(); n+held != 7473 || held < 100 || held > 200 || s.Efficiency() < 0.97 || s.Dropped+s.Cut+s.Split != 0 {
		t.Errorf("%d documents and %d held out, %+v", n, held, s)
	}
}

func TestErrors(t *testing.T) {
	v := charVocabulary(t, "ab")
	ok := write(t, "a.txt", "abababab")
	src := func(change func(*Source)) []Source {
		s := Source{Files: Paths{ok}}
		change(&s)
		return []Source{s}
	}
	plain := src(func(*Source) {})
	for want, c := range map[string]Config{
		"sources: none":                          {Length: 2},
		"length: 0: want at least 1":             {Sources: plain},
		`sample: "croops": want crops, windows`:  {Sources: plain, Length: 2, Sample: "croops"},
		"crops are drawn with replacement":       {Sources: plain, Length: 2, Sample: "crops", Epochs: 1},
		"8 tokens are too few for windows of 8":  {Sources: plain, Length: 8},
		"1 of 2 sources have a weight":           {Sources: append(src(func(s *Source) { s.Weight = 1 }), plain...), Length: 2},
		"no such file.txt":                       {Sources: src(func(s *Source) { s.Files = Paths{"no such file.txt"} }), Length: 2},
		"its name tells no format":               {Sources: src(func(s *Source) { s.Files = Paths{write(t, "a.dat", "x")} }), Length: 2},
		"sources[0]: prompt and completion":      {Sources: src(func(s *Source) { s.Prompt = "q" }), Length: 2},
		"val.sources[0]: files: none":            {Sources: plain, Length: 2, Val: Val{Sources: []Source{{}}}},
		"eos: the tokenizer has no such token":   {Sources: plain, Length: 2, EOS: new(bool)},
		"windows need the tokens":                {Sources: plain, Length: 2, Store: "none"},
		"no folder for token files":              {Sources: plain, Length: 2, Store: "disk"},
		"a text without separator is one":        {Sources: plain, Length: 2, Store: "none", Sample: "pack"},
		"the model has no chat template":         {Sources: []Source{{Files: Paths{write(t, "a.jsonl", `{"messages": [{"role": "assistant", "content": "a"}]}`)}}}, Length: 2, Sample: "pack"},
		"messages[0]: the prompt before it: cha": {Sources: []Source{{Files: Paths{write(t, "b.jsonl", `{"messages": [{"role": "assistant", "content": "a"}]}`)}}}, Length: 2, Sample: "pack"},
	} {
		vocab := v
		if strings.HasPrefix(want, "messages") {
			vocab.Template = chatTemplate(t, `{% if add_generation_prompt %}{{ raise_exception("no") }}{% endif %}{{ messages[0].content }}`)
		}
		if c.EOS != nil {
			*c.EOS = true
		}
		d, err := Open(c, vocab, Options{})
		if err == nil {
			_, err = d.Train(1)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	d := openData(t, Config{Sources: plain, Length: 2}, v, Options{})
	l := trainLoader(t, d, 1)
	cur := l.Cursor()
	cur.Data = "other"
	if err := l.Seek(cur); err == nil {
		t.Error("a cursor of other data: no error")
	}
}
