package jinja

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
)

const (
	maxIntBits   = 1 << 14
	maxIntDigits = 5000
)

var (
	errZeroDivision = errors.New("division by zero")
	errTooLarge     = errors.New("numerical result out of range")
)

// integer returns v as an integer of Python's int or bool.
func integer(v Value) (*big.Int, bool) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	}
	return nil, false
}

func float(v Value) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	if i, ok := integer(v); ok {
		f, _ := new(big.Float).SetInt(i).Float64()
		return f, true
	}
	return 0, false
}

// binary computes a op b for the arithmetic operators.
func (m *machine) binary(op string, a, b Value) (Value, error) {
	if err := firstUndefined(a, b); err != nil && !(op == "%" && isText(a)) {
		return nil, err
	}
	if v, ok := smallBinary(op, a, b); ok {
		return v, nil
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return m.intBinary(op, x, y)
		}
	}
	if x, ok := float(a); ok {
		if y, ok := float(b); ok {
			return floatBinary(op, x, y)
		}
	}
	switch op {
	case "+":
		return m.concat(a, b)
	case "*":
		if n, ok := integer(b); ok {
			return m.repeat(a, n)
		}
		if n, ok := integer(a); ok {
			return m.repeat(b, n)
		}
	case "%":
		if s, ok := text(a); ok {
			return m.percentFormat(s, b)
		}
	}
	return nil, fmt.Errorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

// firstUndefined is the error of using an undefined operand, or nil.
func firstUndefined(operands ...Value) error {
	for _, v := range operands {
		if u, ok := v.(*Undefined); ok {
			return u.err()
		}
	}
	return nil
}

// wrongType is the error of a value of the wrong type; format takes the type's name. An undefined value names itself.
func wrongType(v Value, format string) error {
	if err := firstUndefined(v); err != nil {
		return err
	}
	return fmt.Errorf(format, typeName(v))
}

// smallBinary is the common case of intBinary: operands that cannot overflow.
func smallBinary(op string, a, b Value) (Value, bool) {
	const bound = 1 << 31
	x, okX := a.(int64)
	y, okY := b.(int64)
	if !okX || !okY || x < -bound || x > bound || y < -bound || y > bound {
		return nil, false
	}
	switch {
	case op == "+":
		return x + y, true
	case op == "-":
		return x - y, true
	case op == "%" && x >= 0 && y > 0:
		return x % y, true
	}
	return nil, false
}

func isText(v Value) bool { _, ok := text(v); return ok }

func (m *machine) intBinary(op string, x, y *big.Int) (Value, error) {
	if x.BitLen()+y.BitLen() > maxIntBits {
		return nil, fmt.Errorf("%w: integer too large", ErrLimit)
	}
	z := new(big.Int)
	switch op {
	case "+":
		return narrow(z.Add(x, y)), nil
	case "-":
		return narrow(z.Sub(x, y)), nil
	case "*":
		return narrow(z.Mul(x, y)), nil
	case "**":
		return m.intPower(x, y)
	}
	if y.Sign() == 0 {
		return nil, errZeroDivision
	}
	switch op {
	case "/":
		if x.BitLen() <= 53 && y.BitLen() <= 53 {
			return float64(x.Int64()) / float64(y.Int64()), nil
		}
		f, exact := new(big.Rat).SetFrac(x, y).Float64()
		if !exact && math.IsInf(f, 0) {
			return nil, errTooLarge
		}
		return f, nil
	case "//", "%": // Python rounds down, so the remainder has the divisor's sign
		rem := new(big.Int)
		z.QuoRem(x, y, rem)
		if rem.Sign() != 0 && rem.Sign() != y.Sign() {
			z.Sub(z, big.NewInt(1))
			rem.Add(rem, y)
		}
		if op == "%" {
			return narrow(rem), nil
		}
		return narrow(z), nil
	}
	return nil, fmt.Errorf("unknown operator %s", op)
}

