package rl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/task"
	"github.com/pennyml/penny/tokenizer"
	"github.com/pennyml/penny/train/data"
)

// NewText puts problems to the network as c says: as they are, or through the chat template. eos are the ends that the network's configuration names.
func NewText(v data.Vocabulary, eos []int, c *Config) (Text, error) {
	tok := v.Tokenizer
	own := tok.Roles().EOG
	ends := slices.Clone(own)
	for _, id := range eos {
		ends = append(ends, int32(id))
	}
	for _, s := range c.Stop {
		id, ok := tokenOf(tok, s)
		if !ok {
			return Text{}, fmt.Errorf("rl: stop: %q is not one token", s)
		}
		ends = append(ends, id)
	}
	if len(ends) == 0 {
		return Text{}, errors.New("rl: nothing ends an answer: the vocabulary has no end token, and stop names none")
	}
	t := Text{IsEnd: func(id int32) bool { return slices.Contains(ends, id) }, Token: func(s string) (int32, bool) { return tokenOf(tok, s) }}
	plain := func(ids []int32) string {
		for len(ids) > 0 && t.IsEnd(ids[len(ids)-1]) {
			ids = ids[:len(ids)-1]
		}
		return tok.Decode(ids)
	}
	t.Completion = func(ids []int32) string {
		if last := len(ids) - 1; last >= 0 && slices.Contains(own, ids[last]) {
			ids = ids[:last]
		}
		return tok.Decode(ids)
	}
	if !c.Chat {
		t.Prompt = func(p task.Problem) ([]int32, error) {
			return nonEmpty(tok.Encode(p.Prompt, tokenizer.Options{AddSpecial: true, Special: tokenizer.SpecialParse}))
		}
		t.Answer = plain
		return t, nil
	}
	if v.Template == nil {
		return Text{}, errors.New("rl: chat: the network has no chat template")
	}
	format := v.Template.Format()
	start := format.Start("") // of all prompts alike: what the template writes before an answer
	t.Prompt = func(p task.Problem) ([]int32, error) {
		text, err := render(v.Template, c.System, p.Prompt)
		if err != nil {
			return nil, err
		}
		return nonEmpty(tok.Encode(text, tokenizer.Options{Special: tokenizer.SpecialParse}))
	}
	if text, err := render(v.Template, c.System, "?"); err == nil {
		start = format.Start(text)
	}
	t.Answer = func(ids []int32) string {
		thoughts, answer := chat.Split(plain(ids), format, start)
		if thoughts == "" {
			return answer
		}
		return "<think>" + thoughts + "</think>" + answer
	}
	return t, nil
}

func render(t *chat.Template, system, question string) (string, error) {
	var m []chat.Message
	if system != "" {
		m = append(m, chat.Message{Role: "system", Content: system})
	}
	m = append(m, chat.Message{Role: "user", Content: question})
	return t.Render(chat.Request{Messages: m, AddGenerationPrompt: true, Vars: chat.ThinkVars(true)})
}

func nonEmpty(ids []int32) ([]int32, error) {
	if len(ids) == 0 {
		return nil, errors.New("the prompt has no tokens")
	}
	return ids, nil
}

// tokenOf is the id of a token by its text.
func tokenOf(tok *tokenizer.Tokenizer, text string) (int32, bool) {
	ids := tok.Encode(text, tokenizer.Options{Special: tokenizer.SpecialParse})
	if len(ids) != 1 {
		return 0, false
	}
	return ids[0], true
}
