package mathgrade

import (
	"regexp"
	"strings"

	"github.com/pennyml/penny/task/mathgrade/expr"
)

// A reading is what an answer may mean beside what its parsed text says. ok is false where the text has no such reading.
type reading struct {
	why  string
	read func(text string) (n *expr.Node, ok bool)
}

// readings are tried in this order, each on one side and on both, where answers differ as they stand.
var readings = []reading{
	{"read with a decimal comma", textReading(decimalComma)},
	{"read with a unit", withUnit},
	{"read as an amount of money", withCurrency},
	{"log read with base 10", textReading(decimalLog)},
	{"wide space read as a comma", textReading(quadComma)},
	{"read as a vector", basisVector},
	{"the words after the number left out", withWords},
	{"the range of the parameter left out", textReading(withoutRange)},
	{"the parameter has another name", renamedParameter},
	{"the constant of integration has another name", renamedConstant},
}

// textReading is a reading by another text.
func textReading(rewrite func(string) string) func(string) (*expr.Node, bool) {
	return func(s string) (*expr.Node, bool) {
		t := rewrite(s)
		if t == s {
			return nil, false
		}
		n, err := expr.Parse(t)
		return n, err == nil
	}
}

// otherReadings compares by the first reading under which the answers are equal. pn and gn are nil where a text does not parse.
func (c *comparer) otherReadings(p, g string, pn, gn *expr.Node) (result, bool) {
	if len(p) > maxWorded || len(g) > maxWorded {
		return result{}, false
	}
	for _, way := range readings {
		dp, okP := way.read(p)
		dg, okG := way.read(g)
		for _, pair := range []struct {
			a, b *expr.Node
			ok   bool
		}{{dp, gn, okP && gn != nil}, {pn, dg, okG && pn != nil}, {dp, dg, okP && okG}} {
			if !pair.ok {
				continue
			}
			if r := c.compare(pair.a, pair.b, 0); r.lenient {
				return r.loosen(way.why), true
			}
		}
	}
	return result{}, false
}

// decimalComma reads d,dd as a decimal when that is the whole answer.
func decimalComma(s string) string {
	t := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "$"))
	i := strings.IndexByte(t, ',')
	if i < 1 || strings.Count(t, ",") != 1 || i+1 == len(t) || strings.Trim(t[i+1:], "0123456789") != "" || strings.Trim(strings.TrimPrefix(t[:i], "-"), "0123456789") != "" {
		return s
	}
	return t[:i] + "." + t[i+1:]
}

var bareLog = regexp.MustCompile(`(^|[^a-zA-Z\\])\\?log(\s*(?:\\left)?[({\s\d\\])`)

// decimalLog reads log without a base as the decimal logarithm.
func decimalLog(s string) string { return bareLog.ReplaceAllString(s, `$1\log_{10}$2`) }

var wideSpace = regexp.MustCompile(`\s*\\q?quad\b\s*`)

// quadComma reads a wide space between answers as a comma, where there is nothing else between them.
func quadComma(s string) string {
	if strings.Contains(s, "and") || strings.Contains(s, "or") {
		return s
	}
	return wideSpace.ReplaceAllString(s, ", ")
}

var points = regexp.MustCompile(`(\d*\.\d*?)(\d+)\s*(?:\.\.\.+|…|\\(?:l|c)?dots)$`)

// repeatingPoints reads 0.333... and 0.1666... as what they go on to: the shortest block that the digits end with three times, or twice where it has
// two digits or more.
func repeatingPoints(s string) string {
	m := points.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	head, digits, _ := strings.Cut(m[1]+m[2], ".")
	if len(digits) > 60 {
		return s
	}
	for n := 1; 2*n <= len(digits); n++ {
		block := digits[len(digits)-n:]
		times := 3
		if n > 1 {
			times = 2
		}
		if strings.HasSuffix(digits, strings.Repeat(block, times)) {
			return strings.TrimSuffix(s, m[0]) + head + "." + digits[:len(digits)-n] + `\overline{` + block + "}"
		}
	}
	return s
}