func (m *machine) intPower(x, y *big.Int) (Value, error) {
	if y.Sign() < 0 {
		a, _ := float(x)
		b, _ := float(y)
		return power(a, b)
	}
	if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxIntBits/int64(x.BitLen())) {
		return nil, fmt.Errorf("%w: integer too large", ErrLimit)
	}
	if x.BitLen() <= 1 && y.BitLen() > 1 { // 0, 1 and -1: only the exponent's parity counts
		y = new(big.Int).Add(big.NewInt(2), new(big.Int).And(y, big.NewInt(1)))
	}
	return narrow(new(big.Int).Exp(x, y, nil)), nil
}

func power(x, y float64) (Value, error) {
	z := math.Pow(x, y)
	switch {
	case x == 0 && y < 0:
		return nil, errors.New("0.0 cannot be raised to a negative power")
	case math.IsNaN(z) && !math.IsNaN(x) && !math.IsNaN(y):
		return nil, errors.New("complex numbers are not supported")
	case math.IsInf(z, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0):
		return nil, errTooLarge
	}
	return z, nil
}

func floatBinary(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		return power(x, y)
	}
	if y == 0 {
		return nil, errZeroDivision
	}
	switch op {
	case "/":
		return x / y, nil
	case "//":
		return math.Floor(x / y), nil
	case "%":
		r := math.Mod(x, y)
		if r == 0 {
			return math.Copysign(0, y), nil
		}
		if (r < 0) != (y < 0) {
			r += y
		}
		return r, nil
	}
	return nil, fmt.Errorf("unknown operator %s", op)
}

// concat is + on text and sequences.
func (m *machine) concat(a, b Value) (Value, error) {
	switch x := a.(type) {
	case List:
		if y, ok := b.(List); ok {
			return List(append(x[:len(x):len(x)], y...)), m.alloc(elementSize * (len(x) + len(y)))
		}
	case Tuple:
		if y, ok := b.(Tuple); ok {
			return Tuple(append(x[:len(x):len(x)], y...)), m.alloc(elementSize * (len(x) + len(y)))
		}
	}
	x, okA := text(a)
	y, okB := text(b)
	if !okA || !okB {
		if okA {
			return nil, fmt.Errorf("can only concatenate str (not \"%s\") to str", typeName(b))
		}
		return nil, fmt.Errorf("unsupported operand type(s) for +: '%s' and '%s'", typeName(a), typeName(b))
	}
	_, safeA := a.(Markup)
	_, safeB := b.(Markup)
	if safeA && !safeB {
		y = escapeHTML(y)
	}
	if safeB && !safeA {
		x = escapeHTML(x)
	}
	if err := m.alloc(len(x) + len(y)); err != nil {
		return nil, err
	}
	if safeA || safeB {
		return Markup(x + y), nil
	}
	return x + y, nil
}

func (m *machine) repeat(v Value, by *big.Int) (Value, error) {
	n := 0
	if by.Sign() > 0 {
		if !by.IsInt64() || by.Int64() > int64(m.left.Bytes)+1 {
			return nil, fmt.Errorf("%w: too many bytes", ErrLimit)
		}
		n = int(by.Int64())
	}
	if s, ok := text(v); ok {
		if err := m.allocTimes(len(s), n); err != nil {
			return nil, err
		}
		return strings.Repeat(s, n), nil
	}
	items, ok := sequence(v)
	if !ok {
		return nil, fmt.Errorf("unsupported operand type(s) for *: '%s' and 'int'", typeName(v))
	}
	if err := m.allocTimes(elementSize*len(items), n); err != nil {
		return nil, err
	}
	var all []Value
	for ; n > 0 && len(items) > 0; n-- {
		all = append(all, items...)
	}
	if _, ok := v.(Tuple); ok {
		return Tuple(all), nil
	}
	return List(all), nil
}

// allocTimes is alloc(size*n) without overflow.
func (m *machine) allocTimes(size, n int) error {
	if n > 0 && size > m.left.Bytes/n {
		return m.alloc(m.left.Bytes + 1)
	}
	return m.alloc(size * max(n, 0))
}

// equal is Python's a == b.
func (m *machine) equal(a, b Value) (bool, error) {
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.leave()
	if x, ok := text(a); ok {
		y, ok := text(b)
		return ok && x == y, m.step(min(len(x), len(y)) / 64)
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case *Undefined:
		_, ok := b.(*Undefined)
		return ok, nil
	case List:
		y, ok := b.(List)
		if !ok {
			return false, nil
		}
		return m.equalItems(x, y)
	case Tuple:
		y, ok := b.(Tuple)
		if !ok {
			return false, nil
		}
		return m.equalItems(x, y)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return m.equalDicts(x, y)
	case *Range:
		y, ok := b.(*Range)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	}
	if c, ok := compareNumbers(a, b); ok {
		return c == 0, nil
	}
	return same(a, b), nil
}

