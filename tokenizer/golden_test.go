package tokenizer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dataPath returns the path of a file of the shared data, or skips the test without it.
func dataPath(t testing.TB, name string) string {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: the shared test data is needed")
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

func readData(t testing.TB, name string) []byte {
	b, err := os.ReadFile(dataPath(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// goldenRow is a line of goldens/tokenizers.
type goldenRow struct {
	Cat          string  `json:"cat"`
	Text         string  `json:"text"`
	B64          string  `json:"b64"`
	TextPerByte  string  `json:"text_per_byte"`
	IDs          []int32 `json:"ids"`
	IDsNoSpecial []int32 `json:"ids_no_special"`
	Decoded      *string `json:"decoded"`
	IDsReplace   []int32 `json:"ids_replace"`
	IDsPerByte   []int32 `json:"ids_per_byte"`
	IDsBytes     []int32 `json:"ids_bytes"`
	IDsLlama     []int32 `json:"ids_llama_cpp"`
	IDsLlamaSpec []int32 `json:"ids_llama_cpp_special"`
}

func eachLine(t testing.TB, name string, f func(line []byte)) {
	s := bufio.NewScanner(bytes.NewReader(readData(t, name)))
	s.Buffer(nil, 1<<26)
	for s.Scan() {
		f(s.Bytes())
	}
}

func goldenRows(t testing.TB, name string) (rows []goldenRow) {
	eachLine(t, "goldens/tokenizers/"+name+".jsonl", func(line []byte) {
		var r goldenRow
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	})
	return rows
}

func unbase64(t testing.TB, s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parseData(t testing.TB, name string) *Tokenizer {
	tok, err := ParseJSON(readData(t, name))
	if err != nil {
		t.Fatal(name, err)
	}
	return tok
}

// checkRows holds a tokenizer to the rows of one file; invalid picks the ids expected of a row of bytes that are not UTF-8.
func checkRows(t *testing.T, tok *Tokenizer, rows []goldenRow, invalid func(r *goldenRow) []int32) {
	t.Helper()
	check := func(r *goldenRow, what string, got, want []int32) {
		if !slices.Equal(got, want) {
			t.Errorf("%s %s %.200q: got %v want %v", r.Cat, what, r.Text+r.B64, got, want)
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.B64 != "" {
			if want := invalid(r); want != nil {
				check(r, "bytes", tok.Encode(unbase64(t, r.B64), Options{}), want)
			}
			continue
		}
		check(r, "parse", tok.Encode(r.Text, Options{}), r.IDs)
		plain := r.IDs
		if r.IDsNoSpecial != nil {
			plain = r.IDsNoSpecial
		}
		check(r, "text", tok.Encode(r.Text, Options{Special: SpecialText}), plain)
		if r.Decoded != nil {
			if got := tok.Decode(r.IDs); got != *r.Decoded {
				t.Errorf("%s decode of %.200q: got %.200q", r.Cat, *r.Decoded, got)
			}
		}
	}
}

func replaced(r *goldenRow) []int32 { return r.IDsReplace }

func TestGoldenJSON(t *testing.T) {
	for _, c := range []struct{ rows, file string }{
		{"deepseek-v3", "goldens/tokenizers/deepseek-v3/tokenizer.json.gz"},
		{"gpt2", "goldens/tokenizers/gpt2/tokenizer.json.gz"},
		{"smollm2", "goldens/tokenizers/smollm2/tokenizer.json.gz"},
		{"qwen2", "goldens/tokenizers/qwen2/tokenizer.json.gz"},
		{"torchtune-llama3style", "tokenizers/torchtune/tokenizer.json"},
		{"torchtune-qwen2style", "tokenizers/torchtune/tiny_bpe_tokenizer.json"},
		{"torchtitan", "tokenizers/torchtitan/tokenizer.json"},
	} {
		t.Run(c.rows, func(t *testing.T) {
			checkRows(t, parseData(t, c.file), goldenRows(t, c.rows), replaced)
		})
	}
}

// TestSwiftTransformers holds GPT-2's and Falcon's vocabularies to the encodings recorded in another project's tests.
func TestSwiftTransformers(t *testing.T) {
	gpt2 := parseData(t, "goldens/tokenizers/gpt2/tokenizer.json.gz")
	var all map[string][]struct {
		Input   string
		Encoded struct {
			IDs []int32 `json:"input_ids"`
		}
	}
	if err := json.Unmarshal(readData(t, "tokenizers/swift-transformers/tokenizer_tests.json"), &all); err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]*Tokenizer{"distilgpt2": gpt2, "tiiuae/falcon-7b": openGGUF(t, "tokenizers/llama.cpp/ggml-vocab-falcon.gguf")} {
		if len(all[name]) == 0 {
			t.Errorf("no cases for %s", name)
		}
		for _, c := range all[name] {
			if got := tok.Encode(c.Input, Options{}); !slices.Equal(got, c.Encoded.IDs) {
				t.Errorf("%s: %q: got %v want %v", name, c.Input, got, c.Encoded.IDs)
			}
		}
	}
	var long struct {
		Text string
		IDs  []int32 `json:"token_ids"`
	}
	if err := json.Unmarshal(readData(t, "tokenizers/swift-transformers/gpt2_encoded_tokens.json"), &long); err != nil {
		t.Fatal(err)
	}
	if got := gpt2.Encode(long.Text, Options{}); !slices.Equal(got, long.IDs) {
		t.Errorf("the long text: got %v want %v", got, long.IDs)
	}
}

// TestGoldenQwen3 adds the four tokens that Qwen3 has beyond Qwen2.5.
func TestGoldenQwen3(t *testing.T) {
	data := string(readData(t, "goldens/tokenizers/qwen2/tokenizer.json.gz"))
	f, err := readHF(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"<tool_response>", "</tool_response>", "<think>", "</think>"} {
		f.added = append(f.added, hfAdded{ID: int64(151665 + i), Content: name})
	}
	tok, err := f.build()
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, tok, goldenRows(t, "qwen3"), replaced)
}
