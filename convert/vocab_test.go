package convert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/pennyml/penny/format/gguf"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tokenizer"
)

// texts are those of the tokenizer goldens.
func texts(t *testing.T) (all []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dataDir(t), "goldens", "tokenizers", "gpt2.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var row struct{ Text string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row.Text)
	}
	if len(all) < 400 {
		t.Fatal("only", len(all), "texts")
	}
	return all
}

// A tokenizer.json becomes a GGUF vocabulary of the right name that encodes the same, and that a tokenizer.json that does.
func TestVocabularies(t *testing.T) {
	for _, c := range []struct {
		path, pre string
		vocab     int
	}{
		{"goldens/tokenizers/gpt2", "gpt-2", 50257}, {"goldens/tokenizers/smollm2", "smollm", 49152}, {"goldens/tokenizers/qwen2", "qwen2", 151936},
		{"goldens/tokenizers/deepseek-v3", "deepseek-v3", 129280}, {"tokenizers/torchtune", "llama-bpe", 2048},
	} {
		t.Run(c.pre, func(t *testing.T) {
			dir := filepath.Join(dataDir(t), c.path)
			source, err := tokenizer.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			parts, err := tokenizer.FolderParts(dir)
			if err != nil {
				t.Fatal(err)
			}
			v := &vocabulary{parts: parts, tokenizer: source, config: &model.Config{Vocab: max(c.vocab, len(parts.Tokens)), BOS: -1}}
			if err := v.build(); err != nil {
				t.Fatal(err)
			}
			if v.pre != c.pre || len(v.notes) > 0 {
				t.Errorf("pre-tokenizer %s, want %s; notes %q", v.pre, c.pre, v.notes)
			}
			w := new(gguf.Writer)
			v.set(w, v.pre)
			path := filepath.Join(t.TempDir(), "x.gguf")
			if err := w.WriteFile(path); err != nil {
				t.Fatal(err)
			}
			checkVocabulary(t, source, path)
		})
	}
}

func checkVocabulary(t *testing.T, source *tokenizer.Tokenizer, path string) {
	f := openGGUF(t, path)
	there, err := tokenizer.FromGGUF(&f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	kind, _ := f.Meta.String("tokenizer.ggml.model")
	h := &hfWriter{meta: &f.Meta, kind: kind, tokenizer: there, config: &model.Config{}}
	text, err := h.json()
	if err != nil {
		t.Fatal(err)
	}
	back, err := tokenizer.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts(t) {
		if strings.Contains(s, "</s>") { // taken for a control token in every GGUF file that has it, even where it is text
			continue
		}
		want := source.Encode(s, tokenizer.Options{})
		if got := there.Encode(s, tokenizer.Options{}); norm.NFC.IsNormalString(s) && !slices.Equal(got, want) {
			t.Errorf("GGUF: %q is %v, want %v", s, got, want)
		}
		if got := back.Encode(s, tokenizer.Options{}); !slices.Equal(got, want) {
			t.Errorf("tokenizer.json: %q is %v, want %v", s, got, want)
		}
		if a, b := source.Decode(want), back.Decode(want); a != b {
			t.Errorf("decoded %q, want %q", b, a)
		}
	}
	if a, b := there.Roles(), source.Roles(); !slices.Equal(a.EOG, b.EOG) {
		t.Logf("EOG %v, of the source %v", a.EOG, b.EOG)
	}
}

// The SentencePiece vocabulary of a GGUF file, as a model and as BPE by merges.
func TestSentencePieceVocabulary(t *testing.T) {
	path := filepath.Join(dataDir(t), "weights", "stories260K", "stories260K.gguf")
	f := openGGUF(t, path)
	source, err := tokenizer.FromGGUF(&f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "x")
	if r := run(t, path, dir, Options{}); len(r.Notes) > 0 {
		t.Error(r.Notes)
	}
	back, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := dir + ".gguf"
	if r := run(t, dir, again, Options{}); len(r.Notes) > 0 {
		t.Error(r.Notes)
	}
	g := openGGUF(t, again)
	third, err := tokenizer.FromGGUF(&g.Meta)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := f.Meta.Floats("tokenizer.ggml.scores")
	b, _ := g.Meta.Floats("tokenizer.ggml.scores")
	if !slices.Equal(a, b) {
		t.Error("the scores differ")
	}
	for _, s := range texts(t) {
		for _, o := range []tokenizer.Options{{}, {AddSpecial: true}} {
			want := source.Encode(s, o)
			if got := back.Encode(s, o); !slices.Equal(got, want) {
				t.Errorf("tokenizer.json: %q is %v, want %v", s, got, want)
			}
			if got := third.Encode(s, o); !slices.Equal(got, want) {
				t.Errorf("GGUF again: %q is %v, want %v", s, got, want)
			}
		}
	}
	if !bytes.Equal(third.AppendDecode(nil, []int32{1, 300, 301}), source.AppendDecode(nil, []int32{1, 300, 301})) {
		t.Error("decoding differs")
	}
}

// A folder with nothing but a SentencePiece model.
func TestSentencePieceFolder(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(dataDir(t), "weights", "stories260K", "tok512.model"))
	if err != nil {
		t.Fatal(err)
	}
	config := llama()
	config["vocab_size"] = 520
	dir := small(t, config, nil)
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.model"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "x.gguf")
	r := run(t, dir, out, Options{})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "differs") { // this model makes runs of spaces one, GGUF files of this kind do not
		t.Errorf("notes %q", r.Notes)
	}
	f := openGGUF(t, out)
	got, err := tokenizer.FromGGUF(&f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts(t) {
		if strings.Contains(s, "  ") || strings.Trim(s, " ") != s || strings.ContainsAny(s, "<▁") {
			continue
		}
		if a, b := source.Encode(s, tokenizer.Options{}), got.Encode(s, tokenizer.Options{}); !slices.Equal(a, b) {
			t.Errorf("%q is %v, want %v", s, b, a)
		}
	}
}

