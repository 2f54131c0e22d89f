package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// Value is what a template computes with: nil (Python's None), bool, int64, *big.Int (beyond int64), float64, string, Markup, List, Tuple, *Dict,
// or one of the package's own kinds (undefined, views, ranges, iterators, namespaces, callables). Values are immutable, namespaces apart.
type Value = any

// Markup is text that the safe and escape filters have passed; adding plain text to it escapes that text, as in Jinja2.
type Markup string

// List is Python's list. The sandbox lets templates build new ones, never change one.
type List []Value

// Tuple is Python's tuple.
type Tuple []Value

// Undefined is the value of a name, attribute or element that is not there. It prints as nothing and is false; most other uses are errors.
type Undefined struct {
	owner string // type of the value that lacks the name; empty for a variable
	name  Value
	hint  string // replaces the usual message
}

func (u *Undefined) err() error {
	switch name, isText := u.name.(string); {
	case u.hint != "":
		return fmt.Errorf("%s", u.hint)
	case u.owner == "":
		return fmt.Errorf("%s is undefined", quote(name))
	case isText:
		return fmt.Errorf("'%s' has no attribute %s", u.owner, quote(name))
	default:
		return fmt.Errorf("%s has no element %v", u.owner, u.name)
	}
}

func undefinedIn(owner, name Value) *Undefined {
	t := typeName(owner) + " object"
	if owner == nil {
		t = "None"
	}
	switch name.(type) {
	case string, int64:
	default:
		name = typeName(name)
	}
	return &Undefined{owner: t, name: name}
}

// Dict is Python's dict: it keeps the order in which keys came. Keys are nil, bool, numbers, strings and tuples of them.
type Dict struct {
	keys, values []Value
	index        map[any]int
}

// NewDict makes a dict from alternating keys (strings) and values.
func NewDict(pairs ...Value) *Dict {
	d := &Dict{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Get returns the value under a string key.
func (d *Dict) Get(key string) (Value, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Set stores a value under a string key; a new key comes last.
func (d *Dict) Set(key string, v Value) { d.put(key, key, v) }

// All yields keys and values in order.
func (d *Dict) All() func(yield func(key, value Value) bool) {
	return func(yield func(key, value Value) bool) {
		for i, k := range d.keys {
			if !yield(k, d.values[i]) {
				return
			}
		}
	}
}

func (d *Dict) put(hash any, key, v Value) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = make(map[any]int)
	}
	d.index[hash] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *Dict) clone() *Dict {
	c := &Dict{}
	for i, k := range d.keys {
		h, _ := hashKey(k)
		c.put(h, k, d.values[i])
	}
	return c
}

type bigKey string

// hashKey maps a value to a Go map key such that keys equal in Python are equal in Go. It reports false for unhashable kinds.
func hashKey(v Value) (any, bool) {
	switch v := v.(type) {
	case nil:
		return struct{}{}, true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case Markup:
		return string(v), true
	case int64, string:
		return v, true
	case float64:
		if i := int64(v); float64(i) == v && i != 1<<63-1 {
			return i, true
		}
		return v, true
	case *big.Int:
		return bigKey(v.String()), true
	case Tuple:
		var key [8]any
		if len(v) > len(key) {
			return nil, false
		}
		for i, e := range v {
			h, ok := hashKey(e)
			if !ok {
				return nil, false
			}
			key[i] = h
		}
		return struct {
			n     int
			items [8]any
		}{len(v), key}, true
	case List, *Dict, *View:
		return nil, false
	default:
		return v, true // pointers: identity
	}
}

// View is what a dict's keys, values and items methods return.
type View struct {
	kind string // "dict_keys", "dict_values" or "dict_items"
	dict *Dict
}

func (v *View) at(i int) Value {
	switch v.kind {
	case "dict_keys":
		return v.dict.keys[i]
	case "dict_values":
		return v.dict.values[i]
	default:
		return Tuple{v.dict.keys[i], v.dict.values[i]}
	}
}

// Range is Python's range.
type Range struct{ start, stop, step, n int64 }

func (r *Range) at(i int64) Value { return r.start + i*r.step }

// Iterator is a generator: it can be walked once, has no length and is always true.
type Iterator struct{ next nextFunc }

type nextFunc func() (v Value, ok bool, err error)

// object is a value of the package's own with attributes.
type object interface {
	typeName() string
	attr(name string) (v Value, ok bool, err error)
}

// callable is a value that a template can call.
type callable interface {
	call(m *machine, a *args) (Value, error)
}

// Func is a built-in function or bound method.
type Func struct {
	name string
	fn   func(m *machine, a *args) (Value, error)
}

func (f *Func) call(m *machine, a *args) (Value, error) { return f.fn(m, a) }
func (f *Func) typeName() string                        { return "builtin_function_or_method" }
func (f *Func) attr(string) (Value, bool, error)        { return nil, false, nil }

// Namespace is the one kind of value that a template can change, by {% set ns.name = ... %}.
type Namespace struct{ attrs *Dict }

func (n *Namespace) typeName() string { return "Namespace" }

func (n *Namespace) attr(name string) (Value, bool, error) {
	v, ok := n.attrs.Get(name)
	return v, ok, nil
}

// typeName is the name of a value's Python type.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case Markup:
		return "Markup"
	case List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *View:
		return v.kind
	case *Range:
		return "range"
	case *Iterator:
		return "generator"
	case *Undefined:
		return "Undefined"
	case object:
		return v.typeName()
	default:
		return fmt.Sprintf("%T", v)
	}
}

