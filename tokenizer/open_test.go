package tokenizer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const tinyJSON = `{"added_tokens": [{"id": 3, "content": "<s>", "special": true}, {"id": 4, "content": "</s>", "special": true},
	{"id": 5, "content": "<|im_end|>", "special": true}, {"id": 6, "content": "<think>", "special": false}],
	"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}`

// folder writes files of the given names and contents.
func folder(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := z.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			text = b.String()
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpenFolder(t *testing.T) {
	dir := folder(t, map[string]string{
		"tokenizer.json.gz": tinyJSON,
		"tokenizer_config.json": `{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null, "unk_token": "none such",
			"add_bos_token": true, "add_eos_token": false, "chat_template": [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]}`,
		"generation_config.json": `{"eos_token_id": [4, 5, 99]}`,
	})
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := tok.Roles()
	if r.BOS != 3 || r.EOS != 4 || r.PAD != -1 || r.UNK != -1 || !slices.Equal(r.EOG, []int32{4, 5}) {
		t.Errorf("roles %+v", r)
	}
	if got := tok.Encode("ab", Options{AddSpecial: true}); !slices.Equal(got, []int32{3, 2}) {
		t.Errorf("with special tokens %v", got)
	}
	if tok.ChatTemplate() != "D" {
		t.Errorf("template %q", tok.ChatTemplate())
	}
	if tok.VocabSize() != 7 || !tok.IsSpecial(5) || tok.IsSpecial(6) || tok.IsSpecial(0) || tok.IsSpecial(-1) || tok.Valid(7) || !tok.Valid(6) {
		t.Error("sizes or flags")
	}
	for name, want := range map[string]int32{"<think>": 6, "ab": 2, "<s>": 3} {
		if id, ok := tok.ID(name); !ok || id != want || string(tok.TokenBytes(id)) != name {
			t.Errorf("%s: %d %v", name, id, ok)
		}
	}
	if _, ok := tok.ID("none such"); ok {
		t.Error("a token that is none has an id")
	}
}

func TestOpenTemplates(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"tokenizer.json": tinyJSON}, ""},
		{map[string]string{"tokenizer.json": tinyJSON, "tokenizer_config.json": `{"chat_template": "X"}`}, "X"},
		{map[string]string{"tokenizer.json": tinyJSON, "tokenizer_config.json": `{"chat_template": "X"}`, "chat_template.jinja": "Y"}, "Y"},
	} {
		tok, err := Open(filepath.Join(folder(t, c.files), "tokenizer.json"))
		if err != nil || tok.ChatTemplate() != c.want {
			t.Errorf("%v: %v", c.files, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		open  string
		want  string
	}{
		{nil, "", "no tokenizer.json"},
		{nil, "x.gguf", "no such file"},
		{map[string]string{"x.json": "{"}, "x.json", "x.json: tokenizer.json"},
		{map[string]string{"x.gguf": "{"}, "x.gguf", "x.gguf"},
		{map[string]string{"x.model": "{"}, "x.model", "x.model: SentencePiece"},
		{map[string]string{"x.json.gz": ""}, "x.json.gz", "x.json.gz"},
		{map[string]string{"tokenizer.json": tinyJSON, "tokenizer_config.json": "["}, "", "tokenizer_config.json"},
		{map[string]string{"tokenizer.json": tinyJSON, "tokenizer_config.json": `{"add_bos_token": true}`}, "", "no bos_token"},
		{map[string]string{"tokenizer.json": tinyJSON, "tokenizer_config.json": `{"chat_template": 1}`}, "", "chat_template"},
		{map[string]string{"tokenizer.json": tinyJSON, "generation_config.json": `{"eos_token_id": "x"}`}, "", "eos_token_id"},
	} {
		_, err := Open(filepath.Join(folder(t, c.files), c.open))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %s: %v, want %q", c.files, c.open, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(folder(t, map[string]string{"x.tiktoken.gz": "YQ== 0"}), "x.tiktoken.gz")); !errors.Is(err, ErrNeedsKind) {
		t.Error(err)
	}
}

func TestRolesGGUF(t *testing.T) {
	tok := openGGUF(t, smollm2GGUF)
	r := tok.Roles()
	if r.BOS != 1 || r.EOS != 2 || r.PAD != 2 || r.UNK != 0 || !slices.Contains(r.EOG, 2) || !slices.Contains(r.EOG, 0) {
		t.Errorf("SmolLM2: %+v", r)
	}
	if !strings.Contains(tok.ChatTemplate(), "<|im_start|>") || len(tok.Encode("", Options{AddSpecial: true})) != 0 {
		t.Error("SmolLM2: template, or BOS where the file says none")
	}
	tok = openGGUF(t, storiesGGUF)
	if r := tok.Roles(); r.BOS != 1 || r.EOS != 2 || r.UNK != 0 || r.PAD != -1 {
		t.Errorf("stories260K: %+v", r)
	}
	if got := tok.Encode("", Options{AddSpecial: true}); !slices.Equal(got, []int32{1}) {
		t.Errorf("stories260K: %v around nothing", got)
	}
}

// TestOpenMoonshot opens a folder of the form of Kimi-K2's.
func TestOpenMoonshot(t *testing.T) {
	var ranks strings.Builder
	for b := range 256 {
		ranks.WriteString(rankLine(string([]byte{byte(b)}), b))
	}
	for i, s := range []string{"he", "ll", "hell", "hello", "中", "中文"[:5]} {
		ranks.WriteString(rankLine(s, 256+i))
	}
	config := `{"bos_token": "[BOS]", "eos_token": "[EOS]", "added_tokens_decoder": {"262": {"content": "[BOS]", "special": true},
		"263": {"content": "[EOS]", "special": true}, "264": {"content": "<think>", "special": false}}}`
	dir := folder(t, map[string]string{"tiktoken.model": ranks.String(), "tokenizer_config.json": config})
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Encode("[BOS]hello<think>中<|reserved_token_300|>", Options{}), []int32{262, 259, 264, 260, 300}; !slices.Equal(got, want) {
		t.Errorf("got %v want %v", got, want)
	}
	if r := tok.Roles(); r.BOS != 262 || r.EOS != 263 || !slices.Contains(r.EOG, 263) || tok.VocabSize() != 262+258 || tok.IsSpecial(264) {
		t.Errorf("%+v of %d", r, tok.VocabSize())
	}
	for _, bad := range []string{`{}`, `{"added_tokens_decoder": {"5": {"content": "x"}}}`} {
		dir := folder(t, map[string]string{"tiktoken.model": ranks.String(), "tokenizer_config.json": bad})
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "added_tokens_decoder") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestOpenSentencePieceFolder: in a checkpoint's folder, control tokens are recognised.
func TestOpenSentencePieceFolder(t *testing.T) {
	dir := folder(t, map[string]string{"tokenizer.model": string(readData(t, storiesModel)),
		"tokenizer_config.json": `{"bos_token": "<s>", "add_bos_token": true, "chat_template": "X"}`})
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Encode("hello</s>", Options{AddSpecial: true}), []int32{1, 281, 306, 414, 2}; !slices.Equal(got, want) || tok.ChatTemplate() != "X" {
		t.Errorf("got %v want %v", got, want)
	}
}