// The rule behind each name is written into a tokenizer.json in such a way that the name is found again.
func TestPreTokenizerNames(t *testing.T) {
	for _, name := range preNames {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := new(gguf.Writer)
			w.Set("tokenizer.ggml.model", "gpt2")
			w.Set("tokenizer.ggml.pre", name)
			w.Set("tokenizer.ggml.tokens", []string{"a", "b", "1", "Ġ", "!", "<|end|>", "ab", "11", "<think>", "[PAD9]"})
			w.Set("tokenizer.ggml.token_type", []int32{1, 1, 1, 1, 1, 3, 1, 1, 4, 5})
			w.Set("tokenizer.ggml.merges", []string{"a b"})
			w.Set("tokenizer.ggml.eos_token_id", uint32(5))
			if err := w.WriteFile(filepath.Join(dir, "x.gguf")); err != nil {
				t.Fatal(err)
			}
			m := &openGGUF(t, filepath.Join(dir, "x.gguf")).Meta
			source, err := tokenizer.FromGGUF(m)
			if err != nil {
				t.Fatal(err)
			}
			h := &hfWriter{meta: m, kind: "gpt2", tokenizer: source, config: &model.Config{Vocab: 10}}
			text, err := h.json()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o644); err != nil {
				t.Fatal(err)
			}
			parts, err := tokenizer.FolderParts(dir)
			if err != nil {
				t.Fatal(err)
			}
			back, err := tokenizer.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			v := &vocabulary{parts: parts, tokenizer: back, config: &model.Config{Vocab: 10, BOS: -1}}
			if err := v.build(); err != nil {
				t.Fatal(err)
			}
			if v.pre != name || len(v.notes) > 0 {
				t.Errorf("found %q, notes %q", v.pre, v.notes)
			}
			for i, want := range []string{"a", "b", "1", "Ġ", "!", "<|end|>", "ab", "11", "<think>", "[PAD9]"} {
				if got := parts.Tokens[i]; got.Text != want || int64(got.Type) != h.types[i] {
					t.Errorf("token %d is %+v, want %q of type %d", i, got, want, h.types[i])
				}
			}
		})
	}
}
