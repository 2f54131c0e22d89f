package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/pennyml/penny/chat"
	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/sample"
	"github.com/pennyml/penny/tokenizer"
)

// sampleFlags are the flags of every verb that generates.
type sampleFlags struct {
	Temp      float64 `default:"${temp}" help:"Temperature; 0 takes the most likely token each time (default ${temp})."`
	TopK      int     `name:"top-k" help:"Keep the K most likely tokens (0: all)."`
	TopP      float64 `name:"top-p" default:"${topp}" help:"Keep the most likely tokens up to this probability (1: all; default ${topp})."`
	MinP      float64 `name:"min-p" help:"Drop tokens less likely than this times the most likely one (0: none)."`
	Repeat    float64 `name:"repeat-penalty" default:"1" help:"Repetition penalty (1: none)."`
	Presence  float64 `name:"presence-penalty" help:"Subtracted once from the logit of each token seen."`
	Frequency float64 `name:"frequency-penalty" help:"Subtracted from a token's logit for each time seen."`
	LastN     int     `name:"repeat-last-n" default:"64" help:"How many past tokens the penalties look at (0: all)."`
	Seed      uint64  `help:"Seed of the draws; the same seed gives the same text on every machine."`
}

func (f sampleFlags) params() sample.Params {
	return sample.Params{Temp: f.Temp, TopK: f.TopK, TopP: f.TopP, MinP: f.MinP, Repeat: f.Repeat, Presence: f.Presence,
		Frequency: f.Frequency, LastN: f.LastN, Seed: f.Seed}
}