var basis = regexp.MustCompile(`\\(?:mathbf|hat|vec|boldsymbol|bm|widehat|overrightarrow)\s*(?:\{\s*(?:\\(?:hat|mathbf|vec)\s*)?\{?\s*\\?([ijk])(?:math)?\s*\}?\s*\}|([ijk]))`)

// basisVector reads 3\mathbf{i}+4\mathbf{j} as (3, 4).
func basisVector(s string) (*expr.Node, bool) {
	if !basis.MatchString(s) {
		return nil, false
	}
	n, err := expr.Parse(basis.ReplaceAllString(s, `\variable{unit$1$2}`))
	if err != nil || n.Kind == expr.Rel || many(n) {
		return nil, false
	}
	axes := []string{"uniti", "unitj"}
	if n.Has(func(m *expr.Node) bool { return m.Kind == expr.Sym && m.Name == "unitk" }) {
		axes = append(axes, "unitk")
	}
	out := &expr.Node{Kind: expr.Group, Open: '(', Close: ')'}
	at := func(axis string) *expr.Node {
		v := n
		for _, a := range axes {
			x := int64(0)
			if a == axis {
				x = 1
			}
			v = v.Subst(a, expr.Int(x))
		}
		return v
	}
	for _, a := range axes {
		out.Args = append(out.Args, expr.Sum(at(a), expr.Negate(at(""))))
	}
	return out, true
}

var wordsAfter = regexp.MustCompile(`^([-+]?(?:\d+ )?\d[\d.]*(?:/\d+)?)\s+((?:of|a|an|the|in|per|[A-Za-z]{3,})(?:\s+(?:of|a|an|the|in|per|[A-Za-z]{3,}))*)$`)

// withWords reads "3/4 of a mile" as 3/4 with a unit.
func withWords(s string) (*expr.Node, bool) {
	m := wordsAfter.FindStringSubmatch(s)
	if m == nil || strings.Contains(" "+m[2]+" ", " and ") || strings.Contains(" "+m[2]+" ", " not ") {
		return nil, false
	}
	n, err := expr.Parse(m[1])
	if err != nil {
		return nil, false
	}
	return expr.Apply("unit", n, &expr.Node{Kind: expr.Text, Name: m[2]}), true
}

var (
	sterling = regexp.MustCompile(`£|\\pounds|\b(?:GBP|gbp)\b`)
	euros    = regexp.MustCompile(`€|\\euro|\b(?:EUR|euros?|Euros?)\b`)
	yen      = regexp.MustCompile(`¥|\b(?:JPY|yen)\b`)
	dollars  = regexp.MustCompile(`\$|\b(?:USD|usd|dollars?|Dollars?|[cC]ents?)\b|¢`)
	dollarOf = regexp.MustCompile(`^(-?)\s*\\?\$\s*(-?\d[\d,]*(?:\.\d+)?|-?\.\d+)$`)
)

// currency names the money of a text, "" for none.
func currency(s string) string {
	for _, c := range []struct {
		is   *regexp.Regexp
		name string
	}{{euros, "euros"}, {sterling, "pounds"}, {yen, "yen"}, {dollars, "dollars"}} {
		if c.is.MatchString(s) {
			return c.name
		}
	}
	return ""
}

var centWord = regexp.MustCompile(`\b[cC]ents?\b|¢`)

// cents reads both as amounts with their units where only one is in cents and the other is of dollars.
func cents(p, g string) (pn, gn *expr.Node, ok bool) {
	if centWord.MatchString(p) == centWord.MatchString(g) || currency(p) != currency(g) {
		return nil, nil, false
	}
	pn, ok1 := withCurrency(p)
	gn, ok2 := withCurrency(g)
	return pn, gn, ok1 && ok2
}

// withCurrency reads \$5 as 5 dollars, for comparing it with 500 cents.
func withCurrency(s string) (*expr.Node, bool) {
	m := dollarOf.FindStringSubmatch(s)
	if m == nil {
		return withUnit(s)
	}
	n, err := expr.Parse(m[1] + strings.ReplaceAll(m[2], ",", ""))
	if err != nil {
		return nil, false
	}
	return expr.Apply("unit", n, &expr.Node{Kind: expr.Text, Name: "dollar"}), true
}
