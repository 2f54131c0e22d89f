package value

import (
	"github.com/pennyml/penny/task/mathgrade/expr"
)

func depends(n *expr.Node, v string) bool {
	return n.Has(func(m *expr.Node) bool { return m.Kind == expr.Sym && m.Name == v })
}

// antiderivative integrates sums of constant · v^k termwise, with no constant of integration.
func antiderivative(n *expr.Node, v string, depth int) (*expr.Node, error) {
	x := expr.Symbol(v)
	switch {
	case depth > 50:
		return nil, ErrBudget
	case !depends(n, v):
		return expr.Product(n, x), nil
	case n.Kind == expr.Sym:
		return expr.Product(expr.Rat(ratHalf), expr.Power(x, expr.Int(2))), nil
	case n.Kind == expr.Add:
		out := make([]*expr.Node, len(n.Args))
		for i, a := range n.Args {
			var err error
			if out[i], err = antiderivative(a, v, depth+1); err != nil {
				return nil, err
			}
		}
		return expr.Sum(out...), nil
	case n.Kind == expr.Mul:
		var consts, rest []*expr.Node
		for _, a := range n.Args {
			if depends(a, v) {
				rest = append(rest, a)
			} else {
				consts = append(consts, a)
			}
		}
		if len(rest) != 1 || len(consts) == 0 {
			return nil, ErrOpaque
		}
		a, err := antiderivative(rest[0], v, depth+1)
		return expr.Product(append(consts, a)...), err
	case n.Kind == expr.Call && n.Name == "frac":
		if depends(n.Args[0], v) && depends(n.Args[1], v) {
			return nil, ErrOpaque
		}
		return antiderivative(expr.Quotient(n.Args[0], n.Args[1]), v, depth+1)
	case n.Kind == expr.Pow && n.Args[0].Kind == expr.Sym && n.Args[0].Name == v && !depends(n.Args[1], v):
		if r := Exact(n.Args[1]); r != nil && r.IsInt() && r.Num().IsInt64() && r.Num().Int64() == -1 {
			return expr.Apply("log", x), nil
		}
		k := expr.Sum(n.Args[1], expr.Int(1))
		return expr.Quotient(expr.Power(x, k), k), nil
	}
	return nil, ErrOpaque
}

// derivative differentiates by the usual rules.
func derivative(n *expr.Node, v string, depth int) (*expr.Node, error) {
	if depth > 40 {
		return nil, ErrBudget
	}
	if !depends(n, v) {
		return expr.Int(0), nil
	}
	d := func(a *expr.Node) (*expr.Node, error) { return derivative(a, v, depth+1) }
	switch n.Kind {
	case expr.Sym:
		return expr.Int(1), nil
	case expr.Add:
		out := make([]*expr.Node, len(n.Args))
		for i, a := range n.Args {
			var err error
			if out[i], err = d(a); err != nil {
				return nil, err
			}
		}
		return expr.Sum(out...), nil
	case expr.Mul:
		var terms []*expr.Node
		for i, a := range n.Args {
			if !depends(a, v) {
				continue
			}
			da, err := d(a)
			if err != nil {
				return nil, err
			}
			f := append([]*expr.Node{da}, n.Args[:i]...)
			terms = append(terms, expr.Product(append(f, n.Args[i+1:]...)...))
		}
		return expr.Sum(terms...), nil
	case expr.Pow: // u^w (w' log u + w u'/u)
		u, w := n.Args[0], n.Args[1]
		du, err := d(u)
		if err != nil {
			return nil, err
		}
		if !depends(w, v) {
			return expr.Product(w, expr.Power(u, expr.Sum(w, expr.Int(-1))), du), nil
		}
		dw, err := d(w)
		if err != nil {
			return nil, err
		}
		return expr.Product(n, expr.Sum(expr.Product(dw, expr.Apply("log", u)), expr.Product(w, du, expr.Power(u, expr.Int(-1))))), nil
	case expr.Call:
		if n.Name == "frac" {
			return d(expr.Quotient(n.Args[0], n.Args[1]))
		}
		f := chain(n)
		if f == nil {
			return nil, ErrOpaque
		}
		du, err := d(n.Args[0])
		return expr.Product(f, du), err
	}
	return nil, ErrOpaque
}

// chain is the outer derivative of a function of one argument, or nil.
func chain(n *expr.Node) *expr.Node {
	u := n.Args[0]
	sq := func(a *expr.Node) *expr.Node { return expr.Power(a, expr.Int(2)) }
	inv := func(a *expr.Node) *expr.Node { return expr.Power(a, expr.Int(-1)) }
	one := expr.Int(1)
	if len(n.Args) == 2 && n.Name == "log" {
		return expr.Product(inv(u), inv(expr.Apply("log", n.Args[1])))
	}
	if len(n.Args) != 1 {
		return nil
	}
	switch n.Name {
	case "sin":
		return expr.Apply("cos", u)
	case "cos":
		return expr.Negate(expr.Apply("sin", u))
	case "tan":
		return expr.Sum(one, sq(n))
	case "exp":
		return n
	case "log":
		return inv(u)
	case "sinh":
		return expr.Apply("cosh", u)
	case "cosh":
		return expr.Apply("sinh", u)
	case "arctan":
		return inv(expr.Sum(one, sq(u)))
	case "arcsin":
		return expr.Power(expr.Sum(one, expr.Negate(sq(u))), expr.Rat(ratMinusHalf))
	}
	return nil
}

// determinant expands a square matrix of at most five rows, else nil.
func determinant(m *expr.Node) *expr.Node {
	if m.Kind != expr.Matrix || m.Cols*m.Cols != len(m.Args) || m.Cols > 5 {
		return nil
	}
	n := m.Cols
	if n == 1 {
		return m.Args[0]
	}
	var terms []*expr.Node
	for j := range n {
		minor := &expr.Node{Kind: expr.Matrix, Cols: n - 1}
		for r := 1; r < n; r++ {
			for k := range n {
				if k != j {
					minor.Args = append(minor.Args, m.Args[r*n+k])
				}
			}
		}
		t := expr.Product(m.Args[j], determinant(minor))
		if j%2 == 1 {
			t = expr.Product(expr.Int(-1), t)
		}
		terms = append(terms, t)
	}
	return expr.Sum(terms...)
}
