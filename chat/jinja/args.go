package jinja

import (
	"fmt"
	"math/big"
)

type keyword struct {
	name  string
	value Value
	used  bool
}

// args is what a call passes. A built-in takes its parameters from it one after another, by position first and then by name, and closes with end;
// the first fault sticks.
type args struct {
	fn  string
	pos []Value
	kw  []keyword
	err error
}

func (a *args) fail(format string, v ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(a.fn+": "+format, v...)
	}
}

// next takes the parameter of that name; ok is false when it was not passed.
func (a *args) next(name string) (v Value, ok bool) {
	if len(a.pos) > 0 {
		v, a.pos = a.pos[0], a.pos[1:]
		return v, true
	}
	for i := range a.kw {
		if k := &a.kw[i]; k.name == name && !k.used {
			k.used = true
			return k.value, true
		}
	}
	return nil, false
}

func (a *args) value(name string, def Value) Value {
	if v, ok := a.next(name); ok {
		return v
	}
	return def
}

func (a *args) need(name string) Value {
	v, ok := a.next(name)
	if !ok {
		a.fail("missing argument '%s'", name)
	}
	return v
}

func (a *args) bool(name string, def bool) bool { return truth(a.value(name, def)) }

// int takes a whole number that fits an int32.
func (a *args) int(name string, def int) int {
	v, ok := a.next(name)
	if !ok {
		return def
	}
	return a.toInt(name, v)
}

func (a *args) toInt(name string, v Value) int {
	if u, ok := v.(*Undefined); ok {
		a.fail("%v", u.err())
		return 0
	}
	i, ok := integer(v)
	if !ok {
		a.fail("argument '%s' must be int, not %s", name, typeName(v))
		return 0
	}
	return clampInt(i)
}

// clampInt narrows to the range of an int32, which no size or index of a real template leaves.
func clampInt(i *big.Int) int {
	const bound = 1<<31 - 1
	switch {
	case i.BitLen() < 32:
		return int(i.Int64())
	case i.Sign() < 0:
		return -bound
	}
	return bound
}

func (a *args) text(name string) string { return a.toText(name, a.need(name)) }

func (a *args) textOr(name, def string) string { return a.toText(name, a.value(name, def)) }

func (a *args) toText(name string, v Value) string {
	s, ok := text(v)
	if u, undefined := v.(*Undefined); undefined {
		a.fail("%v", u.err())
	} else if !ok {
		a.fail("argument '%s' must be str, not %s", name, typeName(v))
	}
	return s
}

// end reports the first fault, or an argument that nobody took.
func (a *args) end() error {
	if len(a.pos) > 0 {
		a.fail("%d too many positional arguments", len(a.pos))
	}
	for _, k := range a.kw {
		if !k.used {
			a.fail("unexpected keyword argument '%s'", k.name)
		}
	}
	return a.err
}
