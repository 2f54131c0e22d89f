package data

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/pennyml/penny/tokenizer"
)

// TestBlocks: a text read in small blocks gives the tokens of the whole.
func TestBlocks(t *testing.T) {
	text, err := os.ReadFile(shared(t, "text/tinyshakespeare.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text = text[:300_000]
	text = append(text, strings.Repeat("一二三四五 mixed, żółć!\r\n\r\n\t if x:\n    return 12345678\n", 500)...)
	path := write(t, "a.txt", string(text))
	for _, name := range []string{"goldens/tokenizers/gpt2/tokenizer.json.gz", "goldens/tokenizers/qwen2/tokenizer.json.gz",
		"goldens/tokenizers/deepseek-v3/tokenizer.json.gz", "tokenizers/torchtune/tokenizer.json", "weights/stories260K/tok512.model"} {
		v := Vocabulary{Tokenizer: sharedTokenizer(t, name)}
		e := testEncoder(t, v, Config{}, Source{})
		e.bos, e.eos = false, false
		r := &textReader{delimited{path: path, cut: e.cut, block: 4096}}
		var got []int32
		parts := 0
		err := e.encodeAll(r, 2, func(x encoded) error {
			got = append(got, x.sequences[0].IDs...)
			parts++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := v.Tokenizer.Encode(string(text), tokenizer.Options{Special: tokenizer.SpecialText}); !slices.Equal(got, want) {
			t.Errorf("%s: %d tokens in %d parts, %d whole", name, len(got), parts, len(want))
		}
		if parts < 20 {
			t.Errorf("%s: %d parts", name, parts)
		}
	}
}

// TestDelimited holds the reader of delimited files to strings.Split: what the records are, where they are, and that any can be read.
func TestDelimited(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		separator := rapid.SampledFrom([]string{"\n", "\n\n", "<end>", "ab", "\x00"}).Draw(rt, "separator")
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"\n", "<end>", "ab", " ", "x", "yy\nz", "long " + strings.Repeat("l", 9000), "\x00"}), 1, 60).
			Draw(rt, "text"), "")
		path := dir + "/a.txt"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			rt.Fatal(err)
		}
		type place struct {
			text         string
			offset, line int64
		}
		var want, got []place
		at := 0
		for _, s := range strings.Split(text, separator) {
			if strings.TrimSpace(s) != "" {
				want = append(want, place{s, int64(at), 1 + int64(strings.Count(text[:at], "\n"))})
			}
			at += len(s) + len(separator)
		}
		d := delimited{path: path, separator: separator, block: rapid.IntRange(1, 5000).Draw(rt, "block")}
		for p, err := range d.scan() {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, place{string(p.bytes), p.offset, p.line})
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %.200q\nwant %.200q", fmt.Sprint(got), fmt.Sprint(want))
		}
		if err := d.index(); err != nil {
			rt.Fatal(err)
		}
		defer d.close()
		if d.records != len(want) {
			rt.Fatalf("%d records, want %d", d.records, len(want))
		}
		for i, w := range want {
			p, err := d.read(i)
			if err != nil {
				rt.Fatal(err)
			}
			if got := (place{string(p.bytes), p.offset, p.line}); got != w {
				rt.Fatalf("record %d: got %.80q, want %.80q", i, got.text, w.text)
			}
		}
	})
}

// TestIndexMarks reads records of a file that has many marks.
func TestIndexMarks(t *testing.T) {
	var b strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&b, "record %d %s\n", i, strings.Repeat("x", i%50))
	}
	d := delimited{path: write(t, "a.txt", b.String()), separator: "\n"}
	if err := d.index(); err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if len(d.marks) < 10 || d.records != 40_000 {
		t.Fatalf("%d marks, %d records", len(d.marks), d.records)
	}
	for i := 0; i < 40_000; i += 997 {
		p, err := d.read(i)
		if want := fmt.Sprintf("record %d ", i); err != nil || !strings.HasPrefix(string(p.bytes), want) || p.line != int64(i)+1 {
			t.Fatalf("record %d: %q at line %d, %v", i, p.bytes, p.line, err)
		}
	}
}

func TestPacked(t *testing.T) {
	text := "one|two|three"
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write([]byte(text))
	w.Close()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a.txt": text, "a.txt.gz": gz.String(), "a.txt.zst": string(z.EncodeAll([]byte(text), nil))} {
		d := delimited{path: write(t, name, content), separator: "|"}
		var got []string
		for p, err := range d.scan() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(p.bytes))
		}
		if !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("%s: %q", name, got)
		}
		if err := d.index(); (err != nil) != (name != "a.txt") {
			t.Errorf("%s: index: %v", name, err)
		}
		d.close()
	}
	d := delimited{path: write(t, "bad.txt.gz", gz.String()[:gz.Len()-9]), separator: "|"}
	failed := false
	for _, err := range d.scan() {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("a packed file that is cut short gives no error")
	}
}

// TestTexts: a vocabulary learnt from blocks of a text is that of the whole, and rows give their texts.
func TestTexts(t *testing.T) {
	var want strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&want, "line %d of %s\n", i, strings.Repeat("many words ", i%7))
	}
	collect := func(files ...string) (parts []string) {
		for text, err := range Texts([]Source{{Files: Paths(files)}}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, text)
		}
		return parts
	}
	parts := collect(write(t, "a.txt", want.String()))
	if strings.Join(parts, "") != want.String() || len(parts) < 2 {
		t.Errorf("%d parts, %d bytes of %d", len(parts), len(strings.Join(parts, "")), want.Len())
	}
	whole, err := tokenizer.Train(tokenizer.TrainConfig{VocabSize: 400}, slices.Values([]string{want.String()}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tokenizer.Train(tokenizer.TrainConfig{VocabSize: 400}, slices.Values(parts)); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("another vocabulary from parts, %v", err)
	}
	rows := collect(write(t, "a.jsonl", `{"text": "a"}`+"\n"+`{"prompt": "b", "completion": "c"}`+"\n"+
		`{"messages": [{"role": "user", "content": "d"}, {"role": "assistant", "content": "e", "reasoning_content": "f"}]}`))
	if !slices.Equal(rows, []string{"a", "bc", "d", "f", "e"}) {
		t.Errorf("texts of rows: %q", rows)
	}
	for _, err := range Texts([]Source{{Files: Paths{"nowhere.txt"}}}, nil) {
		if err == nil {
			t.Error("a missing file gives no error")
		}
	}
}
