package mathgrade

import (
	"math/big"
	"regexp"
	"strings"
)

// maxWorded bounds the answers that other ways of writing are looked for in: they are short.
const maxWorded = 500

// phrases are answers in words that are sets or values.
var phrases = map[string]string{
	"all real numbers": `\mathbb{R}`, "all reals": `\mathbb{R}`, "any real number": `\mathbb{R}`, "real numbers": `\mathbb{R}`, "set of all real numbers": `\mathbb{R}`,
	"every real number": `\mathbb{R}`, "all real x": `\mathbb{R}`, "no solution": `\emptyset`, "no solutions": `\emptyset`, "no real solution": `\emptyset`,
	"no real solutions": `\emptyset`, "there is no solution": `\emptyset`, "there are no solutions": `\emptyset`, "empty set": `\emptyset`, "null set": `\emptyset`,
	"there are no real solutions": `\emptyset`, "there is no real solution": `\emptyset`, "infinitely many": `\infty`, "infinite": `\infty`, "negative infinity": `-\infty`,
	"dne": `\text{does not exist}`, "doesn t exist": `\text{does not exist}`, "does not exist": `\text{does not exist}`, "limit does not exist": `\text{does not exist}`,
}

var (
	except    = regexp.MustCompile(`(?i)^\s*(?:\\text\{)?\s*(?:the set of )?all real (?:numbers|values)?(?: x)?\s*(?:except|other than|but|not equal to)(?: for)?(?:\s*x\s*=)?\s*\}?\s*(?:\\text\{[^{}]*\})?(.+)$`)
	nameIs    = regexp.MustCompile(`^\s*(\$?\\?[a-zA-Z]\$?)\s*(?:\\text\{)?\s*(?:is|equals)(?: equal to)?\s*\}?\s+(.+)$`)
	leading   = regexp.MustCompile(`^\s*(?:[=:•]|[·*]\s)\s*`)
	timesTen  = regexp.MustCompile(`(\d)\s*[xX]\s*10(\s*\^)`)
	halfDay   = regexp.MustCompile(`(\d)\s*(?:\\[, ]|~)?\s*(?:\\(?:text|mathrm|textrm)\s*\{\s*)?([aApP])\.?\s?[mM]\b\.?\s*\}?`)
	wholeText = regexp.MustCompile(`^\\(?:text|mathrm|textrm|mbox)\s*\{\s*([^{}\\]*\d[^{}\\]*)\}$`)
	toRatio   = regexp.MustCompile(`^\s*(\d+)\s+to\s+(\d+)\s*$`)
	french    = regexp.MustCompile(`^\s*([\[\]])([^\[\](){}]+)[,;]([^\[\](){}]+)([\[\]])\s*$`)
	textMoney = regexp.MustCompile(`\\(?:text|mathrm|textrm)\s*\{\s*(\\?\$|€|£)\s*\}`)
	usd       = regexp.MustCompile(`^(?:(?:USD|US\\?\$)\s*([\d.,]+)|([\d.,]+)\s*USD)$`)
	chooseSub = regexp.MustCompile(`(^|[^\w}\\])(?:\{\s*\})?_\{?\s*(\d+|[a-z])\s*\}?\s*\\?(?:mathrm\{|text\{)?C\}?_\{?\s*(\d+|[a-z])\s*\}?`)
	chooseSup = regexp.MustCompile(`(^|[^\w\\])C_\{?\s*(\d+)\s*\}?\s*\^\s*\{?\s*(\d+)\s*\}?`)
	underline = regexp.MustCompile(`^-?\d{1,3}(?:_\d{3})+(?:\.\d+)?$`)
	unseen    = regexp.MustCompile(`\\(?:[hv]?phantom|hspace\*?|vspace\*?|mspace|color)\s*\{[^{}]*\}`)
	qed       = regexp.MustCompile(`(?:\\[,; ]|\s)*(?:\\(?:checkmark|blacksquare|square|qed|Box)|✓|∎|■|□)\s*$`)
	slashDiff = regexp.MustCompile(`\bd([a-z])/d([a-z])\b`)
	boldSets  = regexp.MustCompile(`(\\in\s*|^)\\mathbf\s*\{([ZRQNC])\}`)
	boldText  = regexp.MustCompile(`\\text\{\s*\\text(?:bf|it|rm)\{([^{}]*)\}\s*\}`)
	aligned   = regexp.MustCompile(`(?s)^\\begin\{(align|aligned|equation|gather|gathered|split|cases|array)\*?\}(.*?)(?:\\end\{[a-z]+\*?\})?$`)
	coloured  = regexp.MustCompile(`\\textcolor\s*\{[^{}]*\}`)
)

