package tokenizer

import (
	"strings"
	"testing"
	"time"
)

// benchKinds are the vocabularies that speed is measured on.
func benchKinds(t testing.TB) map[string]func() *Tokenizer {
	return map[string]func() *Tokenizer{
		"deepseek-v3": func() *Tokenizer { return parseData(t, "goldens/tokenizers/deepseek-v3/tokenizer.json.gz") },
		"gpt2":        func() *Tokenizer { return parseData(t, "goldens/tokenizers/gpt2/tokenizer.json.gz") },
		"qwen2":       func() *Tokenizer { return parseData(t, "goldens/tokenizers/qwen2/tokenizer.json.gz") },
		"cl100k":      func() *Tokenizer { return openRanks(t, "tokenizers/openai/cl100k_base.tiktoken", "cl100k") },
		"o200k":       func() *Tokenizer { return openRanks(t, "tokenizers/openai/o200k_base.tiktoken", "o200k") },
		"smollm2":     func() *Tokenizer { return openGGUF(t, smollm2GGUF) },
		"llama-spm":   func() *Tokenizer { return openGGUF(t, storiesGGUF) },
	}
}

func BenchmarkEncode(b *testing.B) {
	prose := string(readData(b, "text/war-and-peace.txt"))
	for _, name := range []string{"deepseek-v3", "cl100k", "qwen2", "gpt2", "o200k", "smollm2", "llama-spm"} {
		b.Run(name, func(b *testing.B) {
			tok := benchKinds(b)[name]()
			dst := tok.AppendEncode(nil, prose, Options{})
			b.SetBytes(int64(len(prose)))
			b.ReportAllocs()
			for b.Loop() {
				dst = tok.AppendEncode(dst[:0], prose, Options{})
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := benchKinds(b)["deepseek-v3"]()
	prose := string(readData(b, "text/war-and-peace.txt"))
	ids := tok.Encode(prose, Options{})
	b.SetBytes(int64(len(prose)))
	var dst []byte
	for b.Loop() {
		d := tok.NewDecoder(false)
		dst = dst[:0]
		for _, id := range ids {
			dst = d.Append(dst, id)
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	for _, name := range []string{"deepseek-v3", "gpt2", "qwen2"} {
		b.Run(name, func(b *testing.B) {
			data := readData(b, "goldens/tokenizers/"+name+"/tokenizer.json.gz")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseJSON(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLinear encodes texts made to be slow, a megabyte of the worst.
func TestLinear(t *testing.T) {
	kinds := benchKinds(t)
	for _, kind := range []string{"deepseek-v3", "cl100k", "llama-spm"} {
		tok := kinds[kind]()
		for _, c := range []struct {
			unit string
			size int
		}{
			{"a", 1 << 20}, {" ", 1 << 20}, {"<|reserved_20", 1 << 20}, {"<｜place▁holder▁no▁", 1 << 20}, {"\n", 1 << 16}, {"^", 1 << 16}, {"'", 1 << 16},
			{"漢", 1 << 16}, {"\u0301", 1 << 16}, {"aB", 1 << 16}, {"1234567890", 1 << 16}, {"abcdefghijklmnopqrstuvwxyzthequickbrownfox", 1 << 16},
			{" \n", 1 << 16}, {"\t ", 1 << 16}, {"😀", 1 << 16}, {"a'", 1 << 16}, {"▁", 1 << 16}, {"\xff", 1 << 16}, {"<", 1 << 16}, {"A", 1 << 16},
		} {
			text := strings.Repeat(c.unit, c.size/len(c.unit))
			start := time.Now()
			tok.Encode(text, Options{})
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("%s: %d bytes of %q took %v", kind, len(text), c.unit, d)
			}
		}
	}
}
