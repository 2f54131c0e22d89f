package mathgrade

import (
	"github.com/pennyml/penny/task/mathgrade/expr"
)

// matrix works out sums, products, multiples and transposes of matrices; nil when n is no matrix.
func matrix(n *expr.Node) *expr.Node {
	switch {
	case n.Kind == expr.Matrix:
		return n
	case n.Kind == expr.Call && n.Name == "transpose":
		if m := matrix(n.Args[0]); m != nil {
			return transpose(m)
		}
	case n.Kind == expr.Add:
		sum := matrix(n.Args[0])
		for _, a := range n.Args[1:] {
			if sum = addMatrix(sum, matrix(a)); sum == nil {
				return nil
			}
		}
		return sum
	case n.Kind == expr.Mul:
		var out *expr.Node
		var scalars []*expr.Node
		for _, a := range n.Args {
			m := matrix(a)
			switch {
			case m == nil:
				scalars = append(scalars, a)
			case out == nil:
				out = m
			default:
				if out = mulMatrix(out, m); out == nil {
					return nil
				}
			}
		}
		if out == nil || len(scalars) == 0 {
			return out
		}
		return scale(out, scalars)
	case n.Kind == expr.Call && n.Name == "frac":
		if m := matrix(n.Args[0]); m != nil {
			return scale(m, []*expr.Node{expr.Power(n.Args[1], expr.Int(-1))})
		}
	}
	return nil
}

func transpose(m *expr.Node) *expr.Node {
	rows := len(m.Args) / m.Cols
	out := &expr.Node{Kind: expr.Matrix, Cols: rows}
	for j := range m.Cols {
		for i := range rows {
			out.Args = append(out.Args, m.Args[i*m.Cols+j])
		}
	}
	return out
}

func addMatrix(a, b *expr.Node) *expr.Node {
	if a == nil || b == nil || a.Cols != b.Cols || len(a.Args) != len(b.Args) {
		return nil
	}
	out := &expr.Node{Kind: expr.Matrix, Cols: a.Cols}
	for i := range a.Args {
		out.Args = append(out.Args, expr.Sum(a.Args[i], b.Args[i]))
	}
	return out
}

func mulMatrix(a, b *expr.Node) *expr.Node {
	rows := len(a.Args) / a.Cols
	if a.Cols*b.Cols != len(b.Args) || rows*b.Cols*a.Cols > 1000 {
		return nil
	}
	out := &expr.Node{Kind: expr.Matrix, Cols: b.Cols}
	for i := range rows {
		for j := range b.Cols {
			var terms []*expr.Node
			for k := range a.Cols {
				terms = append(terms, expr.Product(a.Args[i*a.Cols+k], b.Args[k*b.Cols+j]))
			}
			out.Args = append(out.Args, expr.Sum(terms...))
		}
	}
	return out
}

// matrices compares where at least one side is a matrix. A row or column may stand for a tuple.
func (c *comparer) matrices(p, g, pm, gm *expr.Node, depth int) result {
	if pm != nil && gm != nil {
		if len(pm.Args) != len(gm.Args) {
			return no("structure", "matrices of different size")
		}
		r := c.items(pm.Args, gm.Args, true, depth, "entries")
		if pm.Cols == gm.Cols {
			return r
		}
		if vector(pm) && vector(gm) {
			return r.loosen("a row against a column")
		}
		return no("structure", "matrices of different shape")
	}
	v, other := pm, g
	if v == nil {
		v, other = gm, p
	}
	if rows := nested(other); rows != nil && !vector(v) {
		return c.matrices(v, rows, v, rows, depth).loosen("rows in brackets against a matrix")
	}
	if !vector(v) || other.Kind != expr.Group {
		return no("structure", "a matrix against something else")
	}
	if pm != nil {
		return c.items(pm.Args, g.Args, true, depth, "components").loosen("a vector against a tuple")
	}
	return c.items(p.Args, gm.Args, true, depth, "components").loosen("a vector against a tuple")
}

// nested reads [[1,2],[3,4]] as a matrix; nil where n is none.
func nested(n *expr.Node) *expr.Node {
	if n.Kind != expr.Group && n.Kind != expr.List {
		return nil
	}
	m := &expr.Node{Kind: expr.Matrix, Cols: len(n.Args[0].Args)}
	for _, row := range n.Args {
		if row.Kind != expr.Group || len(row.Args) != m.Cols {
			return nil
		}
		m.Args = append(m.Args, row.Args...)
	}
	return m
}

func vector(m *expr.Node) bool { return m.Cols == 1 || m.Cols == len(m.Args) }

func scale(m *expr.Node, by []*expr.Node) *expr.Node {
	out := &expr.Node{Kind: expr.Matrix, Cols: m.Cols}
	for _, a := range m.Args {
		out.Args = append(out.Args, expr.Product(append(by[:len(by):len(by)], a)...))
	}
	return out
}
