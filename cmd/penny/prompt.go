package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/tokenizer"
)

// prompt is what the network reads, and how to read what it answers.
type prompt struct {
	ids    []int32
	tok    *tokenizer.Tokenizer // nil: the answer stays ids
	isEnd  func(int32) bool     // nil: nothing ends it
	stops  []string             // texts that end the answer
	format chat.Format          // how thoughts are marked; zero: all is answer
	start  chat.Start
}

// rawPrompt is text as it is. Special tokens written in it are taken as such: who writes them means them.
func rawPrompt(tok *tokenizer.Tokenizer, text string) *prompt {
	return &prompt{ids: tok.Encode(text, tokenizer.Options{AddSpecial: true, Special: tokenizer.SpecialParse}), tok: tok}
}

// chatSource is what the checkpoint says of its chat template.
func (l *loaded) chatSource() (chat.Source, error) {
	if l.GGUF != nil {
		return chat.FromGGUF(&l.GGUF.Meta), nil
	}
	return chat.Open(l.Path)
}

// template is the checkpoint's own chat template, or a fallback with a warning.
func (l *loaded) template() (*chat.Template, error) {
	source, err := l.chatSource()
	if err != nil {
		return nil, err
	}
	t, warning, err := source.Template(false)
	if err != nil {
		return nil, hinted{fmt.Errorf("the chat template of %s: %w", l.Path, err), "use --raw to go without it"}
	}
	if warning != "" {
		fmt.Fprintln(os.Stderr, "penny: warning:", warning)
	}
	return t, nil
}

// chatPrompt renders a conversation. The template writes BOS itself where it wants one, so none is added.
func chatPrompt(t *chat.Template, tok *tokenizer.Tokenizer, messages []chat.Message) (*prompt, error) {
	text, err := t.Render(chat.Request{Messages: messages, AddGenerationPrompt: true, Vars: chat.ThinkVars(true)})
	if err != nil {
		return nil, err
	}
	p := &prompt{ids: tok.Encode(text, tokenizer.Options{Special: tokenizer.SpecialParse}), tok: tok, stops: t.Stops, format: t.Format()}
	p.start = p.format.Start(text)
	return p, nil
}

// conversationOf is a single question with its system message.
func conversationOf(system, question string) []chat.Message {
	var m []chat.Message
	if system != "" {
		m = append(m, chat.Message{Role: "system", Content: system})
	}
	return append(m, chat.Message{Role: "user", Content: question})
}

// ends are the tokens that end an answer: what the vocabulary says, and what the network's config says.
func ends(l *loaded, tok *tokenizer.Tokenizer) func(int32) bool {
	ids := slices.Clone(tok.Roles().EOG)
	for _, id := range l.Config().EOS {
		ids = append(ids, int32(id))
	}
	return func(id int32) bool { return slices.Contains(ids, id) }
}
