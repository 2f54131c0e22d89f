// Package poly puts expressions into the normal form numerator/denominator of polynomials over the rationals. Indeterminates are the
// variables, radicals of primes and of other expressions (reduced by their defining relation), the imaginary unit, and whatever else is
// left opaque under its canonical text. Equal normal forms prove equality; unequal ones prove difference when only variables occur.
package poly

import (
	"encoding/binary"
	"errors"
	"math/big"
	"sort"
	"strings"

	"github.com/pennyml/penny/task/mathgrade/expr"
	"github.com/pennyml/penny/task/mathgrade/value"
)

// Limits of the normal form.
const (
	maxTerms = 300
	maxBits  = 1 << 14
	maxPower = 48
	maxDepth = 60
	maxWork  = 30000
	maxSteps = 4000 // nodes visited; exponents that are sums visit their base once a term
)

var errLimit = errors.New("the normal form is too large")

// Poly maps a monomial, as the sorted (atom, exponent) pairs packed into a string, to its coefficient.
type Poly map[string]*big.Rat

// Frac is Num / Den.
type Frac struct{ Num, Den Poly }

// Ring numbers the atoms met in the expressions that are to be compared.
type Ring struct {
	ids     map[string]int
	keys    []string
	rules   []rule // by atom: atom^power = value; power 0 where there is none
	opaque  bool   // an atom other than a variable was met
	work    int
	steps   int
	Decimal bool // a decimal literal of four or more digits was met
}

type rule struct {
	power int
	value Poly
}

// NewRing is an empty ring.
func NewRing() *Ring { return &Ring{ids: map[string]int{}} }

// Equal decides whether a and b are equal. ok says that the answer is proven.
func Equal(a, b *expr.Node) (equal, ok bool) {
	r := NewRing()
	x, err := r.Normal(a, 0)
	if err != nil {
		return false, false
	}
	y, err := r.Normal(b, 0)
	if err != nil {
		return false, false
	}
	p, err := r.mul(x.Num, y.Den)
	if err != nil {
		return false, false
	}
	q, err := r.mul(y.Num, x.Den)
	if err != nil {
		return false, false
	}
	d := add(p, q, -1)
	if len(d) == 0 {
		return true, true
	}
	return false, !r.opaque && !r.Decimal
}

func constant(c *big.Rat) Poly {
	if c.Sign() == 0 {
		return Poly{}
	}
	return Poly{"": c}
}

func one() Poly { return constant(big.NewRat(1, 1)) }

func (r *Ring) atom(key string, power int, value Poly) Poly {
	id, ok := r.ids[key]
	if !ok {
		id = len(r.keys)
		r.ids[key] = id
		r.keys = append(r.keys, key)
		r.rules = append(r.rules, rule{power, value})
	}
	return Poly{pack([]factor{{id, 1}}): big.NewRat(1, 1)}
}

type factor struct{ id, exp int }

func pack(fs []factor) string {
	b := make([]byte, 0, 4*len(fs))
	for _, f := range fs {
		b = binary.BigEndian.AppendUint16(b, uint16(f.id))
		b = binary.BigEndian.AppendUint16(b, uint16(f.exp))
	}
	return string(b)
}

func unpack(s string) []factor {
	fs := make([]factor, 0, len(s)/4)
	for ; len(s) >= 4; s = s[4:] {
		fs = append(fs, factor{int(s[0])<<8 | int(s[1]), int(s[2])<<8 | int(s[3])})
	}
	return fs
}

func add(a, b Poly, sign int64) Poly {
	out := make(Poly, len(a)+len(b))
	for m, c := range a {
		out[m] = c
	}
	s := big.NewRat(sign, 1)
	for m, c := range b {
		v := new(big.Rat).Mul(c, s)
		if w, ok := out[m]; ok {
			v.Add(v, w)
		}
		if v.Sign() == 0 {
			delete(out, m)
		} else {
			out[m] = v
		}
	}
	return out
}

func (r *Ring) mul(a, b Poly) (Poly, error) {
	if r.work += len(a) * len(b); r.work > maxWork {
		return nil, errLimit
	}
	out := Poly{}
	for m, x := range a {
		for n, y := range b {
			c := new(big.Rat).Mul(x, y)
			if c.Num().BitLen() > maxBits || c.Denom().BitLen() > maxBits {
				return nil, errLimit
			}
			mono, extra := r.join(m, n)
			if extra != nil {
				e, err := r.mul(Poly{mono: c}, extra)
				if err != nil {
					return nil, err
				}
				out = add(out, e, 1)
				continue
			}
			if w, ok := out[mono]; ok {
				c.Add(c, w)
			}
			if c.Sign() == 0 {
				delete(out, mono)
			} else {
				out[mono] = c
			}
		}
		if len(out) > maxTerms {
			return nil, errLimit
		}
	}
	return out, nil
}

