package tokenizer

import (
	"fmt"
	"strings"
)

// ggufPre is what a name in tokenizer.ggml.pre stands for.
type ggufPre struct {
	exprs  []string // splits, one inside the other
	whole  bool     // a piece that is a token is not merged
	addBOS bool     // unless the file says otherwise
	spm    bool     // characters and ▁ instead of the byte-level alphabet

	stages []stage
}

// findPre looks a name up and compiles its expressions.
func findPre(name string) (*ggufPre, error) {
	pre, ok := ggufPres[name]
	if !ok {
		return nil, fmt.Errorf("tokenizer.ggml.pre %q is not known", name)
	}
	for _, expr := range pre.exprs {
		find, err := compilePattern(expr)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.ggml.pre %q: %w", name, err)
		}
		pre.stages = append(pre.stages, &splitter{find: find})
	}
	return &pre, nil
}

// The expressions are those of the models' own tokenizers.
const (
	exprLlama3    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprQwen2     = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprQwen35    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprGPT2      = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	exprGPT4o     = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprTekken    = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprDigits    = `\p{N}+`
	exprDigits3   = `\p{N}{1,3}`
	exprDigit     = `\p{N}`
	exprASCII3    = `[0-9][0-9][0-9]`
	exprCJK       = `[一-龥぀-ゟ゠-ヿ]+`
	exprDeepSeek3 = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
	exprSigns     = "[\\p{P}\\$\\+<=>\\^~\\|]+"
	exprFalcon    = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
)

// ggufPres are the names llama.cpp knows. Names of one line mean the same.
var ggufPres = func() map[string]ggufPre {
	all := map[string]ggufPre{}
	for _, p := range []struct {
		names string
		pre   ggufPre
	}{
		{"default", ggufPre{exprs: []string{exprSigns, exprGPT2, exprDigits, exprASCII3}}},
		{"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
			ggufPre{exprs: []string{exprLlama3}, whole: true, addBOS: true}},
		{"dbrx smaug-bpe glm4 chatglm-bpe", ggufPre{exprs: []string{exprLlama3}}},
		{"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", ggufPre{exprs: []string{exprQwen2}}},
		{"qwen35", ggufPre{exprs: []string{exprQwen35}}},
		{"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code roberta-bpe " +
			"mpt olmo jais exaone4 trillion granite-docling", ggufPre{exprs: []string{exprGPT2}}},
		{"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", ggufPre{exprs: []string{exprDigit, exprGPT2}}},
		{"falcon", ggufPre{exprs: []string{exprFalcon, exprGPT2, exprASCII3}}},
		{"deepseek-v3 hunyuan-dense joyai-llm", ggufPre{exprs: []string{exprDigits3, exprCJK, exprDeepSeek3}}},
		{"gpt-4o llama4 kanana2 talkie minimax-m2", ggufPre{exprs: []string{exprGPT4o}}},
		{"tekken", ggufPre{exprs: []string{exprTekken}, whole: true, addBOS: true}},
	} {
		for _, name := range strings.Fields(p.names) {
			all[name] = p.pre
		}
	}
	return all
}()
