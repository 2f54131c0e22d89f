package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pennyml/penny/engine"
	"github.com/pennyml/penny/tokenizer"
)

type perplexityCmd struct {
	Model  string `arg:"" help:"GGUF file, Hugging Face folder, or name in the cache."`
	File   string `arg:"" help:"Text file." type:"existingfile"`
	Ctx    int    `short:"c" default:"512" help:"Tokens a chunk."`
	Chunks int    `help:"Stop after so many chunks (0: the whole file)."`
	Batch  int    `short:"b" default:"512" help:"Tokens a prefill step; any number gives the same bits."`
	JSON   bool   `help:"Print one JSON object."`
	computeFlags
}

func (perplexityCmd) Help() string {
	return "llama.cpp's measure: the file less one final newline is tokenised whole, cut into chunks of --ctx tokens, each run by itself (its first token\nreplaced by BOS where the vocabulary asks for one); the predictions of a chunk's second half are scored."
}

type perplexityOut struct {
	PPL     float64 `json:"ppl"`
	StdErr  float64 `json:"stderr"`
	NLLMean float64 `json:"nll_mean"`
	Tokens  int     `json:"tokens"`
	Compute string  `json:"compute"`
}

func (c *perplexityCmd) Run() error {
	if c.Chunks < 0 || c.Batch < 1 {
		return fmt.Errorf("--chunks %d, --batch %d: want 0 or more, 1 or more", c.Chunks, c.Batch)
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	l, err := c.open(c.Model)
	if err != nil {
		return err
	}
	defer l.Close()
	tok, err := l.tokenizer()
	if err != nil {
		return err
	}
	ids := tok.Encode(strings.TrimSuffix(string(text), "\n"), tokenizer.Options{})
	net, err := l.sequence(c.Ctx, c.Ctx)
	if err != nil {
		return err
	}
	bos := int32(-1)
	if around := tok.Encode("", tokenizer.Options{AddSpecial: true}); len(around) > 0 && around[0] == tok.Roles().BOS {
		bos = around[0]
	}
	p, err := engine.MeasurePerplexity(net, ids, c.Ctx, c.Chunks, c.Batch, bos, func(done, total int, ppl float64) {
		fmt.Fprintf(os.Stderr, "\r[%d/%d] %.4f ", done, total, ppl)
	})
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(perplexityOut{p.PPL, p.StdErr, p.NLLMean, p.Tokens, c.Compute})
	}
	fmt.Printf("perplexity %.4f +- %.4f over %d predictions (mean nll %.7f, --compute %s)\n", p.PPL, p.StdErr, p.Tokens, p.NLLMean, c.Compute)
	return nil
}