type runCmd struct {
	Model  string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`
	Prompt string `arg:"" optional:"" help:"The question; read from standard input when absent."`

	N         int      `short:"n" help:"Most tokens to generate (0: until the answer ends or the context is full)."`
	Ctx       int      `short:"c" help:"Context: prompt and answer together (0: 4096 or the model's own, whichever is less)."`
	Raw       bool     `help:"No chat template: go on with the text as it is."`
	System    string   `help:"System message."`
	IDs       string   `name:"ids" help:"The prompt as token ids, 1,2,3, for models without a tokenizer. Exactly -n tokens are generated: end tokens do not stop it."`
	Stop      []string `help:"Stop before this text (repeatable)." sep:"none"`
	IgnoreEOS bool     `name:"ignore-eos" help:"Do not stop at end tokens."`
	JSON      bool     `help:"Print one JSON object instead of text."`
	sampleFlags
	computeFlags
}

func (runCmd) Help() string {
	return "Answers one question. The answer goes to standard output as it comes; thoughts of a reasoning model go to standard error.\n\n  penny run model.gguf \"Why is the sky blue?\"\n  penny run model.gguf --raw -n 100 \"Once upon a time\" --temp 0.8 --seed 7\n  cat question.txt | penny run model.gguf --json"
}

type timings struct {
	LoadS         float64 `json:"load_s"`
	PrefillTokens int     `json:"prefill_tokens"`
	PrefillS      float64 `json:"prefill_s"`
	DecodeTokens  int     `json:"decode_tokens"`
	DecodeS       float64 `json:"decode_s"`
}

type runOut struct {
	Text         string        `json:"text"`
	Reasoning    string        `json:"reasoning"`
	PromptIDs    []int32       `json:"prompt_ids"`
	IDs          []int32       `json:"ids"`
	Logprobs     []float32     `json:"logprobs"`
	FinishReason engine.Finish `json:"finish_reason"`
	Timings      timings       `json:"timings"`
}

func (c *runCmd) Run() error {
	if c.N < 0 {
		return fmt.Errorf("-n %d: want 0 or more", c.N)
	}
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	p, err := c.prompt(l)
	if err != nil {
		return err
	}
	need := max(min(4096, l.Config().Context), len(p.ids)+c.N)
	if c.N > 0 {
		need = len(p.ids) + c.N
	}
	net, err := l.sequence(c.Ctx, need)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := &runOut{PromptIDs: p.ids, IDs: []int32{}, Logprobs: []float32{}}
	req := engine.Request{Prompt: p.ids, MaxTokens: c.N, Params: c.params(), IsEnd: p.isEnd}
	sink := newAnswerSink(p, c.Stop, c.show())
	res, err := engine.NewSession(net, model.DefaultChunk).Generate(ctx, req, func(t engine.Token) bool {
		out.IDs, out.Logprobs = append(out.IDs, t.ID), append(out.Logprobs, t.Logprob)
		return sink.add(t.ID)
	})
	sink.close()
	if err != nil {
		return err
	}
	out.Text, out.Reasoning, out.FinishReason = sink.parts[chat.Answer].String(), sink.parts[chat.Reasoning].String(), res.Finish
	out.Timings = timings{l.took.Seconds(), res.Timings.PrefillTokens, res.Timings.Prefill.Seconds(), res.Timings.DecodeTokens, res.Timings.Decode.Seconds()}
	return c.report(out)
}

// show says where pieces of the answer go as they come: the answer to standard output, thoughts to standard error.
func (c *runCmd) show() func(chat.Kind, string) {
	if c.JSON {
		return func(chat.Kind, string) {}
	}
	dim, undim := "", ""
	if isTerminal(os.Stderr) {
		dim, undim = "\x1b[2m", "\x1b[22m"
	}
	thinking := false
	return func(k chat.Kind, text string) {
		if k != chat.Answer {
			thinking = true
			fmt.Fprint(os.Stderr, dim, text, undim)
			return
		}
		if thinking {
			thinking = false
			fmt.Fprint(os.Stderr, "\n\n")
		}
		fmt.Fprint(os.Stdout, text)
	}
}

func (c *runCmd) report(out *runOut) error {
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	if c.IDs != "" && out.Text == "" {
		fmt.Println(strings.Trim(strings.ReplaceAll(fmt.Sprint(out.IDs), " ", ","), "[]"))
	} else {
		fmt.Println()
	}
	t := out.Timings
	fmt.Fprintf(os.Stderr, "[load %.2fs; prompt %d tokens, %.1f/s; answer %d tokens, %.1f/s; %s]\n", t.LoadS,
		t.PrefillTokens, rate(t.PrefillTokens, t.PrefillS), t.DecodeTokens, rate(t.DecodeTokens, t.DecodeS), out.FinishReason)
	return nil
}

func rate(n int, s float64) float64 {
	if s <= 0 {
		return 0
	}
	return float64(n) / s
}

// prompt builds what the network reads.
func (c *runCmd) prompt(l *loaded) (*prompt, error) {
	if c.IDs != "" {
		if c.Prompt != "" || c.System != "" {
			return nil, errors.New("--ids is the whole prompt: give no text beside it")
		}
		ids, err := parseIDs(c.IDs)
		if err != nil {
			return nil, err
		}
		p := &prompt{ids: ids}
		if tok, err := l.tokenizer(); err == nil { // ids need no tokenizer; with one the answer is readable as well
			p.tok = tok
		}
		return p, nil
	}
	text := c.Prompt
	if text == "" {
		b, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, err
		}
		text = strings.TrimSuffix(string(b), "\n")
	}
	if text == "" {
		return nil, hinted{errors.New("the prompt is empty"), "give it as an argument or on standard input"}
	}
	tok, err := l.tokenizer()
	if err != nil {
		return nil, err
	}
	p, err := c.textPrompt(l, tok, text)
	if err != nil {
		return nil, err
	}
	if !c.IgnoreEOS {
		p.isEnd = ends(l, tok)
	}
	return p, nil
}

func (c *runCmd) textPrompt(l *loaded, tok *tokenizer.Tokenizer, text string) (*prompt, error) {
	if c.Raw {
		if c.System != "" {
			return nil, errors.New("--system needs a chat template: leave out --raw")
		}
		return rawPrompt(tok, text), nil
	}
	t, err := l.template()
	if err != nil {
		return nil, err
	}
	return chatPrompt(t, tok, conversationOf(c.System, text))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
