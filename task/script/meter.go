package script

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Bounds on single values. Together with the limits on steps and on bytes made they bound time and memory without looking at either.
const (
	maxValue  = 8 << 20 // bytes of one value
	maxItems  = 1 << 20 // elements of an argument that a built-in function walks through
	maxBits   = 1 << 16 // bits of an integer
	maxDigits = 20_000  // characters of a text read as a number
	maxDepth  = 100     // nesting of a value that is compared, printed or encoded
)

// meter counts what one call of a script makes.
type meter struct {
	bytes, limit int64
}

const meterKey = "meter"

func meterOf(t *starlark.Thread) *meter { return t.Local(meterKey).(*meter) }

// spend counts n bytes made, and the steps that making them is worth.
func spend(t *starlark.Thread, n int) error {
	m := meterOf(t)
	m.bytes += int64(n)
	work(t, n)
	if m.bytes > m.limit {
		return fmt.Errorf("more than %d bytes made in one call", m.limit)
	}
	return nil
}

// work counts the steps of reading n bytes.
func work(t *starlark.Thread, n int) { t.Steps += uint64(n) / 16 }

func tooLarge(n int) error {
	return fmt.Errorf("a value of %d bytes: at most %d are allowed", n, maxValue)
}

// size is roughly the memory of a value without what it refers to; tuples, which are hashed as a whole, count with the tuples inside them.
func size(v starlark.Value) int {
	switch v := v.(type) {
	case starlark.String:
		return 16 + len(v)
	case starlark.Bytes:
		return 16 + len(v)
	case starlark.Int:
		return 8 + bitLen(v)/8
	case starlark.Tuple:
		n := 24 + 16*len(v)
		for _, x := range v {
			if t, ok := x.(starlark.Tuple); ok {
				n += size(t)
			}
			if n > maxValue {
				break
			}
		}
		return n
	case *starlark.List:
		return 24 + 16*v.Len()
	case *starlark.Dict:
		return 48 + 64*v.Len()
	case *starlark.Set:
		return 48 + 48*v.Len()
	}
	return 16
}

func bitLen(i starlark.Int) int {
	if _, small := i.Int64(); small {
		return 64
	}
	return i.BigInt().BitLen()
}

// made counts a value that was just made.
func made(t *starlark.Thread, v starlark.Value) (starlark.Value, error) {
	n := size(v)
	if n > maxValue {
		return nil, tooLarge(n)
	}
	return v, spend(t, n)
}

// weigh is the size of a value written out as a tree, in which what is shared counts each time; an error past the bounds on size or depth.
func weigh(v starlark.Value) (int, error) { return weighTo(v, 0, maxValue) }

