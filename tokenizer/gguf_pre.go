package tokenizer

import (
	"fmt"
	"strings"
)

// ggufPre is what a name in tokenizer.ggml.pre stands for.
type ggufPre struct {
	exprs    []string // splits, one inside the other
	whole    bool     // a piece that is a token is not merged
	addBOS   bool     // unless the file says otherwise
	spm      bool     // characters and ▁ instead of the byte-level alphabet
	newlines bool     // a run of newlines that is a token is not merged

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
	exprLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprQwen35 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	exprGPT4o  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprTekken = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
		`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprDigits    = `\p{N}+`
	exprDigits3   = `\p{N}{1,3}`
	exprDigit     = `\p{N}`
	exprASCII3    = `[0-9][0-9][0-9]`
	exprCJK       = `[一-龥぀-ゟ゠-ヿ]+`
	exprDeepSeek3 = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" +
		" ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
	exprMinicpm5  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprBailing   = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
	exprSeedCoder = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprExaoneMoE = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`
	exprJais2     = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|` +
		`\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`
	exprKimi = `[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprYoutu1 = `[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+`
	exprYoutu2 = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	exprBloom       = ` ?[^(\s|.,!?…。，、।۔،)]+`
	exprLines       = `[^\n]+|[\n]+`
	exprGroups      = `\d{1,3}(?=(?:\d{3})*\b)`
	exprAFMoEDigit  = `\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))`
	exprAFMoEScript = `[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+`
	exprAFMoE       = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" +
		` ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

	exprNewline         = "[\r\n]"
	exprDeepSeekSigns   = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	exprSpaceEnd        = `\s+$`
	exprDeepSeekCJK     = `[一-龥ࠀ-一가-퟿]+`
	exprDeepSeekLetters = "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377" +
		"\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556" +
		"\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15" +
		"\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe" +
		"\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113" +
		"\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184" +
		"\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e" +
		"\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3" +
		"\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+"
	exprSigns  = "[\\p{P}\\$\\+<=>\\^~\\|]+"
	exprFalcon = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
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
		{"jais-2", ggufPre{exprs: []string{exprJais2}}},
		{"minicpm5", ggufPre{exprs: []string{exprDigits3, exprMinicpm5}, whole: true}},
		{"deepseek-llm", ggufPre{exprs: []string{exprNewline, exprDeepSeekLetters, exprDeepSeekSigns, exprSpaceEnd, exprDeepSeekCJK, exprDigit}}}, // llama.cpp: \p{N}+; no such vocabulary has a token of two digits
		{"deepseek-coder", ggufPre{exprs: []string{exprNewline, `\s?\p{L}+`, `\s?\p{P}+`, exprDeepSeekCJK, exprDigit}}},
		{"youtu", ggufPre{exprs: []string{exprYoutu1, exprYoutu2}, whole: true}},
		{"poro-chat bloom gpt3-finnish", ggufPre{exprs: []string{exprBloom}}},
		{"viking", ggufPre{exprs: []string{exprBloom, exprDigit}}},
		{"chameleon", ggufPre{exprs: []string{`<sentinel:[0-9]+>`, `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`, `([\t\n]|    |  )`, exprDigit,
			"[\\p{P}!-/:-@\\[-`{-~]", exprGPT2}, addBOS: true}},
		{"granite-embed-multi-97m", ggufPre{exprs: []string{exprGPT4o}, whole: true}},
		{"tiny_aya cohere2moe", ggufPre{exprs: []string{exprGroups, exprGPT4o}}},
		{"kimi-k2", ggufPre{exprs: []string{exprKimi}}},
		{"superbpe", ggufPre{exprs: []string{exprDigits, `(?=(\d{3})+(?!\d))`}}},
		{"bailingmoe bailingmoe2 llada-moe", ggufPre{exprs: []string{exprBailing}}},
		{"seed-coder", ggufPre{exprs: []string{exprSeedCoder}}},
		{"afmoe", ggufPre{exprs: []string{exprAFMoEDigit, exprAFMoEScript, exprAFMoE}}},
		{"laguna", ggufPre{exprs: []string{exprLines, exprQwen2}}},
		{"exaone-moe", ggufPre{exprs: []string{exprExaoneMoE}}},
		{"gemma4 granite-embed-multi-311m", ggufPre{exprs: []string{exprLines}, addBOS: true, spm: true, newlines: true}},
		{"sarvam-moe", ggufPre{exprs: []string{exprLines}, spm: true}},
		{"tekken", ggufPre{exprs: []string{exprTekken}, whole: true, addBOS: true}},
	} {
		for _, name := range strings.Fields(p.names) {
			all[name] = p.pre
		}
	}
	return all
}()