func (m *machine) equalItems(x, y []Value) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	for i := range x {
		if eq, err := m.equal(x[i], y[i]); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

func (m *machine) equalDicts(x, y *Dict) (bool, error) {
	for i, k := range x.keys {
		h, _ := hashKey(k)
		j, ok := y.index[h]
		if !ok {
			return false, nil
		}
		if eq, err := m.equal(x.values[i], y.values[j]); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

// same is identity, for the kinds that are compared by it.
func same(a, b Value) bool {
	switch x := a.(type) {
	case List:
		y, ok := b.(List)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	case Tuple:
		y, ok := b.(Tuple)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	}
	switch b.(type) {
	case List, Tuple:
		return false
	}
	return a == b
}

// compareNumbers orders two numbers exactly; it reports false when one is none, or a NaN.
func compareNumbers(a, b Value) (int, bool) {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, okX := integer(a)
	y, okY := integer(b)
	if okX && okY {
		return x.Cmp(y), true
	}
	f, okF := float(a)
	g, okG := float(b)
	switch {
	case !okF || !okG || math.IsNaN(f) || math.IsNaN(g):
		return 0, false
	case okX && !math.IsInf(g, 0):
		return new(big.Float).SetInt(x).Cmp(big.NewFloat(g)), true
	case okY && !math.IsInf(f, 0):
		return big.NewFloat(f).Cmp(new(big.Float).SetInt(y)), true
	case f < g:
		return -1, true
	case f > g:
		return 1, true
	}
	return 0, true
}

// compare computes a op b for the four orderings.
func (m *machine) compare(op string, a, b Value) (bool, error) {
	c, ordered, err := m.order(op, a, b)
	if err != nil || !ordered {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	default:
		return c >= 0, nil
	}
}

// order compares two values as Python does; ordered is false only for a NaN.
func (m *machine) order(op string, a, b Value) (c int, ordered bool, err error) {
	if err := m.enter(); err != nil {
		return 0, false, err
	}
	defer m.leave()
	if x, ok := text(a); ok {
		if y, ok := text(b); ok {
			return strings.Compare(x, y), true, m.step(min(len(x), len(y)) / 64)
		}
	}
	if c, ok := compareNumbers(a, b); ok {
		return c, true, nil
	}
	_, numA := float(a)
	_, numB := float(b)
	if numA && numB {
		return 0, false, nil
	}
	x, okX := sequence(a)
	y, okY := sequence(b)
	if okX && okY && typeName(a) == typeName(b) {
		for i := range min(len(x), len(y)) {
			if eq, err := m.equal(x[i], y[i]); err != nil {
				return 0, false, err
			} else if !eq {
				return m.order(op, x[i], y[i])
			}
		}
		return len(x) - len(y), true, nil
	}
	if err := firstUndefined(a, b); err != nil {
		return 0, false, err
	}
	return 0, false, fmt.Errorf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

// contains is Python's item in container.
func (m *machine) contains(container, item Value) (bool, error) {
	if s, ok := text(container); ok {
		sub, ok := text(item)
		if !ok {
			if u, ok := item.(*Undefined); ok {
				return false, u.err()
			}
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		return strings.Contains(s, sub), m.step((len(s) + len(sub)) / 64)
	}
	if v, ok := container.(*View); ok && v.kind == "dict_keys" {
		container = v.dict
	}
	if d, ok := container.(*Dict); ok {
		h, ok := hashKey(item)
		if !ok {
			return false, fmt.Errorf("unhashable type: '%s'", typeName(item))
		}
		_, found := d.index[h]
		return found, nil
	}
	next, err := m.iterate(container)
	if err != nil {
		return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(container))
	}
	for {
		e, ok, err := next()
		if err != nil || !ok {
			return false, err
		}
		if eq, err := m.equal(e, item); err != nil || eq {
			return eq, err
		}
	}
}
