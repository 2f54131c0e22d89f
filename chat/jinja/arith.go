package jinja

import (
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
