// Package expr parses LaTeX and plain-text mathematics into expression trees. Work is bounded for any input: length, depth, node count
// and the size of number literals all have limits, and nothing is computed while parsing.
package expr

import (
	"math/big"
	"sort"
	"strings"
)

// Kind says what a Node is.
type Kind uint8

// The kinds of Node. Subtraction, division and negation are written with Add, Mul and Pow.
const (
	Num    Kind = iota // Rat; written as a decimal when Sig > 0: Sig significant digits, the last of weight 10^Last
	Sym                // Name
	Add                // Args
	Mul                // Args
	Pow                // Args[0] ^ Args[1]
	Call               // Name applied to Args: sin, log, abs, factorial, sum, int, diff, unit, ...
	Rel                // relation chain: Args joined by Ops
	Group              // bracketed list of two or more items; Open and Close are the brackets
	Set                // {Args}
	List               // bare list: items parted by Ops: comma, semicolon, "and" or "or"
	Matrix             // Args row by row, Cols columns
	Ratio              // a:b(:c)
	Infty              // infinity
	Text               // words; Name
)

// Node is one expression. A parsed tree is never changed.
type Node struct {
	Kind        Kind
	Name        string
	Rat         *big.Rat
	Last, Sig   int
	Args        []*Node
	Ops         []string
	Open, Close byte
	Cols        int
}

// Int is the integer n as a Node.
func Int(n int64) *Node { return &Node{Kind: Num, Rat: new(big.Rat).SetInt64(n)} }

// Rat is the rational r as a Node.
func Rat(r *big.Rat) *Node { return &Node{Kind: Num, Rat: r} }

// Symbol is a variable or constant.
func Symbol(name string) *Node { return &Node{Kind: Sym, Name: name} }

// Apply is the function name applied to args.
func Apply(name string, args ...*Node) *Node { return &Node{Kind: Call, Name: name, Args: args} }

// Sum adds terms.
func Sum(args ...*Node) *Node {
	if len(args) == 1 {
		return args[0]
	}
	return &Node{Kind: Add, Args: args}
}

// Product multiplies factors.
func Product(args ...*Node) *Node {
	if len(args) == 1 {
		return args[0]
	}
	return &Node{Kind: Mul, Args: args}
}

// Power is b to the e.
func Power(b, e *Node) *Node { return &Node{Kind: Pow, Args: []*Node{b, e}} }

// Negate is -n; a literal stays a literal.
func Negate(n *Node) *Node {
	if n.Kind == Num {
		c := *n
		c.Rat = new(big.Rat).Neg(n.Rat)
		return &c
	}
	return Product(Int(-1), n)
}

// Quotient is a / b.
func Quotient(a, b *Node) *Node { return Product(a, Power(b, Int(-1))) }

// IsInt reports whether n is the literal integer v.
func (n *Node) IsInt(v int64) bool {
	return n.Kind == Num && n.Rat.IsInt() && n.Rat.Num().IsInt64() && n.Rat.Num().Int64() == v
}

// Walk visits n and everything below it until f returns false.
func (n *Node) Walk(f func(*Node) bool) bool {
	if !f(n) {
		return false
	}
	for _, a := range n.Args {
		if !a.Walk(f) {
			return false
		}
	}
	return true
}

// Has reports whether f holds for n or a node below it.
func (n *Node) Has(f func(*Node) bool) bool { return !n.Walk(func(m *Node) bool { return !f(m) }) }

// Map rebuilds the tree bottom up through f.
func (n *Node) Map(f func(*Node) *Node) *Node {
	c := *n
	if len(n.Args) > 0 {
		c.Args = make([]*Node, len(n.Args))
		for i, a := range n.Args {
			c.Args[i] = a.Map(f)
		}
	}
	return f(&c)
}

// Subst puts v where the symbol name stands.
func (n *Node) Subst(name string, v *Node) *Node {
	return n.Map(func(m *Node) *Node {
		if m.Kind == Sym && m.Name == name {
			return v
		}
		return m
	})
}

// Constants that are not variables.
var constants = map[string]bool{"pi": true, "e": true, "i": true}

// Vars lists the free variables, sorted. Bound variables of sums and integrals count as free only outside them.
func (n *Node) Vars() []string {
	seen := map[string]bool{}
	n.vars(seen, map[string]int{})
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	sort.Strings(out)
	return out
}

func (n *Node) vars(seen map[string]bool, bound map[string]int) {
	switch {
	case n.Kind == Sym:
		if !constants[n.Name] && bound[n.Name] == 0 {
			seen[n.Name] = true
		}
		return
	case n.Kind == Call && (n.Name == "sum" || n.Name == "prod" || n.Name == "int") && len(n.Args) == 4:
		for _, a := range n.Args[2:] {
			a.vars(seen, bound)
		}
		v := n.Args[1].Name
		bound[v]++
		n.Args[0].vars(seen, bound)
		bound[v]--
		return
	case n.Kind == Call && strings.HasPrefix(n.Name, "@"): // an unknown function: opaque, named by its text
		seen[n.Key()] = true
		return
	}
	for _, a := range n.Args {
		a.vars(seen, bound)
	}
}

// Key is a text that is equal for trees equal up to the order of terms and factors.
func (n *Node) Key() string {
	var b strings.Builder
	n.key(&b)
	return b.String()
}

func (n *Node) key(b *strings.Builder) {
	switch n.Kind {
	case Num:
		b.WriteString(n.Rat.RatString())
	case Sym:
		b.WriteString(n.Name)
	case Text:
		b.WriteString("'" + n.Name + "'")
	case Infty:
		b.WriteString("oo")
	case Rel:
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(n.Ops[i-1])
			}
			a.key(b)
		}
	default:
		keys := make([]string, len(n.Args))
		for i, a := range n.Args {
			keys[i] = a.Key()
		}
		if n.Kind == Add || n.Kind == Mul || n.Kind == Set {
			sort.Strings(keys)
		}
		b.WriteString([...]string{Add: "+", Mul: "*", Pow: "^", Call: n.Name, Group: "g", Set: "set", List: "list", Matrix: "mat", Ratio: ":"}[n.Kind])
		if n.Kind == Group {
			b.WriteByte(n.Open)
			b.WriteByte(n.Close)
		}
		if n.Kind == Matrix {
			b.WriteString(big.NewInt(int64(n.Cols)).String())
		}
		b.WriteString("(" + strings.Join(keys, ",") + ")")
	}
}
