package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pennyml/penny/format/gguf"
)

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileFiles takes the malformed files that other projects have met.
func TestHostileFiles(t *testing.T) {
	eachLine(t, "conformance/hostile/model_files.jsonl", func(line []byte) {
		var r struct {
			ID, Format, Field, Malformation string
			FileHex                         string `json:"file_hex"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(r.FileHex)
		if err != nil || len(data) == 0 {
			return
		}
		var parse error
		n := allocated(func() {
			switch r.Format {
			case "tokenizer.json":
				_, parse = ParseJSON(data)
			case "gguf":
				path := filepath.Join(t.TempDir(), "x.gguf")
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				f, err := gguf.Open(path)
				if err != nil {
					parse = err
					return
				}
				defer f.Close()
				_, parse = FromGGUF(&f.Meta)
			default:
				return
			}
			if parse == nil {
				t.Errorf("%s (%s, %s): no error", r.ID, r.Field, r.Malformation)
			}
		})
		if n > 16<<20 {
			t.Errorf("%s: allocated %d bytes", r.ID, n)
		}
	})
}

func TestParseJSONErrors(t *testing.T) {
	bpe := func(rest string) string {
		return `{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}` + rest + `}`
	}
	for _, c := range []struct{ json, want string }{
		{``, "ends where"},
		{`{}`, "no model"},
		{`{"model":{}}`, `type "" is not supported`},
		{`{"model":{"type":"WordPiece","vocab":{"a":0}}}`, `"WordPiece" is not supported`},
		{`{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}`, "both have id 0"},
		{`{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}`, "twice"},
		{`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`, "no token id"},
		{`{"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}}`, "no token id"},
		{`{"model":{"type":"BPE","vocab":{"a":200000},"merges":[]}}`, "vocabulary of 1"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}`, "not two tokens"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`, "',' should stand"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a",""]]}}`, "not two tokens"},
		{`{"model":{"type":"BPE","vocab":{"a":0,"ab":1},"merges":["a b"]}}`, "not in the vocabulary"},
		{`{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}`, "not in the vocabulary"},
		{`{"model":{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]}}`, "dropout"},
		{`{"model":{"type":"BPE","unk_token":"x","vocab":{"a":0},"merges":[]}}`, "unk_token"},
		{`{"model":{"type":"BPE","vocab":[],"merges":[]}}`, "vocab"},
		{`{"model":{"type":"Unigram","vocab":[["a",0]]}}`, "unk_id"},
		{`{"model":{"type":"Unigram","unk_id":7,"vocab":[["a",0]]}}`, "unk_id 7"},
		{bpe(`,"model":{}`), "a second"},
		{bpe(`,"normalizer":{"type":"Nope"}`), `normalizer: type "Nope"`},
		{bpe(`,"normalizer":{"type":"Replace","content":"x"}`), "without a pattern"},
		{bpe(`,"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}`), "precompiled_charsmap"},
		{bpe(`,"pre_tokenizer":{"type":"Nope"}`), `pre_tokenizer: type "Nope"`},
		{bpe(`,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"}`), "missing )"},
		{bpe(`,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Nope"}`), "behavior"},
		{bpe(`,"pre_tokenizer":{"type":"Metaspace","replacement":""}`), "Metaspace"},
		{bpe(`,"decoder":{"type":"WordPiece"}`), `decoder: type "WordPiece"`},
		{bpe(`,"decoder":{"type":"Strip","content":"a","start":5,"stop":5}`), "Strip"},
		{bpe(`,"post_processor":{"type":"Nope"}`), `post_processor: type "Nope"`},
		{bpe(`,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]"}},{"Sequence":{"id":"A"}}],"special_tokens":{}}`), `"[X]"`},
		{bpe(`,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}}],
			"special_tokens":{"a":{"ids":[99]}}}`), "id 99"},
		{bpe(`,"truncation":{"max_length":2,"stride":2}`), "stride"},
		{bpe(`,"added_tokens":[{"id":0,"content":"x"}]`), "both have id 0"},
		{bpe(`,"added_tokens":[{"id":3,"content":""}]`), "empty"},
		{bpe(`,"added_tokens":[{"id":4294967295,"content":"x"}]`), "4294967295"},
		{bpe(`,"added_tokens":[{"id":3,"content":"x"},{"id":4,"content":"x"}]`), "both"},
		{bpe(``) + "x", "after the end"},
		{`{"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}`, "surrogate"},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xff\":0},\"merges\":[]}}", "UTF-8"},
		{strings.Repeat("[", 100000), "ends where|should stand"},
	} {
		_, err := ParseJSON([]byte(c.json))
		if err == nil {
			t.Errorf("%.120s: no error", c.json)
		} else if !slices.ContainsFunc(strings.Split(c.want, "|"), func(s string) bool { return strings.Contains(err.Error(), s) }) {
			t.Errorf("%.120s: %v, want %q", c.json, err, c.want)
		}
	}
	if _, err := ParseJSON([]byte(bpe(``))); err != nil {
		t.Error(err)
	}
}

func TestRankErrors(t *testing.T) {
	for _, s := range []string{"", "x", "YQ==", "YQ== x", "YQ== -1", "YQ== 99999999", "!! 1", "YQ== 0\nYg== 0", "YQ== 0"} {
		if _, err := ParseRanks([]byte(s), "r50k"); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
	if _, err := ParseRanks(nil, "nope"); err == nil {
		t.Error("an unknown kind: no error")
	}
}

// TestBomb refuses to unpack far more than a tokenizer could shrink to.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokenizer.json.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "unpacks to more") {
		t.Errorf("got %v", err)
	}
}

