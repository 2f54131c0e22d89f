package tokenizer

import (
	"fmt"
)

// The names of well-known expressions, as they stand in tokenizer.json files and in the code of the models.
const (
	exprGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
)

// compilePattern returns the pattern of a regular expression.
func compilePattern(expr string) (pattern, error) {
	if p := known[expr]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("pattern %q is not supported", expr)
}

var known = map[string]pattern{
	exprGPT2:       cover(gpt2),
	`\p{N}{1,3}`:   numbers(3),
	`[一-龥぀-ゟ゠-ヿ]+`: cjk,
	"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+": deepseek3,
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:                                        cover(gpt4{anyLetter, 1, false}.end),
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:                                   cover(gpt4{anyLetter, 3, false}.end),
}
