package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pennyml/penny/format/gguf"
)

func openGGUF(t testing.TB, name string) *Tokenizer {
	f, err := gguf.Open(dataPath(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := FromGGUF(&f.Meta)
	if err != nil {
		t.Fatal(name, err)
	}
	return tok
}

const (
	smollm2GGUF = "weights/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
	storiesGGUF = "weights/stories260K/stories260K.gguf"
)

func TestGoldenGGUF(t *testing.T) {
	ids := func(r *goldenRow) []int32 { return r.IDs }
	// llama.cpp also reads overlong forms and surrogates, which the reference of these rows does not.
	perByte := func(r *goldenRow) []int32 {
		if b, _ := base64.StdEncoding.DecodeString(r.B64); replaceLenient(string(b)) != r.TextPerByte {
			return nil
		}
		return r.IDsPerByte
	}
	for _, c := range []struct {
		rows, file string
		invalid    func(*goldenRow) []int32
	}{
		{"falcon", "tokenizers/llama.cpp/ggml-vocab-falcon.gguf", ids},
		{"gpt2", "tokenizers/llama.cpp/ggml-vocab-gpt-2.gguf", perByte},
		{"smollm2", smollm2GGUF, perByte},
	} {
		t.Run(c.rows, func(t *testing.T) {
			checkRows(t, openGGUF(t, c.file), goldenRows(t, c.rows), c.invalid)
		})
	}
}

func TestGoldenSPM(t *testing.T) {
	tok := openGGUF(t, storiesGGUF)
	rows := goldenRows(t, "llama-spm-stories512-keepspaces")
	for i := range rows { // the reference recognises special tokens only where it says so
		if r := &rows[i]; r.IDsLlamaSpec != nil {
			r.IDs, r.IDsNoSpecial, r.Decoded = r.IDsLlamaSpec, r.IDs, nil
		}
	}
	checkRows(t, tok, rows, func(r *goldenRow) []int32 { return r.IDsLlama })
}

// TestLlamaPairs holds the vocabularies that stand beside llama.cpp's own test texts to its test results.
func TestLlamaPairs(t *testing.T) {
	for _, name := range []string{"falcon", "gpt-2"} {
		base := "tokenizers/llama.cpp/ggml-vocab-" + name + ".gguf"
		tok := openGGUF(t, base)
		checkPairs(t, tok, base)
	}
}

func checkPairs(t *testing.T, tok *Tokenizer, base string) {
	t.Helper()
	const separator = "\n__ggml_vocab_test__\n"
	texts := strings.Split(strings.TrimSuffix(string(readData(t, base+".inp")), separator), separator)
	lines := strings.Split(strings.TrimSuffix(string(readData(t, base+".out")), "\n"), "\n")
	if len(texts) != len(lines) {
		t.Fatalf("%s: %d texts, %d lines", base, len(texts), len(lines))
	}
	for i, text := range texts {
		var want []int32
		for _, f := range strings.Fields(lines[i]) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(n))
		}
		if got := tok.Encode(text, Options{}); !slices.Equal(got, want) {
			t.Errorf("%s: %q: got %v want %v", base, text, got, want)
		}
	}
}

func BenchmarkFromGGUF(b *testing.B) {
	for _, name := range []string{smollm2GGUF, "tokenizers/llama.cpp/ggml-vocab-falcon.gguf", storiesGGUF} {
		f, err := gguf.Open(dataPath(b, name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name[strings.LastIndexByte(name, '/')+1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := FromGGUF(&f.Meta); err != nil {
					b.Fatal(err)
				}
			}
		})
		f.Close()
	}
}

// TestPreTokenizers compiles every named pre-tokenizer.
func TestPreTokenizers(t *testing.T) {
	for name := range ggufPres {
		pre, err := findPre(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, s := range pre.stages {
			s.split("Hello, it's 12345 中文 \n\n  ok", true, func(string, bool) {})
		}
	}
	if _, err := findPre("no such"); err == nil {
		t.Error("an unknown name is no error")
	}
}

// TestGGUFSpaces holds the kind of GGUF vocabulary that has merges over characters with ▁ for spaces to the tokenizer.json that says the same.
func TestGGUFSpaces(t *testing.T) {
	var tokens []string
	types := []int32{}
	vocab := map[string]int{}
	add := func(s string, typ int32) {
		vocab[s] = len(tokens)
		tokens = append(tokens, s)
		types = append(types, typ)
	}
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), ggufByte)
	}
	for _, s := range strings.Split("▁ a b c e h l o t é 中 \n th he the ▁the ▁a ab ▁▁ ll llo hello \n\n", " ") {
		add(s, ggufNormal)
	}
	merges := []string{"t h", "h e", "th e", "▁ the", "▁ a", "a b", "▁ ▁", "l l", "ll o", "he llo"}
	var w gguf.Writer
	for key, v := range map[string]any{"model": "gpt2", "pre": "sarvam-moe", "tokens": tokens, "token_type": types, "merges": merges} {
		w.Set("tokenizer.ggml."+key, v)
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := FromGGUF(&f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{
		"normalizer":    map[string]any{"type": "Replace", "pattern": map[string]any{"String": " "}, "content": "▁"},
		"pre_tokenizer": map[string]any{"type": "Split", "pattern": map[string]any{"Regex": `[^\n]+|[\n]+`}, "behavior": "Isolated"},
		"decoder": map[string]any{"type": "Sequence", "decoders": []any{
			map[string]any{"type": "Replace", "pattern": map[string]any{"String": "▁"}, "content": " "}, map[string]any{"type": "ByteFallback"}, map[string]any{"type": "Fuse"}}},
		"model": map[string]any{"type": "BPE", "byte_fallback": true, "vocab": vocab, "merges": merges},
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"hello the  ab", "  the\n\n hellothe é中文 ", "xyz\na", ""} {
		ids := want.Encode(s, Options{})
		if g := got.Encode(s, Options{}); !slices.Equal(g, ids) {
			t.Errorf("%q: got %v want %v", s, g, ids)
		}
		if g := got.Decode(ids); g != s || want.Decode(ids) != s {
			t.Errorf("%q came back as %q", s, g)
		}
	}
}
