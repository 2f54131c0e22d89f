package main

import (
	"errors"
	"slices"

	"github.com/pennyml/penny/tokenizer"
)

// prompt is what the network reads, and how to read what it answers.
type prompt struct {
	ids   []int32
	tok   *tokenizer.Tokenizer // nil: the answer stays ids
	isEnd func(int32) bool
	raw   bool // no chat template: the answer is not split into thoughts and answer
}

// rawPrompt is text as it is. Special tokens written in it are taken as such: who writes them means them.
func rawPrompt(tok *tokenizer.Tokenizer, text string) *prompt {
	return &prompt{ids: tok.Encode(text, tokenizer.Options{AddSpecial: true, Special: tokenizer.SpecialParse}), tok: tok, raw: true}
}

// ends are the tokens that end an answer: what the vocabulary says, and what the network's config says.
func ends(l *loaded, tok *tokenizer.Tokenizer) func(int32) bool {
	ids := slices.Clone(tok.Roles().EOG)
	for _, id := range l.Config().EOS {
		ids = append(ids, int32(id))
	}
	return func(id int32) bool { return slices.Contains(ids, id) }
}

func chatPrompt(*loaded, *tokenizer.Tokenizer, string, string) (*prompt, error) {
	return nil, hinted{errors.New("chat templates are not wired yet"), "use --raw"}
}
