package mathgrade

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// totalBudget bounds one verdict, in units of value.Env.
const (
	totalBudget = 12000
	maxItems    = 40
	maxSteps    = 3000
)

type comparer struct {
	budget int
	steps  int // comparisons made
}

// bare takes off what does not change the value as an answer: a unit, a degree sign.
type bare struct {
	n       *expr.Node
	unit    string
	degrees bool
	percent bool
	modulus *expr.Node
}

func strip(n *expr.Node) bare {
	b := bare{n: n}
	for b.n.Kind == expr.Call {
		switch b.n.Name {
		case "unit":
			size, rest := quantifier(b.n.Args[1].Name)
			if b.unit = rest; size != 1 {
				b.n = expr.Product(b.n.Args[0], expr.Int(size))
				continue
			}
		case "deg":
			b.degrees = true
		case "percent":
			b.percent = true
		case "pmod":
			b.modulus = b.n.Args[1]
		default:
			return b
		}
		b.n = b.n.Args[0]
	}
	if b.n.Kind == expr.Mul && b.n.Args[0].IsInt(-1) && len(b.n.Args) == 2 { // -(90°)
		if in := strip(b.n.Args[1]); in.degrees || in.percent || in.unit != "" {
			in.n = expr.Negate(in.n)
			return in
		}
	}
	return b
}

// compare decides whether p and g are the same answer.
func (c *comparer) compare(p, g *expr.Node, depth int) result {
	if c.steps++; depth > 12 || c.steps > maxSteps {
		return no("limits", "nested too deep or too many parts")
	}
	if p.Key() == g.Key() {
		return yes("structure", "the same expression up to the order of terms")
	}
	if p.Kind == expr.Rel || g.Kind == expr.Rel {
		return c.relations(p, g, depth)
	}
	if hasSign(p) || hasSign(g) {
		if pe, ge := expandSigns(p), expandSigns(g); pe != nil && ge != nil {
			return c.items(pe, ge, false, depth, "both signs")
		}
	}
	if r, ok := c.collections(p, g, depth); ok {
		return r
	}
	if p.Kind == expr.Text || g.Kind == expr.Text {
		return compareTextNodes(p, g)
	}
	return c.quantities(strip(p), strip(g), depth)
}

func compareTextNodes(p, g *expr.Node) result {
	if p.Kind == g.Kind && words(p.Name) == words(g.Name) {
		return lenient("words", "the same words")
	}
	if p.Kind == expr.Sym && g.Kind == expr.Text || p.Kind == expr.Text && g.Kind == expr.Sym {
		if strings.EqualFold(p.Name, g.Name) {
			return lenient("words", "the same word")
		}
	}
	return no("words", "words against mathematics, or different words")
}

// quantities compares values with their units.
func (c *comparer) quantities(p, g bare, depth int) result {
	why := ""
	if p.unit != "" || g.unit != "" {
		f, known, same := convert(p.unit, g.unit)
		switch {
		case same:
		case p.unit == "" || g.unit == "":
			why = "only one has a unit"
		case known && f == nil:
			return no("units", fmt.Sprintf("%s is no measure of what %s measures", p.unit, g.unit))
		case halfDays(p.unit, g.unit):
			return no("units", "one is before noon and one after")
		case known:
			p.n = expr.Product(p.n, expr.Rat(f))
			why = "the unit differs"
		default:
			why = "the words after the number differ"
		}
	}
	if p.degrees != g.degrees {
		why = "only one has a degree sign"
		if radians(p.n) && !p.degrees {
			p.n = expr.Product(p.n, expr.Quotient(expr.Int(180), expr.Symbol("pi")))
		}
		if radians(g.n) && !g.degrees {
			g.n = expr.Product(g.n, expr.Quotient(expr.Int(180), expr.Symbol("pi")))
		}
	}
	switch {
	case p.modulus == nil && g.modulus == nil:
	case p.modulus == nil || g.modulus == nil:
		why = "only one has a modulus"
	case !c.compare(p.modulus, g.modulus, depth+1).lenient:
		return no("structure", "different moduli")
	}
	if p.percent == g.percent {
		return c.scalar(p.n, g.n, depth).when(why)
	}
	hundredth := expr.Rat(big.NewRat(1, 100))
	asFraction, plain := func() result {
		if p.percent {
			return c.scalar(expr.Product(p.n, hundredth), g.n, depth)
		}
		return c.scalar(p.n, expr.Product(g.n, hundredth), depth)
	}, func() result { return c.scalar(p.n, g.n, depth) }
	if r := asFraction(); r.lenient {
		return r.when(why)
	}
	return plain().loosen("the percent sign was left out").when(why)
}

