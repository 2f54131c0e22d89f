package mathgrade

import (
	"regexp"
	"strings"

	"github.com/pennyml/penny/task/mathgrade/expr"
)

var wholeNumber = regexp.MustCompile(`(?:\s|[,;]|\\[,; ]|\\q?quad|~)*\(?\s*(?:\\text\{[^{}]*\}|where|for|with|any|some|integers?)*\s*\$?\s*([a-z])\s*` +
	`(?:(?:\\in|∈)\s*(?:\\mathbb\s*\{?\s*[ZN]\s*\}?|\\mathbf\s*\{?[ZN]\}?|Z|ℤ|ℕ)|(?:\\text\{\s*)?is an(?:y)? integer\s*\}?)\s*\$?\)?\.?$`)

// withoutRange drops "k ∈ ℤ" from the end of an answer.
func withoutRange(s string) string { return wholeNumber.ReplaceAllString(s, "") }

// renamedParameter reads π/4 + kπ, k ∈ ℤ with a name for k that every such answer has. Where the range is not given, the only variable is taken, if it
// is usual for whole numbers and stands with π.
func renamedParameter(s string) (*expr.Node, bool) {
	m := wholeNumber.FindStringSubmatchIndex(s)
	name, text := "", s
	if m != nil {
		name, text = s[m[2]:m[3]], s[:m[0]]
	}
	n, err := expr.Parse(text)
	if err != nil {
		return nil, false
	}
	if name == "" {
		v := n.Vars()
		if n.Kind == expr.Rel {
			v = n.Args[len(n.Args)-1].Vars()
		}
		if len(v) != 1 || !strings.Contains("k n m l", v[0]) || !n.Has(func(m *expr.Node) bool { return m.Kind == expr.Sym && m.Name == "pi" }) {
			return nil, false
		}
		name = v[0]
	}
	return n.Subst(name, expr.Symbol("whole number")), true
}

// renamedConstant gives the constant of integration one name: a lone term C, c, K or k of a sum that has other variables.
func renamedConstant(s string) (*expr.Node, bool) {
	n, err := expr.Parse(s)
	if err != nil {
		return nil, false
	}
	sum := n
	if n.Kind == expr.Rel {
		sum = n.Args[len(n.Args)-1]
	}
	if sum.Kind != expr.Add || len(n.Vars()) < 2 {
		return nil, false
	}
	for _, t := range sum.Args {
		if t.Kind != expr.Sym || !constants[t.Name] {
			continue
		}
		times := 0
		n.Walk(func(m *expr.Node) bool {
			if m.Kind == expr.Sym && m.Name == t.Name {
				times++
			}
			return true
		})
		if times == 1 {
			return n.Subst(t.Name, expr.Symbol("constant of integration")), true
		}
	}
	return nil, false
}

var constants = map[string]bool{"C": true, "c": true, "K": true, "k": true, "C_1": true, "C_0": true}
