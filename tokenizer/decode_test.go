package tokenizer

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestStreaming(t *testing.T) {
	open := map[string]func() *Tokenizer{
		"deepseek-v3": func() *Tokenizer { return parseData(t, "goldens/tokenizers/deepseek-v3/tokenizer.json.gz") },
		"gpt2":        func() *Tokenizer { return parseData(t, "goldens/tokenizers/gpt2/tokenizer.json.gz") },
		"qwen2":       func() *Tokenizer { return parseData(t, "goldens/tokenizers/qwen2/tokenizer.json.gz") },
		"smollm2":     func() *Tokenizer { return openGGUF(t, smollm2GGUF) },
		"cl100k":      func() *Tokenizer { return openRanks(t, "tokenizers/openai/cl100k_base.tiktoken", "cl100k") },
		"o200k":       func() *Tokenizer { return openRanks(t, "tokenizers/openai/o200k_base.tiktoken", "o200k") },
		"llama-spm-stories512": func() *Tokenizer {
			tok, err := ParseSentencePiece(readData(t, storiesModel))
			if err != nil {
				t.Fatal(err)
			}
			return tok
		},
	}
	toks := map[string]*Tokenizer{}
	eachLine(t, "goldens/tokenizers/streaming.jsonl", func(line []byte) {
		var r struct {
			Tokenizer, Tail string
			IDs             []int32
			Emitted         []string
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		tok := toks[r.Tokenizer]
		if tok == nil {
			tok = open[r.Tokenizer]()
			toks[r.Tokenizer] = tok
		}
		d := tok.NewDecoder(false)
		all := ""
		for i, id := range r.IDs {
			got := string(d.Append(nil, id))
			if got != r.Emitted[i] {
				t.Errorf("%s %v: id %d gave %q, want %q", r.Tokenizer, r.IDs, i, got, r.Emitted[i])
			}
			all += got
		}
		tail := string(d.Flush(nil))
		if tail != r.Tail {
			t.Errorf("%s %v: the end gave %q, want %q", r.Tokenizer, r.IDs, tail, r.Tail)
		}
		if got := tok.Decode(r.IDs); got != all+tail {
			t.Errorf("%s %v: decodes to %q at once, %q in steps", r.Tokenizer, r.IDs, got, all+tail)
		}
	})
}

// TestDecoderParts cuts every byte string into tokens of one byte: what comes out is always whole UTF-8 and the lossy reading of the whole.
func TestDecoderParts(t *testing.T) {
	b := newTexts(256, 256)
	for c := range 256 {
		b.add(string([]byte{byte(c)}))
	}
	pieces, err := b.done()
	if err != nil {
		t.Fatal(err)
	}
	tok := &Tokenizer{pieces: pieces, flags: make([]flag, 256)}
	for _, s := range []string{"", "a", "é", "€", "😀", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xe2\x82x", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xc0\xaf", "a\xe2\x82\xac\xe2\x82", "\xf0\x9f\xf0\x9f\x98\x80", "\xe2\xe2\xe2"} {
		d := tok.NewDecoder(false)
		var out []byte
		for _, b := range []byte(s) {
			part := d.Append(nil, int32(b))
			if !utf8.Valid(part) {
				t.Errorf("%q: gave out %q", s, part)
			}
			out = append(out, part...)
		}
		if out = d.Flush(out); string(out) != replaceInvalid(s) {
			t.Errorf("%q: gave %q, want %q", s, out, replaceInvalid(s))
		}
	}
}
