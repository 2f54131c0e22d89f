package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tinyTokenizer writes a byte-level tokenizer.json of a few tokens.
func tinyTokenizer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(path, []byte(`{
		"added_tokens": [{"id": 5, "content": "<s>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
		"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
			"special_tokens": {"<s>": {"ids": [5]}}},
		"decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<": 3, "ÿ": 4, "s": 6, ">": 7, "Ġ": 8}, "merges": ["a b"]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokenize(t *testing.T) {
	path := tinyTokenizer(t)
	for _, c := range []struct {
		args, in, out string
	}{
		{"", `{"text":"ab a<s>"}`, `{"ids":[2,8,0,5]}`},
		{"", "{\"text\":\"\"}\n\n{\"text\":\"b\"}", "{\"ids\":[]}\n{\"ids\":[1]}"},
		{"--special=text", `{"text":"<s>"}`, `{"ids":[3,6,7]}`},
		{"--special=parse --add-special", `{"text":"ab"}`, `{"ids":[5,2]}`},
		{"", `{"base64":"YWI="}`, `{"ids":[2]}`},
		{"--decode", `{"ids":[2,8,0,5]}`, `{"text":"ab a<s>"}`},
		{"--decode", `{"ids":[4,0]}`, `{"text":"�a","base64":"/2E="}`},
		{"--decode", `{"ids":[]}`, `{"text":""}`},
	} {
		o := penny(t, c.in+"\n", nil, append([]string{"tokenize", path}, strings.Fields(c.args)...)...)
		if o.code != 0 || strings.TrimSuffix(o.stdout, "\n") != c.out {
			t.Errorf("%s %s: exit %d, %s%s, want %s", c.args, c.in, o.code, o.stdout, o.stderr, c.out)
		}
	}
}

func TestTokenizeErrors(t *testing.T) {
	path := tinyTokenizer(t)
	ranks := filepath.Join(t.TempDir(), "x.tiktoken")
	if err := os.WriteFile(ranks, []byte("YQ== 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, in string
		code     int
		stderr   string
	}{
		{path, `{"text":"a"}` + "\n" + `{"txt":"a"}`, 1, "line 2"},
		{path, `{"text":"a","base64":"YQ=="}`, 1, "line 1"},
		{path, `{"base64":"*"}`, 1, "base64"},
		{path, `nonsense`, 1, "line 1"},
		{path + " --decode", `{"text":"a"}`, 1, "ids"},
		{path + " --decode", `{"ids":[9]}`, 1, "id 9"},
		{path + " --decode", `{"ids":[-1]}`, 1, "id -1"},
		{path + " --special=maybe", ``, 2, "--special"},
		{path + " --kind=maybe", ``, 2, "--kind"},
		{ranks, ``, 1, "--kind cl100k|"},
		{ranks + " --kind=r50k", ``, 1, "has no rank"},
		{path + ".none", ``, 1, "no model"},
	} {
		o := penny(t, c.in, nil, append([]string{"tokenize"}, strings.Fields(c.args)...)...)
		if o.code != c.code || !strings.Contains(o.stderr, c.stderr) {
			t.Errorf("%s %s: exit %d, %s, want %d, %q", c.args, c.in, o.code, o.stderr, c.code, c.stderr)
		}
	}
}

// TestTokenizeHelp runs the example of the help text.
func TestTokenizeHelp(t *testing.T) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		t.Skip("PENNY_DATA is not set: a model is needed")
	}
	o := penny(t, `{"text": "Why is the sky blue?"}`, nil, "tokenize", filepath.Join(dir, "weights", "smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"))
	if help := (tokenizeCmd{}).Help(); o.code != 0 || !strings.Contains(help, strings.TrimSpace(o.stdout)) {
		t.Errorf("the help shows other ids than %s%s", o.stdout, o.stderr)
	}
}