// truth is Python's bool(v).
func truth(v Value) bool {
	switch v := v.(type) {
	case nil, *Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is Python's len(v) where v has one.
func length(v Value) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case Markup:
		return utf8.RuneCountInString(string(v)), true
	case *Dict:
		return v.Len(), true
	case *View:
		return v.dict.Len(), true
	case *Range:
		return int(v.n), true
	case *Undefined:
		return 0, true
	}
	items, ok := sequence(v)
	return len(items), ok
}

// text returns the Go string of a str or Markup.
func text(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Markup:
		return string(v), true
	}
	return "", false
}

// sequence returns the elements of a list or tuple.
func sequence(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case List:
		return v, true
	case Tuple:
		return v, true
	case *group:
		return []Value{v.key, v.list}, true
	}
	return nil, false
}

// iterate returns a function that yields the elements of v one after another, each for a step.
func (m *machine) iterate(v Value) (nextFunc, error) {
	indexed := func(n int, at func(i int) Value) (nextFunc, error) {
		i := -1
		return func() (Value, bool, error) {
			if i++; i >= n {
				return nil, false, nil
			}
			return at(i), true, m.step(1)
		}, nil
	}
	switch v := v.(type) {
	case *Undefined:
		return indexed(0, nil)
	case *Dict:
		return indexed(v.Len(), func(i int) Value { return v.keys[i] })
	case *View:
		return indexed(v.dict.Len(), v.at)
	case *Range:
		return indexed(int(v.n), func(i int) Value { return v.at(int64(i)) })
	case *Iterator:
		return v.next, nil
	}
	if items, ok := sequence(v); ok {
		return indexed(len(items), func(i int) Value { return items[i] })
	}
	if s, ok := text(v); ok {
		return func() (Value, bool, error) {
			if s == "" {
				return nil, false, nil
			}
			_, n := utf8.DecodeRuneInString(s)
			c := s[:n]
			s = s[n:]
			return c, true, m.step(1)
		}, nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", typeName(v))
}

const elementSize = 16 // bytes of one Value

// collect is Python's list(v).
func (m *machine) collect(v Value) ([]Value, error) {
	next, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	var all []Value
	for {
		e, ok, err := next()
		if err != nil || !ok {
			return all, err
		}
		if err := m.alloc(2 * elementSize); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

func parseInt(s string, base int) (Value, error) {
	if i, err := strconv.ParseInt(s, base, 64); err == nil {
		return i, nil
	}
	if len(s) > maxIntDigits {
		return nil, fmt.Errorf("integer of %d digits", len(s))
	}
	i, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, fmt.Errorf("malformed number %q", s)
	}
	return narrow(i), nil
}

// narrow returns i as an int64 where it fits.
func narrow(i *big.Int) Value {
	if i.IsInt64() {
		return i.Int64()
	}
	return i
}
