package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tokenizer"
)

type chatCmd struct {
	Model  string `arg:"" optional:"" help:"GGUF file, Hugging Face folder, or name in the cache; the only model of the cache folder when absent."`
	System string `help:"System message."`
	N      int    `short:"n" help:"Most tokens an answer (0: until it ends or the context is full)."`
	Ctx    int    `short:"c" help:"Context: the whole conversation (0: 4096 or the model's own, whichever is less)."`
	Fold   bool   `help:"Start with thoughts folded away."`

	Temp   float64 `default:"0.6" help:"Temperature; 0 takes the most likely token each time."`
	TopK   int     `name:"top-k" help:"Keep the K most likely tokens (0: all)."`
	TopP   float64 `name:"top-p" default:"0.95" help:"Keep the most likely tokens up to this probability (1: all)."`
	MinP   float64 `name:"min-p" help:"Drop tokens less likely than this times the most likely one (0: none)."`
	Repeat float64 `name:"repeat-penalty" default:"1" help:"Repetition penalty (1: none)."`
	Seed   uint64  `help:"Seed of the first answer; each further one counts up."`
	computeFlags
}

func (chatCmd) Help() string {
	return "A conversation. Thoughts of a reasoning model are dimmed and can be folded; /help lists the commands; Ctrl-C stops the answer, not the program.\nWithout a terminal it reads a line a turn and prints plain text."
}

func (c *chatCmd) Run() error {
	name := c.Model
	if name == "" {
		var err error
		if name, err = onlyModel(); err != nil {
			return err
		}
	}
	l, err := c.open(name)
	if err != nil {
		return err
	}
	defer l.Close()
	tok, err := l.tokenizer()
	if err != nil {
		return err
	}
	t, err := l.template()
	if err != nil {
		return err
	}
	net, err := l.sequence(c.Ctx, min(4096, l.Config().Context))
	if err != nil {
		return err
	}
	h, err := home()
	if err != nil {
		h = "" // no history is kept
	}
	a := &engineAnswerer{cmd: c, tok: tok, template: t, net: net, session: engine.NewSession(net, model.DefaultChunk), isEnd: ends(l, tok)}
	return runChat(a, chatOptions{Name: strings.TrimSuffix(filepath.Base(l.Path), ".gguf"), System: c.System,
		Settings: chatSettings{Temp: c.Temp, Seed: c.Seed}, Folded: c.Fold, Home: h})
}

// onlyModel is the model of the cache folder, if there is exactly one.
func onlyModel() (string, error) {
	h, err := home()
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(h, "*.gguf"))
	if err != nil || len(files) != 1 {
		return "", hinted{errors.New("which model?"), "name one: penny chat model.gguf (without a name, the cache folder " + h + " must hold exactly one .gguf)"}
	}
	return files[0], nil
}

// engineAnswerer answers with a network. The cache of the turn before is reused as far as the new prompt agrees with it.
type engineAnswerer struct {
	cmd      *chatCmd
	tok      *tokenizer.Tokenizer
	template *chat.Template
	net      *engine.Sequence
	session  *engine.Session
	isEnd    func(int32) bool
}

// Answer implements answerer.
func (a *engineAnswerer) Answer(ctx context.Context, messages []chat.Message, s chatSettings, emit func(chat.Kind, string)) (answerStats, error) {
	p, err := chatPrompt(a.template, a.tok, messages)
	if err != nil {
		return answerStats{}, err
	}
	p.isEnd = a.isEnd
	c := a.cmd
	flags := sampleFlags{Temp: s.Temp, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, Repeat: c.Repeat, LastN: 64, Seed: s.Seed}
	sink := newAnswerSink(p, nil, emit)
	res, err := a.session.Generate(ctx, engine.Request{Prompt: p.ids, MaxTokens: c.N, Params: flags.params(), IsEnd: p.isEnd},
		func(t engine.Token) bool { return sink.add(t.ID) })
	sink.close()
	t := res.Timings
	return answerStats{PromptTokens: len(p.ids), PrefilledTokens: t.PrefillTokens, AnswerTokens: t.DecodeTokens, Prefill: t.Prefill, Decode: t.Decode,
		Used: a.net.Len(), Context: a.net.Capacity(), Finish: string(res.Finish)}, err
}