// join multiplies monomials and applies at most one defining relation, whose value is returned as a further factor.
func (r *Ring) join(m, n string) (string, Poly) {
	if m == "" {
		return n, nil
	}
	if n == "" {
		return m, nil
	}
	a, b := unpack(m), unpack(n)
	out := make([]factor, 0, len(a)+len(b))
	var extra Poly
	for len(a) > 0 || len(b) > 0 {
		var f factor
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].id < b[0].id:
			f, a = a[0], a[1:]
		case len(a) == 0 || b[0].id < a[0].id:
			f, b = b[0], b[1:]
		default:
			f = factor{a[0].id, a[0].exp + b[0].exp}
			a, b = a[1:], b[1:]
			if rule := r.rules[f.id]; rule.power > 0 && f.exp >= rule.power && extra == nil {
				f.exp -= rule.power
				extra = rule.value
			}
		}
		if f.exp > 0 {
			out = append(out, f)
		}
	}
	return pack(out), extra
}

func (r *Ring) pow(p Poly, n int) (Poly, error) {
	out := one()
	for range n {
		var err error
		if out, err = r.mul(out, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// text is p in a fixed order, for the name of an opaque atom. Atom names, not their numbers, are used.
func (r *Ring) text(p Poly) string {
	parts := make([]string, 0, len(p))
	for m, c := range p {
		var fs []string
		for _, f := range unpack(m) {
			fs = append(fs, r.keys[f.id]+"^"+big.NewInt(int64(f.exp)).String())
		}
		sort.Strings(fs)
		parts = append(parts, c.RatString()+"·"+strings.Join(fs, "·"))
	}
	sort.Strings(parts)
	return strings.Join(parts, "+")
}

// name is a text for f that does not depend on a common rational factor of numerator and denominator.
func (r *Ring) name(f Frac) string {
	if c, ok := f.Den[""]; ok && len(f.Den) == 1 {
		inv := new(big.Rat).Inv(c)
		num := Poly{}
		for m, x := range f.Num {
			num[m] = new(big.Rat).Mul(x, inv)
		}
		return r.text(num)
	}
	return "(" + r.text(f.Num) + ")/(" + r.text(f.Den) + ")"
}

// Normal is the normal form of n.
func (r *Ring) Normal(n *expr.Node, depth int) (Frac, error) {
	if r.steps++; depth > maxDepth || r.steps > maxSteps {
		return Frac{}, errLimit
	}
	if v := value.Exact(n); v != nil {
		if n.Kind == expr.Num && n.Sig >= 4 {
			r.Decimal = true
		}
		return Frac{constant(v), one()}, nil
	}
	switch n.Kind {
	case expr.Sym:
		return r.symbol(n.Name), nil
	case expr.Add:
		return r.sum(n.Args, depth)
	case expr.Mul:
		out := Frac{one(), one()}
		for _, a := range n.Args {
			f, err := r.Normal(a, depth+1)
			if err != nil {
				return out, err
			}
			if out, err = r.times(out, f); err != nil {
				return out, err
			}
		}
		return out, nil
	case expr.Pow:
		return r.power(n, depth)
	case expr.Call:
		switch n.Name {
		case "frac":
			return r.Normal(expr.Quotient(n.Args[0], n.Args[1]), depth+1)
		case "percent":
			return r.Normal(expr.Product(n.Args[0], expr.Rat(big.NewRat(1, 100))), depth+1)
		case "deg":
			return r.Normal(expr.Product(n.Args[0], expr.Symbol("pi"), expr.Rat(big.NewRat(1, 180))), depth+1)
		}
		return r.call(n, depth)
	}
	return Frac{}, errLimit
}

func (r *Ring) symbol(name string) Frac {
	switch name {
	case "i":
		r.opaque = true
		return Frac{r.atom("i", 2, constant(big.NewRat(-1, 1))), one()}
	case "e", "pi":
		r.opaque = true
	}
	return Frac{r.atom(name, 0, nil), one()}
}

func (r *Ring) times(a, b Frac) (Frac, error) {
	num, err := r.mul(a.Num, b.Num)
	if err != nil {
		return a, err
	}
	den, err := r.mul(a.Den, b.Den)
	return Frac{num, den}, err
}

func (r *Ring) sum(args []*expr.Node, depth int) (Frac, error) {
	out := Frac{Poly{}, one()}
	for _, a := range args {
		f, err := r.Normal(a, depth+1)
		if err != nil {
			return out, err
		}
		if same(out.Den, f.Den) {
			out.Num = add(out.Num, f.Num, 1)
			continue
		}
		p, err := r.mul(out.Num, f.Den)
		if err != nil {
			return out, err
		}
		q, err := r.mul(f.Num, out.Den)
		if err != nil {
			return out, err
		}
		if out.Den, err = r.mul(out.Den, f.Den); err != nil {
			return out, err
		}
		out.Num = add(p, q, 1)
	}
	return out, nil
}

func same(a, b Poly) bool { return len(a) == len(b) && len(add(a, b, -1)) == 0 }

// call keeps a function as an atom named by the normal forms of its arguments.
func (r *Ring) call(n *expr.Node, depth int) (Frac, error) {
	r.opaque = true
	names := make([]string, len(n.Args))
	for i, a := range n.Args {
		f, err := r.Normal(a, depth+1)
		if err != nil {
			names[i] = a.Key()
		} else {
			names[i] = r.name(f)
		}
	}
	return Frac{r.atom(n.Name+"("+strings.Join(names, ",")+")", 0, nil), one()}, nil
}