// fixtures returns the files inside a fixture of testdata.
func fixtures(f *testing.F, name string) (files [][]byte) {
	d := json.NewDecoder(openFixture(f, name))
	for {
		var r struct {
			JSON  json.RawMessage
			Model []byte
		}
		if d.Decode(&r) != nil {
			return files
		}
		if len(r.JSON)+len(r.Model) > 0 {
			files = append(files, append(r.JSON, r.Model...))
		}
	}
}

// exercise uses a tokenizer that came out of a fuzzed file.
func exercise(t *testing.T, tok *Tokenizer, text string) {
	for _, special := range []Special{SpecialParse, SpecialText, SpecialUser} {
		ids := tok.Encode(text, Options{Special: special, AddSpecial: true})
		if err := tok.CheckIDs(ids); err != nil {
			t.Fatal(err)
		}
		if s := tok.Decode(ids); !utf8.ValidString(s) {
			t.Fatalf("decoded to %q", s)
		}
	}
}

const fuzzText = "Hello <s> wörld 123  中文\n\t it's <tok> [NT] aaaa \xff"

func FuzzParseJSON(f *testing.F) {
	for i, data := range fixtures(f, "components.jsonl.gz") {
		if i%9 == 0 {
			f.Add(data)
		}
	}
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"added_tokens":[{"id":3,"content":"<s>","special":true}]}`))
	f.Add([]byte(`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a|(?=b)"},"behavior":"Isolated","invert":false},` +
		`{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},"decoder":{"type":"ByteLevel"},` +
		`"model":{"type":"BPE","ignore_merges":true,"vocab":{"a":0,"Ġ":1},"merges":[]}}`))
	f.Add([]byte(`{"normalizer":{"type":"NFKC"},"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.5],["ab",-1]]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := ParseJSON(data)
		if err == nil {
			exercise(t, tok, fuzzText)
		}
	})
}

func FuzzParseSentencePiece(f *testing.F) {
	for i, data := range fixtures(f, "sentencepiece.jsonl.gz") {
		if i%3 == 0 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := ParseSentencePiece(data)
		if err == nil {
			exercise(t, tok, fuzzText)
		}
	})
}

func FuzzParseRanks(f *testing.F) {
	var all bytes.Buffer
	for b := range 256 {
		all.WriteString(rankLine(string([]byte{byte(b)}), b))
	}
	all.WriteString(rankLine("th", 256) + rankLine("the", 257))
	f.Add(all.Bytes())
	f.Add([]byte("YQ== 0\r\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []string{"r50k", "deepseek"} {
			if tok, err := ParseRanks(data, kind); err == nil {
				exercise(t, tok, fuzzText)
			}
		}
	})
}

func rankLine(token string, rank int) string {
	b, _ := json.Marshal([]byte(token)) // base64 in quotes
	n, _ := json.Marshal(rank)
	return strings.Trim(string(b), `"`) + " " + string(n) + "\n"
}

// FuzzRoundTrip: bytes come back from tiktoken, text from a byte-level tokenizer.json; streaming gives what decoding at once gives.
func FuzzRoundTrip(f *testing.F) {
	var ranks strings.Builder
	for b := range 256 {
		ranks.WriteString(rankLine(string([]byte{byte(b)}), b))
	}
	for i, s := range []string{"th", "the", " the", "in", "ing", "  ", "    ", "\n\n", "é", "中", "aa", "aaaa", "\xff\xff"} {
		ranks.WriteString(rankLine(s, 256+i))
	}
	cl, err := ParseRanks([]byte(ranks.String()), "cl100k")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("The thing\n\n  is 中文 \xff\xff aaaaaaa <|endoftext|> é")
	f.Fuzz(func(t *testing.T, s string) {
		for _, special := range []Special{SpecialParse, SpecialText} {
			ids := cl.Encode(s, Options{Special: special})
			if got := string(cl.AppendDecode(nil, ids)); got != s {
				t.Fatalf("%q came back as %q", s, got)
			}
			d := cl.NewDecoder(false)
			var out []byte
			for _, id := range ids {
				part := d.Append(nil, id)
				if !utf8.Valid(part) {
					t.Fatalf("gave out %q", part)
				}
				out = append(out, part...)
			}
			if out = d.Flush(out); string(out) != replaceInvalid(s) || string(out) != cl.Decode(ids) {
				t.Fatalf("%q streamed as %q", s, out)
			}
		}
	})
}
