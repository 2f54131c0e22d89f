package tokenizer

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// TrainChars makes a vocabulary of the characters of texts, special tokens first, then the characters by code point, and returns it as a
// tokenizer.json. Characters that texts lack have no token: encoding leaves them out, as Hugging Face does.
func TrainChars(special []string, texts iter.Seq[string]) ([]byte, error) {
	seen := map[rune]bool{}
	for text := range texts {
		for _, r := range replaceInvalid(text) {
			seen[r] = true
		}
	}
	if len(special)+len(seen) == 0 {
		return nil, fmt.Errorf("tokenizer: a vocabulary of the characters of no text")
	}
	ids := map[string]int32{}
	for _, s := range slices.Concat(special, charNames(seen)) {
		if _, ok := ids[s]; ok || s == "" {
			return nil, fmt.Errorf("tokenizer: special token %q is empty, stands twice or is a character", s)
		}
		ids[s] = int32(len(ids))
	}
	return trainedJSON(special, ids, nil, nil, jsonObject{"type": "Fuse"})
}

// charNames are characters as tokens, by code point.
func charNames(seen map[rune]bool) []string {
	var names []string
	for _, r := range slices.Sorted(maps.Keys(seen)) {
		names = append(names, string(r))
	}
	return names
}

// TrainBytes makes the vocabulary of the 256 bytes after the special tokens, as a tokenizer.json.
func TrainBytes(special []string) ([]byte, error) {
	return Train(TrainConfig{VocabSize: len(special) + 256, Special: special}, func(func(string) bool) {})
}