// radians reports an angle that is not written in degrees: with pi, or as an inverse function.
func radians(n *expr.Node) bool {
	return n.Has(func(m *expr.Node) bool {
		return m.Kind == expr.Sym && m.Name == "pi" || m.Kind == expr.Call && strings.HasPrefix(m.Name, "arc")
	})
}

func (r result) when(why string) result {
	if why == "" {
		return r
	}
	return r.loosen(why)
}

// collections compares lists, sets, tuples, intervals, ratios and matrices. ok is false when neither side is one.
func (c *comparer) collections(p, g *expr.Node, depth int) (result, bool) {
	if pr, gr := c.region(p, 0), c.region(g, 0); pr != nil && gr != nil && (setLike(p) || setLike(g)) {
		r := c.sameRegion(pr, gr)
		if r.lenient || setLike(p) && setLike(g) && !(p.Kind == expr.Group && g.Kind == expr.Group) {
			return r, true
		}
	}
	if m, k := matrix(p), matrix(g); m != nil || k != nil {
		return c.matrices(p, g, m, k, depth), true
	}
	pl, gl := many(p), many(g)
	switch {
	case p.Kind == expr.Ratio || g.Kind == expr.Ratio:
		return c.ratios(p, g, depth), true
	case !pl && !gl:
		return result{}, false
	case pl != gl:
		if pl && p.Kind == expr.Set && len(p.Args) == 1 {
			return c.compare(p.Args[0], g, depth+1).loosen("a set against its only element"), true
		}
		if gl && g.Kind == expr.Set && len(g.Args) == 1 {
			return c.compare(p, g.Args[0], depth+1).loosen("a set against its only element"), true
		}
		if isSetCall(p) || isSetCall(g) {
			return no("structure", "different sets"), true
		}
		if pl && p.Kind == expr.List && c.oneValue(p, depth) {
			return c.compare(p.Args[0], g, depth+1).loosen("one value given in several forms"), true
		}
		if gl && g.Kind == expr.List && c.oneValue(g, depth) {
			return c.compare(p, g.Args[0], depth+1).loosen("one value given in several forms"), true
		}
		return no("structure", "one answer against several"), true
	}
	return c.several(p, g, depth), true
}

// oneValue reports a short list whose items are all strictly equal, as in "15 39/40, or 639/40".
func (c *comparer) oneValue(n *expr.Node, depth int) bool {
	if len(n.Args) > 3 {
		return false
	}
	for _, a := range n.Args[1:] {
		if !c.compare(n.Args[0], a, depth+1).strict {
			return false
		}
	}
	return true
}

func many(n *expr.Node) bool {
	return n.Kind == expr.List || n.Kind == expr.Set || n.Kind == expr.Group || isSetCall(n)
}

func isSetCall(n *expr.Node) bool {
	return n.Kind == expr.Call && (n.Name == "union" || n.Name == "inter" || n.Name == "minus")
}

// several compares two collections by kind.
func (c *comparer) several(p, g *expr.Node, depth int) result {
	if isSetCall(p) || isSetCall(g) {
		return c.items(flatten(p), flatten(g), false, depth, "parts of the sets")
	}
	if p.Kind == expr.Group && g.Kind == expr.Group {
		r := c.items(p.Args, g.Args, true, depth, "components")
		switch {
		case p.Open == g.Open && p.Close == g.Close:
			return r
		case len(p.Args) == 2 && p.Open != '<' && g.Open != '<':
			return no("structure", "the ends of the interval differ in being open or closed")
		}
		return r.loosen("different brackets")
	}
	if p.Kind == expr.Group || g.Kind == expr.Group { // a tuple against a list or set: in order; a list of tuples is no tuple
		return c.items(p.Args, g.Args, true, depth, "components").loosen("a tuple against a list or set")
	}
	if p.Kind == expr.Set && g.Kind == expr.Set {
		return c.items(unique(p.Args), unique(g.Args), false, depth, "elements")
	}
	r := c.items(distinct(spread(p.Args)), distinct(spread(g.Args)), false, depth, "items")
	if p.Kind == expr.List && g.Kind == expr.List && r.strict && !c.items(p.Args, g.Args, true, depth, "").lenient {
		return r.loosen("another order")
	}
	if p.Kind != g.Kind {
		return r.loosen("a list against a set")
	}
	return r
}

// spread opens ± inside a list into both values.
func spread(items []*expr.Node) []*expr.Node {
	var out []*expr.Node
	for _, n := range items {
		if e := expandSigns(n); e != nil && hasSign(n) {
			out = append(out, e...)
		} else {
			out = append(out, n)
		}
	}
	return out
}

// unique drops elements of a set that are repeated.
func unique(items []*expr.Node) []*expr.Node {
	seen := map[string]bool{}
	var out []*expr.Node
	for _, n := range items {
		if k := n.Key(); !seen[k] {
			seen[k] = true
			out = append(out, n)
		}
	}
	return out
}

