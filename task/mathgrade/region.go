package mathgrade

import (
	"math"
	"sort"

	"github.com/pennyml/penny/task/mathgrade/ball"
	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// end is an end of an interval: infinite (-1, 1), or a number.
type end struct {
	inf    int
	v      ball.Real
	closed bool
}

func (e end) float() float64 {
	if e.inf != 0 {
		return math.Inf(e.inf)
	}
	return e.v.Float()
}

// same reports that two ends are one point.
func (e end) same(f end) bool {
	if e.inf != 0 || f.inf != 0 {
		return e.inf == f.inf
	}
	apart, near := ball.Differ(e.v, f.v, 1e-30)
	return !apart && near
}

// span1 is an interval; a point has equal closed ends.
type span1 struct{ lo, hi end }

// regionSet is a union of disjoint intervals in order: a set of real numbers in normal form.
type regionSet []span1

// setLike reports a node that can only mean a set of numbers.
func setLike(n *expr.Node) bool {
	return inequalities(n) || isSetCall(n) || built(n) || halfReals(n) != "" || n.Kind == expr.Sym && n.Name == "bbR" || n.Kind == expr.Rel || n.Kind == expr.Group && (n.Open == '[') != (n.Close == ']')
}

const maxSpans = 60

// region is the set of reals that n denotes, or nil: intervals, finite sets, unions, intersections, differences, and inequalities in one
// variable that are linear or bound its absolute value.
func (c *comparer) region(n *expr.Node, depth int) regionSet {
	if depth > 30 {
		return nil
	}
	switch {
	case n.Kind == expr.Sym && n.Name == "bbR":
		return regionSet{{end{inf: -1}, end{inf: 1}}}
	case n.Kind == expr.Group && len(n.Args) == 2 && n.Open != '<':
		lo, ok1 := c.endpoint(n.Args[0], n.Open == '[')
		hi, ok2 := c.endpoint(n.Args[1], n.Close == ']')
		if n.Open == ']' { // ]a,b[
			lo.closed, hi.closed = false, n.Close == ']'
		}
		if !ok1 || !ok2 || lo.float() >= hi.float() {
			return nil
		}
		return regionSet{{lo, hi}}
	case halfReals(n) != "":
		zero := end{v: ball.Int(0)}
		return map[string]regionSet{"+": {{zero, end{inf: 1}}}, "-": {{end{inf: -1}, zero}}}[halfReals(n)]
	case built(n):
		return c.builtSet(n.Args[0], depth)
	case n.Kind == expr.Set && len(n.Args) > 0 && len(n.Args) <= maxItems:
		var out regionSet
		for _, a := range n.Args {
			p, ok := c.endpoint(a, true)
			if !ok || p.inf != 0 {
				return nil
			}
			out = append(out, span1{p, p})
		}
		return normalise(out)
	case isSetCall(n):
		a, b := c.region(n.Args[0], depth+1), c.region(n.Args[1], depth+1)
		if a == nil || b == nil || len(a)+len(b) > maxSpans {
			return nil
		}
		switch n.Name {
		case "union":
			return normalise(append(append(regionSet{}, a...), b...))
		case "inter":
			return intersect(a, b)
		}
		return intersect(a, complement(b))
	case inequalities(n):
		return c.system(n, depth)
	case n.Kind == expr.Rel:
		return c.solve(n, depth)
	}
	return nil
}

// halfReals is the sign of \mathbb{R}^+ or \mathbb{R}^-.
func halfReals(n *expr.Node) string {
	if n.Kind == expr.Pow && n.Args[0].Kind == expr.Sym && n.Args[0].Name == "bbR" && n.Args[1].Kind == expr.Sym && (n.Args[1].Name == "+" || n.Args[1].Name == "-") {
		return n.Args[1].Name
	}
	return ""
}

// built reports a set given by a condition, {x | 1 < x < 2}.
func built(n *expr.Node) bool {
	return n.Kind == expr.Set && len(n.Args) == 1 && n.Args[0].Kind == expr.Call && n.Args[0].Name == "where"
}

// builtSet is the set of reals with all the conditions of a where node.
func (c *comparer) builtSet(w *expr.Node, depth int) regionSet {
	v, out := w.Args[0], regionSet{{end{inf: -1}, end{inf: 1}}}
	if v.Kind == expr.Rel && len(v.Args) == 2 && v.Ops[0] == "∈" {
		if out = c.region(v.Args[1], depth+1); out == nil {
			return nil
		}
		v = v.Args[0]
	}
	if v.Kind != expr.Sym || len(w.Args) > 7 {
		return nil
	}
	for _, cond := range w.Args[1:] {
		if cond.Kind != expr.Rel || len(cond.Vars()) != 1 || cond.Vars()[0] != v.Name {
			return nil
		}
		r := c.solve(cond, depth+1)
		if r == nil {
			return nil
		}
		out = intersect(out, r)
	}
	return out
}

// inequalities reports a list of inequalities, such as x < 1 or x > 2.
func inequalities(n *expr.Node) bool {
	if n.Kind != expr.List || len(n.Args) > 6 {
		return false
	}
	for _, a := range n.Args {
		if a.Kind != expr.Rel || a.Ops[0] == "=" || a.Ops[0] == "≈" {
			return false
		}
	}
	return true
}

// system joins inequalities: by union for "or", by intersection for "and"; commas mean "and" unless nothing would be left.
func (c *comparer) system(n *expr.Node, depth int) regionSet {
	var all, any regionSet
	or := true
	for i, a := range n.Args {
		r := c.solve(a, depth+1)
		if r == nil || len(a.Vars()) != 1 || a.Vars()[0] != n.Args[0].Vars()[0] {
			return nil
		}
		if i == 0 {
			all, any = r, r
			continue
		}
		all, any = intersect(all, r), normalise(append(append(regionSet{}, any...), r...))
		or = or && n.Ops[i-1] == "or"
	}
	if or || len(all) == 0 && n.Ops[0] == "," {
		return any
	}
	return all
}

func (c *comparer) endpoint(n *expr.Node, closed bool) (end, bool) {
	b := strip(n)
	if b.unit != "" || b.percent {
		return end{}, false
	}
	n = b.n
	if n.Kind == expr.Infty {
		return end{inf: 1}, true
	}
	if n.Kind == expr.Mul && len(n.Args) == 2 && n.Args[0].IsInt(-1) && n.Args[1].Kind == expr.Infty {
		return end{inf: -1}, true
	}
	if len(n.Vars()) > 0 {
		return end{}, false
	}
	v, err := (&value.Env{Budget: &c.budget}).Eval(n)
	if err != nil || !v.IsReal() {
		return end{}, false
	}
	return end{v: v.Re, closed: closed}, true
}

// solve is the solution set of a chain of inequalities, or of x ∈ S.
func (c *comparer) solve(n *expr.Node, depth int) regionSet {
	if len(n.Args) == 2 && n.Ops[0] == "∈" && n.Args[0].Kind == expr.Sym {
		return c.region(n.Args[1], depth+1)
	}
	vars := n.Vars()
	if len(vars) != 1 || len(n.Args) > 4 {
		return nil
	}
	out := regionSet{{end{inf: -1}, end{inf: 1}}}
	for i, op := range n.Ops {
		r := c.halfLine(n.Args[i], n.Args[i+1], op, vars[0])
		if r == nil {
			return nil
		}
		out = intersect(out, r)
	}
	return out
}

// halfLine solves a op b for v: linear with rational coefficients, v against a number, or |v| against a number.
func (c *comparer) halfLine(a, b *expr.Node, op, v string) regionSet {
	switch op {
	case "<", ">", "≤", "≥", "≠":
	default:
		return nil
	}
	isVar := func(n *expr.Node) bool { return n.Kind == expr.Sym && n.Name == v }
	isAbs := func(n *expr.Node) bool { return n.Kind == expr.Call && n.Name == "abs" && isVar(n.Args[0]) }
	if isVar(b) || isAbs(b) {
		a, b, op = b, a, flipped[op]
	}
	switch {
	case isVar(a):
		p, ok := c.endpoint(b, true)
		if !ok || p.inf != 0 {
			return nil
		}
		return ray(p, op)
	case isAbs(a):
		p, ok := c.endpoint(b, true)
		if !ok || p.inf != 0 || p.v.Sign() <= 0 {
			return nil
		}
		m := end{v: p.v.Neg(), closed: true}
		if op == "<" || op == "≤" {
			return intersect(ray(p, op), ray(m, flipped[op]))
		}
		if op == "≠" {
			return intersect(ray(p, op), ray(m, op))
		}
		return normalise(append(ray(p, op), ray(m, flipped[op])...))
	}
	root, slope := linear(expr.Sum(a, expr.Negate(b)), v)
	if root == nil {
		return nil
	}
	if slope < 0 {
		op = flipped[op]
	}
	return ray(end{v: ball.Rat(root), closed: true}, op)
}

// ray is the set of x with x op p.
func ray(p end, op string) regionSet {
	open := p
	open.closed = false
	switch op {
	case "<":
		return regionSet{{end{inf: -1}, open}}
	case "≤":
		return regionSet{{end{inf: -1}, p}}
	case ">":
		return regionSet{{open, end{inf: 1}}}
	case "≥":
		return regionSet{{p, end{inf: 1}}}
	}
	return regionSet{{end{inf: -1}, open}, {open, end{inf: 1}}}
}

// normalise sorts and merges intervals that overlap or touch.
func normalise(r regionSet) regionSet {
	sort.SliceStable(r, func(i, j int) bool {
		if r[i].lo.same(r[j].lo) {
			return r[i].lo.closed && !r[j].lo.closed
		}
		return r[i].lo.float() < r[j].lo.float()
	})
	var out regionSet
	for _, s := range r {
		if len(out) == 0 {
			out = append(out, s)
			continue
		}
		last := &out[len(out)-1]
		touch := last.hi.same(s.lo)
		if touch && (last.hi.closed || s.lo.closed) || !touch && s.lo.float() < last.hi.float() {
			if last.hi.same(s.hi) {
				last.hi.closed = last.hi.closed || s.hi.closed
			} else if s.hi.float() > last.hi.float() {
				last.hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

func intersect(a, b regionSet) regionSet {
	out := regionSet{}
	for _, s := range a {
		for _, t := range b {
			lo, hi := s.lo, s.hi
			if t.lo.same(lo) {
				lo.closed = lo.closed && t.lo.closed
			} else if t.lo.float() > lo.float() {
				lo = t.lo
			}
			if t.hi.same(hi) {
				hi.closed = hi.closed && t.hi.closed
			} else if t.hi.float() < hi.float() {
				hi = t.hi
			}
			if lo.same(hi) && lo.closed && hi.closed || !lo.same(hi) && lo.float() < hi.float() {
				out = append(out, span1{lo, hi})
			}
		}
	}
	return normalise(out)
}

func complement(r regionSet) regionSet {
	out := regionSet{}
	lo := end{inf: -1}
	for _, s := range r {
		hi := s.lo
		hi.closed = !s.lo.closed && s.lo.inf == 0
		if s.lo.inf == 0 && (lo.inf != 0 || lo.float() < hi.float() || lo.same(hi) && lo.closed && hi.closed) {
			out = append(out, span1{lo, hi})
		}
		lo = s.hi
		lo.closed = !s.hi.closed && s.hi.inf == 0
		if s.hi.inf > 0 {
			return out
		}
	}
	return append(out, span1{lo, end{inf: 1}})
}

func (c *comparer) sameRegion(a, b regionSet) result {
	if len(a) != len(b) {
		return no("sets", "different sets of numbers")
	}
	for i := range a {
		for _, pair := range [][2]end{{a[i].lo, b[i].lo}, {a[i].hi, b[i].hi}} {
			if !pair[0].same(pair[1]) {
				return no("sets", "an end of an interval differs")
			}
			if pair[0].inf == 0 && pair[0].closed != pair[1].closed {
				return no("sets", "an end of an interval is open in one and closed in the other")
			}
		}
	}
	return yes("sets", "the same set of real numbers")
}
