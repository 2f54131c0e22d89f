package tokenizer

import "testing"

func TestGoldenRanks(t *testing.T) {
	bytes := func(r *goldenRow) []int32 { return r.IDsBytes }
	for _, c := range []struct {
		rows, kind, file string
		invalid          func(*goldenRow) []int32
	}{
		{"cl100k", "cl100k", "tokenizers/openai/cl100k_base.tiktoken", bytes},
		{"o200k", "o200k", "tokenizers/openai/o200k_base.tiktoken", bytes},
		{"r50k", "r50k", "tokenizers/openai/r50k_base.tiktoken", bytes},
		{"o200k-harmony", "o200k-harmony", "tokenizers/openai/o200k_base.tiktoken", bytes},
		{"qwen2", "qwen2", "tokenizers/qwen2/qwen_base.tiktoken.gz", replaced},
		{"deepseek-v3", "deepseek", "tokenizers/deepseek-v3/deepseek_base.tiktoken.gz", replaced},
	} {
		t.Run(c.rows, func(t *testing.T) {
			checkRows(t, openRanks(t, c.file, c.kind), goldenRows(t, c.rows), c.invalid)
		})
	}
}

func openRanks(t testing.TB, name, kind string) *Tokenizer {
	tok, err := ParseRanks(readData(t, name), kind)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