// distinct drops tuples and equations that are repeated: a list of solutions is a set.
func distinct(items []*expr.Node) []*expr.Node {
	seen := map[string]bool{}
	var out []*expr.Node
	for _, n := range items {
		if k := n.Key(); n.Kind != expr.Group && n.Kind != expr.Rel || !seen[k] {
			seen[k] = true
			out = append(out, n)
		}
	}
	return out
}

func flatten(n *expr.Node) []*expr.Node {
	if n.Kind == expr.Call && n.Name == "union" {
		return append(flatten(n.Args[0]), flatten(n.Args[1])...)
	}
	return []*expr.Node{n}
}

// items matches two collections: one to one in order, or each with one of the other.
func (c *comparer) items(p, g []*expr.Node, ordered bool, depth int, what string) result {
	if len(p) != len(g) {
		return no("structure", fmt.Sprintf("%d %s against %d", len(p), what, len(g)))
	}
	if len(p) > maxItems {
		return no("limits", "too many items")
	}
	out := yes("structure", "the same "+what)
	merge := func(r result) {
		out.strict = out.strict && r.strict
		out.stage = r.stage
		if r.reason != "" {
			out.reason = "the same " + what + ": " + r.reason
		}
	}
	if ordered {
		for i := range p {
			r := c.compare(p[i], g[i], depth+1)
			if !r.lenient {
				return no(r.stage, fmt.Sprintf("item %d differs: %s", i+1, r.reason))
			}
			merge(r)
		}
		return out
	}
	used := make([]bool, len(g))
	for i := range p {
		found := false
		for j := range g {
			if used[j] {
				continue
			}
			if r := c.compare(p[i], g[j], depth+1); r.lenient {
				used[j], found = true, true
				merge(r)
				break
			}
		}
		if !found {
			return no("structure", fmt.Sprintf("item %d has no equal", i+1))
		}
	}
	return out
}

// ratios compares a:b with a:b or with a/b. Clock times, whose second part is zero, must agree part by part.
func (c *comparer) ratios(p, g *expr.Node, depth int) result {
	if p.Kind == expr.Ratio && g.Kind == expr.Ratio {
		r := c.items(p.Args, g.Args, true, depth, "parts of the ratio")
		if r.lenient || hasUnit(p) || hasUnit(g) || len(p.Args) != len(g.Args) || len(p.Args) > maxItems {
			return r
		}
		for i := 1; i < len(p.Args); i++ {
			if isZero(p.Args[i]) || isZero(g.Args[i]) {
				return r
			}
			if s := c.scalar(expr.Quotient(p.Args[0], p.Args[i]), expr.Quotient(g.Args[0], g.Args[i]), depth); !s.lenient {
				return s
			}
		}
		return lenient("exact", "the same ratio in other terms")
	}
	flat := func(n *expr.Node) *expr.Node {
		if n.Kind == expr.Ratio && len(n.Args) == 2 && !isZero(n.Args[1]) {
			return expr.Quotient(n.Args[0], n.Args[1])
		}
		return n
	}
	if p, g := flat(p), flat(g); p.Kind != expr.Ratio && g.Kind != expr.Ratio {
		return c.compare(p, g, depth+1).loosen("a ratio against a quotient")
	}
	return no("structure", "a ratio of more than two parts against one value")
}

func hasUnit(n *expr.Node) bool {
	return n.Has(func(m *expr.Node) bool { return m.Kind == expr.Call && m.Name == "unit" })
}

func isZero(n *expr.Node) bool { r := value.Exact(n); return r != nil && r.Sign() == 0 }

func hasSign(n *expr.Node) bool {
	return n.Kind != expr.Rel && n.Has(func(m *expr.Node) bool { return m.Kind == expr.Call && (m.Name == "pm" || m.Name == "mp") })
}

// expandSigns gives both readings of a ± b, signs linked, for lists item by item; nil when there is nothing to expand but a container.
func expandSigns(n *expr.Node) []*expr.Node {
	if n.Kind == expr.List || n.Kind == expr.Set {
		var out []*expr.Node
		for _, a := range n.Args {
			out = append(out, expandSigns(a)...)
		}
		return out
	}
	if !hasSign(n) {
		return []*expr.Node{n}
	}
	side := func(upper bool) *expr.Node {
		return n.Map(func(m *expr.Node) *expr.Node {
			if m.Kind != expr.Call || m.Name != "pm" && m.Name != "mp" {
				return m
			}
			b := m.Args[1]
			if (m.Name == "pm") != upper {
				b = expr.Negate(b)
			}
			if m.Args[0].IsInt(0) {
				return b
			}
			return expr.Sum(m.Args[0], b)
		})
	}
	return []*expr.Node{side(true), side(false)}
}
