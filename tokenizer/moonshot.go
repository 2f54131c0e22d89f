package tokenizer

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// moonshotReserved is how many ids after the ranks Moonshot's tokenizers give to special tokens.
const moonshotReserved = 258

// openMoonshot reads the tiktoken.model of Moonlight and Kimi-K2, whose special tokens are named in the tokenizer_config.json beside it.
//
// The published code also cuts a text every 400,000 characters and runs without a change between space and other characters at 25,000, for
// the sake of its engine; that is not followed.
func openMoonshot(path string) (*Tokenizer, error) {
	dir := filepath.Dir(path)
	var c struct {
		Added map[int32]struct {
			Content string `json:"content"`
			Special *bool  `json:"special"`
		} `json:"added_tokens_decoder"`
	}
	if err := readSettings(filepath.Join(dir, "tokenizer_config.json"), &c); err != nil {
		return nil, err
	}
	if len(c.Added) == 0 {
		return nil, fmt.Errorf("no added_tokens_decoder in a tokenizer_config.json beside it")
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	kind := rankKind{name: "kimi", exprs: []string{exprKimi}, special: func(ranks int32, add addSpecial) {
		for id := ranks; id < ranks+moonshotReserved; id++ {
			name := fmt.Sprintf("<|reserved_token_%d|>", id)
			if tok, ok := c.Added[id]; ok {
				name = tok.Content
			}
			add(id, or(c.Added[id].Special, true), name)
		}
	}}
	t, err := kind.build(string(data))
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(c.Added)) {
		if name := c.Added[id].Content; t.piece(id) != name {
			return nil, fmt.Errorf("added_tokens_decoder: %q has id %d, which is not among the %d after the ranks", name, id, moonshotReserved)
		}
	}
	return t, t.configure(dir)
}