func weighTo(v starlark.Value, depth, left int) (int, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("a value nested more than %d deep", maxDepth)
	}
	n := size(v)
	if n > left {
		return 0, tooLarge(maxValue + 1)
	}
	add := func(x starlark.Value) error {
		k, err := weighTo(x, depth+1, left-n)
		n += k
		return err
	}
	switch v := v.(type) {
	case starlark.Tuple:
		for _, x := range v {
			if err := add(x); err != nil {
				return n, err
			}
		}
	case *starlark.List:
		for i := range v.Len() {
			if err := add(v.Index(i)); err != nil {
				return n, err
			}
		}
	case *starlark.Dict:
		for k, x := range v.Entries() {
			if err := errors.Join(add(k), add(x)); err != nil {
				return n, err
			}
		}
	case *starlark.Set:
		for x := range v.Elements() {
			if err := add(x); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// read counts the cost of walking through values as trees.
func read(t *starlark.Thread, values ...starlark.Value) (int, error) {
	total := 0
	for _, v := range values {
		n, err := weigh(v)
		if err != nil {
			return 0, err
		}
		total += n
	}
	work(t, total)
	return total, nil
}

// length is the number of elements of an iterable, 0 of anything else and of texts; an error where it is too large to be walked through in one step.
func length(v starlark.Value) (int, error) {
	switch v.(type) {
	case starlark.String, starlark.Bytes:
		return 0, nil
	}
	n := max(starlark.Len(v), 0)
	if n > maxItems {
		return 0, fmt.Errorf("a %s of %d elements: at most %d can be walked through at once", v.Type(), n, maxItems)
	}
	return n, nil
}

// operators finds a binary operator by the way it is written.
var operators = func() map[string]syntax.Token {
	m := map[string]syntax.Token{syntax.IN.String(): syntax.IN, syntax.NOT_IN.String(): syntax.NOT_IN}
	for op := syntax.PLUS; op <= syntax.NEQ; op++ {
		m[op.String()] = op
	}
	return m
}()

// binary works x op y within the bounds.
func binary(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		if _, err := read(t, x, y); err != nil {
			return nil, err
		}
		ok, err := starlark.Compare(op, x, y)
		return starlark.Bool(ok), err
	}
	if err := beforeBinary(t, op, x, y); err != nil {
		return nil, err
	}
	v, err := starlark.Binary(op, x, y)
	if err != nil {
		return nil, err
	}
	return made(t, v)
}

func beforeBinary(t *starlark.Thread, op syntax.Token, x, y starlark.Value) error {
	a, isInt := x.(starlark.Int)
	b, both := y.(starlark.Int)
	switch {
	case op == syntax.IN || op == syntax.NOT_IN:
		switch y.(type) {
		case *starlark.Dict, *starlark.Set:
			work(t, size(x))
			return nil
		}
		_, err := read(t, x, y)
		return err
	case isInt && both:
		if n := bitLen(a) + bitLen(b); n > maxBits {
			return fmt.Errorf("integers of %d bits: at most %d are allowed", n, maxBits)
		}
	case op == syntax.STAR && (isInt || both):
		if isInt {
			x, b = y, a
		}
		n, ok := b.Int64()
		each := int64(size(x) - 16)
		if !ok || n > 0 && each > maxValue/n {
			return fmt.Errorf("a %s of %v times %d bytes: at most %d are allowed", x.Type(), b, each, maxValue)
		}
	case op == syntax.PERCENT && !isInt:
		_, err := read(t, x, y)
		return err
	case size(x)+size(y) > maxValue:
		return tooLarge(size(x) + size(y))
	}
	return nil
}

// augment works x op= y: a list grows in place, everything else is a new value.
func augment(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	list, ok := x.(*starlark.List)
	if !ok || op != syntax.PLUS {
		return binary(t, op, x, y)
	}
	extend, err := list.Attr("extend")
	if err != nil {
		return nil, err
	}
	if _, err = method(t, extend.(*starlark.Builtin), starlark.Tuple{y}, nil); err != nil {
		return nil, err
	}
	return list, nil
}

// method calls a built-in function or method within the bounds.
func method(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	for _, a := range args {
		n, err := length(a)
		if err != nil {
			return nil, err
		}
		work(t, 16*n)
	}
	if err := beforeMethod(t, b, args, kwargs); err != nil {
		return nil, err
	}
	v, err := b.CallInternal(t, args, kwargs)
	if err != nil {
		return nil, err
	}
	return made(t, v)
}

func beforeMethod(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) error {
	switch r := b.Receiver().(type) {
	case starlark.String:
		return beforeText(t, b.Name(), string(r), args, kwargs)
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return beforeContainer(t, b.Name(), r, args, kwargs)
	}
	switch b.Name() {
	case "str", "repr", "print", "fail", "bytes", "json.encode", "sorted", "min", "max", "hash", "set", "dict":
		n, err := read(t, append(append(starlark.Tuple{}, args...), values(kwargs)...)...)
		if err != nil {
			return err
		}
		return spend(t, n)
	case "zip", "enumerate":
		n := 0
		for _, a := range args {
			n += 64 * max(starlark.Len(a), 0)
		}
		return spend(t, n)
	case "int", "float":
		for _, a := range args {
			if s, ok := a.(starlark.String); ok && len(s) > maxDigits {
				return fmt.Errorf("%s of %d characters: at most %d are allowed", b.Name(), len(s), maxDigits)
			}
		}
	case "json.decode":
		for _, a := range args {
			if s, ok := a.(starlark.String); ok && nesting(string(s)) > maxDepth {
				return fmt.Errorf("JSON nested more than %d deep", maxDepth)
			}
		}
	}
	return nil
}

func values(kwargs []starlark.Tuple) starlark.Tuple {
	out := make(starlark.Tuple, len(kwargs))
	for i, k := range kwargs {
		out[i] = k[1]
	}
	return out
}

// nesting is the depth of brackets in JSON text, those in strings left out.
func nesting(s string) int {
	depth, most, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

// beforeText bounds what a method of a text can make.
func beforeText(t *starlark.Thread, name, s string, args starlark.Tuple, kwargs []starlark.Tuple) error {
	work(t, len(s))
	n := 0
	arg := func(i int) string {
		if i < len(args) {
			x, _ := starlark.AsString(args[i])
			return x
		}
		return ""
	}
	switch name {
	case "join":
		if len(args) > 0 {
			k, err := weigh(args[0])
			if err != nil {
				return err
			}
			n = k + len(s)*max(starlark.Len(args[0]), 0)
		}
	case "replace":
		if len(args) > 1 {
			n = len(s) + strings.Count(s, arg(0))*len(arg(1))
		}
	case "format":
		largest := 0
		for _, a := range append(append(starlark.Tuple{}, args...), values(kwargs)...) {
			k, err := weigh(a)
			if err != nil {
				return err
			}
			largest = max(largest, k)
		}
		n = len(s) + strings.Count(s, "{")*largest
	default:
		n = len(s) + len(arg(0))
	}
	if n > maxValue {
		return tooLarge(n)
	}
	work(t, n)
	return nil
}

// beforeContainer counts what a method adds to a list, dict or set, and what it walks through.
func beforeContainer(t *starlark.Thread, name string, r starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
	grows := 64 + 64*len(kwargs)
	for _, a := range args {
		grows += 64 * max(starlark.Len(a), 0)
	}
	switch name {
	case "append", "insert", "add", "setdefault", "get", "pop", "clear", "popitem":
		grows = 64
	case "keys", "values", "items":
		grows = 64 * starlark.Len(r)
	case "index", "remove":
		if _, err := read(t, append(starlark.Tuple{r}, args...)...); err != nil {
			return err
		}
	}
	if n := size(r) + grows; n > maxValue {
		return tooLarge(n)
	}
	if name == "insert" || name == "pop" || name == "clear" {
		work(t, size(r))
	}
	return spend(t, grows)
}
