package mathgrade

import (
	"math/big"

	"github.com/pennyml/penny/task/mathgrade/ball"
	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// relations compares where at least one side is an equation, inequality or membership.
func (c *comparer) relations(p, g *expr.Node, depth int) result {
	if p.Kind == expr.Rel && g.Kind == expr.Rel && len(p.Args) == len(g.Args) && sameOps(p, g) {
		if r := c.sameForm(p, g, depth); r.lenient {
			return r
		}
	}
	if pr, gr := c.region(p, 0), c.region(g, 0); pr != nil && gr != nil {
		r := c.sameRegion(pr, gr)
		if p.Kind != g.Kind {
			r = r.loosen("an inequality against a set")
		}
		if r.lenient {
			return r
		}
	}
	pn, pv := assignment1(p)
	gn, gv := assignment1(g)
	switch {
	case pv != nil && gv != nil:
		if x, y, ok := argumentOf(pn, gn); ok && !gv.Has(func(m *expr.Node) bool { return m.Kind == expr.Sym && m.Name == x }) {
			gv = gv.Subst(y, expr.Symbol(x))
			gn = pn
		}
		r := c.compare(pv, gv, depth+1)
		if r.lenient && (pn.Key() == gn.Key() || numericSide(pn) || numericSide(gn)) {
			return r
		}
		if r.lenient && (pn.Kind != expr.Sym || gn.Kind != expr.Sym) {
			return r.loosen("the names differ")
		}
	case pv != nil && g.Kind != expr.Rel:
		if r := c.compare(pv, g, depth+1); r.lenient {
			return r.loosen("an equation against its right side")
		}
	case gv != nil && p.Kind != expr.Rel:
		if r := c.compare(p, gv, depth+1); r.lenient {
			return r.loosen("a value against an equation")
		}
	}
	if d, e := difference(p), difference(g); d != nil && e != nil {
		return c.proportional(p, g, d, e)
	}
	if p.Kind == expr.Rel && g.Kind == expr.Rel {
		return no("structure", "different relations")
	}
	return no("structure", "a relation against something else")
}

// argumentOf gives the arguments of f(x) and f(y).
func argumentOf(p, g *expr.Node) (x, y string, ok bool) {
	if p.Kind != expr.Call || g.Kind != expr.Call || p.Name != g.Name || len(p.Args) != 1 || len(g.Args) != 1 || p.Args[0].Kind != expr.Sym || g.Args[0].Kind != expr.Sym {
		return "", "", false
	}
	return p.Args[0].Name, g.Args[0].Name, p.Args[0].Name != g.Args[0].Name
}

func sameOps(p, g *expr.Node) bool {
	for i := range p.Ops {
		if p.Ops[i] != g.Ops[i] {
			return false
		}
	}
	return true
}

// sameForm compares two chains side by side.
func (c *comparer) sameForm(p, g *expr.Node, depth int) result {
	out := yes("structure", "the same relation")
	for i := range p.Args {
		r := c.compare(p.Args[i], g.Args[i], depth+1)
		if !r.lenient {
			return r
		}
		out.strict = out.strict && r.strict
	}
	return out
}

// assignment1 reads name = ... = value, or value = name, and gives the name and the exact value before any ≈. Both are nil when n is no
// such chain, for instance because its left side is a sum with variables.
func assignment1(n *expr.Node) (name, val *expr.Node) {
	if n.Kind != expr.Rel {
		return nil, nil
	}
	last := len(n.Args) - 1
	for i, op := range n.Ops {
		switch op {
		case "=", "∈", "≡":
		case "≈":
			if i > 0 && last == len(n.Args)-1 {
				last = i
			}
		default:
			return nil, nil
		}
	}
	first := n.Args[0]
	switch {
	case last == 0:
		return nil, nil
	case last == 1 && n.Ops[0] == "≈" && numericSide(first):
		return first, first
	case names(first) || numericSide(first) && (numericSide(n.Args[last]) || names(n.Args[last])):
		if last == 1 && numericSide(first) && names(n.Args[1]) && len(n.Args[1].Vars()) > 0 {
			return n.Args[1], first
		}
		return first, n.Args[last]
	case last == 1 && names(n.Args[1]) && n.Ops[0] == "=":
		return n.Args[1], first
	}
	return nil, nil
}

// names reports whether n is what an answer may be called: x, x_1, f(x), AB, |AB|, A:B, a/b, (x, y).
func names(n *expr.Node) bool {
	all := func() bool {
		for _, a := range n.Args {
			if !names(a) {
				return false
			}
		}
		return true
	}
	switch n.Kind {
	case expr.Sym:
		return n.Name != "pi" && n.Name != "e" && n.Name != "i"
	case expr.Text:
		return true
	case expr.Mul:
		return len(n.Args) <= 5 && all()
	case expr.Pow:
		return n.Args[1].IsInt(-1) && names(n.Args[0])
	case expr.Ratio, expr.Group:
		return all()
	case expr.Call:
		switch n.Name {
		case "abs", "conj", "frac", "norm", "deg":
			return all()
		}
		return n.Name[0] == '@'
	}
	return false
}

// numericSide reports a side without variables, as in \sqrt{4} = 2.
func numericSide(n *expr.Node) bool {
	switch n.Kind {
	case expr.Text, expr.Set, expr.List, expr.Group, expr.Rel, expr.Infty:
		return false
	}
	return len(n.Vars()) == 0
}

// difference is left minus right of a single equation or inequality.
func difference(n *expr.Node) *expr.Node {
	if n.Kind != expr.Rel || len(n.Args) != 2 {
		return nil
	}
	switch n.Ops[0] {
	case "=", "<", ">", "≤", "≥", "≠":
		for _, a := range n.Args {
			if a.Has(func(m *expr.Node) bool {
				return m.Kind == expr.Text || m.Kind == expr.Set || m.Kind == expr.List || m.Kind == expr.Matrix || m.Kind == expr.Group || m.Kind == expr.Infty
			}) {
				return nil
			}
		}
		return expr.Sum(n.Args[0], expr.Negate(n.Args[1]))
	}
	return nil
}

var flipped = map[string]string{"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}

// proportional decides whether two relations say the same: their differences have a constant ratio, positive where the signs point the
// same way.
func (c *comparer) proportional(p, g, d, e *expr.Node) result {
	vars := union(d.Vars(), e.Vars())
	if len(vars) == 0 {
		return no("numeric", "a relation without variables")
	}
	var ratio *ball.Complex
	seen := 0
	for k := range trials {
		pt := map[string]ball.Complex{}
		for i, v := range vars {
			pt[v] = ball.FromReal(ball.Rat(point(i, k)))
		}
		env := &value.Env{Vars: pt, Budget: &c.budget}
		a, err := env.Eval(d)
		if err != nil {
			continue
		}
		b, err := env.Eval(e)
		if err != nil {
			continue
		}
		inv, err := b.Inv()
		if err != nil {
			if a.IsZero() && b.IsZero() {
				continue
			}
			return no("numeric", "different relations")
		}
		q := a.Mul(inv)
		if ratio == nil {
			ratio = &q
			seen++
			continue
		}
		if apart, near := ball.Differ(q.Re, ratio.Re, closeness); apart || !near {
			return no("numeric", "different relations")
		}
		if apart, _ := ball.Differ(q.Im, ratio.Im, closeness); apart {
			return no("numeric", "different relations")
		}
		seen++
	}
	if ratio == nil || seen < 3 || !nearReal(*ratio) {
		return no("numeric", "the relations have no value at the test points")
	}
	op := p.Ops[0]
	switch ratio.Re.Sign() {
	case 0:
		return no("numeric", "different relations")
	case -1:
		op = flipped[op]
	}
	if op != g.Ops[0] {
		return no("structure", "the relations point different ways")
	}
	return yes("numeric", "the same relation up to a factor")
}

// linear solves coefficient·v + rest = 0 for the only variable v of n, exactly; slope is the sign of the coefficient.
func linear(n *expr.Node, v string) (root *big.Rat, slope int) {
	at := func(x int64) *big.Rat { return value.Exact(n.Subst(v, expr.Int(x))) }
	f0, f1, f2, f5 := at(0), at(1), at(2), at(5)
	if f0 == nil || f1 == nil || f2 == nil || f5 == nil {
		return nil, 0
	}
	m := new(big.Rat).Sub(f1, f0)
	line := func(x int64) *big.Rat {
		return new(big.Rat).Add(f0, new(big.Rat).Mul(m, big.NewRat(x, 1)))
	}
	if m.Sign() == 0 || f2.Cmp(line(2)) != 0 || f5.Cmp(line(5)) != 0 {
		return nil, 0
	}
	return new(big.Rat).Neg(new(big.Rat).Quo(f0, m)), m.Sign()
}
