package tokenizer

import (
	"fmt"
)

// compilePattern returns the pattern of a regular expression: written out by hand if it is well known, else a simple run if it is one, else
// an interpreter.
func compilePattern(expr string) (pattern, error) {
	if f := known[expr]; f != nil {
		return pattern{hand: f}, nil
	}
	n, err := parseRegex(expr)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", expr, err)
	}
	if s := shapeOf(n); s != nil {
		return pattern{hand: s.find}, nil
	}
	re, err := compileRegex(n)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", expr, err)
	}
	return pattern{re: re}, nil
}

// known are the expressions written out by hand.
var known = map[string]finder{
	exprGPT2:      cover(gpt2),
	exprR50k:      cover(gpt2),
	exprCL100k:    cover(gpt4{anyLetter, 3, true}.end),
	exprLlama3:    cover(gpt4{anyLetter, 3, false}.end),
	exprQwen2:     cover(gpt4{anyLetter, 1, false}.end),
	exprQwen35:    cover(gpt4{anyLetter | mark, 1, false}.end),
	exprGPT4o:     cover(gpt4o{false, true, 3, "\r\n/"}.end),
	exprMinicpm5:  cover(gpt4{anyLetter, 0, false}.end),
	exprBailing:   cover(gpt4{anyLetter, 1, false}.end),
	exprYoutu2:    cover(gpt4o{false, true, 1, "\r\n/"}.end),
	exprKimi:      cover(gpt4o{true, true, 3, "\r\n"}.end),
	exprSpaceEnd:  spaceEnd,
	exprAFMoE:     deepseek3,
	exprTekken:    cover(gpt4o{false, false, 1, "\r\n/"}.end),
	exprDigits:    numbers(0),
	exprDigits3:   numbers(3),
	exprDigit:     numbers(1),
	exprASCII3:    threeDigits,
	exprCJK:       cjk,
	exprDeepSeek3: deepseek3,
	exprSigns:     signs(""),
	exprFalcon:    signs("`"),
}