// rewritten puts ways of writing that the parser does not know into those that it knows.
func rewritten(s string) string {
	if p, ok := phrases[words(s)]; ok && !hasMath(s) {
		return p
	}
	if m := except.FindStringSubmatch(s); m != nil {
		points := regexp.MustCompile(`\s*(?:\\text\{\s*)?\b(?:and|or)\b(?:\s*\})?\s*`).ReplaceAllString(strings.TrimRight(m[1], "} ."), ",")
		return `\mathbb{R}\setminus\{` + points + `\}`
	}
	s = rows(s)
	s = qed.ReplaceAllString(s, "")
	s = boldSets.ReplaceAllString(s, `$1\mathbb{$2}`)
	s = boldText.ReplaceAllString(s, `\text{$1}`)
	s = slashDiff.ReplaceAllString(s, `\frac{d$1}{d$2}`)
	s = leading.ReplaceAllString(s, "")
	s = unseen.ReplaceAllString(s, "")
	s = coloured.ReplaceAllString(s, "")
	s = nameIs.ReplaceAllString(s, "$1=$2")
	s = timesTen.ReplaceAllString(s, `$1\times 10$2`)
	s = wholeText.ReplaceAllString(s, "$1")
	s = halfDay.ReplaceAllStringFunc(s, func(t string) string {
		m := halfDay.FindStringSubmatch(t)
		return m[1] + ` \text{` + strings.ToLower(m[2]) + "m}"
	})
	s = toRatio.ReplaceAllString(s, "$1:$2")
	s = textMoney.ReplaceAllString(s, "$1")
	s = usd.ReplaceAllString(s, `\$$$1$2`)
	s = chooseSub.ReplaceAllString(s, `$1\binom{$2}{$3}`)
	s = chooseSup.ReplaceAllStringFunc(s, choose)
	if underline.MatchString(s) {
		s = strings.ReplaceAll(s, "_", "")
	}
	if m := french.FindStringSubmatch(s); m != nil && (m[1] == "]" || m[4] == "[") {
		s = map[string]string{"]": "(", "[": "["}[m[1]] + m[2] + "," + m[3] + map[string]string{"[": ")", "]": "]"}[m[4]]
	}
	return s
}

// rows reads lines set below each other as a list. Those of cases and arrays are answers only where each is an equation.
func rows(s string) string {
	m := aligned.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	body := m[2]
	if m[1] == "array" {
		_, body, _ = strings.Cut(body, "}")
	}
	lines := strings.Split(strings.Trim(strings.TrimSpace(body), `\ ,`), `\\`)
	for i, l := range lines {
		if m[1] == "cases" || m[1] == "array" {
			if name, _, ok := strings.Cut(l, "="); !ok || strings.ContainsAny(name, "&,") || strings.Count(l, "&") > 1 {
				return s
			}
		}
		lines[i] = strings.Trim(strings.ReplaceAll(l, "&", ""), " ,.\n")
	}
	return strings.Join(lines, ", ")
}

// choose reads C_5^2, in either order, as a binomial coefficient.
func choose(t string) string {
	m := chooseSup.FindStringSubmatch(t)
	a, _ := new(big.Int).SetString(m[2], 10)
	b, _ := new(big.Int).SetString(m[3], 10)
	if a.Cmp(b) < 0 {
		a, b = b, a
	}
	return m[1] + `\binom{` + a.String() + "}{" + b.String() + "}"
}
